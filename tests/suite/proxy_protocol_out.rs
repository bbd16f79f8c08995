//! Backends that are told in a PROXY header for whom a connection is.

use std::net::SocketAddr;
use std::time::Duration;

use cattail::proxy_protocol::{Introduction, Version, Who};
use cattail::standin::Address;

use super::harness::*;

/// A cluster of these backends, which are told in this way.
fn cluster_of(backends: &[SocketAddr], told: &str, more: &str) -> String {
    let mut text = format!("clusters:\n  shop:\n    affinity: none\n    proxy_protocol: {told}\n");
    for line in more.lines() {
        text.extend(["    ", line, "\n"]);
    }
    let listed: Vec<_> = backends.iter().map(|it| format!("'{it}'")).collect();
    text + &format!("    backends: [{}]\n", listed.join(", "))
}

fn tcp(address: &Address) -> SocketAddr {
    match address {
        Address::Tcp(address) => *address,
        Address::Unix(_) => panic!("TCP"),
    }
}

fn header(version: Version, client: SocketAddr, proxy: SocketAddr) -> Vec<u8> {
    let who = Who::client(Some(client), Some(proxy));
    Introduction { version, who }.header()
}

/// A Tomcat that cannot be reached but by its porter.
fn behind_a_porter() -> (Tomcat, Porter) {
    let tomcat = Tomcat::start("jvm1");
    let porter = Porter::before(tomcat.address());
    (tomcat, porter)
}

#[test]
fn a_backend_is_told_of_each_client_on_a_connection_of_its_own() {
    for (word, version) in [("v1", Version::V1), ("v2", Version::V2)] {
        let (tomcat, porter) = behind_a_porter();
        let proxy = Proxy::start(&cluster_of(&[porter.address()], word, ""));
        let reached = tcp(&proxy.address());
        let mut one = Raw::connect_from("127.0.0.3", proxy.address());
        let mut two = Raw::connect_from("127.0.0.3", proxy.address());
        for _ in 0..3 {
            for client in [&mut one, &mut two] {
                Request::get("/echo").send_on(client).expect(200);
                Request::post("/echo", "body").send_on(client).expect(200);
            }
        }
        let expected = [&one, &two].map(|client| header(version, client.local(), reached));
        assert_eq!(porter.of_clients(), expected, "{word}");
        assert_eq!(tomcat.count(), 12);
        let metrics = proxy.metrics();
        let reuses = metrics.value("cattail_backend_connection_reuses_total", &[]);
        assert_eq!(reuses, 10);
    }
}

#[test]
fn a_connection_goes_with_its_client() {
    let (tomcat, porter) = behind_a_porter();
    // No checks, whose connections would be counted.
    let proxy = Proxy::start(&cluster_of(
        &[porter.address()],
        "v2",
        "health: { interval: 1h }",
    ));
    let mut clients = [(); 5].map(|()| Raw::connect(proxy.address()));
    for client in &mut clients {
        Request::get("/echo").send_on(client).expect(200);
    }
    let idle = |proxy: &Proxy| {
        proxy
            .metrics()
            .value("cattail_backend_connections_idle", &[])
    };
    assert_eq!(idle(&proxy), 5);
    drop(clients);
    eventually("none is kept", || idle(&proxy) == 0);
    let open = |proxy: &Proxy| {
        proxy
            .metrics()
            .value("cattail_backend_connections_open", &[])
    };
    eventually("none is open", || open(&proxy) == 0);
    assert_eq!(tomcat.count(), 5);
}

#[test]
fn no_more_connections_are_kept_than_may_be_and_those_of_late_are() {
    let (tomcat, porter) = behind_a_porter();
    let proxy = Proxy::start(&format!(
        "workers: 1\n{}",
        cluster_of(&[porter.address()], "v2", "pool: { max_idle: 2 }")
    ));
    let mut clients = [(); 4].map(|()| Raw::connect(proxy.address()));
    for client in &mut clients {
        Request::get("/echo").send_on(client).expect(200);
    }
    let metrics = proxy.metrics();
    assert_eq!(metrics.value("cattail_backend_connections_idle", &[]), 2);
    // The last two have theirs still.
    for client in &mut clients[2..] {
        Request::get("/echo").send_on(client).expect(200);
    }
    assert_eq!(porter.of_clients().len(), 4);
    Request::get("/echo").send_on(&mut clients[0]).expect(200);
    assert_eq!(porter.of_clients().len(), 5);
    assert_eq!(tomcat.count(), 7);
}

