//! Offers of a switch, and what becomes of a connection on which one was made.

use super::harness::*;

fn offer(protocol: &str) -> Request {
    Request::get("/upgrade")
        .header("Connection", "Upgrade")
        .header("Upgrade", protocol)
}

#[test]
fn an_offer_that_is_not_taken_up_leaves_its_connection_an_orderly_end() {
    let tomcat = Tomcat::start("jvm1");
    let text = format!("limits: {{ body: 1KiB }}\n{}", cluster(&[&tomcat], ""));
    let proxy = Proxy::start(&text);
    let large = vec![b'x'; 3 << 20];
    // Whoever uploads reads the answer to its end only if nobody closes under it.
    let mut client = Raw::connect(proxy.address());
    let upload = Request::post("/echo", large.clone())
        .header("Connection", "Upgrade")
        .header("Upgrade", "h2c");
    upload.send_on(&mut client).expect(413);
    client.expect_closed();

    let mut client = Raw::connect(proxy.address());
    let asks = Request::get("/echo").header("Upgrade", "TLS/1.2");
    asks.send_on(&mut client).expect(200);
    Request::post("/echo", large)
        .send_on(&mut client)
        .expect(413);
    client.expect_closed();
}

#[test]
fn by_tls_such_a_connection_ends_with_its_word() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let text = Issued::listener(&[&shop], "") + &cluster(&[&tomcat], "");
    let proxy = Proxy::start(&text);
    for connection in ["close", "Upgrade, close"] {
        let mut client = Raw::connect_tls(proxy.address(), &ca.clients(), "shop.example");
        let asks = Request::get("/echo")
            .header("Upgrade", "websocket")
            .header("Connection", connection);
        asks.send_on(&mut client).expect(200);
        client.expect_closed();
    }
}

#[test]
fn an_offer_with_a_body_or_of_http10_goes_on_without() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let offers = [
        offer("websocket").body("hello"),
        offer("websocket").chunked(&[b"hello"]),
        offer("websocket").http10().header("Host", "shop.example"),
        offer("websocket").header("Upgrade", "h2c"),
        offer("h2c").header("Upgrade", "websocket"),
    ];
    for offer in &offers {
        let mut client = Raw::connect(proxy.address());
        client.send(offer.bytes());
        client.read_response().expect(426);
        assert_eq!(tomcat.last_request().header("Upgrade"), None, "{offer:?}");
    }
    assert_eq!(proxy.metrics().value("cattail_tunnels_ended_total", &[]), 0);
}

#[test]
fn trailers_are_not_asked_for_beside_an_offer() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    let asks = Request::get("/upgrade")
        .header("Connection", "Upgrade, TE")
        .header("TE", "trailers")
        .header("Upgrade", "websocket");
    client.send(asks.bytes());
    assert_eq!(client.read_interim().status, 101);
    let seen = tomcat.last_request();
    assert_eq!(
        (seen.header("TE"), seen.header("Connection")),
        (None, Some("upgrade"))
    );
}

#[test]
fn only_a_101_of_http11_is_believed() {
    let tomcat = Tomcat::start("jvm1");
    let switched = "HTTP/1.0 101 \r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    tomcat.raw_answer("/upgrade", switched);
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client.send(offer("websocket").bytes());
    client.read_response().expect(502);
    assert_eq!(proxy.metrics().value("cattail_tunnels_ended_total", &[]), 0);
}

#[test]
fn what_a_101_says_of_a_body_is_not_passed_on() {
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let backend = Switch::open();
        let proxy = Proxy::start(&backend.cluster(""));
        let mut client = Raw::connect(proxy.address());
        client.send(offer("websocket").bytes());
        let mut far =
            backend.answer(&SWITCHED.replace("\r\n\r\n", &format!("\r\n{framing}\r\n\r\n")));
        let head = client.read_interim();
        assert_eq!(head.status, 101);
        assert_eq!(
            (
                head.header("Content-Length"),
                head.header("Transfer-Encoding")
            ),
            (None, None)
        );
        far.send("5\r\nhello");
        assert_eq!(client.read_exactly(8), b"5\r\nhello");
        client.send("back");
        assert_eq!(far.read_exactly(4), b"back");
    }
}

