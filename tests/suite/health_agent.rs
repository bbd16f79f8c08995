//! Agents: what a program beside a Tomcat says of it.

use std::time::Duration;

use super::affinity_stage::with;
use super::harness::*;

const ASKED: &str =
    "slow_start: 0s\nhealth: { interval: 1h, agent: { interval: 100ms, timeout: 5s } }";

/// Two Tomcats of which the first has this agent.
fn text(tomcats: [&Tomcat; 2], agent: &Agent) -> String {
    let port = format!("agent_port: {}", agent.port());
    let text = sticky_cluster(&tomcats, ASKED);
    with(&text, tomcats[0].name(), &port)
}

fn served(proxy: &Proxy, count: usize) -> [usize; 2] {
    let mut served = [0; 2];
    for _ in 0..count {
        let answer = get(proxy.address(), "/echo").expect(200);
        served[usize::from(answer.tomcat() == "jvm2")] += 1;
    }
    served
}

fn metric(proxy: &Proxy, name: &str, more: &[(&str, &str)]) -> i64 {
    let labels = [&[("backend", "jvm1")], more].concat();
    proxy.metrics().value(name, &labels)
}

fn state(proxy: &Proxy, state: &str) -> bool {
    metric(proxy, "cattail_backend_state", &[("state", state)]) == 1
}

#[test]
fn an_agents_share_of_the_weight_decides_who_gets_new_requests() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let agent = Agent::saying("100%\n");
    let proxy = Proxy::start(&text([&one, &two], &agent));
    eventually("it is asked", || agent.asked() >= 2);
    assert_eq!(served(&proxy, 8), [4, 4]);
    agent.says("50%\n");
    assert_eq!(
        metric(&proxy, "cattail_backend_agent_weight_percent", &[]),
        50
    );
    assert_eq!(served(&proxy, 12), [4, 8]);
    agent.says("weight:300%\n");
    assert_eq!(served(&proxy, 12), [9, 3]);
    // Nothing new, and it is up all the same: its sessions stay.
    let mut browser = Browser::new(proxy.address());
    while browser.get("/session").expect(200).tomcat() != "jvm1" {
        browser = Browser::new(proxy.address());
    }
    agent.says("0%\n");
    assert_eq!(served(&proxy, 6), [0, 6]);
    assert!(state(&proxy, "up"));
    for _ in 0..3 {
        assert_eq!(browser.get("/session").expect(200).tomcat(), "jvm1");
    }
}

#[test]
fn what_an_agent_did_only_the_agent_undoes() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let agent = Agent::saying("ready up\n");
    let proxy = Proxy::start(&text([&one, &two], &agent));
    eventually("it is asked", || agent.asked() >= 2);
    let mut browser = Browser::new(proxy.address());
    while browser.get("/session").expect(200).tomcat() != "jvm1" {
        browser = Browser::new(proxy.address());
    }
    agent.says("drain\n");
    assert!(state(&proxy, "draining"));
    assert_eq!(served(&proxy, 4), [0, 4]);
    assert_eq!(browser.get("/session").expect(200).tomcat(), "jvm1");
    // Of its health it speaks alone, and of nothing that it knows not.
    agent.says("up sunny\n");
    assert!(state(&proxy, "draining"));
    let unknown = "cattail_backend_agent_unknown_words_total";
    assert!(metric(&proxy, unknown, &[]) >= 1);
    agent.says("maint\n");
    assert!(state(&proxy, "disabled"));
    assert_eq!(browser.get("/session").expect(200).tomcat(), "jvm2");
    // Nobody watched it meanwhile: it has to answer first.
    agent.says("ready\n");
    eventually("it is up", || state(&proxy, "up"));
    for words in ["down#no database\n", "fail\n", "stopped#by hand\n"] {
        agent.says(words);
        assert!(state(&proxy, "down"), "{words}");
        assert_eq!(served(&proxy, 2), [0, 2]);
        agent.says("ready\n");
        assert!(state(&proxy, "down"), "{words}");
        agent.says("UP\n");
        assert!(state(&proxy, "up"), "{words}");
    }
    let ejections = metric(
        &proxy,
        "cattail_backend_ejections_total",
        &[("cause", "agent")],
    );
    assert_eq!(ejections, 3);
}

#[test]
fn an_agent_bounds_the_requests_at_a_time() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let agent = Agent::saying("maxconn:1\n");
    let proxy = Proxy::start(&text([&one, &two], &agent));
    eventually("it is heard", || {
        metric(&proxy, "cattail_backend_requests_limit", &[]) == 1
    });
    one.hold("/held");
    let proxy = &proxy;
    std::thread::scope(|scope| {
        let held = scope.spawn(|| {
            let mut request = get(proxy.address(), "/held");
            while request.tomcat() != "jvm1" {
                request = get(proxy.address(), "/held");
            }
        });
        one.wait_for("a request held", |counts| counts.requests >= 1);
        assert_eq!(served(proxy, 4), [0, 4], "the one place is taken");
        one.release("/held");
        held.join().expect("answered");
    });
    agent.says("maxconn:0\n");
    assert_eq!(metric(proxy, "cattail_backend_requests_limit", &[]), 0);
    assert_eq!(served(proxy, 4), [2, 2]);
}

#[test]
fn an_agent_that_is_gone_or_talks_nonsense_changes_nothing() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let agent = Agent::saying("drain 40%\n");
    let proxy = Proxy::start(&text([&one, &two], &agent));
    let answers = |result| {
        let name = "cattail_backend_agent_answers_total";
        metric(&proxy, name, &[("result", result)])
    };
    eventually("it drains", || state(&proxy, "draining"));
    for words in ["HTTP/1.1 400 Bad Request\r\n", "", &"x".repeat(4000)] {
        let before = answers("protocol");
        agent.says(words);
        assert!(answers("protocol") > before, "{words:?}");
        assert!(state(&proxy, "draining"));
    }
    drop(agent);
    eventually("nobody is there", || answers("connect") >= 2);
    assert!(state(&proxy, "draining"));
    let percent = "cattail_backend_agent_weight_percent";
    assert_eq!(metric(&proxy, percent, &[]), 40);
    // One that has no agent any more is not what the agent said.
    let text = sticky_cluster(&[&one, &two], ASKED);
    proxy.reload(&text).unwrap();
    assert!(state(&proxy, "up"));
    assert_eq!(metric(&proxy, percent, &[]), 100);
    assert_eq!(served(&proxy, 4), [2, 2]);
}

#[test]
fn one_agent_may_speak_for_all_when_it_is_told_whom_it_is_asked_about() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let agent = Agent::answering("up\n");
    let said = format!(
        "port: {}, address: 127.0.0.1, send: 'how is $backend?'",
        agent.port()
    );
    let more = ASKED.replace("timeout: 5s", &said);
    let proxy = Proxy::start(&sticky_cluster(&[&one, &two], &more));
    eventually("both are asked after", || {
        let told = agent.told();
        ["jvm1", "jvm2"].map(|name| told.contains(&format!("how is {name}?\n"))) == [true; 2]
    });
    drop(proxy);
}

#[test]
fn nobody_asks_the_agent_of_a_disabled_tomcat() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let agent = Agent::saying("down\n");
    let text = with(&text([&one, &two], &agent), "jvm1", "state: disabled");
    let _proxy = Proxy::start(&text);
    let time = Duration::from_millis(300);
    stays("nobody asks", time, || agent.asked() == 0);
}
