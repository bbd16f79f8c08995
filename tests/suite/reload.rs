//! A new configuration while requests are served.

use std::time::Duration;

use super::harness::proxy::cluster;
use super::harness::*;

fn reloads(proxy: &Proxy, result: &str) -> i64 {
    let metrics = proxy.metrics();
    metrics.value("cattail_config_reloads_total", &[("result", result)])
}

fn of(proxy: &Proxy, tomcat: &Tomcat, metric: &str) -> i64 {
    let labels = [("backend", tomcat.name())];
    proxy.metrics().value(metric, &labels)
}

fn served(proxy: &Proxy, count: usize) -> Vec<String> {
    let names = (0..count).map(|_| {
        get(proxy.address(), "/echo")
            .expect(200)
            .tomcat()
            .to_owned()
    });
    names.collect()
}

#[test]
fn reloads_under_load_fail_no_request() {
    let tomcats = tomcats(["jvm1", "jvm2"]);
    let [one, two] = &tomcats;
    let proxy = Proxy::in_front_of(&[one, two], "");
    let request = |number: usize| match number % 5 {
        0 => Request::post("/echo", "order"),
        _ => Request::get("/echo"),
    };
    let answers = under_load(proxy.address(), 8, request, |load| {
        for (tomcats, more) in [
            (vec![one], "balance: least_requests"),
            (vec![two, one], "request_headers: { set: { X-New: '1' } }"),
            (vec![one, two], ""),
        ] {
            load.go_on(150);
            proxy.reload(&cluster(&tomcats, more)).expect("is taken");
        }
        load.go_on(150);
    });
    let count = answers.len();
    for answer in answers {
        answer.response.expect(200);
    }
    assert_eq!(reloads(&proxy, "success"), 3);
    let metrics = proxy.metrics();
    let answered = metrics.value("cattail_requests_total", &[("code", "2xx")]);
    assert_eq!(usize::try_from(answered), Ok(count), "counters live on");
    assert_eq!(metrics.value("cattail_errors_total", &[]), 0);
    let posts = tomcats.iter().flat_map(|tomcat| tomcat.requests());
    let posts = posts.filter(|seen| seen.method == "POST");
    assert!(posts.into_iter().all(|seen| seen.body == b"order"));
}

#[test]
fn the_next_request_meets_the_new_weights() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    assert_eq!(served(&proxy, 2), ["jvm1", "jvm2"]);
    let weighted = cluster(&[&one, &two], "").replace("name: jvm2", "weight: 3, name: jvm2");
    proxy.reload(&weighted).expect("is taken");
    let names = served(&proxy, 8);
    let share = names.iter().filter(|name| *name == "jvm1").count();
    assert_eq!(share, 2, "{names:?}");
    assert_eq!(of(&proxy, &two, "cattail_backend_weight"), 3);
}

#[test]
fn the_next_request_meets_the_new_rules_and_headers() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    Request::get("/echo").send_on(&mut client).expect(200);
    let more = "request_headers: { set: { X-New: yes } }\nresponse_headers: { set: { X-Out: v2 } }";
    let text = format!(
        "rules: [ {{ path: /old, redirect: {{ to: /echo }} }}, {{ cluster: shop }} ]\n{}",
        cluster(&[&tomcat], more)
    );
    proxy.reload(&text).expect("is taken");
    // On the connection from before.
    let response = Request::get("/echo").send_on(&mut client).expect(200);
    assert_eq!(response.header("X-Out"), Some("v2"));
    assert_eq!(tomcat.last_request().header("X-New"), Some("yes"));
    let moved = Request::get("/old").send_on(&mut client);
    assert_eq!(moved.header("Location"), Some("/echo"));
}

#[test]
fn a_request_in_flight_keeps_the_configuration_it_began_with() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let old = "response_headers: { set: { X-Out: old } }\nretry: { on: [503] }";
    let proxy = Proxy::in_front_of(&[&one], old);
    one.hold("/page");
    let mut client = Raw::connect(proxy.address());
    client.send(Request::get("/page").bytes());
    one.wait_for("the request", |counts| counts.in_progress == 1);
    let new = cluster(&[&two], "response_headers: { set: { X-Out: new } }");
    proxy.reload(&new).expect("is taken");
    assert_eq!(served(&proxy, 2), ["jvm2", "jvm2"]);
    one.release("/page");
    let response = client.read_response().expect(200);
    assert_eq!(
        (response.tomcat(), response.header("X-Out")),
        ("jvm1", Some("old"))
    );
    let next = Request::get("/page").send_on(&mut client);
    assert_eq!((next.tomcat(), next.header("X-Out")), ("jvm2", Some("new")));
    // Nobody needs the connection any more.
    one.wait_for("an end", |counts| counts.open_connections == 0);
}