#[test]
fn behind_a_trusted_proxy_the_backend_is_told_of_the_client_that_it_names() {
    let (_tomcat, porter) = behind_a_porter();
    let text = cluster_of(&[porter.address()], "v1", "");
    let proxy = Proxy::start(&format!("trusted_proxies: [127.0.0.1]\n{text}"));
    let mut client = Raw::connect(proxy.address());
    for ip in [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.1",
        "2001:db8::1",
        "192.0.2.2",
    ] {
        let request = Request::get("/echo").header("X-Forwarded-For", ip);
        request.send_on(&mut client).expect(200);
    }
    let told: Vec<_> = porter.sources().iter().map(ToString::to_string).collect();
    // Its port is not known.
    assert_eq!(told, ["192.0.2.1:0", "192.0.2.2:0", "[2001:db8::1]:0"]);
}

#[test]
fn a_second_attempt_is_told_the_same() {
    let (tomcat, porter) = behind_a_porter();
    // Nobody listens there any more.
    let nobody = stopping(1);
    drop(std::net::TcpStream::connect(nobody).map(drop));
    let backends = [nobody, porter.address()];
    let proxy = Proxy::start(&cluster_of(&backends, "v2", "timeouts: { connect: 500ms }"));
    let mut client = Raw::connect(proxy.address());
    for _ in 0..4 {
        Request::get("/echo").send_on(&mut client).expect(200);
    }
    let reached = tcp(&proxy.address());
    let told = header(Version::V2, client.local(), reached);
    assert_eq!(porter.of_clients(), [told]);
    assert_eq!(tomcat.count(), 4);
}

#[test]
fn checks_speak_for_nobody() {
    for (word, said) in [
        ("v1", &b"PROXY UNKNOWN\r\n"[..]),
        ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"),
    ] {
        for check in ["path: /alive", "type: tcp"] {
            let (tomcat, porter) = behind_a_porter();
            let more = format!("health: {{ {check}, interval: 20ms }}");
            let proxy = Proxy::start(&cluster_of(&[porter.address()], word, &more));
            let passed = || {
                let labels = [("result", "success")];
                let metrics = proxy.metrics();
                metrics.value("cattail_backend_checks_total", &labels) >= 3
            };
            eventually("it passes", passed);
            eventually("it was told", || !porter.heard().is_empty());
            assert!(
                porter.heard().iter().all(|header| header == said),
                "{word} {check}"
            );
            assert_eq!(tomcat.count() > 0, check.contains("path"), "{check}");
        }
    }
}

#[test]
fn a_check_at_another_port_knows_of_no_header() {
    let (tomcat, porter) = behind_a_porter();
    let port = tcp(tomcat.address()).port();
    let more = format!("health: {{ path: /alive, port: {port}, interval: 20ms }}");
    let _proxy = Proxy::start(&cluster_of(&[porter.address()], "v2", &more));
    tomcat.wait_for_requests(3);
    assert_eq!(tomcat.last_request().target, "/alive");
    assert!(porter.heard().is_empty());
}

