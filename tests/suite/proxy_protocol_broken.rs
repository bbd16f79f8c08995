//! What comes in place of a PROXY header: closed, counted by its reason, never a request.

use std::time::Duration;

use cattail::standin::Address;
use rustix::process::Signal;
use tokio::time::Instant;

use super::harness::*;
use super::process::Process;

fn start(tomcat: &Tomcat, timeout: &str) -> Proxy {
    let cluster = cluster(&[tomcat], "");
    let expected = format!("{{ from: [127.0.0.1], timeout: {timeout} }}");
    Proxy::start(&format!(
        "listeners: [{{ name: front, address: '127.0.0.1:0', proxy_protocol: {expected} }}]\n{cluster}"
    ))
}

fn faults(proxy: &Proxy, reason: &str) -> i64 {
    let labels = [("listener", "front"), ("reason", reason)];
    proxy
        .metrics()
        .value("cattail_proxy_protocol_errors_total", &labels)
}

/// Sends what may be taken, and sees that not a byte comes back.
fn expect_to_be_closed(to: &Address, bytes: &[u8]) {
    let mut client = Raw::connect(to);
    drop(client.try_send(bytes));
    let (said, _) = client.read_to_end();
    assert!(said.is_empty(), "{bytes:?}: {said:?}");
}

fn v2(fixed: [u8; 4], block: &[u8]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n", &fixed[..], block].concat()
}

const ENDS: &[u8] = &[192, 0, 2, 9, 198, 51, 100, 1, 0, 1, 0, 80];

/// What comes in place of a header, and why it is none.
fn broken() -> Vec<(Vec<u8>, &'static str)> {
    let line = |words: &str| format!("PROXY {words}\r\n").into_bytes();
    let long = format!("UNKNOWN {}", "x".repeat(100));
    vec![
        (Request::get("/").bytes(), "signature"),
        (b"\x16\x03\x01\x02\0\x01".to_vec(), "signature"),
        (
            b"PROXY\tTCP4 192.0.2.9 198.51.100.1 1 2\r\n".to_vec(),
            "signature",
        ),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), "signature"),
        (v2([0x11, 0x11, 0, 12], ENDS), "version"),
        (v2([0x31, 0x11, 0, 12], ENDS), "version"),
        (v2([0x22, 0x11, 0, 12], ENDS), "command"),
        (v2([0x21, 0x41, 0, 12], ENDS), "family"),
        (v2([0x21, 0x13, 0, 12], ENDS), "family"),
        (line(&long), "too_long"),
        (v2([0x21, 0x11, 0x10, 1], ENDS), "too_long"),
        (v2([0x21, 0x11, 0xff, 0xff], ENDS), "too_long"),
        (line("TCP4 192.0.2.9 198.51.100.1 1"), "addresses"),
        (line("TCP4 ::1 ::1 1 2"), "addresses"),
        (line("TCP4 192.0.2.9 198.51.100.1 1 65536"), "addresses"),
        (
            b"PROXY TCP4 192.0.2.9 198.51.100.1 1 2\n".to_vec(),
            "addresses",
        ),
        (v2([0x21, 0x11, 0, 4], &ENDS[..4]), "addresses"),
        (v2([0x21, 0x21, 0, 12], ENDS), "addresses"),
        (v2([0x21, 0x11, 0, 14], &[ENDS, &[1, 0]].concat()), "fields"),
        (
            v2([0x21, 0x11, 0, 16], &[ENDS, &[1, 0, 9, 0]].concat()),
            "fields",
        ),
        (
            v2(
                [0x21, 0x11, 0, 19],
                &[ENDS, &[3, 0, 4, 1, 2, 3, 4]].concat(),
            ),
            "checksum",
        ),
    ]
}

#[test]
fn each_broken_form_is_closed_and_counted_by_its_reason() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "5s");
    let cases = broken();
    let mut counted = std::collections::BTreeMap::<&str, i64>::new();
    for (bytes, reason) in &cases {
        // What follows is a request that nobody may answer.
        let bytes = [&bytes[..], &Request::get("/never").bytes()].concat();
        expect_to_be_closed(&proxy.address(), &bytes);
        *counted.entry(reason).or_default() += 1;
        assert_eq!(faults(&proxy, reason), counted[reason], "{bytes:?}");
    }
    for length in [1, 11, 16, 27] {
        let mut client = Raw::connect(proxy.address());
        client.send(&v2([0x21, 0x11, 0, 12], ENDS)[..length]);
        client.finish_sending();
        assert!(client.read_to_end().0.is_empty());
    }
    assert_eq!(faults(&proxy, "incomplete"), 4);
    let all = proxy
        .metrics()
        .value("cattail_proxy_protocol_errors_total", &[]);
    assert_eq!(all, i64::try_from(cases.len()).unwrap() + 4);
    assert_eq!(tomcat.count(), 0);
}

#[test]
fn a_header_has_its_time() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "200ms");
    let began = Instant::now();
    let mut silent = Raw::connect(proxy.address());
    let mut slow = Raw::connect(proxy.address());
    for byte in b"PROXY TCP4 192.0.2.9 198" {
        slow.send([*byte]);
    }
    assert!(silent.read_to_end().0.is_empty());
    assert!(slow.read_to_end().0.is_empty());
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(200), "{took:?}");
    assert!(took < scaled(Duration::from_secs(3)), "{took:?}");
    assert_eq!(faults(&proxy, "timeout"), 2);
    assert_eq!(tomcat.count(), 0);
}

#[test]
fn a_header_within_its_time_is_followed_by_the_time_of_a_head() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "100ms");
    let mut client = Raw::connect(proxy.address());
    client.send(b"PROXY TCP4 192.0.2.9 198.51.100.1 1 2\r\n");
    client.expect_silence(Duration::from_millis(400));
    Request::get("/echo").send_on(&mut client).expect(200);
}

#[test]
fn a_second_header_is_no_request() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "5s");
    let line = b"PROXY TCP4 192.0.2.9 198.51.100.1 1 2\r\n";
    let mut client = Raw::connect(proxy.address());
    client.send([line, line, &Request::get("/never").bytes()[..]].concat());
    client.read_response().expect(400);
    assert_eq!(tomcat.count(), 0);
}

#[test]
fn who_is_closed_for_it_is_told_of_at_once_and_not_again() {
    for (from, words) in [
        (
            "127.0.0.2",
            "peers that are not in proxy_protocol.from are closed",
        ),
        (
            "127.0.0.1",
            "do not begin with a good PROXY header are closed",
        ),
    ] {
        let process = Process::run(&format!(
            "listeners: [{{ address: '127.0.0.1:0', proxy_protocol: {{ from: [{from}] }} }}]\n\
             rules: [{{ respond: {{ body: hello }} }}]\n"
        ));
        for _ in 0..5 {
            expect_to_be_closed(&process.address(), &Request::get("/").bytes());
        }
        let line = process.wait_for_line(words);
        let is_whole = line.contains("WARN") && line.contains("peer=127.0.0.1:");
        assert!(is_whole && line.contains("closed=1"), "{line}");
        process.signal(Signal::TERM);
        process.wait_for_line("stopping");
        let lines = process.lines();
        assert_eq!(lines.iter().filter(|line| line.contains(words)).count(), 1);
    }
}
