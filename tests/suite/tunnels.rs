//! What bounds tunnels, what becomes of them at a stop and a reload, and what is said of them.

use std::time::Duration;

use cattail::standin::pattern;
use tokio::time::Instant;

use super::harness::*;

fn upgrade(path: &str) -> Vec<u8> {
    Request::get(path)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .bytes()
}

/// A tunnel to the Tomcat's echo.
fn echo(proxy: &Proxy) -> Raw {
    let mut client = Raw::connect(proxy.address());
    client.send(upgrade("/upgrade"));
    assert_eq!(client.read_interim().status, 101);
    client
}

/// Both ends of a tunnel.
fn both(proxy: &Proxy, backend: &Switch, mut client: Raw) -> (Raw, Raw) {
    client.send(upgrade("/ws"));
    let far = backend.switch();
    assert_eq!(client.read_interim().status, 101);
    assert_eq!(open(proxy), 1);
    (client, far)
}

fn open(proxy: &Proxy) -> i64 {
    proxy.metrics().value("cattail_tunnels_open", &[])
}

fn answers(client: &mut Raw) {
    client.send("hello");
    assert_eq!(client.read_exactly(5), b"hello");
}

/// One tunnel has ended, and of this.
#[track_caller]
fn ended(proxy: &Proxy, reason: &str) {
    let of = |labels: &[_]| {
        let metrics = proxy.metrics();
        metrics.value("cattail_tunnels_ended_total", labels)
    };
    eventually(reason, || of(&[("reason", reason)]) == 1);
    assert_eq!(of(&[]), 1);
    assert_eq!(open(proxy), 0);
    let in_flight = "cattail_backend_requests_in_flight";
    assert_eq!(proxy.metrics().value_or_zero(in_flight, &[]), 0);
}

#[test]
fn silence_of_both_sides_ends_a_tunnel_and_a_byte_of_either_keeps_it() {
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster("timeouts: { tunnel_idle: 600ms }"));
    let (mut client, mut far) = both(&proxy, &backend, Raw::connect(proxy.address()));
    let began = Instant::now();
    for turn in 0..8 {
        let (from, to) = if turn % 2 == 0 {
            (&mut client, &mut far)
        } else {
            (&mut far, &mut client)
        };
        from.send("x");
        assert_eq!(to.read_exactly(1), b"x");
        client.expect_silence(Duration::from_millis(200));
    }
    assert!(began.elapsed() > Duration::from_millis(1500));
    client.read_to_end();
    far.read_to_end();
    ended(&proxy, "idle");
}

#[test]
fn a_lifetime_ends_a_busy_tunnel_too() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "timeouts: { tunnel_lifetime: 500ms }");
    let mut client = echo(&proxy);
    let began = Instant::now();
    while client.try_send("x").is_ok() && !client.read_piece().is_empty() {}
    assert!(began.elapsed() >= Duration::from_millis(400));
    ended(&proxy, "lifetime");
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn a_half_that_ended_leaves_the_other_half() {
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster(""));
    let (mut client, mut far) = both(&proxy, &backend, Raw::connect(proxy.address()));
    client.send("the last of it").finish_sending();
    let (rest, end) = far.read_to_end();
    assert_eq!(
        (rest.as_slice(), end),
        (&b"the last of it"[..], End::Closed)
    );
    let answer = pattern(0, 300_000);
    far.send(&answer);
    assert!(client.read_exactly(answer.len()) == answer);
    far.finish_sending();
    client.expect_closed();
    ended(&proxy, "client");

    let proxy = Proxy::start(&backend.cluster(""));
    let (mut client, mut far) = both(&proxy, &backend, Raw::connect(proxy.address()));
    far.send("goodbye").finish_sending();
    assert_eq!(client.read_to_end(), (b"goodbye".to_vec(), End::Closed));
    client.send(&answer);
    assert!(far.read_exactly(answer.len()) == answer);
    client.finish_sending();
    far.expect_closed();
    ended(&proxy, "backend");
}

