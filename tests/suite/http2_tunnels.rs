//! WebSocket over HTTP/2 (RFC 8441): to a Tomcat it looks as any other.

use std::time::Duration;

use cattail::standin::pattern;
use h2::Reason;

use super::harness::*;

fn open(proxy: &Proxy) -> i64 {
    proxy.metrics().value("cattail_tunnels_open", &[])
}

fn ended(proxy: &Proxy, reason: &str) -> i64 {
    let labels = [("reason", reason)];
    proxy
        .metrics()
        .value("cattail_tunnels_ended_total", &labels)
}

fn websocket(path: &str) -> Ask {
    Ask::connect("websocket", path).header("sec-websocket-version", "13")
}

fn echoes(client: &Http2, stream: &mut http2::Stream, bytes: &[u8]) {
    stream.send(bytes.to_vec());
    let back = client.read(stream, bytes.len()).expect("is not reset");
    assert!(back == bytes, "{} bytes", bytes.len());
}

#[test]
fn a_websocket_goes_both_ways_beside_other_requests() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "forwarded: { via: true }");
    let mut client = Http2::connect(proxy.address());
    let offer = websocket("/upgrade?a=%2F")
        .header("sec-websocket-protocol", "chat, other")
        .header("sec-websocket-key", "bm90IG91cnM=")
        .header("origin", "http://shop.example");
    let mut stream = client.switch(offer);
    let (status, fields) = client.fields(&mut stream);
    assert_eq!(status, 200);
    assert_eq!(fields["sec-websocket-protocol"], "chat");
    for none in [
        "sec-websocket-accept",
        "upgrade",
        "connection",
        "content-length",
    ] {
        assert!(!fields.contains_key(none), "{fields:?}");
    }
    let seen = tomcat.last_request();
    assert!(seen.head.starts_with(b"GET /upgrade?a=%2F HTTP/1.1\r\n"));
    for (name, value) in [
        ("Host", "shop.example"),
        ("Connection", "upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "chat, other"),
        ("Origin", "http://shop.example"),
        ("Via", "2.0 cattail"),
    ] {
        assert_eq!(seen.all(name), [value], "{name}");
    }
    let key = seen.header("Sec-WebSocket-Key").expect("a key");
    assert!(key.len() == 24 && key != "bm90IG91cnM=", "our own: {key}");
    for size in [2, 70_000, 1] {
        echoes(&client, &mut stream, &pattern(0, size));
        client.get("/echo").expect(200);
    }
    assert_eq!(open(&proxy), 1);
    let mut other = client.switch(websocket("/upgrade"));
    assert_eq!(client.head(&mut other), 200);
    echoes(&client, &mut other, b"other");
    echoes(&client, &mut stream, b"first");
    let seen = tomcat.last_request();
    assert_ne!(
        seen.header("Sec-WebSocket-Key"),
        Some(key),
        "a key for each"
    );
    stream.finish_sending();
    assert_eq!(
        client.read(&mut stream, 1),
        Ok(Vec::new()),
        "ended in order"
    );
    eventually("it is over", || ended(&proxy, "client") == 1);
    assert_eq!(open(&proxy), 1);
}

#[test]
fn the_same_by_tls() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let text = Issued::listener(&[&shop], "") + &proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&text);
    let mut client = Http2::secure(proxy.address(), &ca.clients(), "shop.example");
    let mut stream = client.switch(websocket("/upgrade"));
    assert_eq!(client.head(&mut stream), 200);
    let seen = tomcat.last_request();
    assert_eq!(seen.header("X-Forwarded-Proto"), Some("https"));
    for size in [1, 200_000] {
        echoes(&client, &mut stream, &pattern(0, size));
    }
}

#[test]
fn it_goes_to_its_sessions_tomcat() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky_cluster(&[&one, &two], ""));
    let mut client = Http2::connect(proxy.address());
    for (tomcat, other) in [(&one, &two), (&two, &one), (&one, &two)] {
        let before = other.count();
        let cookie = format!("JSESSIONID=A1.{}", tomcat.name());
        let mut stream = client.switch(websocket("/upgrade").header("cookie", &cookie));
        assert_eq!(client.head(&mut stream), 200);
        assert_eq!(tomcat.last_request().header("Cookie"), Some(&*cookie));
        assert_eq!(other.count(), before);
    }
}

#[test]
fn what_a_tomcat_answers_in_its_place_is_passed_on() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.raw_answer("/no", "HTTP/1.1 404 \r\nContent-Length: 4\r\n\r\nnone");
    tomcat.raw_answer(
        "/elsewhere",
        "HTTP/1.1 302 \r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
    );
    tomcat.raw_answer("/page", "HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\npage");
    let proxy = Proxy::in_front_of(&[&tomcat], "outliers: { consecutive: 1 }");
    let mut client = Http2::connect(proxy.address());
    for (path, status, body) in [
        ("/no", 404, &b"none"[..]),
        ("/elsewhere", 302, b""),
        ("/no", 404, b"none"),
    ] {
        let stream = client.switch(websocket(path));
        let reply = client.finish(stream).expect("an answer");
        assert_eq!((reply.status, &*reply.body), (status, body), "{path}");
    }
    // A success would tell the client that there is a tunnel.
    let stream = client.switch(websocket("/page"));
    let reply = client.finish(stream).expect("an answer");
    assert_eq!(reply.status, 403, "{reply:?}");
    let refused = [("reason", "upgrade_refused")];
    let metrics = proxy.metrics();
    assert_eq!(metrics.value("cattail_errors_total", &refused), 1);
    assert_eq!(metrics.value("cattail_tunnels_ended_total", &[]), 0);
    client.get("/echo").expect(200);
}

