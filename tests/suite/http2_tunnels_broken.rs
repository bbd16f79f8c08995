//! WebSocket over HTTP/2 whose ends do not behave, and what else is on their connection.

use std::time::Duration;

use cattail::standin::pattern;
use h2::Reason;

use super::harness::*;

fn ended(proxy: &Proxy, reason: &str) -> i64 {
    let labels = [("reason", reason)];
    proxy
        .metrics()
        .value("cattail_tunnels_ended_total", &labels)
}

fn websocket(path: &str) -> Ask {
    Ask::connect("websocket", path)
}

/// Both ends.
fn tunnel(client: &mut Http2, backend: &Switch) -> (http2::Stream, Raw) {
    let mut stream = client.switch(websocket("/ws"));
    let far = backend.switch_with("X-No: thing", "");
    assert_eq!(client.head(&mut stream), 200);
    (stream, far)
}

fn narrow(window: u32) -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(window)
        .initial_connection_window_size(16 << 20);
    builder
}

#[test]
fn one_whose_client_takes_nothing_ends_alone() {
    for by_client in [false, true] {
        let backend = Switch::open();
        let limits = "timeouts: { tunnel_half_closed: 600ms }";
        let proxy = Proxy::start(&format!(
            "workers: 1\nlimits: {{ send_idle: 300ms }}\n{}",
            backend.cluster(limits)
        ));
        let mut client = Http2::with(&narrow(100), proxy.address());
        let (mut healthy, mut other) = tunnel(&mut client, &backend);
        let (mut stuck, mut far) = tunnel(&mut client, &backend);
        if by_client {
            stuck.finish_sending();
            assert_eq!(far.read_to_end().1, End::Closed);
        }
        far.send(pattern(0, 10_000)).finish_sending();
        eventually("it ends", || ended(&proxy, "half_closed") == 1);
        far.read_to_end();
        // The other says nothing for longer than anybody waits for a client that takes nothing.
        other.expect_silence(Duration::from_secs(1));
        healthy.send("hello");
        assert_eq!(other.read_exactly(5), b"hello");
        other.send("back");
        assert_eq!(client.read(&mut healthy, 4).as_deref(), Ok(&b"back"[..]));
        // It has what there was room for.
        let cut = client.read(&mut stuck, 10_000);
        assert_eq!(cut, Err(Reason::CANCEL));
        assert!(!client.has_ended());
        let metrics = proxy.metrics();
        assert_eq!(metrics.value("cattail_tunnels_open", &[]), 1);
        assert_eq!(metrics.value("cattail_panics_total", &[]), 0);
    }
}

#[test]
fn the_end_of_one_waits_for_its_client() {
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster(""));
    let mut client = Http2::with(&narrow(100), proxy.address());
    let (mut stream, mut far) = tunnel(&mut client, &backend);
    let bytes = pattern(0, 50_000);
    far.send(&bytes).finish_sending();
    let came = client.read(&mut stream, bytes.len() + 1).expect("in order");
    assert!(came == bytes);
    stream.finish_sending();
    assert_eq!(far.read_to_end().1, End::Closed);
    eventually("it is counted", || ended(&proxy, "backend") == 1);
}

#[test]
fn small_messages_arrive_one_by_one() {
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster(""));
    let mut client = Http2::connect(proxy.address());
    let (mut stream, mut far) = tunnel(&mut client, &backend);
    for size in [1, 2, 3, 100, 16 << 10] {
        let message = pattern(0, size);
        far.send(&message);
        let came = client.read(&mut stream, size).expect("is not reset");
        assert!(came == message, "{size}");
    }
}

#[test]
fn what_comes_with_the_switch_is_the_streams_first() {
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster(""));
    let mut client = Http2::connect(proxy.address());
    let mut stream = client.switch(websocket("/ws"));
    let mut far = backend.switch_with("X-No: thing", "hello");
    assert_eq!(client.head(&mut stream), 200);
    assert_eq!(client.read(&mut stream, 5).as_deref(), Ok(&b"hello"[..]));
    stream.send("back");
    assert_eq!(far.read_exactly(4), b"back");
}

#[test]
fn a_reset_after_our_end_is_told_as_it_was_said() {
    // By its reason alone a client that has had enough looks as one that has ended.
    for (reason, told) in [
        (Reason::CANCEL, "backend"),
        (Reason::INTERNAL_ERROR, "client_lost"),
    ] {
        let backend = Switch::open();
        let proxy = Proxy::start(&backend.cluster(""));
        let mut client = Http2::connect(proxy.address());
        let (mut stream, mut far) = tunnel(&mut client, &backend);
        far.finish_sending();
        assert_eq!(client.read(&mut stream, 1), Ok(Vec::new()), "ended");
        stream.reset(reason);
        far.read_to_end();
        eventually(told, || ended(&proxy, told) == 1);
        assert!(!client.has_ended());
    }
}