#[test]
fn connections_pools_and_counters_live_on() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    let mut client = Raw::connect(proxy.address());
    let mut ask = || {
        let response = Request::get("/echo").send_on(&mut client).expect(200);
        response.tomcat().to_owned()
    };
    assert_eq!([ask(), ask()], ["jvm1", "jvm2"]);
    for order in [[&two, &one], [&one, &two]] {
        proxy
            .reload(&cluster(&order, "timeouts: { response: 5s }"))
            .expect("is taken");
        let mut names = [ask(), ask()];
        names.sort();
        assert_eq!(names, ["jvm1", "jvm2"]);
    }
    for tomcat in [&one, &two] {
        assert_eq!(tomcat.counts().connections_accepted, 1);
        assert_eq!(of(&proxy, tomcat, "cattail_backend_attempts_total"), 3);
        assert_eq!(of(&proxy, tomcat, "cattail_backend_connects_total"), 1);
    }
    assert_eq!(proxy.metrics().value("cattail_connections_total", &[]), 1);
}

#[test]
fn a_backend_that_is_down_stays_down_and_still_comes_back() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "health: { interval: 100ms }";
    let proxy = Proxy::in_front_of(&[&one, &two], more);
    one.kill();
    assert_eq!(served(&proxy, 2), ["jvm2", "jvm2"]);
    assert!(!proxy.is_up(&one));
    let more = "health: { interval: 50ms }\nbalance: least_requests";
    proxy
        .reload(&cluster(&[&one, &two], more))
        .expect("is taken");
    assert!(!proxy.is_up(&one));
    assert_eq!(served(&proxy, 4), ["jvm2"; 4]);
    let ejections = of(&proxy, &one, "cattail_backend_ejections_total");
    assert_eq!(ejections, 1);
    one.restart().expect("restarts");
    eventually("jvm1 is back", || proxy.is_up(&one));
}

#[test]
fn an_invalid_file_changes_nothing() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one], "response_headers: { set: { X-Out: old } }");
    for (bad, complaint) in [
        ("clusters: [", "test.yaml:"),
        (
            "clusters: { shop: { backends: [] } }",
            "clusters.shop.backends",
        ),
        (&cluster(&[&two], "wieght: 3"), "wieght"),
        (
            "clusters: { shop: { backends: ['no-such-host.invalid:80'] } }",
            "clusters.shop.backends[0].address",
        ),
    ] {
        let failure = proxy.reload(bad).expect_err(bad);
        assert!(failure.contains(complaint), "{complaint}: {failure}");
        let response = get(proxy.address(), "/echo").expect(200);
        assert_eq!(
            (response.tomcat(), response.header("X-Out")),
            ("jvm1", Some("old"))
        );
    }
    assert_eq!(
        (reloads(&proxy, "success"), reloads(&proxy, "failure")),
        (0, 4)
    );
    let last = "cattail_config_last_reload_success";
    assert_eq!(proxy.metrics().value(last, &[]), 0);
    proxy.reload(&cluster(&[&one], "")).expect("is taken");
    assert_eq!(proxy.metrics().value(last, &[]), 1);
}

#[test]
fn other_listeners_take_a_restart() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let text = format!(
        "listeners: [{{ address: '127.0.0.2:0' }}]\n{}",
        cluster(&[&tomcat], "")
    );
    let failure = proxy.reload(&text).expect_err("is refused");
    assert!(
        failure.contains("127.0.0.2:0") && failure.contains("127.0.0.1:0"),
        "{failure}"
    );
    get(proxy.address(), "/echo").expect(200);
    assert_eq!(reloads(&proxy, "failure"), 1);
}