#[test]
fn what_may_not_be_switched_to_is_refused() {
    let tomcat = Tomcat::start("jvm1");
    let text = proxy::cluster(&[&tomcat], "");
    let rules = "rules: [{ path: /own, respond: { status: 200, body: hi } }, { cluster: shop }]\n";
    let proxy = Proxy::start(&(rules.to_owned() + &text));
    let none = Proxy::in_front_of(&[&tomcat], "upgrades: []");
    for (proxy, ask, status) in [
        (&proxy, Ask::connect("connect-udp", "/upgrade"), 403),
        (&none, websocket("/upgrade"), 403),
        (&proxy, websocket("/own"), 403),
        (&proxy, Ask::of("CONNECT", "shop.example:80"), 501),
    ] {
        let mut client = Http2::connect(proxy.address());
        let what = format!("{ask:?}");
        let stream = client.switch(ask);
        let reply = client.finish(stream).expect("an answer");
        assert_eq!(reply.status, status, "{what}");
        client.get("/own").expect(200);
    }
    assert!(tomcat.requests_to("/upgrade").is_empty());
}

#[test]
fn a_tomcat_that_does_not_know_our_key_has_not_switched() {
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster(""));
    let mut client = Http2::connect(proxy.address());
    let stream = client.switch(websocket("/ws"));
    let mut far = backend.switch();
    let reply = client.finish(stream).expect("an answer");
    assert_eq!(reply.status, 502);
    far.read_to_end();
}

#[test]
fn whoever_breaks_off_is_seen_by_the_other() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    let mut stream = client.switch(websocket("/upgrade"));
    assert_eq!(client.head(&mut stream), 200);
    echoes(&client, &mut stream, b"x");
    stream.reset(Reason::CANCEL);
    tomcat.wait_for("its end", |counts| counts.open_connections == 0);
    eventually("it is counted", || ended(&proxy, "client_lost") == 1);
    let mut stream = client.switch(websocket("/upgrade"));
    assert_eq!(client.head(&mut stream), 200);
    echoes(&client, &mut stream, b"x");
    tomcat.kill();
    let cut = client.read(&mut stream, 1);
    assert!(matches!(cut, Err(Reason::CANCEL)), "{cut:?}");
    assert!(!client.has_ended(), "only the stream");
    eventually("nothing is left", || open(&proxy) == 0);
}

#[test]
fn a_client_that_takes_nothing_holds_its_tomcat_back() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!("workers: 1\n{}", cluster(&[&tomcat], "")));
    let mut narrow = h2::client::Builder::new();
    narrow
        .initial_window_size(100_000)
        .initial_connection_window_size(16 << 20);
    let mut client = Http2::with(&narrow, proxy.address());
    let mut stream = client.switch(websocket("/upgrade"));
    assert_eq!(client.head(&mut stream), 200);
    let bytes = pattern(0, 1 << 20);
    stream.send(bytes.clone());
    let numbers = || {
        let metrics = proxy.metrics();
        (
            metrics.value("cattail_backend_received_bytes_total", &[]),
            metrics.value("cattail_response_bytes_total", &[]),
        )
    };
    eventually("the window is used up", || numbers().1 >= 100_000);
    stays("no more is read", Duration::from_millis(300), || {
        let (read, passed) = numbers();
        // Its window, and a few pieces: the one in hand, two on their way to the stream, its buffer.
        read < 100_000 + 200 + (8 << 14) && passed <= read
    });
    client.get("/echo").expect(200);
    let back = client.read(&mut stream, bytes.len()).expect("is not reset");
    assert!(back == bytes);
}

#[test]
fn bounds_are_the_same_as_by_http1() {
    let tomcat = Tomcat::start("jvm1");
    let limits = "timeouts: { tunnel_idle: 300ms }";
    let proxy = Proxy::in_front_of(&[&tomcat], limits);
    let mut client = Http2::connect(proxy.address());
    let mut stream = client.switch(websocket("/upgrade"));
    assert_eq!(client.head(&mut stream), 200);
    let cut = client.read(&mut stream, 1);
    assert_eq!(cut, Err(Reason::CANCEL));
    assert_eq!(ended(&proxy, "idle"), 1);
    client.get("/echo").expect(200);
}

#[test]
fn a_stop_says_goaway_and_lets_the_tunnel_be_until_its_deadline() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!(
        "shutdown: {{ deadline: 1h, tunnel_deadline: 1s }}\n{}",
        cluster(&[&tomcat], "")
    ));
    let mut client = Http2::connect(proxy.address());
    let mut stream = client.switch(websocket("/upgrade"));
    assert_eq!(client.head(&mut stream), 200);
    proxy.running().begin_stop();
    eventually("it is told to go", || client.is_told_to_go());
    echoes(&client, &mut stream, b"still here");
    assert_eq!(client.read(&mut stream, 1), Err(Reason::CANCEL));
    eventually("the end", || proxy.running().has_ended());
    assert_eq!(ended(&proxy, "stop"), 1);
}