#[test]
fn a_client_that_leaves_before_the_switch_takes_its_backend_with_it() {
    let backend = Switch::open();
    let proxy = Proxy::start(&backend.cluster(""));
    let mut client = Http2::connect(proxy.address());
    let stream = client.switch(websocket("/ws"));
    let (mut far, _) = backend.asked();
    stream.reset(Reason::CANCEL);
    far.read_to_end();
    let in_flight = "cattail_backend_requests_in_flight";
    eventually("its place is given back", || {
        proxy.metrics().value_or_zero(in_flight, &[]) == 0
    });
    assert!(!client.has_ended());
}

#[test]
fn a_success_in_place_of_a_switch_still_tells_of_its_session() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.raw_answer(
        "/page",
        "HTTP/1.1 200 \r\nSet-Cookie: JSESSIONID=NEW.jvm1; Path=/\r\nSet-Cookie: a=b\r\n\
         X-Secret: yes\r\nContent-Length: 4\r\n\r\npage",
    );
    let proxy = Proxy::start(&sticky_cluster(&[&tomcat], ""));
    let mut client = Http2::connect(proxy.address());
    let stream = client.switch(websocket("/page"));
    let reply = client.finish(stream).expect("an answer").expect(403);
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["JSESSIONID=NEW.jvm1; Path=/", "a=b"]);
    assert!(!reply.headers.contains_key("x-secret"));
    let created = [("verdict", "created")];
    let metrics = proxy.metrics();
    assert_eq!(metrics.value("cattail_session_verdicts_total", &created), 1);
}

#[test]
fn an_offer_that_is_under_way_at_a_stop_becomes_a_tunnel() {
    let backend = Switch::open();
    let text = backend.cluster("");
    let proxy = Proxy::start(&format!(
        "shutdown: {{ deadline: 1h, tunnel_deadline: 2s }}\n{text}"
    ));
    let mut client = Http2::connect(proxy.address());
    let mut stream = client.switch(websocket("/ws"));
    // Its request has come: it is answered once the client was told to go.
    eventually("it is there", || {
        let metrics = proxy.metrics();
        metrics.value("cattail_backend_requests_in_flight", &[]) == 1
    });
    proxy.running().begin_stop();
    eventually("it is told to go", || client.is_told_to_go());
    let mut far = backend.switch_with("X-No: thing", "");
    assert_eq!(client.head(&mut stream), 200);
    stream.send("hello");
    assert_eq!(far.read_exactly(5), b"hello");
    assert_eq!(client.read(&mut stream, 1), Err(Reason::CANCEL));
    eventually("the end", || proxy.running().has_ended());
}

/// A Tomcat that reads nothing of some tunnels holds their clients back, and nobody else.
#[test]
fn stalled_tunnels_leave_room_for_an_upload_beside_them() {
    let backend = Switch::open();
    let tomcat = Tomcat::start("jvm1");
    let text = format!(
        "workers: 1\n\
         limits: {{ http2: {{ stream_window: 64KiB, connection_window: 256KiB }} }}\n\
         rules: [{{ path: /ws, cluster: shop }}, {{ cluster: files }}]\n\
         {}\x20 files: {{ affinity: none, backends: ['{}'] }}\n",
        backend.cluster(""),
        tomcat.address()
    );
    let proxy = Proxy::start(&text);
    let mut client = Http2::connect(proxy.address());
    let mut stalled: Vec<_> = (0..2).map(|_| tunnel(&mut client, &backend)).collect();
    for (stream, _) in &mut stalled {
        stream.send(pattern(0, 8 << 20));
    }
    let sent = || {
        let metrics = proxy.metrics();
        metrics.value("cattail_request_bytes_total", &[])
    };
    let mut before = -1;
    eventually("they stand still", || {
        let now = sent();
        now > 0 && std::mem::replace(&mut before, now) == now && {
            std::thread::park_timeout(Duration::from_millis(100));
            sent() == now
        }
    });
    let upload = Ask::new("POST", "/echo").body(pattern(0, 1 << 20));
    client.ask(upload).expect(200);
    // Each goes on as soon as its Tomcat reads.
    for (_, far) in &mut stalled {
        assert!(far.read_exactly(8 << 20) == pattern(0, 8 << 20));
    }
}