#[test]
fn the_access_log_moves_to_its_new_path() {
    let tomcat = Tomcat::start("jvm1");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| {
        let path = path(name);
        format!(
            "access_log: {{ path: '{}' }}\n{}",
            path.display(),
            cluster(&[&tomcat], "")
        )
    };
    let lines = |name: &str| {
        let text = std::fs::read_to_string(path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let proxy = Proxy::start(&text("first.log"));
    let mut client = Raw::connect(proxy.address());
    Request::get("/echo/first").send_on(&mut client).expect(200);
    proxy.reload(&text("second.log")).expect("is taken");
    Request::get("/echo/second")
        .send_on(&mut client)
        .expect(200);
    eventually("a line in each", || {
        lines("first.log").len() == 1 && lines("second.log").len() == 1
    });
    assert!(lines("first.log")[0].contains("/echo/first"));
    assert!(lines("second.log")[0].contains("/echo/second"));
    let nowhere = text("no/such/folder.log");
    let failure = proxy.reload(&nowhere).expect_err("cannot be opened");
    assert!(failure.contains("access_log.path"), "{failure}");
    Request::get("/echo/third").send_on(&mut client).expect(200);
    eventually("still there", || lines("second.log").len() == 2);
}

#[test]
fn a_backend_that_is_gone_from_the_file_gets_nothing_and_keeps_no_connection() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    assert_eq!(served(&proxy, 2), ["jvm1", "jvm2"]);
    proxy.reload(&cluster(&[&two], "")).expect("is taken");
    assert_eq!(served(&proxy, 4), ["jvm2"; 4]);
    one.wait_for("no connection", |counts| counts.open_connections == 0);
    assert!(two.counts().open_connections > 0);
}

#[test]
fn a_backend_that_is_new_in_the_file_gets_its_share() {
    let [one, two, three] = tomcats(["jvm1", "jvm2", "jvm3"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    assert_eq!(served(&proxy, 2), ["jvm1", "jvm2"]);
    proxy
        .reload(&cluster(&[&one, &two, &three], ""))
        .expect("is taken");
    let mut names = served(&proxy, 6);
    names.sort();
    assert_eq!(names, ["jvm1", "jvm1", "jvm2", "jvm2", "jvm3", "jvm3"]);
}

#[test]
fn a_backend_at_another_address_is_another_backend() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one], "health: { interval: 1h }");
    one.kill();
    get(proxy.address(), "/echo").expect(503);
    let (old, new) = (one.address().to_string(), two.address().to_string());
    let moved = cluster(&[&one], "").replace(&old, &new);
    proxy.reload(&moved).expect("is taken");
    // Under the old name, and nothing speaks against it.
    get(proxy.address(), "/echo").expect(200);
    assert!(proxy.is_up(&one));
}

#[test]
fn a_backend_may_be_drained_disabled_and_wanted_again() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    for state in ["draining", "disabled"] {
        let text = cluster(&[&one, &two], "");
        let text = text.replace("name: jvm1", &format!("state: {state}, name: jvm1"));
        proxy.reload(&text).expect("is taken");
        assert_eq!(served(&proxy, 4), ["jvm2"; 4], "{state}");
        let labels = [("backend", "jvm1"), ("state", state)];
        let metrics = proxy.metrics();
        assert_eq!(metrics.value("cattail_backend_state", &labels), 1);
    }
    proxy.reload(&cluster(&[&one, &two], "")).expect("is taken");
    // Nobody watched it while it was disabled: it has to answer first.
    eventually("jvm1 is up", || proxy.is_up(&one));
    let mut names = served(&proxy, 2);
    names.sort();
    assert_eq!(names, ["jvm1", "jvm2"]);
}

#[test]
fn a_smaller_max_requests_counts_those_in_flight() {
    let tomcat = Tomcat::start("jvm1");
    let limited = |count: usize| {
        let limit = format!("max_requests: {count}, name: jvm1");
        cluster(&[&tomcat], "queue: { length: 0 }").replace("name: jvm1", &limit)
    };
    let proxy = Proxy::start(&limited(3));
    tomcat.hold("/held");
    let mut clients = [(); 2].map(|()| Raw::connect(proxy.address()));
    for client in &mut clients {
        client.send(Request::get("/held").bytes());
    }
    tomcat.wait_for("both", |counts| counts.in_progress == 2);
    get(proxy.address(), "/echo").expect(200);
    proxy.reload(&limited(2)).expect("is taken");
    get(proxy.address(), "/echo").expect(503);
    assert_eq!(of(&proxy, &tomcat, "cattail_backend_requests_in_flight"), 2);
    tomcat.release("/held");
    for client in &mut clients {
        client.read_response().expect(200);
    }
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn idle_limits_of_a_new_file_apply_to_connections_of_before() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    get(proxy.address(), "/echo").expect(200);
    let time = Duration::from_millis(50);
    stays("it is kept", time, || tomcat.counts().open_connections == 1);
    let more = "pool: { idle: 1ms }";
    proxy.reload(&cluster(&[&tomcat], more)).expect("is taken");
    tomcat.wait_for("an end", |counts| counts.open_connections == 0);
}
