//! Load balancers that say in a PROXY header for whom they connect.

use std::time::Duration;

use cattail::proxy_protocol::{Introduction, Version, Who};
use cattail::standin::Address;
use serde_json::Value;

use super::harness::*;

/// What a load balancer sends for a client: version 1.
const LINE: &[u8] = b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 443\r\n";

fn header(version: Version, source: &str, destination: &str) -> Vec<u8> {
    let address = |text: &str| Some(text.parse().unwrap());
    let who = Who::client(address(source), address(destination));
    Introduction { version, who }.header()
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

/// A header of version 2 for 192.0.2.9:4711, with these fields.
fn with_fields(fields: &[Vec<u8>]) -> Vec<u8> {
    let mut header = header(Version::V2, "192.0.2.9:4711", "198.51.100.1:443");
    header.extend(fields.concat());
    let length = u16::try_from(header.len() - 16).unwrap();
    header[14..16].copy_from_slice(&length.to_be_bytes());
    header
}

/// A proxy that believes 127.0.0.1, with more keys of the listener and of the file.
fn start(tomcat: &Tomcat, of_listener: &str, of_file: &str) -> Proxy {
    let from = if of_listener.contains("proxy_protocol:") {
        ""
    } else {
        ", proxy_protocol: { from: [127.0.0.1] }"
    };
    let cluster = cluster(&[tomcat], "");
    Proxy::start(&format!(
        "listeners: [{{ name: front, address: '127.0.0.1:0'{from}{of_listener} }}]\n{of_file}\n{cluster}"
    ))
}

/// The answer to a request behind this header.
fn ask(to: &Address, header: &[u8], request: &Request) -> Response {
    let mut client = Raw::connect(to);
    client.send([header, &request.bytes()].concat());
    client.read_response()
}

#[test]
fn who_is_named_takes_the_place_of_the_load_balancer() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "", "");
    let cases = [
        (
            Version::V1,
            "192.0.2.9:4711",
            "198.51.100.1:443",
            "192.0.2.9",
            "443",
        ),
        (
            Version::V2,
            "192.0.2.9:4711",
            "198.51.100.1:443",
            "192.0.2.9",
            "443",
        ),
        (
            Version::V1,
            "[2001:db8::9]:4711",
            "[2001:db8::1]:8443",
            "2001:db8::9",
            "8443",
        ),
        (
            Version::V2,
            "[2001:db8::9]:4711",
            "[2001:db8::1]:8443",
            "2001:db8::9",
            "8443",
        ),
        // Port 0 is one, as far as clients go.
        (
            Version::V1,
            "192.0.2.9:0",
            "198.51.100.1:80",
            "192.0.2.9",
            "80",
        ),
    ];
    for (version, source, destination, ip, port) in cases {
        let forged = Request::get("/echo").header("X-Forwarded-For", "6.6.6.6");
        ask(
            &proxy.address(),
            &header(version, source, destination),
            &forged,
        )
        .expect(200);
        let seen = tomcat.last_request();
        assert_eq!(seen.all("X-Forwarded-For"), [ip], "{version:?} {source}");
        assert_eq!(seen.header("X-Real-IP"), Some(ip));
        assert_eq!(seen.header("X-Forwarded-Port"), Some(port));
        assert_eq!(seen.header("X-Forwarded-Proto"), Some("http"));
    }
    // IPv4 in IPv6's clothes is IPv4.
    let mapped = b"PROXY TCP6 ::ffff:192.0.2.9 ::ffff:198.51.100.1 1 80\r\n";
    ask(&proxy.address(), mapped, &Request::get("/echo")).expect(200);
    assert_eq!(
        tomcat.last_request().header("X-Forwarded-For"),
        Some("192.0.2.9")
    );
}

#[test]
fn a_port_that_is_not_told_is_that_of_the_listener() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "", "");
    let header = header(Version::V2, "192.0.2.9:4711", "198.51.100.1:0");
    ask(&proxy.address(), &header, &Request::get("/echo")).expect(200);
    let Address::Tcp(address) = proxy.address() else {
        panic!("TCP")
    };
    let port = address.port().to_string();
    assert_eq!(
        tomcat.last_request().header("X-Forwarded-Port"),
        Some(&*port)
    );
}

#[test]
fn a_header_may_come_in_any_pieces_and_nothing_behind_it_is_lost() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "", "");
    let long = with_fields(&[field(0x04, &[b'x'; 4000])]);
    for header in [LINE.to_vec(), with_fields(&[]), long] {
        let two = [Request::get("/one").bytes(), Request::get("/two").bytes()].concat();
        let all = [&header[..], &two].concat();
        for piece in [1, 13, 16, all.len()] {
            // So many writes are enough for a long one.
            let piece = piece.max(all.len() / 400);
            let mut client = Raw::connect(proxy.address());
            for piece in all.chunks(piece) {
                client.send(piece);
            }
            client.read_response().expect(200);
            client.read_response().expect(200);
            assert_eq!(tomcat.last_request().target, "/two");
            assert_eq!(tomcat.last_request().header("X-Real-IP"), Some("192.0.2.9"));
        }
    }
}

