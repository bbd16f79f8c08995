//! What is tried again only where the configuration says so, and within which bounds.

use std::time::Duration;

use cattail::standin::{BodyEnd, Fault, pattern};

use super::harness::*;

fn retries(proxy: &Proxy, reason: &str) -> i64 {
    let metrics = proxy.metrics();
    metrics.value("cattail_retries_total", &[("reason", reason)])
}

#[test]
fn a_status_is_tried_elsewhere_only_if_it_is_named() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "retry: { on: [503] }");
    one.script("/page", Fault::Status(503));
    one.script("/other", Fault::Status(500));
    assert_eq!(get(proxy.address(), "/page").expect(200).tomcat(), "jvm2");
    assert_eq!(retries(&proxy, "status"), 1);
    let other = get(proxy.address(), "/other");
    assert_eq!(other.expect(500).tomcat(), "jvm1");
    assert_eq!(two.requests_to("/other").len(), 0);
}

#[test]
fn a_named_status_of_a_post_goes_to_the_client() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "retry: { on: [503] }");
    one.script("/order", Fault::Status(503));
    let response = Request::post("/order", "order").send(proxy.address());
    assert_eq!(response.expect(503).tomcat(), "jvm1");
    assert_eq!(two.count(), 0);
}

#[test]
fn a_named_status_is_tried_once_and_then_passed_on() {
    let tomcats = tomcats(["jvm1", "jvm2", "jvm3"]);
    let [one, two, three] = &tomcats;
    let proxy = Proxy::in_front_of(&[one, two, three], "retry: { on: [404, 503] }");
    for tomcat in &tomcats {
        tomcat.script("/page", Fault::Status(503));
    }
    assert_eq!(get(proxy.address(), "/page").expect(503).tomcat(), "jvm2");
    assert_eq!(three.count(), 0);
}

#[test]
fn a_named_status_that_nobody_else_could_better_is_passed_on() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let alone = Proxy::in_front_of(&[&one], "retry: { on: [503] }");
    one.script("/page", Fault::Status(503));
    assert_eq!(get(alone.address(), "/page").expect(503).tomcat(), "jvm1");
    assert_eq!(retries(&alone, "status"), 0);
    // The other one is known to be down.
    two.kill();
    let proxy = Proxy::in_front_of(&[&two, &one], "retry: { on: [503] }");
    get(proxy.address(), "/echo").expect(200);
    assert_eq!(get(proxy.address(), "/page").expect(503).tomcat(), "jvm1");
}

#[test]
fn a_time_out_is_tried_elsewhere_only_if_it_is_named() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    one.hold("/page");
    let more = "timeouts: { response: 100ms }\nretry: { on: [timeout] }";
    let proxy = Proxy::in_front_of(&[&one, &two], more);
    assert_eq!(get(proxy.address(), "/page").expect(200).tomcat(), "jvm2");
    assert_eq!(retries(&proxy, "timeout"), 1);
    let order = Request::post("/page", "order").send(proxy.address());
    order.expect(504);
    let (of_one, of_two) = (one.requests_to("/page"), two.requests_to("/page"));
    assert_eq!((of_one.len(), of_two.len()), (2, 1));
}

#[test]
fn no_attempt_begins_after_retry_time() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    one.hold("/page");
    let more = "timeouts: { response: 100ms }\nretry: { on: [timeout], time: 50ms }";
    let proxy = Proxy::in_front_of(&[&one, &two], more);
    get(proxy.address(), "/page").expect(504);
    assert_eq!(two.count(), 0);
    assert_eq!(retries(&proxy, "timeout"), 0);
}

#[test]
fn retries_for_a_status_keep_within_their_budget() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "retry: { on: [503], budget: { percent: 0, min: 1 } }";
    let proxy = Proxy::in_front_of(&[&one, &two], more);
    one.script("/page", Fault::Status(503));
    two.hold("/page");
    // It is tried again at the second Tomcat and stays there, which uses the budget up.
    let mut first = Raw::connect(proxy.address());
    first.send(Request::get("/page").bytes());
    two.wait_for("the retry", |counts| counts.in_progress == 1);
    assert_eq!(get(proxy.address(), "/page").expect(503).tomcat(), "jvm1");
    assert_eq!(retries(&proxy, "status"), 1);
    two.release("/page");
    assert_eq!(first.read_response().expect(200).tomcat(), "jvm2");
    // With the first one answered there is room again.
    eventually("a retry", || {
        get(proxy.address(), "/page").tomcat() == "jvm2" && retries(&proxy, "status") == 2
    });
}

