//! Answers that cost a backend its new sessions for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use cattail::standin::Fault;

use super::affinity_stage::shows;
use super::harness::*;

fn proxy(tomcats: &[Tomcat; 3], more: &str) -> Proxy {
    let more = format!("slow_start: 0s\noutliers: {{ {more} }}");
    Proxy::start(&sticky_cluster(&tomcats.each_ref(), &more))
}

fn three() -> [Tomcat; 3] {
    tomcats(["jvm1", "jvm2", "jvm3"])
}

fn state(proxy: &Proxy, tomcat: &Tomcat, state: &str) -> bool {
    let labels = [("backend", tomcat.name()), ("state", state)];
    proxy.metrics().exactly("cattail_backend_state", &labels) == 1
}

/// New sessions by Tomcat.
fn visitors(proxy: &Proxy, count: usize) -> BTreeMap<String, usize> {
    let mut served = BTreeMap::new();
    for _ in 0..count {
        let tomcat = get(proxy.address(), "/echo")
            .expect(200)
            .tomcat()
            .to_owned();
        *served.entry(tomcat).or_default() += 1;
    }
    served
}

fn bad(proxy: &Proxy, times: usize) {
    for _ in 0..times {
        let answer = shows("/bad", "A1.jvm1").send(proxy.address());
        assert_eq!(answer.status(), 503);
    }
}

#[test]
fn bad_answers_in_a_row_cost_new_sessions_and_not_those_it_has() {
    let tomcats = three();
    let proxy = proxy(&tomcats, "consecutive: 4, time: 1s");
    tomcats[0].script_times("/bad", 100, Fault::Status(503));
    bad(&proxy, 3);
    // A good one in between.
    shows("/echo", "A1.jvm1").send(proxy.address()).expect(200);
    bad(&proxy, 3);
    assert_eq!(visitors(&proxy, 6).len(), 3);
    bad(&proxy, 4);
    eventually("it is drained", || state(&proxy, &tomcats[0], "draining"));
    assert_eq!(visitors(&proxy, 6).get("jvm1"), None);
    let own = shows("/echo", "A1.jvm1").send(proxy.address());
    assert_eq!(own.expect(200).tomcat(), "jvm1");
    eventually("it gets another try", || state(&proxy, &tomcats[0], "up"));
    assert_eq!(visitors(&proxy, 6).len(), 3);
}

#[test]
fn connections_that_break_are_bad_answers() {
    let tomcats = three();
    let proxy = proxy(&tomcats, "consecutive: 3");
    tomcats[0].script_times("/bad", 100, Fault::ResetBeforeHead);
    for _ in 0..3 {
        let post = Request::post("/bad", "a=b").header("Cookie", "JSESSIONID=A1.jvm1");
        assert_eq!(post.send(proxy.address()).status(), 502);
    }
    eventually("it is drained", || state(&proxy, &tomcats[0], "draining"));
}

#[test]
fn no_more_than_half_are_out_for_bad_answers() {
    let tomcats = three();
    let proxy = proxy(&tomcats, "consecutive: 2, time: 60s");
    for (tomcat, id) in tomcats.iter().zip(["A1.jvm1", "A2.jvm2", "A3.jvm3"]) {
        tomcat.script_times("/bad", 100, Fault::Status(503));
        for _ in 0..4 {
            shows("/bad", id).send(proxy.address());
        }
    }
    let out = || {
        tomcats
            .iter()
            .filter(|it| state(&proxy, it, "draining"))
            .count()
    };
    eventually("one is out", || out() == 1);
    stays("the others are not", Duration::from_millis(500), || {
        out() == 1
    });
}

#[test]
fn what_a_tomcat_was_blamed_for_ends_with_its_life() {
    let tomcats = three();
    let watched = "consecutive: 4, time: 1m }\nhealth: { path: /echo, interval: 50ms, rise: 1";
    let proxy = proxy(&tomcats, watched);
    tomcats[0].script_times("/bad", 100, Fault::Status(503));
    bad(&proxy, 4);
    eventually("it is drained", || state(&proxy, &tomcats[0], "draining"));
    tomcats[0].kill();
    eventually("it is down", || state(&proxy, &tomcats[0], "down"));
    tomcats[0].restart().expect("restarts");
    eventually("it is a new one", || state(&proxy, &tomcats[0], "up"));
    assert_eq!(visitors(&proxy, 6).len(), 3);
}