#[test]
fn a_load_balancer_may_speak_for_itself() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "", "trusted_proxies: [127.0.0.1]");
    let of_unix = [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8/run/client.sock".as_slice(),
        &[0; 200],
    ];
    let headers: [&[u8]; 5] = [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN 192.0.2.9 whatever\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x0c\xc0\0\x02\x09\xc6\x33\x64\x01\x12\x67\x01\xbb",
        &of_unix.concat(),
    ];
    for header in headers {
        let request = Request::get("/echo").header("X-Forwarded-For", "6.6.6.6");
        ask(&proxy.address(), header, &request).expect(200);
        let seen = tomcat.last_request();
        assert_eq!(
            seen.header("X-Forwarded-For"),
            Some("127.0.0.1"),
            "{header:?}"
        );
    }
    // One that only looks whether somebody listens is no fault.
    drop(Raw::connect(proxy.address()));
    eventually("it is gone", || {
        let open = [("listener", "front")];
        proxy.metrics().value("cattail_connections_open", &open) == 0
    });
    let metrics = proxy.metrics();
    assert_eq!(metrics.value("cattail_proxy_protocol_errors_total", &[]), 0);
}

#[test]
fn a_stranger_is_not_believed_whatever_is_done_with_him() {
    let tomcat = Tomcat::start("jvm1");
    let refusing = start(&tomcat, "", "");
    let serving = ", proxy_protocol: { from: [127.0.0.1], others: serve }";
    let serving = start(&tomcat, serving, "");
    for first in [LINE, b""] {
        let bytes = [first, &Request::get("/echo").bytes()].concat();
        let mut client = Raw::connect_from("127.0.0.2", refusing.address());
        drop(client.try_send(&bytes));
        let (said, _) = client.read_to_end();
        assert!(said.is_empty());
    }
    let metrics = refusing.metrics();
    let labels = [("listener", "front"), ("reason", "proxy_protocol")];
    assert_eq!(
        metrics.value("cattail_connections_refused_total", &labels),
        2
    );
    assert_eq!(tomcat.count(), 0);

    // Where he is served, a header is no request.
    let mut client = Raw::connect_from("127.0.0.2", serving.address());
    client.send([LINE, &Request::get("/echo").bytes()].concat());
    client.read_response().expect(400);
    assert_eq!(tomcat.count(), 0);
    let mut client = Raw::connect_from("127.0.0.2", serving.address());
    Request::get("/echo").send_on(&mut client).expect(200);
    assert_eq!(
        tomcat.last_request().header("X-Forwarded-For"),
        Some("127.0.0.2")
    );
    // And the load balancer must send one.
    let mut client = Raw::connect(serving.address());
    drop(client.try_send(Request::get("/echo").bytes()));
    assert!(client.read_to_end().0.is_empty());
    assert_eq!(tomcat.count(), 1);
}

#[test]
fn who_may_come_in_is_asked_of_who_is_named() {
    let tomcat = Tomcat::start("jvm1");
    let rules = "rules:
  - { path: /office, allow: [192.0.2.0/24], cluster: shop }
  - { cluster: shop }";
    let proxy = start(&tomcat, ", deny: [198.51.100.0/24]", rules);
    let from = |ip: &str| header(Version::V2, &format!("{ip}:1"), "203.0.113.1:80");
    let office = Request::get("/office");
    ask(&proxy.address(), &from("192.0.2.9"), &office).expect(200);
    ask(&proxy.address(), &from("203.0.113.9"), &office).expect(403);
    let mut client = Raw::connect(proxy.address());
    drop(client.try_send(from("198.51.100.9")));
    assert!(client.read_to_end().0.is_empty());
    let labels = [("listener", "front"), ("reason", "access")];
    let refused = proxy
        .metrics()
        .value("cattail_connections_refused_total", &labels);
    assert_eq!(refused, 1);
}

#[test]
fn connections_are_counted_for_who_is_named() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "", "limits: { connections_per_client: 2 }");
    let page = Request::get("/echo");
    let from = |ip: &str| header(Version::V1, &format!("{ip}:1"), "198.51.100.1:80");
    let mut clients = Vec::new();
    for ip in ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"] {
        let mut client = Raw::connect(proxy.address());
        client.send([from(ip), page.bytes()].concat());
        client.read_response().expect(200);
        clients.push(client);
    }
    // Nor do checks of the load balancer's own count.
    for _ in 0..4 {
        let mut client = Raw::connect(proxy.address());
        client.send([b"PROXY UNKNOWN\r\n", &page.bytes()[..]].concat());
        client.read_response().expect(200);
        clients.push(client);
    }
    let mut third = Raw::connect(proxy.address());
    drop(third.try_send(from("192.0.2.1")));
    assert!(third.read_to_end().0.is_empty());
    let labels = [("listener", "front"), ("reason", "limit_client")];
    let refused = proxy
        .metrics()
        .value("cattail_connections_refused_total", &labels);
    assert_eq!(refused, 1);
    drop(clients);
}

