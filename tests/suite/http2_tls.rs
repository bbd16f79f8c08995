//! HTTP/2 over TLS: agreed upon in the handshake, and then the same as on a plain port.

use rustls::ClientConfig;

use super::harness::frames::{self, Frames};
use super::harness::*;

fn offering(mut clients: ClientConfig, protocols: &[&str]) -> ClientConfig {
    let protocols = protocols.iter().map(|it| it.as_bytes().to_vec());
    clients.alpn_protocols = protocols.collect();
    clients
}

#[test]
fn what_is_spoken_is_agreed_upon_in_the_handshake() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let listener = Issued::listener(&[&shop], "");
    let cluster = proxy::cluster(&[&tomcat], "");
    let both = Proxy::start(&(listener.clone() + &cluster));
    let old = Proxy::start(&(listener.replace("tls:", "http2: false, tls:") + &cluster));
    for (proxy, offered, expected) in [
        (&both, &["h2", "http/1.1"][..], Some("h2")),
        (&both, &["http/1.1", "h2"], Some("h2")),
        (&both, &["http/1.1"], Some("http/1.1")),
        (&both, &[], None),
        (&old, &["h2", "http/1.1"], Some("http/1.1")),
    ] {
        let clients = offering(ca.clients(), offered);
        let mut client = Raw::connect_tls(proxy.address(), &clients, "shop.example");
        let agreed = client.tls().alpn_protocol();
        assert_eq!(agreed, expected.map(str::as_bytes), "{offered:?}");
        let before = tomcat.count();
        if expected == Some("h2") {
            let mut client = Frames::over(client, &[]);
            client.get(1, "/echo");
            client.next_of(frames::DATA, 1);
        } else {
            Request::get("/echo").send_on(&mut client).expect(200);
        }
        assert_eq!(tomcat.count(), before + 1);
        let seen = tomcat.last_request();
        assert_eq!(seen.header("X-Forwarded-Proto"), Some("https"));
        assert_eq!(seen.header("Host"), Some("shop.example"));
    }
    let spoken = both.metrics().value("cattail_http2_connections_total", &[]);
    assert_eq!(spoken, 2);
}

#[test]
fn large_answers_come_whole_through_both_layers() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let text = Issued::listener(&[&shop], "") + &proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&text);
    let clients = offering(ca.clients(), &["h2"]);
    let raw = Raw::connect_tls(proxy.address(), &clients, "shop.example");
    let mut client = Frames::over(raw, &[(frames::INITIAL_WINDOW, 3_000_000)]);
    client.send(frames::WINDOW_UPDATE, 0, 0, &3_000_000_u32.to_be_bytes());
    client.get(1, "/bytes/2000000");
    let mut body = Vec::new();
    while body.len() < 2_000_000 {
        body.extend(client.next_of(frames::DATA, 1).payload);
    }
    assert!(body == cattail::standin::pattern(0, 2_000_000));
}

#[test]
fn a_connection_for_one_host_is_none_for_another_with_other_certificates() {
    let (ca, clients_ca) = (Authority::new("ca"), Authority::new("clients"));
    let shop = ca.issue(&["shop.example", "admin.example"]);
    let tomcat = Tomcat::start("jvm1");
    let rule = format!(
        ", client_certificates: [{{ hosts: [admin.example], ca: '{}' }}]",
        clients_ca.file().display()
    );
    let text = Issued::listener(&[&shop], &rule) + &proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&text);
    let clients = offering(ca.clients(), &["h2"]);
    let raw = Raw::connect_tls(proxy.address(), &clients, "shop.example");
    let mut client = Frames::over(raw, &[]);
    for (stream, host, is_served) in [
        (1, "shop.example", true),
        (3, "admin.example", false),
        (5, "shop.example", true),
    ] {
        let block = frames::fields(&[
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", host),
            (":path", "/echo"),
        ]);
        let flags = frames::END_STREAM | frames::END_HEADERS;
        client.send(frames::HEADERS, flags, stream, &block);
        let answer = client.next_of(frames::HEADERS, stream);
        // 200 as HPACK has it in one byte; 421 has none.
        assert_eq!(answer.payload[0] == 0x88, is_served, "{host}");
    }
    let refused = [("reason", "misdirected")];
    let refused = proxy
        .metrics()
        .value("cattail_requests_refused_total", &refused);
    assert_eq!(refused, 1);
    assert_eq!(tomcat.count(), 2);
}
