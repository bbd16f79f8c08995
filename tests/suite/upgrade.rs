//! Switching protocols: only to what is allowed, and then bytes go both ways untouched.

use super::harness::*;

fn upgrade(protocol: &str) -> Request {
    Request::get("/upgrade")
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", protocol)
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

fn switched(client: &mut Raw) {
    let head = client.read_interim();
    assert_eq!(head.status, 101);
    assert_eq!(head.header("Upgrade"), Some("websocket"));
    assert!(
        head.header("Connection")
            .is_some_and(|it| it.eq_ignore_ascii_case("upgrade")),
        "{head:?}"
    );
}

#[test]
fn a_websocket_is_passed_through_both_ways() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client.send(upgrade("websocket").bytes());
    switched(&mut client);
    let seen = tomcat.last_request();
    assert_eq!(seen.all("Connection").len(), 1);
    assert_eq!(seen.header("Upgrade"), Some("websocket"));
    assert_eq!(
        seen.header("Sec-WebSocket-Key"),
        Some("dGhlIHNhbXBsZSBub25jZQ==")
    );
    for frame in [
        b"\x81\x02hi".to_vec(),
        vec![0; 100_000],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        client.send(&frame);
        assert!(client.read_exactly(frame.len()) == frame);
    }
    assert_eq!(proxy.metrics().value("cattail_tunnels_open", &[]), 1);
    assert_eq!(
        tomcat.count(),
        1,
        "what goes through a tunnel is no request"
    );
    client.finish_sending();
    client.expect_closed();
    eventually("the tunnel is over", || {
        proxy.metrics().value("cattail_tunnels_open", &[]) == 0
    });
    tomcat.wait_for("closed", |counts| counts.open_connections == 0);
}

#[test]
fn what_is_sent_right_behind_the_head_arrives_after_the_switch() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client.send([upgrade("WebSocket").bytes(), b"early bytes".to_vec()].concat());
    let head = client.read_interim();
    assert_eq!(head.status, 101);
    assert_eq!(client.read_exactly(11), b"early bytes");
}

#[test]
fn a_protocol_that_is_not_allowed_is_not_offered() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let none = Proxy::in_front_of(&[&tomcat], "upgrades: []");
    for (proxy, protocol) in [
        (&proxy, "h2c"),
        (&proxy, "websocket, h2c"),
        (&none, "websocket"),
    ] {
        let mut client = Raw::connect(proxy.address());
        client.send(upgrade(protocol).bytes());
        client.read_response().expect(426);
        let seen = tomcat.last_request();
        assert_eq!(
            (seen.header("Upgrade"), seen.header("Connection")),
            (None, None),
            "{protocol}"
        );
        Request::get("/echo").send_on(&mut client).expect(200);
    }
}

#[test]
fn an_upgrade_that_connection_does_not_name_is_none() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let request = Request::get("/upgrade").header("Upgrade", "websocket");
    request.send(proxy.address()).expect(426);
    assert_eq!(tomcat.last_request().header("Upgrade"), None);
}

#[test]
fn a_tomcat_that_does_not_switch_answers_as_usual() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.raw_answer("/upgrade", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nno");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client.send(upgrade("websocket").bytes());
    assert_eq!(client.read_response().expect(200).text(), "no");
    Request::get("/echo").send_on(&mut client).expect(200);
    assert_eq!(tomcat.counts().connections_accepted, 1);
}

#[test]
fn an_offer_goes_to_its_sessions_tomcat_whether_that_switches_or_not() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let refused = "HTTP/1.1 403 \r\nX-Why: origin\r\nContent-Length: 6\r\n\r\nnot so";
    for tomcat in [&one, &two] {
        tomcat.raw_answer("/refused", refused);
    }
    let proxy = Proxy::start(&sticky_cluster(&[&one, &two], ""));
    let offer = |path, tomcat: &Tomcat| {
        let cookie = format!("JSESSIONID=A1.{}", tomcat.name());
        Request::get(path)
            .header("Cookie", &cookie)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
    };
    for (own, other) in [(&one, &two), (&two, &one), (&one, &two), (&one, &two)] {
        let (mine, others) = (own.count(), other.count());
        let mut client = Raw::connect(proxy.address());
        client.send(offer("/refused", own).bytes());
        let answer = client.read_response().expect(403);
        assert_eq!(
            (answer.header("X-Why"), &*answer.text()),
            (Some("origin"), "not so")
        );
        assert_eq!(own.last_request().header("Upgrade"), Some("websocket"));
        // It is a connection as any other still.
        client.send(offer("/upgrade", own).bytes());
        switched(&mut client);
        assert_eq!((own.count(), other.count()), (mine + 2, others));
    }
}

#[test]
fn a_switch_to_another_protocol_is_a_bad_gateway() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.raw_answer(
        "/upgrade",
        "HTTP/1.1 101 \r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    );
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client.send(upgrade("websocket").bytes());
    client.read_response().expect(502);
}

#[test]
fn a_tunnel_ends_with_its_tomcat() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client.send(upgrade("websocket").bytes());
    switched(&mut client);
    tomcat.kill();
    client.read_to_end();
    eventually("the tunnel is over", || {
        proxy.metrics().value("cattail_tunnels_open", &[]) == 0
    });
}