#[test]
fn forwarding_fields_are_believed_of_who_is_named_alone() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "", "trusted_proxies: [127.0.0.1, 10.0.0.0/8]");
    let request = Request::get("/echo").header("X-Forwarded-For", "192.0.2.77");
    // The load balancer is trusted, the client that it names is not.
    ask(&proxy.address(), LINE, &request).expect(200);
    assert_eq!(tomcat.last_request().all("X-Forwarded-For"), ["192.0.2.9"]);
    // A proxy of ours behind the load balancer is.
    let ours = header(Version::V2, "10.0.0.3:5", "198.51.100.1:80");
    ask(&proxy.address(), &ours, &request).expect(200);
    let seen = tomcat.last_request();
    assert_eq!(seen.all("X-Forwarded-For"), ["192.0.2.77, 10.0.0.3"]);
    assert_eq!(seen.header("X-Real-IP"), Some("192.0.2.77"));
}

#[test]
fn what_more_is_told_is_in_the_log_and_in_headers() {
    let tomcat = Tomcat::start("jvm1");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let more = "request_headers: { set: { X-Cn: $proxy_tls_cn, X-Peer: '$peer_ip', X-Client: '$client_ip:$client_port $scheme' } }";
    let text = cluster(&[&tomcat], more);
    let proxy = Proxy::start(&format!(
        "listeners: [{{ address: '127.0.0.1:0', proxy_protocol: {{ from: [127.0.0.1] }} }}]
access_log: {{ path: '{}', format: json }}\n{text}",
        log.display()
    ));
    let tls = [
        &[1, 0, 0, 0, 0][..],
        &field(0x21, b"TLSv1.3"),
        &field(0x22, b"Ann \"A\""),
        &field(0x23, b"TLS_AES_128_GCM_SHA256"),
    ];
    let header = with_fields(&[
        field(0x01, b"http/1.1"),
        field(0x02, b"shop.example"),
        field(0x05, b"\x1b[31mred"),
        field(0x20, &tls.concat()),
        field(0xea, b"\x01vpce-1"),
    ]);
    ask(&proxy.address(), &header, &Request::get("/told")).expect(200);
    let seen = tomcat.last_request();
    assert_eq!(seen.header("X-Forwarded-Proto"), Some("https"));
    assert_eq!(seen.header("X-Cn"), Some("Ann \"A\""));
    assert_eq!(seen.header("X-Peer"), Some("127.0.0.1"));
    assert_eq!(seen.header("X-Client"), Some("192.0.2.9:4711 https"));
    let balancer = {
        let mut client = Raw::connect(proxy.address());
        client.send([LINE, &Request::get("/plain").bytes()].concat());
        client.read_response().expect(200);
        assert_eq!(tomcat.last_request().header("X-Cn"), None);
        client.local()
    };
    proxy.stop();
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // Each worker writes its own lines.
    let of = |uri: &str| lines.iter().find(|line| line["uri"] == uri).unwrap();
    let told = of("/told");
    assert_eq!(told["client_ip"], "192.0.2.9");
    assert_eq!(told["proxy_alpn"], "http/1.1");
    assert_eq!(told["proxy_authority"], "shop.example");
    assert_eq!(told["proxy_unique_id"], "\u{1b}[31mred");
    assert!(!text.contains('\u{1b}'));
    assert_eq!(told["proxy_tls_version"], "TLSv1.3");
    assert_eq!(told["proxy_tls_cipher"], "TLS_AES_128_GCM_SHA256");
    assert_eq!(told["proxy_tls_cn"], "Ann \"A\"");
    assert_eq!(told["proxy_vpce_id"], "vpce-1");
    let plain = of("/plain");
    assert_eq!(plain["client_ip"], "192.0.2.9");
    assert_eq!(plain["peer"], balancer.to_string());
    assert!(plain.get("proxy_alpn").is_none());
}

