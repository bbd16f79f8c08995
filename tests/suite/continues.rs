//! `Expect: 100-continue`, end to end: a client sends its body when the Tomcat wants it.

use std::time::Duration;

use cattail::standin::{BodyEnd, Fault, Then};

use super::harness::*;

/// Long enough to see that nothing comes, shorter than the proxy waits for a silent Tomcat.
const QUIET: Duration = Duration::from_millis(200);

fn waiting(path: &str) -> Request {
    Request::post(path, "hello").header("Expect", "100-continue")
}

#[test]
fn the_tomcats_100_is_the_clients_100() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    for request in [
        waiting("/continue"),
        Request::new("POST", "/continue")
            .header("expect", "100-Continue")
            .chunked(&[b"hello"]),
    ] {
        client.send(request.head_bytes());
        let interim = client.read_interim();
        assert_eq!((interim.status, interim.headers.len()), (100, 0));
        assert_eq!(tomcat.last_request().header("Expect"), Some("100-continue"));
        client.send(request.body_bytes());
        let answer = client.read_response().expect(200);
        assert_eq!(answer.interim, []);
        assert_eq!(answer.json()["body_bytes"], 5);
    }
    assert_eq!(
        tomcat.counts().connections_accepted,
        1,
        "both connections go on"
    );
}

#[test]
fn no_100_comes_before_the_tomcat_says_so() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.hang();
    let mut client = Raw::connect(proxy.address());
    client.send(waiting("/continue").head_bytes());
    client.expect_silence(QUIET);
    tomcat.resume();
    assert_eq!(client.read_interim().status, 100);
    client.send("hello");
    client.read_response().expect(200);
}

#[test]
fn a_late_100_is_waited_for() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    let request = waiting("/continue/late?ms=100");
    client.send(request.head_bytes());
    assert_eq!(client.read_interim().status, 100);
    client.send(request.body_bytes());
    client.read_response().expect(200);
}

#[test]
fn a_final_answer_in_place_of_the_100_ends_the_connection() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client.send(waiting("/continue/never").head_bytes());
    let answer = client.read_response().expect(417);
    assert_eq!(answer.tomcat(), "jvm1");
    assert_eq!(answer.interim, [], "no body is asked for that nobody reads");
    assert!(!answer.keeps_alive());
    client.expect_closed();
    assert_eq!(tomcat.last_request().body_bytes, 0);
    tomcat.wait_for("the connection closed", |counts| {
        counts.open_connections == 0
    });
}

#[test]
fn a_tomcat_that_answers_and_keeps_its_connection_is_not_sent_a_body_any_more() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!("workers: 1\n{}", proxy::cluster(&[&tomcat], "")));
    let mut client = Raw::connect(proxy.address());
    client.send(waiting("/early").head_bytes());
    let answer = client.read_response().expect(200);
    assert_eq!(
        (answer.text().as_str(), answer.interim.len()),
        ("early\n", 0)
    );
    client.expect_closed();
    tomcat.wait_for("the connection closed", |counts| {
        counts.open_connections == 0
    });
    assert_ne!(tomcat.last_request().body_end, BodyEnd::Complete);
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn a_silent_tomcat_gets_the_body_after_a_second() {
    let tomcat = Tomcat::start("jvm1");
    // Reads the body without a word of 100, as an HTTP/1.0 server would.
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let body_first = Fault::Raw(
        b"HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\ndone".into(),
        Then::Keep,
    );
    tomcat.script("/silent", body_first);
    tomcat.hang();
    let mut client = Raw::connect(proxy.address());
    let request = waiting("/silent");
    client.send(request.head_bytes());
    assert_eq!(client.read_interim().status, 100);
    tomcat.resume();
    client.send(request.body_bytes());
    let answer = client.read_response().expect(200);
    assert_eq!((answer.text().as_str(), answer.interim.len()), ("done", 0));
    assert_eq!(tomcat.last_request().body, b"hello");
}

#[test]
fn a_client_that_does_not_wait_for_the_100_is_served() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    for _ in 0..10 {
        let answer = waiting("/continue").send_on(&mut client).expect(200);
        assert_eq!(answer.json()["body_bytes"], 5);
        assert!(answer.interim.len() <= 1, "{:?}", answer.interim);
    }
}

#[test]
fn an_expectation_without_a_body_or_of_http_1_0_is_none() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let expecting = |request: Request| request.header("Expect", "100-continue").header("Host", "a");
    let answer = expecting(Request::get("/continue"))
        .send(proxy.address())
        .expect(200);
    assert_eq!(answer.interim, []);
    let answer = expecting(Request::post("/continue", ""))
        .send(proxy.address())
        .expect(200);
    assert_eq!(answer.interim, []);
    let old = expecting(Request::post("/continue", "hello")).http10();
    let answer = old.send(proxy.address()).expect(200);
    assert_eq!(answer.interim, [], "HTTP/1.0 knows no interim answers");
    assert_eq!(answer.json()["body_bytes"], 5);
}

#[test]
fn another_expectation_is_refused() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    for expectation in ["200-ok", "100-continue, x", ""] {
        let mut client = Raw::connect(proxy.address());
        let request = Request::post("/echo", "hello").header("Expect", expectation);
        client.send(request.bytes());
        client.read_response().expect(417);
        client.expect_closed();
    }
    assert_eq!(tomcat.count(), 0);
    let refused = proxy.metrics().value(
        "cattail_requests_refused_total",
        &[("reason", "expectation")],
    );
    assert_eq!(refused, 3);
}

#[test]
fn a_waiting_client_is_told_at_once_that_nobody_is_there() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.kill();
    let mut client = Raw::connect(proxy.address());
    client.send(waiting("/continue").head_bytes());
    let answer = client.read_response();
    assert!(matches!(answer.status(), 502 | 503), "{answer:?}");
    assert_eq!(answer.interim, []);
    client.expect_closed();
}

#[test]
fn a_body_that_was_not_asked_for_yet_goes_to_the_next_tomcat() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    one.kill();
    for _ in 0..2 {
        let mut client = Raw::connect(proxy.address());
        let request = waiting("/continue");
        client.send(request.head_bytes());
        assert_eq!(client.read_interim().status, 100);
        client.send(request.body_bytes());
        let answer = client.read_response().expect(200);
        assert_eq!((answer.tomcat(), answer.interim.len()), ("jvm2", 0));
    }
}
