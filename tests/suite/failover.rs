//! What clients see when a Tomcat dies, stops and comes back.

use std::time::Duration;

use cattail::standin::Fault;
use tokio::time::Instant;

use super::harness::*;

/// A check of the death of a backend that needs no user's request.
const CHECKED: &str = "health: { path: /echo, interval: 50ms, timeout: 1s }";

#[test]
fn no_get_fails_when_one_tomcat_of_three_is_killed() {
    let tomcats = tomcats(["jvm1", "jvm2", "jvm3"]);
    let [one, two, three] = &tomcats;
    let proxy = Proxy::in_front_of(&[one, two, three], "health: { interval: 100ms }");
    let answers = under_load(
        proxy.address(),
        8,
        |_| Request::get("/echo"),
        |load| {
            load.go_on(200);
            two.kill();
            load.go_on(200);
            two.restart().expect("restarts");
            eventually("jvm2 is back", || proxy.is_up(two));
            load.go_on(100);
            three.kill();
            load.go_on(200);
        },
    );
    for answer in answers {
        assert!(answer.took <= scaled(Duration::from_millis(500)));
        answer.response.expect(200);
    }
    let down = [("cause", "connect")];
    let metrics = proxy.metrics();
    assert_eq!(metrics.value("cattail_backend_ejections_total", &down), 2);
    let failed = metrics.value("cattail_errors_total", &[]);
    assert_eq!(failed, 0);
}

#[test]
fn a_tomcat_that_stops_in_order_fails_no_idempotent_request() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "health: { interval: 100ms }");
    let request = |number: usize| match number % 5 {
        0 => Request::new("PUT", "/echo").body("order"),
        _ => Request::get("/echo"),
    };
    let answers = under_load(proxy.address(), 8, request, |load| {
        load.go_on(200);
        two.stop();
        load.go_on(200);
    });
    for answer in answers {
        answer.response.expect(200);
    }
}

/// One died with a kept connection or an earlier attempt, the other in the queue of who listens no more.
#[test]
fn a_session_survives_a_tomcat_that_stops_and_closes_in_its_face() {
    for dying in [1, 2] {
        let two = Tomcat::start("jvm2");
        let proxy = Proxy::start(&format!(
            "listeners: [ {{ address: 127.0.0.1:0 }} ]\nclusters:\n  shop:\n    health: {{ interval: 1h }}\n    backends:\n      - {{ address: {}, jvm_route: jvm1 }}\n      - {{ address: {}, jvm_route: jvm2 }}\n",
            stopping(dying),
            two.address()
        ));
        let shown = Request::get("/echo").header("Cookie", "JSESSIONID=0A1B2C3D.jvm1");
        let response = shown.send(proxy.address()).expect(200);
        assert_eq!(response.tomcat(), "jvm2", "{dying}");
    }
}

#[test]
fn a_post_goes_elsewhere_when_its_backend_refuses() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    one.kill();
    let served = in_parallel(6, |_| Request::post("/echo", "order").send(proxy.address()));
    for response in served {
        assert_eq!(response.expect(200).tomcat(), "jvm2");
    }
    assert_eq!((one.count(), two.count()), (0, 6));
    assert!(two.requests().iter().all(|seen| seen.body == b"order"));
    assert!(!proxy.is_up(&one));
}

#[test]
fn a_post_that_may_have_been_written_is_never_sent_twice() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    for tomcat in [&one, &two] {
        tomcat.script("/order", Fault::ResetBeforeHead);
        tomcat.script("/patch", Fault::CloseBeforeHead);
    }
    let response = Request::post("/order", "one pizza").send(proxy.address());
    assert_eq!(response.expect(502).header("Retry-After"), None);
    let patch = Request::new("PATCH", "/patch").body("two pizzas");
    patch.send(proxy.address()).expect(502);
    let copies = |target| one.requests_to(target).len() + two.requests_to(target).len();
    assert_eq!((copies("/order"), copies("/patch")), (1, 1));
    assert_eq!(proxy.metrics().value("cattail_retries_total", &[]), 0);
}