#[test]
fn the_budget_does_not_limit_what_is_always_safe() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "retry: { budget: { percent: 0, min: 0 } }";
    let proxy = Proxy::in_front_of(&[&one, &two], more);
    one.script("/page", Fault::ResetBeforeHead);
    assert_eq!(get(proxy.address(), "/page").expect(200).tomcat(), "jvm2");
    one.kill();
    Request::post("/echo", "x")
        .send(proxy.address())
        .expect(200);
}

#[test]
fn a_body_within_retry_buffer_is_sent_again_whole() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "retry: { buffer: 16KiB }");
    one.script("/file", Fault::ResetBeforeHead);
    let body = pattern(0, 16 * 1024);
    let whole = Request::new("PUT", "/file").body(body.clone());
    let pieces: Vec<&[u8]> = body.chunks(1000).collect();
    let chunked = Request::new("PUT", "/file").chunked(&pieces);
    for request in [whole, chunked] {
        let before = two.count();
        let response = request.send(proxy.address()).expect(200);
        assert_eq!(response.tomcat(), "jvm2");
        assert_eq!(two.count(), before + 1);
        let seen = two.last_request();
        assert_eq!(
            (seen.body_end, seen.body_bytes),
            (BodyEnd::Complete, 16 * 1024)
        );
        assert_eq!(seen.body, body);
        // The next turn is the first Tomcat's again.
        assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm1");
        assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm2");
    }
    assert_eq!(retries(&proxy, "closed"), 2);
}

#[test]
fn a_body_beyond_retry_buffer_is_not_sent_again() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "retry: { buffer: 16KiB }");
    one.script("/file", Fault::ResetBeforeHead);
    let request = Request::new("PUT", "/file").body(pattern(0, 16 * 1024 + 1));
    request.send(proxy.address()).expect(502);
    assert_eq!((one.count(), two.count()), (1, 0));
}

#[test]
fn a_large_body_goes_elsewhere_when_its_backend_refuses() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    one.kill();
    let request = Request::post("/echo", pattern(0, 1 << 20));
    assert_eq!(request.send(proxy.address()).expect(200).tomcat(), "jvm2");
    assert_eq!(two.last_request().body_bytes, 1 << 20);
}

#[test]
fn every_usable_backend_is_asked_once_when_all_refuse() {
    let tomcats = tomcats(["jvm1", "jvm2", "jvm3", "jvm4"]);
    let all: Vec<&Tomcat> = tomcats.iter().collect();
    let proxy = Proxy::in_front_of(&all, "health: { interval: 1h }");
    for tomcat in &tomcats[..3] {
        tomcat.kill();
    }
    assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm4");
    assert_eq!(retries(&proxy, "connect"), 3);
}

#[test]
fn a_backend_that_cannot_be_reached_in_time_is_passed_over() {
    let nowhere = BlackHole::open();
    let tomcat = Tomcat::start("jvm1");
    let (hole, address) = (nowhere.address(), tomcat.address());
    let proxy = Proxy::start(&format!(
        "clusters: {{ shop: {{ affinity: none, timeouts: {{ connect: 100ms }}, \
         backends: ['{hole}', {{ name: jvm1, address: '{address}' }}] }} }}"
    ));
    let started = tokio::time::Instant::now();
    let response = Request::post("/echo", "order").send(proxy.address());
    assert_eq!(response.expect(200).tomcat(), "jvm1");
    assert!(started.elapsed() < scaled(Duration::from_secs(1)));
    assert_eq!(retries(&proxy, "connect"), 1);
    let hole = hole.to_string();
    let metrics = proxy.metrics();
    assert_eq!(
        metrics.exactly("cattail_backend_up", &[("backend", &hole)]),
        0
    );
}
