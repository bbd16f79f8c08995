//! Who holds what: a slow client holds neither a Tomcat nor memory.

use std::time::Duration;

use cattail::standin::pattern;

use super::harness::*;

const MIB: u64 = 1 << 20;
/// Long enough to see that something does not happen.
const QUIET: Duration = Duration::from_millis(150);

fn start(tomcat: &Tomcat, limits: &str, more: &str) -> Proxy {
    let cluster = proxy::cluster(&[tomcat], more);
    Proxy::start(&format!("workers: 1\nlimits: {{ {limits} }}\n{cluster}"))
}

#[test]
fn a_slow_reader_of_a_small_answer_holds_no_tomcat() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "idle: 60s", "");
    for path in ["/bytes/61440", "/chunked/61440"] {
        let mut client = Raw::connect_narrow(proxy.address());
        client.send(Request::get(path).bytes());
        let now = |name| proxy.metrics().value(name, &[]);
        eventually(
            "the client has read nothing, and its Tomcat is free",
            || {
                tomcat.requests_to(path).len() == 1
                    && tomcat.counts().in_progress == 0
                    && now("cattail_backend_requests_in_flight") == 0
                    && now("cattail_backend_connections_idle") == 1
            },
        );
        get(proxy.address(), "/echo").expect(200);
        assert_eq!(tomcat.counts().connections_accepted, 1);
        let answer = client.read_response().expect(200);
        assert!(answer.body == pattern(0, 61_440), "another body came");
    }
}

#[test]
fn an_answer_to_a_client_that_does_not_read_is_not_taken_from_the_tomcat() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "idle: 60s", "");
    let received = || {
        proxy
            .metrics()
            .value("cattail_backend_received_bytes_total", &[])
            .unsigned_abs()
    };
    let mut client = Raw::connect_narrow(proxy.address());
    client.send(Request::get("/bytes/100000000").bytes());
    eventually("the answer began", || received() > 0);
    // The buffer of 64 KiB, and what the kernel takes for one connection.
    wait::stays("the proxy does not take it all", 2 * QUIET, || {
        received() < 10 * MIB
    });
    assert_eq!(tomcat.counts().in_progress, 1);
    get(proxy.address(), "/echo").expect(200);
    drop(client);
    tomcat.wait_for("the exchange given up", |counts| counts.in_progress == 0);
}

#[test]
fn a_client_that_never_reads_is_ended() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "send_idle: 200ms", "");
    let mut client = Raw::connect_narrow(proxy.address());
    client.send(Request::get("/bytes/100000000").bytes());
    tomcat.wait_for_requests(1);
    tomcat.wait_for("the exchange given up", |counts| {
        counts.open_connections == 0
    });
    eventually("it is closed", || {
        proxy.metrics().value("cattail_connections_open", &[]) == 0
    });
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn a_client_that_reads_slowly_is_not_ended() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "send_idle: 1s", "");
    let mut client = Raw::connect(proxy.address());
    client.send(Request::get("/bytes/100000000").bytes());
    for _ in 0..15 {
        wait::stays("reading slowly", Duration::from_millis(100), || true);
        client.read_exactly(1_000_000);
    }
    client.read_exactly(15_000_000);
}

#[test]
fn a_buffered_request_reaches_the_tomcat_when_its_body_is_there() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "idle: 60s", "buffers: { request: 64KiB }");
    let body = pattern(0, 50_000);
    for request in [
        Request::post("/echo", body.clone()),
        Request::new("PUT", "/echo").chunked(&[&body]),
    ] {
        let before = tomcat.count();
        let bytes = request.bytes();
        let (most, last) = bytes.split_at(bytes.len() - 1);
        let mut client = Raw::connect(proxy.address());
        client.send(most);
        wait::stays("the Tomcat sees nothing", QUIET, || {
            tomcat.count() == before
        });
        client.send(last);
        let answer = client.read_response().expect(200);
        assert_eq!(answer.json()["body_bytes"], 50_000);
        assert!(tomcat.last_request().body == body, "another body came");
    }
}

#[test]
fn a_body_larger_than_the_request_buffer_goes_on_when_the_buffer_is_full() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "idle: 60s", "buffers: { request: 16KiB }");
    let body = pattern(0, 300_000);
    let bytes = Request::post("/echo", body.clone()).bytes();
    let (most, last) = bytes.split_at(bytes.len() - 1);
    let mut client = Raw::connect(proxy.address());
    client.send(most);
    tomcat.wait_for_requests(1);
    client.send(last);
    let answer = client.read_response().expect(200);
    assert_eq!(
        answer.json()["body_checksum"],
        cattail::standin::Checksum::of(&body).to_string()
    );
}

#[test]
fn a_client_that_leaves_while_its_request_is_buffered_costs_no_tomcat_anything() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "body_idle: 150ms", "buffers: { request: 64KiB }");
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhel";
    let mut leaver = Raw::connect(proxy.address());
    leaver.send(head);
    let mut sleeper = Raw::connect(proxy.address());
    sleeper.send(head);
    drop(leaver);
    sleeper.read_response().expect(408);
    sleeper.expect_closed();
    assert_eq!(tomcat.count(), 0);
}