#[test]
fn a_hash_of_the_clients_address_is_that_of_who_is_named() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let text = cluster(&[&one, &two], "balance: { hash: client_address }");
    let proxy = Proxy::start(&format!(
        "listeners: [{{ address: '127.0.0.1:0', proxy_protocol: {{ from: [127.0.0.1] }} }}]\n{text}"
    ));
    for number in 0..40 {
        let source = format!("192.0.2.{number}:1");
        let header = header(Version::V2, &source, "198.51.100.1:80");
        for _ in 0..2 {
            ask(
                &proxy.address(),
                &header,
                &Request::get(&format!("/{number}")),
            )
            .expect(200);
        }
    }
    let (first, second) = (one.count(), two.count());
    assert!(first >= 10 && second >= 10, "{first} and {second}");
    for number in 0..40 {
        let target = format!("/{number}");
        let times = [&one, &two].map(|tomcat| tomcat.requests_to(&target).len());
        assert!(times.contains(&2), "{number}: {times:?}");
    }
}

#[test]
fn a_unix_sockets_load_balancer_counts_as_this_host() {
    let tomcat = Tomcat::start("jvm1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("front.sock");
    let text = cluster(&[&tomcat], "");
    let listener = format!("address: 'unix:{}'", path.display());
    let proxy = Proxy::start(&format!(
        "listeners: [{{ {listener}, proxy_protocol: {{ from: [127.0.0.1] }} }}]\n{text}"
    ));
    for piece in [1, 1000] {
        let all = [LINE, &Request::get("/echo").bytes()].concat();
        let mut client = Raw::connect(proxy.address());
        for piece in all.chunks(piece) {
            client.send(piece);
        }
        client.read_response().expect(200);
        assert_eq!(tomcat.last_request().header("X-Real-IP"), Some("192.0.2.9"));
    }
}

#[test]
fn a_reload_changes_who_is_believed() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let file = |more: &str| format!("listeners: [{{ address: '127.0.0.1:0'{more} }}]\n{text}");
    let proxy = Proxy::start(&file(""));
    let plain = Request::get("/echo");
    ask(&proxy.address(), LINE, &plain).expect(400);
    let mut kept = Raw::connect(proxy.address());
    plain.send_on(&mut kept).expect(200);
    proxy
        .reload(&file(", proxy_protocol: { from: [127.0.0.1] }"))
        .unwrap();
    ask(&proxy.address(), LINE, &plain).expect(200);
    // A connection that was there before goes on.
    plain.send_on(&mut kept).expect(200);
    proxy.reload(&file("")).unwrap();
    plain.send(proxy.address()).expect(200);
}

#[test]
fn a_stop_waits_for_a_header_that_is_on_its_way() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "", "");
    let mut client = Raw::connect(proxy.address());
    client.send(&LINE[..10]);
    let open = [("listener", "front")];
    eventually("it is counted as open", || {
        proxy.metrics().value("cattail_connections_open", &open) == 1
    });
    proxy.running().begin_stop();
    let address = proxy.address();
    eventually("new ones are refused", || {
        Raw::try_connect(&address).is_err()
    });
    client.send([&LINE[10..], &Request::get("/echo").bytes()].concat());
    client.read_response().expect(200);
    client.expect_closed();
    assert_eq!(tomcat.last_request().header("X-Real-IP"), Some("192.0.2.9"));
    proxy.stop();
}

#[test]
fn slow_load_balancers_hold_up_nobody() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "", "workers: 1");
    let mut slow = [(); 50].map(|()| Raw::connect(proxy.address()));
    for client in &mut slow {
        client.send(b"PROXY ");
    }
    for _ in 0..20 {
        ask(&proxy.address(), LINE, &Request::get("/echo")).expect(200);
    }
    for client in &mut slow {
        client.expect_silence(Duration::from_millis(1));
    }
}

#[test]
fn where_tls_is_spoken_the_header_comes_before_the_handshake() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let listener = format!(
        "listeners: [{{ address: '127.0.0.1:0', proxy_protocol: {{ from: [127.0.0.1] }}, \
         tls: {{ certificates: [{}] }} }}]\n",
        shop.item()
    );
    let proxy = Proxy::start(&(listener + &cluster(&[&tomcat], "")));
    let long = with_fields(&[field(0x04, &[b'x'; 1000])]);
    for header in [LINE, &long] {
        let mut client = Raw::connect(proxy.address());
        client.send(header);
        let mut client = client.secure(&ca.clients(), "shop.example");
        for _ in 0..2 {
            Request::get("/echo").send_on(&mut client).expect(200);
            let seen = tomcat.last_request();
            assert_eq!(seen.header("X-Real-IP"), Some("192.0.2.9"));
            assert_eq!(seen.header("X-Forwarded-Proto"), Some("https"));
            assert_eq!(seen.header("X-Forwarded-Port"), Some("443"));
        }
    }
    // A handshake is no header.
    let refused = Raw::try_connect_tls(proxy.address(), &ca.clients(), "shop.example");
    assert!(refused.is_err());
    let labels = [("reason", "signature")];
    let faults = proxy
        .metrics()
        .value("cattail_proxy_protocol_errors_total", &labels);
    assert_eq!(faults, 1);
}