#[test]
fn a_post_on_a_connection_that_is_reset_under_it_is_not_sent_again() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.script_times("/first", 1, Fault::StaleKeepAlive);
    let mut client = Raw::connect(proxy.address());
    Request::get("/first").send_on(&mut client).expect(200);
    let response = Request::post("/echo", "order").send_on(&mut client);
    response.expect(502);
    assert_eq!(tomcat.requests_to("/echo").len(), 0);
    assert_eq!(tomcat.counts().connections_accepted, 1);
}

#[test]
fn a_get_on_a_connection_that_is_reset_under_it_gets_a_new_one() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    one.script_times("/first", 1, Fault::StaleKeepAlive);
    let mut client = Raw::connect(proxy.address());
    let mut served = || {
        let response = Request::get("/first").send_on(&mut client);
        response.expect(200).tomcat().to_owned()
    };
    // The Tomcat is well, so it keeps its turn.
    assert_eq!([served(), served(), served()], ["jvm1", "jvm2", "jvm1"]);
    let metrics = proxy.metrics();
    let of = |reason| metrics.value("cattail_retries_total", &[("reason", reason)]);
    assert_eq!((of("stale"), of("closed")), (1, 0));
}

#[test]
fn a_kept_connection_that_was_closed_meanwhile_costs_no_request() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.script("/first", Fault::CloseIdle);
    let mut client = Raw::connect(proxy.address());
    for method in ["POST", "GET", "PATCH", "PUT", "POST"] {
        Request::get("/first").send_on(&mut client).expect(200);
        tomcat.wait_for("an end", |counts| counts.open_connections == 0);
        let request = Request::new(method, "/echo").body("order");
        request.send_on(&mut client).expect(200);
    }
    assert_eq!(tomcat.requests_to("/echo").len(), 5);
}

#[test]
fn a_get_whose_connection_dies_is_tried_once_elsewhere() {
    let tomcats = tomcats(["jvm1", "jvm2", "jvm3"]);
    let [one, two, three] = &tomcats;
    let proxy = Proxy::in_front_of(&[one, two, three], "");
    one.script("/page", Fault::ResetBeforeHead);
    assert_eq!(get(proxy.address(), "/page").expect(200).tomcat(), "jvm2");
    for tomcat in &tomcats {
        tomcat.script("/other", Fault::CloseBeforeHead);
    }
    get(proxy.address(), "/other").expect(502);
    let copies = tomcats.iter().map(|tomcat| tomcat.requests_to("/other"));
    assert_eq!(copies.flatten().count(), 2);
    // A connection that dies says nothing about the address.
    assert!(tomcats.iter().all(|tomcat| proxy.is_up(tomcat)));
}

#[test]
fn the_first_refusal_drops_the_idle_connections_of_all_workers() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], CHECKED);
    one.hold("/held");
    two.hold("/held");
    let held = || {
        eventually("all are held", || {
            one.requests_to("/held").len() + two.requests_to("/held").len() == 32
        });
        one.release("/held");
        two.release("/held");
    };
    std::thread::scope(|scope| {
        scope.spawn(held);
        in_parallel(32, |_| get(proxy.address(), "/held").expect(200));
    });
    let idle = |tomcat: &Tomcat| {
        let labels = [("backend", tomcat.name())];
        let metrics = proxy.metrics();
        metrics.value("cattail_backend_connections_idle", &labels)
    };
    eventually("all are idle", || (idle(&one), idle(&two)) == (16, 16));
    one.stop_listening();
    one.wait_for("no connection", |counts| counts.open_connections == 0);
    assert_eq!((idle(&one), idle(&two)), (0, 16));
}

#[test]
fn what_a_stopping_tomcat_says_in_farewell_ends_with_its_first_refusal() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    let mut client = Raw::connect(proxy.address());
    let mut ask = || Request::get("/echo").send_on(&mut client);
    assert_eq!([ask().status(), ask().status()], [200, 200]);
    one.stop_listening();
    // A request at another worker, or for want of an idle connection, meets the refusal.
    eventually("a refusal", || {
        get(proxy.address(), "/echo");
        !proxy.is_up(&one)
    });
    for _ in 0..10 {
        assert_eq!(ask().expect(200).tomcat(), "jvm2");
        assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm2");
    }
}