#[test]
fn a_half_open_tunnel_ends_when_its_other_half_is_silent() {
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster("timeouts: { tunnel_half_closed: 300ms }"));
    let (mut client, mut far) = both(&proxy, &backend, Raw::connect(proxy.address()));
    client.expect_silence(Duration::from_millis(600));
    client.finish_sending();
    assert_eq!(far.read_to_end().1, End::Closed);
    client.read_to_end();
    ended(&proxy, "half_closed");
}

#[test]
fn a_side_that_breaks_takes_the_other_with_it() {
    let backend = Switch::open();
    for (reason, client_breaks) in [("client_lost", true), ("backend_lost", false)] {
        let proxy = Proxy::start(&backend.cluster(""));
        let (client, far) = both(&proxy, &backend, Raw::connect(proxy.address()));
        let (broken, mut other) = if client_breaks {
            (client, far)
        } else {
            (far, client)
        };
        broken.reset();
        other.read_to_end();
        ended(&proxy, reason);
    }
}

#[test]
fn a_reader_that_takes_nothing_holds_the_other_side_back() {
    const PIECE: i64 = 16 << 10;
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster(""));
    let narrow = Raw::connect_narrow(proxy.address());
    let (mut client, mut far) = both(&proxy, &backend, narrow);
    let bytes = pattern(0, 64 << 20);
    let pause = Duration::from_millis(500);
    let sent = far.send_until_blocked(&bytes, pause);
    assert!(sent < bytes.len(), "the sender was held back");
    let metrics = proxy.metrics();
    let read = metrics.value("cattail_backend_received_bytes_total", &[]);
    let passed = metrics.value("cattail_response_bytes_total", &[]);
    assert!(
        read - passed < PIECE + 200,
        "{read} read, {passed} passed on"
    );
    // The other direction is free meanwhile.
    client.send("a word");
    assert_eq!(far.read_exactly(6), b"a word");
    assert!(client.read_exactly(sent) == bytes[..sent]);
    drop(client);

    let proxy = Proxy::start(&backend.cluster(""));
    let (mut client, mut far) = both(&proxy, &backend, Raw::connect(proxy.address()));
    let sent = client.send_until_blocked(&bytes, pause);
    assert!(sent < bytes.len(), "the client was held back");
    assert!(far.read_exactly(sent) == bytes[..sent]);
}

#[test]
fn messages_arrive_at_once_over_tls_on_both_sides() {
    let ca = Authority::new("ca");
    let (shop, own) = (ca.issue(&["shop.example"]), ca.issue(&["127.0.0.1"]));
    let tomcat = Tomcat::start("jvm1");
    let front = TlsFront::start(&own, None, &tomcat);
    let proxy = Proxy::start(&format!(
        "{}clusters:\n  shop:\n    affinity: none\n    tls: {{ ca: '{}' }}\n    backends: ['{}']\n",
        Issued::listener(&[&shop], ""),
        ca.file().display(),
        front.address(),
    ));
    let mut client = Raw::connect_tls(proxy.address(), &ca.clients(), "shop.example");
    client.send(upgrade("/upgrade"));
    assert_eq!(client.read_interim().status, 101);
    for size in [1, 5, 16_384, 16_385, 200_000] {
        let message = pattern(0, size);
        client.send(&message);
        assert!(client.read_exactly(size) == message, "{size}");
    }
    drop(client);
    eventually("it is over", || open(&proxy) == 0);
}

#[test]
fn a_stop_lets_tunnels_be_until_their_deadline() {
    let tomcat = Tomcat::start("jvm1");
    let cluster = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!(
        "shutdown: {{ deadline: 1h, tunnel_deadline: 700ms }}\n{cluster}"
    ));
    let mut client = echo(&proxy);
    proxy.running().begin_stop();
    let began = Instant::now();
    let address = proxy.address();
    eventually("new ones are refused", || {
        Raw::try_connect(&address).is_err()
    });
    answers(&mut client);
    client.read_to_end();
    assert!(began.elapsed() >= Duration::from_millis(600));
    ended(&proxy, "stop");
    eventually("the end", || proxy.running().has_ended());
}