#[test]
fn a_client_without_an_address_is_unknown() {
    let (tomcat, porter) = behind_a_porter();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("front.sock");
    let text = cluster_of(&[porter.address()], "v2", "health: { interval: 1h }");
    let proxy = Proxy::start(&format!(
        "listeners: [{{ address: 'unix:{}' }}]\n{text}",
        path.display()
    ));
    get(proxy.address(), "/echo").expect(200);
    assert_eq!(porter.heard(), [b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0".to_vec()]);
    assert_eq!(tomcat.count(), 1);
}

#[test]
fn a_reload_leaves_no_connection_that_began_otherwise() {
    let (tomcat, porter) = behind_a_porter();
    let told = |address, word| cluster_of(&[address], word, "health: { interval: 1h }");
    let proxy = Proxy::start(&told(porter.address(), "v1"));
    let mut client = Raw::connect(proxy.address());
    let mut ask = || Request::get("/echo").send_on(&mut client).status();
    assert_eq!(ask(), 200);
    proxy.reload(&told(porter.address(), "v2")).unwrap();
    assert_eq!((ask(), ask()), (200, 200));
    let versions: Vec<bool> = porter
        .of_clients()
        .iter()
        .map(|it| it.starts_with(b"PROXY"))
        .collect();
    assert_eq!(versions, [true, false]);
    // The porter knows of nothing else than headers.
    proxy.reload(&told(porter.address(), "off")).unwrap();
    assert_eq!(ask(), 502);
    assert_eq!(tomcat.count(), 3);
    proxy.reload(&told(tcp(tomcat.address()), "off")).unwrap();
    assert_eq!((ask(), ask()), (200, 200));
    let last = tomcat.requests();
    let connections = &last[last.len() - 2..];
    assert_eq!(connections[0].connection, connections[1].connection);
}

#[test]
fn where_nobody_is_told_clients_share_connections_as_ever() {
    let tomcat = Tomcat::start("jvm1");
    let more = "proxy_protocol: off";
    let proxy = Proxy::start(&format!("workers: 1\n{}", cluster(&[&tomcat], more)));
    for from in ["127.0.0.3", "127.0.0.4"] {
        let mut client = Raw::connect_from(from, proxy.address());
        Request::get("/echo").send_on(&mut client).expect(200);
    }
    let seen = tomcat.requests();
    assert_eq!(seen[0].connection, seen[1].connection);
}

#[test]
fn from_one_proxy_to_the_next_the_client_stays_who_it_is() {
    let tomcat = Tomcat::start("jvm1");
    for word in ["v1", "v2"] {
        let inner = Proxy::start(&format!(
            "listeners: [{{ address: '127.0.0.1:0', proxy_protocol: {{ from: [127.0.0.1] }} }}]\n{}",
            cluster(&[&tomcat], "")
        ));
        let outer = Proxy::start(&cluster_of(
            &[tcp(&inner.address())],
            word,
            "forwarded: { x_forwarded: false }",
        ));
        let clients = in_parallel(8, |number| {
            let from = format!("127.0.0.{}", number + 10);
            let mut client = Raw::connect_from(&from, outer.address());
            for turn in 0..5 {
                let target = format!("/{word}/{number}/{turn}");
                Request::get(&target).send_on(&mut client).expect(200);
            }
            (number, from)
        });
        for (number, from) in clients {
            for turn in 0..5 {
                let seen = tomcat.requests_to(&format!("/{word}/{number}/{turn}"));
                assert_eq!(seen.len(), 1);
                assert_eq!(seen[0].header("X-Forwarded-For"), Some(&*from));
            }
        }
        let port = tcp(&outer.address()).port().to_string();
        assert_eq!(
            tomcat.last_request().header("X-Forwarded-Port"),
            Some(&*port)
        );
        // Checks of the outer one are no faults.
        let faults = inner
            .metrics()
            .value("cattail_proxy_protocol_errors_total", &[]);
        assert_eq!(faults, 0);
    }
}

#[test]
fn a_switched_connection_begins_so_too() {
    let (tomcat, porter) = behind_a_porter();
    let proxy = Proxy::start(&cluster_of(&[porter.address()], "v2", ""));
    tomcat.script("/ws", cattail::standin::Fault::Raw(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello".to_vec(),
        cattail::standin::Then::Keep,
    ));
    let mut client = Raw::connect(proxy.address());
    let request = Request::get("/ws")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket");
    client.send(request.bytes());
    assert_eq!(client.read_response().status(), 101);
    assert_eq!(client.read_exactly(5), b"hello");
    assert_eq!(porter.sources(), [client.local()]);
    drop(client);
    let tunnels = || proxy.metrics().value("cattail_tunnels_open", &[]);
    eventually("the tunnel has ended", || tunnels() == 0);
    stays("nothing of it is kept", Duration::from_millis(50), || {
        proxy
            .metrics()
            .value("cattail_backend_connections_idle", &[])
            == 0
    });
}
