//! What both ends of a tunnel see of its end.

use super::harness::*;

const OFFER: &str =
    "GET /ws HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Both ends.
fn tunnel(mut client: Raw, backend: &Switch) -> [Raw; 2] {
    client.send(OFFER);
    let far = backend.switch();
    assert_eq!(client.read_interim().status, 101);
    [client, far]
}

#[track_caller]
fn ended(proxy: &Proxy, reason: &str) {
    let of = |labels: &[_]| {
        let metrics = proxy.metrics();
        metrics.value("cattail_tunnels_ended_total", labels)
    };
    eventually(reason, || of(&[("reason", reason)]) == 1);
    assert_eq!(of(&[]), 1);
}

/// What bounds a tunnel, what it is then counted as.
const BOUNDS: [(&str, &str); 2] = [
    ("tunnel_idle: 700ms", "idle"),
    ("tunnel_lifetime: 700ms", "lifetime"),
];

#[test]
fn over_tcp_what_was_said_before_the_end_arrives() {
    for (bound, reason) in BOUNDS {
        let backend = Switch::open();
        let proxy = Proxy::start(&backend.cluster(&format!("timeouts: {{ {bound} }}")));
        let [mut client, mut far] = tunnel(Raw::connect(proxy.address()), &backend);
        client.send("one");
        far.send("other");
        assert_eq!(
            far.read_to_end(),
            (b"one".to_vec(), End::Closed),
            "{reason}"
        );
        assert_eq!(
            client.read_to_end(),
            (b"other".to_vec(), End::Closed),
            "{reason}"
        );
        ended(&proxy, reason);
    }
}

#[test]
fn over_tls_an_end_that_no_side_has_made_looks_cut_off() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    for (bound, reason) in BOUNDS {
        let backend = Switch::open();
        let text = backend.cluster(&format!("timeouts: {{ {bound} }}"));
        let proxy = Proxy::start(&(Issued::listener(&[&shop], "") + &text));
        let client = Raw::connect_tls(proxy.address(), &ca.clients(), "shop.example");
        let [mut client, mut far] = tunnel(client, &backend);
        far.send("other");
        assert_eq!(
            client.read_to_end(),
            (b"other".to_vec(), End::Reset),
            "{reason}"
        );
        ended(&proxy, reason);
    }
}

/// A tunnel whose client came by TLS.
fn tunnel_by_tls() -> (Proxy, [Raw; 2]) {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let backend = Switch::open();
    let proxy = Proxy::start(&(Issued::listener(&[&shop], "") + &backend.cluster("")));
    let client = Raw::connect_tls(proxy.address(), &ca.clients(), "shop.example");
    let sides = tunnel(client, &backend);
    (proxy, sides)
}

#[test]
fn over_tls_an_end_in_order_has_its_word() {
    let (_proxy, [mut client, mut far]) = tunnel_by_tls();
    far.send("goodbye").finish_sending();
    assert_eq!(client.read_to_end(), (b"goodbye".to_vec(), End::Closed));
}

#[test]
fn the_last_word_before_a_break_arrives() {
    for _ in 0..20 {
        let (_proxy, [mut client, mut far]) = tunnel_by_tls();
        // Without TLS's own end: a broken connection.
        client.send("goodbye").finish_sending();
        assert_eq!(far.read_to_end().0, b"goodbye");
    }
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster(""));
    for _ in 0..20 {
        let [mut client, mut far] = tunnel(Raw::connect(proxy.address()), &backend);
        client.send("goodbye");
        client.reset();
        assert_eq!(far.read_to_end().0, b"goodbye");
    }
}

#[test]
fn a_stop_and_a_removal_end_as_bounds_do() {
    let backend = Switch::open();
    let text = backend.cluster("timeouts: { tunnel_removed: 100ms }");
    let proxy = Proxy::start(&text);
    let [mut client, mut far] = tunnel(Raw::connect(proxy.address()), &backend);
    proxy
        .reload("rules: [{ respond: { status: 204 } }]\n")
        .expect("is taken");
    client.expect_closed();
    far.expect_closed();

    let proxy = Proxy::start(&format!("shutdown: {{ tunnel_deadline: 0s }}\n{text}"));
    let [mut client, mut far] = tunnel(Raw::connect(proxy.address()), &backend);
    proxy.running().begin_stop();
    client.expect_closed();
    far.expect_closed();
    eventually("the end", || proxy.running().has_ended());
    ended(&proxy, "stop");
}

#[test]
fn a_second_signal_ends_a_tunnel_that_a_stop_lets_be() {
    let backend = Switch::open();
    let text = backend.cluster("");
    let proxy = Proxy::start(&format!("shutdown: {{ deadline: 1h }}\n{text}"));
    let [mut client, mut far] = tunnel(Raw::connect(proxy.address()), &backend);
    proxy.running().begin_stop();
    client.send("still here");
    assert_eq!(far.read_exactly(10), b"still here");
    proxy.running().abort();
    client.read_to_end();
    far.read_to_end();
    eventually("the end", || proxy.running().has_ended());
}

#[test]
fn the_other_side_of_one_that_breaks_has_what_was_said_and_an_end() {
    let backend = Switch::open();
    for (reason, client_breaks) in [("client_lost", true), ("backend_lost", false)] {
        let proxy = Proxy::start(&backend.cluster(""));
        let [client, far] = tunnel(Raw::connect(proxy.address()), &backend);
        let [mut broken, mut other] = if client_breaks {
            [client, far]
        } else {
            [far, client]
        };
        broken.send("goodbye");
        assert_eq!(other.read_exactly(7), b"goodbye");
        broken.reset();
        other.expect_closed();
        ended(&proxy, reason);
    }
}

#[test]
fn a_client_by_tls_that_ends_without_its_word_has_broken() {
    let (proxy, [client, mut far]) = tunnel_by_tls();
    drop(client);
    far.expect_closed();
    ended(&proxy, "client_lost");
}

#[test]
fn a_client_by_tls_may_leave_without_a_word_when_the_backend_has_ended() {
    let (proxy, [mut client, mut far]) = tunnel_by_tls();
    far.finish_sending();
    client.expect_closed();
    drop(client);
    far.read_to_end();
    ended(&proxy, "backend");
}

#[test]
fn a_side_that_breaks_after_the_other_had_ended_is_what_is_told() {
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster(""));
    let [mut client, mut far] = tunnel(Raw::connect(proxy.address()), &backend);
    far.finish_sending();
    client.expect_closed();
    client.reset();
    far.read_to_end();
    ended(&proxy, "client_lost");

    let proxy = Proxy::start(&backend.cluster(""));
    let [mut client, mut far] = tunnel(Raw::connect(proxy.address()), &backend);
    client.finish_sending();
    far.expect_closed();
    far.reset();
    client.read_to_end();
    ended(&proxy, "backend_lost");
}

#[test]
fn a_half_of_a_tunnel_is_silent_no_longer_than_a_whole_one_may_be() {
    let backend = Switch::open();
    let bounds = "timeouts: { tunnel_idle: 300ms, tunnel_half_closed: 1h }";
    let proxy = Proxy::start(&backend.cluster(bounds));
    let [mut client, mut far] = tunnel(Raw::connect(proxy.address()), &backend);
    client.finish_sending();
    far.expect_closed();
    client.expect_closed();
    ended(&proxy, "idle");
}