#[test]
fn a_get_that_waits_for_a_backend_that_goes_down_is_answered_elsewhere() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], CHECKED);
    one.hold("/page");
    let mut waiting = Raw::connect(proxy.address());
    waiting.send(Request::get("/page").bytes());
    eventually("the request", || one.requests_to("/page").len() == 1);
    let mut order = Raw::connect(proxy.address());
    two.hold("/order");
    one.hold("/order");
    let post = Request::post("/order", "order");
    order.send(post.bytes());
    eventually("the order", || two.requests_to("/order").len() == 1);
    one.stop_listening();
    assert_eq!(waiting.read_response().expect(200).tomcat(), "jvm2");
    assert!(!proxy.is_up(&one));
    let moved = [("reason", "backend_down")];
    assert_eq!(proxy.metrics().value("cattail_retries_total", &moved), 1);
    two.release("/order");
    assert_eq!(order.read_response().expect(200).tomcat(), "jvm2");
}

#[test]
fn a_post_that_waits_for_a_backend_that_goes_down_waits_on() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], CHECKED);
    one.hold("/order");
    let mut order = Raw::connect(proxy.address());
    order.send(Request::post("/order", "order").bytes());
    eventually("the order", || one.requests_to("/order").len() == 1);
    one.stop_listening();
    eventually("jvm1 is down", || !proxy.is_up(&one));
    one.release("/order");
    assert_eq!(order.read_response().expect(200).tomcat(), "jvm1");
    assert_eq!(two.requests_to("/order").len(), 0);
}

#[test]
fn with_all_backends_down_clients_get_503_at_once_until_one_is_back() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "health: { interval: 100ms }";
    let proxy = Proxy::in_front_of(&[&one, &two], more);
    one.kill();
    two.kill();
    let started = Instant::now();
    for response in in_parallel(4, |_| Request::post("/echo", "x").send(proxy.address())) {
        let response = response.expect(503);
        assert_eq!(response.header("Retry-After"), Some("5"));
        assert!(!response.body.is_empty());
    }
    assert!(started.elapsed() < scaled(Duration::from_secs(1)));
    let down = [("cause", "connect")];
    let ejected = proxy
        .metrics()
        .value("cattail_backend_ejections_total", &down);
    assert_eq!(ejected, 2);
    two.restart().expect("restarts");
    eventually("it heals", || proxy.is_up(&two));
    assert_eq!(two.last_request().method, "OPTIONS");
    assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm2");
}

#[test]
fn the_last_backend_goes_down_by_a_refusal_too() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "health: { interval: 100ms }");
    tomcat.kill();
    get(proxy.address(), "/echo").expect(503);
    assert!(!proxy.is_up(&tomcat));
    tomcat.restart().expect("restarts");
    eventually("it is back", || proxy.is_up(&tomcat));
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn a_tomcat_that_returns_is_asked_by_nobody_before_it_answered_options() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "health: { interval: 200ms, timeout: 60s }";
    let proxy = Proxy::in_front_of(&[&one, &two], more);
    one.kill();
    // As a Tomcat that has bound its port and is still deploying: it takes the question, and waits.
    one.script("*", Fault::HangBeforeHead);
    for _ in 0..4 {
        assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm2");
    }
    let bound = Instant::now();
    one.restart().expect("restarts");
    one.wait_for_requests(1);
    assert!(bound.elapsed() < scaled(Duration::from_millis(700)));
    for _ in 0..4 {
        assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm2");
    }
    let deployed = Instant::now();
    one.unscript("*");
    eventually("jvm1 serves", || {
        get(proxy.address(), "/echo").expect(200).tomcat() == "jvm1"
    });
    assert!(deployed.elapsed() < scaled(Duration::from_millis(700)));
    let seen = one.requests();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("OPTIONS", "*")
    );
    assert_eq!(seen[0].header("Cookie"), None);
}
