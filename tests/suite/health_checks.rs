//! What a check may ask and expect, and what its answer may bring about.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cattail::standin::{Fault, Then};

use super::affinity_stage::with;
use super::harness::*;

fn checks(proxy: &Proxy, result: &str) -> i64 {
    let metrics = proxy.metrics();
    metrics.value("cattail_backend_checks_total", &[("result", result)])
}

fn state(proxy: &Proxy, state: &str) -> bool {
    let labels = [("backend", "jvm1"), ("state", state)];
    proxy.metrics().exactly("cattail_backend_state", &labels) == 1
}

/// An answer with this body.
fn answer(body: &str) -> Fault {
    let length = body.len();
    let bytes = format!("HTTP/1.1 200 \r\nContent-Length: {length}\r\n\r\n{body}");
    Fault::Raw(bytes.into_bytes(), Then::Keep)
}

#[test]
fn a_check_says_what_the_file_says() {
    let tomcat = Tomcat::start("jvm1");
    let more = "health: { method: HEAD, path: /alive, headers: { X-Probe: 'a b', User-Agent: us }, interval: 20ms }";
    let proxy = Proxy::in_front_of(&[&tomcat], more);
    tomcat.wait_for_requests(3);
    eventually("it passes", || checks(&proxy, "success") >= 3);
    for check in tomcat.requests() {
        assert_eq!(check.method, "HEAD");
        assert_eq!(check.header("X-Probe"), Some("a b"));
        assert_eq!(check.header("User-Agent"), Some("us"));
        assert_eq!(check.header("Connection"), None);
        assert_eq!(check.connection, 1);
    }
}

#[test]
fn a_body_that_is_not_as_expected_takes_a_tomcat_out() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.script("/alive", answer("{\"status\":\"UP\"}"));
    let more = "health: { path: /alive, expect: { statuses: [200], body: '\"UP\"', body_regex: '^.\"status' }, interval: 20ms, rise: 1, fall: 2 }";
    let proxy = Proxy::in_front_of(&[&tomcat], more);
    eventually("it passes", || checks(&proxy, "success") >= 3);
    tomcat.script("/alive", answer("{\"status\":\"DOWN\"}"));
    eventually("it is down", || !proxy.is_up(&tomcat));
    assert!(checks(&proxy, "body") >= 2);
    tomcat.script("/alive", answer("{\"status\":\"UP\"}"));
    eventually("it is back", || proxy.is_up(&tomcat));
    tomcat.script("/alive", Fault::Status(204));
    eventually("it is down", || !proxy.is_up(&tomcat));
    assert!(checks(&proxy, "status") >= 2);
}

#[test]
fn a_status_that_drains_keeps_sessions_and_gives_no_new_ones() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more =
        "slow_start: 0s\nhealth: { path: /alive, drain_on: [404, 503], interval: 20ms, fall: 1 }";
    let proxy = Proxy::start(&sticky_cluster(&[&one, &two], more));
    let mut browser = Browser::new(proxy.address());
    while browser.get("/session").expect(200).tomcat() != "jvm1" {
        browser = Browser::new(proxy.address());
    }
    one.script("/alive", Fault::Status(404));
    eventually("it drains", || state(&proxy, "draining"));
    assert!(checks(&proxy, "drains") >= 1);
    for _ in 0..4 {
        assert_eq!(browser.get("/session").expect(200).tomcat(), "jvm1");
        assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm2");
    }
    // However often it says so, it is no failure.
    let drained = checks(&proxy, "drains");
    eventually("more of it", || checks(&proxy, "drains") >= drained + 4);
    assert!(state(&proxy, "draining"));
    one.unscript("/alive");
    eventually("it is up", || state(&proxy, "up"));
}

#[test]
fn a_tomcat_that_starts_with_a_status_that_drains_gets_nothing() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "slow_start: 0s\nhealth: { path: /alive, drain_on: [404], interval: 20ms }";
    let proxy = Proxy::start(&sticky_cluster(&[&one, &two], more));
    let mut browser = Browser::new(proxy.address());
    while browser.get("/session").expect(200).tomcat() != "jvm1" {
        browser = Browser::new(proxy.address());
    }
    one.kill();
    eventually("it is down", || state(&proxy, "down"));
    // Its port is open, its applications are not deployed yet.
    one.script("*", Fault::Status(404));
    one.script("/alive", Fault::Status(404));
    one.restart().expect("restarts");
    let drained = checks(&proxy, "drains");
    eventually("it says so", || checks(&proxy, "drains") >= drained + 3);
    assert!(state(&proxy, "down"));
    assert_eq!(browser.get("/session").expect(200).tomcat(), "jvm2");
    one.unscript_all();
    eventually("it is back", || state(&proxy, "up"));
}

#[test]
fn checks_that_make_sessions_are_counted() {
    let tomcat = Tomcat::start("jvm1");
    let more = "health: { path: /session, interval: 20ms }";
    let proxy = Proxy::in_front_of(&[&tomcat], more);
    let made = || {
        let metrics = proxy.metrics();
        metrics.value("cattail_backend_check_sessions_total", &[])
    };
    eventually("three sessions", || made() >= 3);
    for check in tomcat.requests() {
        assert_eq!(check.header("Cookie"), None, "each a stranger");
    }
    tomcat.script("/session", answer("well"));
    // One may have been under way.
    let good = checks(&proxy, "success");
    eventually("others", || checks(&proxy, "success") >= good + 3);
    let before = made();
    let good = checks(&proxy, "success");
    eventually("others", || checks(&proxy, "success") >= good + 3);
    assert_eq!(made(), before);
}