#[test]
fn without_a_deadline_of_their_own_tunnels_have_that_of_requests() {
    let tomcat = Tomcat::start("jvm1");
    let cluster = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!("shutdown: {{ deadline: 1s }}\n{cluster}"));
    let mut client = echo(&proxy);
    proxy.running().begin_stop();
    answers(&mut client);
    client.read_to_end();
    eventually("the end", || proxy.running().has_ended());
    ended(&proxy, "stop");
}

#[test]
fn a_reload_ends_tunnels_to_backends_that_it_takes_away_and_no_others() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let with = |tomcats: &[&Tomcat], ms: u64| {
        cluster(tomcats, &format!("timeouts: {{ tunnel_removed: {ms}ms }}"))
    };
    let proxy = Proxy::start(&format!("workers: 1\n{}", with(&[&one, &two], 600)));
    let (mut first, mut second) = (echo(&proxy), echo(&proxy));
    proxy
        .reload(&format!("workers: 1\n{}", with(&[&two, &one], 500)))
        .expect("is taken");
    first.expect_silence(Duration::from_millis(900));
    let began = Instant::now();
    proxy
        .reload(&format!("workers: 1\n{}", with(&[&two], 500)))
        .expect("is taken");
    answers(&mut first);
    first.read_to_end();
    assert!(
        began.elapsed() >= Duration::from_millis(500),
        "some time to end by themselves"
    );
    one.wait_for("an end", |counts| counts.open_connections == 0);
    let of = |reason| {
        let labels = [("reason", reason)];
        proxy
            .metrics()
            .value("cattail_tunnels_ended_total", &labels)
    };
    eventually("it is counted", || of("removed") == 1);
    answers(&mut second);
    // A cluster that is taken away takes its backends with it.
    proxy
        .reload("workers: 1\nrules: [{ respond: { status: 204 } }]\n")
        .expect("is taken");
    second.read_to_end();
}

#[test]
fn the_log_tells_of_a_tunnel_when_it_has_ended() {
    let tomcat = Tomcat::start("jvm1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let proxy = Proxy::start(&format!(
        "access_log: {{ path: '{}', format: json }}\n{}",
        path.display(),
        cluster(&[&tomcat], "timeouts: { tunnel_idle: 500ms }")
    ));
    let mut one = echo(&proxy);
    let metrics = proxy.metrics();
    let switched = [("code", "1xx")];
    assert_eq!(metrics.value("cattail_requests_total", &switched), 1);
    answers(&mut one);
    eventually("bytes are counted as they pass", || {
        let metrics = proxy.metrics();
        metrics.value("cattail_request_bytes_total", &[]) == 5
            && metrics.value("cattail_response_bytes_total", &[]) == 5
    });
    one.finish_sending();
    one.expect_closed();
    let mut two = echo(&proxy);
    two.read_to_end();
    eventually("both are over", || open(&proxy) == 0);
    proxy.stop();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [one, two] = <[_; 2]>::try_from(lines).unwrap();
    assert_eq!(one["status"], 101);
    assert_eq!(
        (&one["bytes_in"], &one["bytes_out"]),
        (&5.into(), &5.into())
    );
    assert_eq!(
        (&one["uri"], &one["backend"]),
        (&"/upgrade".into(), &"jvm1".into())
    );
    assert_eq!(one["host"], "shop.example");
    assert!(one["error"].is_null(), "{one}");
    assert_eq!(two["error"], "tunnel_idle");
    assert!(two["duration"].as_f64().unwrap() >= 0.5, "{two}");
}