#[test]
fn an_offer_that_is_under_way_at_a_stop_becomes_a_tunnel() {
    let backend = Switch::open();
    let text = backend.cluster("");
    let proxy = Proxy::start(&format!(
        "workers: 1\nshutdown: {{ deadline: 1h, tunnel_deadline: 2s }}\n{text}"
    ));
    let mut client = Raw::connect(proxy.address());
    client.send(offer("websocket").bytes());
    let (mut far, _) = backend.asked();
    proxy.running().begin_stop();
    let address = proxy.address();
    eventually("new ones are refused", || {
        Raw::try_connect(&address).is_err()
    });
    far.send(SWITCHED);
    let head = client.read_interim();
    assert_eq!(head.status, 101);
    assert_eq!(head.all("Connection"), ["upgrade"]);
    client.send("hello");
    assert_eq!(far.read_exactly(5), b"hello");
    client.read_to_end();
    far.read_to_end();
    eventually("the end", || proxy.running().has_ended());
}

#[test]
fn an_offer_that_is_refused_during_a_stop_ends_its_connection() {
    let backend = Switch::open();
    let proxy = Proxy::start(&format!("workers: 1\n{}", backend.cluster("")));
    let mut client = Raw::connect(proxy.address());
    client.send(offer("websocket").bytes());
    let (mut far, _) = backend.asked();
    proxy.running().begin_stop();
    let address = proxy.address();
    eventually("new ones are refused", || {
        Raw::try_connect(&address).is_err()
    });
    far.send("HTTP/1.1 403 \r\nContent-Length: 2\r\n\r\nno");
    let answer = client.read_response().expect(403);
    assert_eq!(answer.header("Connection"), Some("close"));
    client.expect_closed();
    eventually("the end", || proxy.running().has_ended());
}

#[test]
fn a_client_that_leaves_before_the_switch_takes_its_backend_with_it() {
    let backend = Switch::open();
    let text = "retry: { time: 1s }";
    let proxy = Proxy::start(&backend.cluster(text));
    let mut client = Raw::connect(proxy.address());
    client.send(offer("websocket").bytes());
    let (mut far, _) = backend.asked();
    drop(client);
    far.read_to_end();
    let in_flight = "cattail_backend_requests_in_flight";
    eventually("its place is given back", || {
        proxy.metrics().value_or_zero(in_flight, &[]) == 0
    });
    // Ones that leave in the very moment of the switch, some a little before, some a little after.
    for _ in 0..20 {
        let mut client = Raw::connect(proxy.address());
        client.send(offer("websocket").bytes());
        let (mut far, _) = backend.asked();
        far.send(SWITCHED);
        client.reset();
        far.read_to_end();
        eventually("nothing is left", || {
            let metrics = proxy.metrics();
            metrics.value_or_zero(in_flight, &[]) == 0
                && metrics.value("cattail_tunnels_open", &[]) == 0
        });
    }
}

#[test]
fn an_offer_whose_connection_fails_is_made_to_another() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    one.kill();
    for _ in 0..4 {
        let mut client = Raw::connect(proxy.address());
        client.send(offer("websocket").bytes());
        assert_eq!(client.read_interim().status, 101);
        client.send("hello");
        assert_eq!(client.read_exactly(5), b"hello");
    }
}

#[test]
fn an_offer_on_a_stale_connection_is_made_on_another() {
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster(""));
    let mut client = Raw::connect(proxy.address());
    client.send(Request::get("/echo").bytes());
    let mut kept = backend.answer("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n");
    client.read_response().expect(200);
    client.send(offer("websocket").bytes());
    assert!(kept.read_piece().starts_with(b"GET /upgrade "));
    drop(kept);
    let mut far = backend.switch();
    assert_eq!(client.read_interim().status, 101);
    client.send("hello");
    assert_eq!(far.read_exactly(5), b"hello");
}
