//! TLS from clients: certificates by host, versions, resumption, and what is no TLS at all.

use super::harness::*;

fn handshakes(proxy: &Proxy, outcome: &str) -> i64 {
    let metrics = proxy.metrics();
    metrics.value("cattail_tls_handshakes_total", &[("result", outcome)])
}

#[test]
fn requests_come_by_tls_and_backends_are_told() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let text = Issued::listener(&[&shop], "") + &proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&text);
    let mut client = Raw::connect_tls(proxy.address(), &ca.clients(), "shop.example");
    for size in [0, 1, 20_000, 3_000_000] {
        let body = "x".repeat(size);
        let answer = Request::post("/echo", body.clone()).send_on(&mut client);
        answer.expect(200);
        let seen = tomcat.last_request();
        assert_eq!(seen.header("Content-Length"), Some(&*size.to_string()));
        assert_eq!(seen.header("X-Forwarded-Proto"), Some("https"));
    }
    assert_eq!(handshakes(&proxy, "full"), 1);
}

#[test]
fn each_client_gets_the_certificate_of_its_host() {
    let ca = Authority::new("ca");
    let first = ca.issue(&["first.example"]);
    let any = ca.issue(&["*.shop.example"]);
    let one = ca.issue(&["one.shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let text = Issued::listener(&[&first, &any, &one], "") + &proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&text);
    for (host, expected) in [
        ("first.example", &first),
        ("one.shop.example", &one),
        ("two.shop.example", &any),
    ] {
        let mut client = Raw::connect_tls(proxy.address(), &ca.clients(), host);
        let shown = client.tls().peer_certificates().unwrap();
        assert_eq!(shown, expected.chain, "{host}");
        Request::get("/echo")
            .header("Host", host)
            .send_on(&mut client)
            .expect(200);
    }
    // A host that none is for gets the first one, which its client does not take.
    let refused = Raw::try_connect_tls(proxy.address(), &ca.clients(), "nobody.example");
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("not valid for name")
    );
    eventually("is counted", || handshakes(&proxy, "client_refused") == 1);
}

#[test]
fn hosts_without_a_certificate_are_refused_if_so_configured() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let listener = Issued::listener(&[&shop], ", unknown_host: refuse");
    let proxy = Proxy::start(&(listener + &proxy::cluster(&[&tomcat], "")));
    let refused = Raw::try_connect_tls(proxy.address(), &ca.clients(), "nobody.example");
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("UnrecognisedName"), "{why}");
    eventually("is counted", || handshakes(&proxy, "unknown_host") == 1);
    let mut client = Raw::connect_tls(proxy.address(), &ca.clients(), "shop.example");
    Request::get("/echo").send_on(&mut client).expect(200);
}

#[test]
fn clients_resume_across_workers_and_reloads_unless_told_otherwise() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let cluster = proxy::cluster(&[&tomcat], "");
    let text = Issued::listener(&[&shop], "") + &cluster;
    let proxy = Proxy::start(&text);
    let clients = ca.clients();
    let mut kinds = Vec::new();
    for turn in 0..9 {
        if turn == 4 {
            proxy.reload(&text).expect("is taken");
        }
        let mut client = Raw::connect_tls(proxy.address(), &clients, "shop.example");
        Request::get("/echo").send_on(&mut client).expect(200);
        kinds.push(client.tls().handshake_kind().unwrap());
    }
    assert_eq!(kinds[0], rustls::HandshakeKind::Full);
    assert!(
        kinds[1..]
            .iter()
            .all(|kind| *kind == rustls::HandshakeKind::Resumed),
        "{kinds:?}"
    );
    assert_eq!(handshakes(&proxy, "resumed"), 8);
    let never = Issued::listener(&[&shop], ", resumption: false") + &cluster;
    proxy.reload(&never).expect("is taken");
    for _ in 0..2 {
        let mut client = Raw::connect_tls(proxy.address(), &clients, "shop.example");
        Request::get("/echo").send_on(&mut client).expect(200);
        assert_eq!(
            client.tls().handshake_kind(),
            Some(rustls::HandshakeKind::Full)
        );
    }
}

#[test]
fn plain_http_is_told_where_it_should_go() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&(Issued::listener(&[&shop], "") + &proxy::cluster(&[&tomcat], "")));
    let mut client = Raw::connect(proxy.address());
    let answer = Request::get("/echo").send_on(&mut client).expect(400);
    assert!(answer.text().contains("https://"), "{}", answer.text());
    client.expect_closed();
    let mut junk = Raw::connect(proxy.address());
    junk.send([0, 1, 2, 3]);
    junk.expect_closed();
    let mut junk = Raw::connect(proxy.address());
    junk.send([0x16, 3, 1, 0, 4, 1, 0, 0, 0]);
    let (bytes, _) = junk.read_to_end();
    assert_eq!(bytes.first(), Some(&0x15), "an alert");
    for outcome in ["plain_http", "not_tls", "malformed"] {
        eventually("is counted", || handshakes(&proxy, outcome) == 1);
    }
    assert_eq!(tomcat.count(), 0);
}

#[test]
fn a_handshake_has_its_time() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let listener = Issued::listener(&[&shop], ", handshake: 300ms");
    let proxy = Proxy::start(&(listener + &proxy::cluster(&[&tomcat], "")));
    let mut silent = Raw::connect(proxy.address());
    let mut slow = Raw::connect(proxy.address());
    slow.send([0x16, 3, 1]);
    silent.expect_closed();
    slow.expect_closed();
    eventually("is counted", || handshakes(&proxy, "timeout") == 2);
}

/// What rustls still holds and what comes next leave in one write below.
#[test]
fn a_client_may_renew_its_keys_at_any_time() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&(Issued::listener(&[&shop], "") + &proxy::cluster(&[&tomcat], "")));
    let mut client = Raw::connect_tls(proxy.address(), &ca.clients(), "shop.example");
    for _ in 0..5 {
        client.renew_keys();
        Request::get("/echo").send_on(&mut client).expect(200);
    }
    assert_eq!(proxy.metrics().value("cattail_panics_total", &[]), 0);
}
