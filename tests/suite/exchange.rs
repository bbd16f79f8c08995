//! One exchange with a backend: when its connection serves again, when it ends, who is told what.

use std::time::Duration;

use cattail::standin::{Fault, pattern};
use tokio::time::Instant;

use super::harness::*;

#[test]
fn a_connection_serves_again_after_a_post_with_a_length() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&one_worker(&tomcat, ""));
    for _ in 0..3 {
        let mut client = Raw::connect(proxy.address());
        Request::post("/echo", vec![b'x'; 100_000])
            .send_on(&mut client)
            .expect(200);
    }
    assert_eq!(tomcat.counts().connections_accepted, 1);
}

#[test]
fn a_connection_serves_again_after_a_large_answer() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&one_worker(&tomcat, ""));
    for path in ["/bytes/1000000", "/chunked/1000000", "/bytes/20000"] {
        for _ in 0..3 {
            get(proxy.address(), path).expect(200);
        }
    }
    assert_eq!(tomcat.counts().connections_accepted, 1);
    let gone = [("reason", "client_gone")];
    let metrics = proxy.metrics();
    assert_eq!(metrics.value_or_zero("cattail_errors_total", &gone), 0);
}

#[test]
fn a_body_larger_than_the_request_buffer_arrives_whole() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&one_worker(&tomcat, "buffers: { request: 16KiB }"));
    for method in ["POST", "PUT"] {
        let body = pattern(0, 100_000);
        let pieces: Vec<&[u8]> = body.chunks(999).collect();
        for request in [
            Request::new(method, "/echo").chunked(&pieces),
            Request::new(method, "/echo").body(body.clone()),
        ] {
            request.send(proxy.address()).expect(200);
            assert_eq!(tomcat.last_request().body_bytes, 100_000, "{method}");
        }
    }
}

#[test]
fn a_backend_that_answered_before_the_body_ended_is_let_go() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&one_worker(&tomcat, ""));
    let mut client = Raw::connect(proxy.address());
    let request = Request::post("/early", vec![b'x'; 1000]);
    client.send(request.head_bytes()).send(b"a beginning");
    client.read_response_to("POST").expect(200);
    tomcat.wait_for("without connections", |counts| counts.open_connections == 0);
}

#[test]
fn a_post_waits_for_its_answer_no_longer_than_a_get() {
    let tomcat = Tomcat::start("jvm1");
    let timeouts = "timeouts: { response: 200ms, body_idle: 1h }";
    let proxy = Proxy::start(&one_worker(&tomcat, timeouts));
    tomcat.script("/hang", Fault::HangBeforeHead);
    for request in [
        Request::post("/hang", "with a length"),
        Request::post("/hang", "").chunked(&[b"in ", b"chunks"]),
    ] {
        request.send(proxy.address()).expect(504);
    }
}

#[test]
fn a_client_that_still_sends_sees_an_early_answer() {
    let tomcat = Tomcat::start("jvm1");
    let more = "  - { path: /fixed, respond: { status: 403, body: no } }\n";
    let text = one_worker(&tomcat, "") + "rules:\n  - { cluster: shop }\n" + more;
    let proxy = Proxy::start(&("limits: { body: 100MiB }\n".to_owned() + &text));
    let body = vec![b'x'; 8 << 20];
    for (path, status) in [("/early", 200), ("/fixed", 403)] {
        for _ in 0..5 {
            let mut client = Raw::connect(proxy.address());
            let request = Request::post(path, body.clone());
            client.send(request.head_bytes());
            // The other side may end it meanwhile; what counts is the answer.
            drop(client.try_send(&body));
            client.read_response_to("POST").expect(status);
        }
    }
}

#[test]
fn a_status_that_nobody_else_can_better_is_passed_on() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&one_worker(&tomcat, "retry: { on: [500] }"));
    let response = get(proxy.address(), "/status/500").expect(500);
    assert_eq!(response.header("x-tomcat"), Some("jvm1"));
}

#[test]
fn a_slow_client_costs_no_attempt() {
    let [dead, alive] = tomcats(["dead", "alive"]);
    let more = "buffers: { request: 16KiB }\nretry: { time: 100ms }";
    let proxy =
        Proxy::start(&("workers: 1\n".to_owned() + &proxy::cluster(&[&dead, &alive], more)));
    dead.kill();
    let mut client = Raw::connect(proxy.address());
    let request = Request::post("/echo", "0123456789");
    let began = Instant::now();
    client.send(request.head_bytes()).send("01234");
    client.expect_silence(Duration::from_millis(300));
    client.send("56789");
    client.read_response_to("POST").expect(200);
    assert!(began.elapsed() > Duration::from_millis(200));
}

fn one_worker(tomcat: &Tomcat, more: &str) -> String {
    "workers: 1\n".to_owned() + &proxy::cluster(&[tomcat], more)
}

#[test]
fn an_answer_that_breaks_before_its_first_byte_is_a_bad_one() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&one_worker(&tomcat, ""));
    tomcat.script("/bad", Fault::ChunkedBadSize);
    get(proxy.address(), "/bad").expect(502);
    let closed = [("reason", "closed")];
    let metrics = proxy.metrics();
    assert_eq!(metrics.value_or_zero("cattail_errors_total", &closed), 1);
}