#[test]
fn an_open_port_brings_no_tomcat_back() {
    let tomcat = Tomcat::start("jvm1");
    let more = "health: { type: tcp, interval: 20ms, timeout: 100ms, rise: 1 }";
    let proxy = Proxy::in_front_of(&[&tomcat], more);
    eventually("connections are made", || checks(&proxy, "success") >= 3);
    assert_eq!(tomcat.count(), 0, "nothing is asked");
    tomcat.kill();
    eventually("it is down", || !proxy.is_up(&tomcat));
    // As a Tomcat that deploys: connections are taken and wait.
    tomcat.script("*", Fault::HangBeforeHead);
    tomcat.restart().expect("restarts");
    let late = checks(&proxy, "timeout");
    eventually("it was asked", || checks(&proxy, "timeout") >= late + 2);
    assert!(!proxy.is_up(&tomcat));
    get(proxy.address(), "/echo").expect(503);
    tomcat.unscript_all();
    eventually("it is back", || proxy.is_up(&tomcat));
    let asked: Vec<_> = tomcat
        .requests()
        .iter()
        .map(|seen| seen.target.clone())
        .collect();
    assert!(asked.iter().all(|target| target == "*"), "{asked:?}");
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn a_check_at_another_port_neither_ends_nor_proves_a_life() {
    let tomcat = Tomcat::start("jvm1");
    let desk = Tomcat::start("desk");
    let address = desk.address().to_string();
    let port = address.rsplit(':').next().expect("a port");
    let more = "slow_start: 0s\nhealth: { path: /alive, interval: 20ms, rise: 1, fall: 3 }";
    let text = cluster(&[&tomcat], more);
    let text = with(&text, "jvm1", &format!("check_port: {port}"));
    let proxy = Proxy::start(&text);
    desk.wait_for_requests(3);
    assert_eq!(tomcat.count(), 0);
    // The Tomcat dies, its desk does not: well-meant checks do not bring it back.
    tomcat.kill();
    get(proxy.address(), "/echo").expect(503);
    eventually("it is down", || state(&proxy, "down"));
    let asked = desk.count();
    desk.wait_for_requests(asked + 4);
    assert!(state(&proxy, "down"));
    tomcat.restart().expect("restarts");
    eventually("it is back", || state(&proxy, "up"));
    // The desk dies: that is three failures, and not at once.
    let refused = checks(&proxy, "connect");
    desk.kill();
    eventually("it is down", || state(&proxy, "down"));
    assert!(checks(&proxy, "connect") >= refused + 3);
    let ejections = proxy.metrics();
    let by_check = [("cause", "check")];
    assert_eq!(
        ejections.value("cattail_backend_ejections_total", &by_check),
        1
    );
}

/// As a process that ends: nobody new is let in, those who are in are served.
#[test]
fn a_check_over_a_kept_connection_brings_nobody_back() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("an address");
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let serve = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        drop(listener);
        let mut head = [0; 4096];
        while stream.read(&mut head).is_ok_and(|length| length > 0) {
            let answer = b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n";
            if stream.write_all(answer).is_err() {
                return;
            }
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let more = "health: { path: /alive, interval: 20ms, fall: 1000 }";
    let text = format!(
        "clusters:\n  shop:\n    {more}\n    backends: [ {{ name: jvm1, address: '{address}' }} ]\n"
    );
    let proxy = Proxy::start(&text);
    eventually("it is checked", || answered.load(Ordering::SeqCst) >= 3);
    assert!(state(&proxy, "up"));
    get(proxy.address(), "/echo").expect(503);
    let refused = checks(&proxy, "connect");
    eventually("checks see it", || checks(&proxy, "connect") >= refused + 3);
    assert!(state(&proxy, "down"));
    serve.join().expect("served");
}

/// A backend that sends without end, and one that says nothing, cost no more than their time.
#[test]
fn endless_answers_are_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("an address");
    let serve = std::thread::spawn(move || {
        let mut sent = Vec::new();
        for stream in listener.incoming().map_while(Result::ok).take(3) {
            let mut stream = stream;
            let mut head = [0; 4096];
            drop(stream.read(&mut head));
            drop(stream.write_all(b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"));
            let chunk = [b"1000\r\n".as_slice(), &[b'x'; 4096], b"\r\n"].concat();
            let mut count = 0_usize;
            // Until we close: 1 GiB would be enough to notice that we do not.
            while count < 1 << 30 && stream.write_all(&chunk).is_ok() {
                count += chunk.len();
            }
            sent.push(count);
        }
        sent
    });
    let more =
        "health: { path: /alive, expect: { body: y }, interval: 20ms, timeout: 5s, fall: 1000 }";
    let text = format!(
        "clusters:\n  shop:\n    {more}\n    backends: [ {{ name: jvm1, address: '{address}' }} ]\n"
    );
    let proxy = Proxy::start(&text);
    eventually("three checks", || checks(&proxy, "body") >= 3);
    let sent = serve.join().expect("served");
    assert!(sent.iter().all(|count| *count < 64 << 20), "{sent:?}");
}
