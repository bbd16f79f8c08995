//! What one request does on a connection to a backend, and what the others on it see of that.

use std::time::Duration;

use h2::Reason;
use tokio::time::Instant;

use super::harness::frames::{self, END_HEADERS, END_STREAM};
use super::harness::http2_server::{First, HELLO, Settings, Step};
use super::harness::*;
use super::http2_backends::in_front_of;

fn count(proxy: &Proxy, name: &str, reason: &str) -> i64 {
    proxy.metrics().value(name, &[("reason", reason)])
}

fn errors(proxy: &Proxy, reason: &str) -> i64 {
    count(proxy, "cattail_errors_total", reason)
}

fn is_up(proxy: &Proxy, backend: &str) -> bool {
    let metrics = proxy.metrics();
    metrics.exactly("cattail_backend_up", &[("backend", backend)]) == 1
}

fn scripted(scripts: &'static [&'static [Step]]) -> Http2Server {
    Http2Server::with(Settings {
        first: First::Scripted(scripts),
        ..Settings::default()
    })
}

/// `:status: 200`
const OK: &[u8] = &[0x88];
const LAST: u8 = END_STREAM | END_HEADERS;

#[test]
fn an_upload_that_is_not_read_ends_with_its_request() {
    let server = Http2Server::with(Settings {
        streams: 1,
        ..Settings::default()
    });
    let proxy = in_front_of(&[&server], "    timeouts: { body_idle: 1s }\n");
    let mut client = Http2::connect(proxy.address());
    let upload = || Ask::new("POST", "/unread").piece(vec![0; 200_000]);
    // The client goes.
    let mut stream = client.begin(upload());
    assert_eq!(client.head(&mut stream), 200);
    stream.reset(Reason::CANCEL);
    let seen = server.wait_for_seen(1);
    assert_eq!(seen[0].reset, Some(Reason::CANCEL));
    // The backend pauses for too long.
    let mut stream = client.begin(upload());
    assert_eq!(client.head(&mut stream), 200);
    let seen = server.wait_for_seen(2);
    assert_eq!(seen[1].reset, Some(Reason::CANCEL));
    // Nothing of them is left in the way of others.
    let body = vec![b'x'; 60_000];
    let reply = client.ask(Ask::new("POST", "/echo").body(body.clone()));
    assert!(reply.expect(200).body == body);
    assert_eq!(server.connections(), 1);
}

#[test]
fn what_is_silent_for_all_who_wait_is_silent_once() {
    let server = Http2Server::start();
    server.fall_silent();
    let proxy = in_front_of(&[&server], "    timeouts: { connect: 1s }\n");
    let mut client = Http2::connect(proxy.address());
    let begun = Instant::now();
    for reply in client.ask_all((0..20).map(|_| Ask::get("/echo"))) {
        assert_eq!(reply.status, 504);
    }
    assert!(begun.elapsed() < scaled(Duration::from_secs(4)));
    assert!(is_up(&proxy, "b1"), "it is the last one");
    let silences = proxy.metrics();
    let silences = silences.value("cattail_backend_connect_failures_total", &[]);
    assert_eq!(silences, 1);
}

#[test]
fn who_waits_for_a_connection_leaves_a_backend_that_goes_down() {
    let [one, two] = [Http2Server::start(), Http2Server::start()];
    let more = "    timeouts: { connect: 60s }\n    \
                health: { type: http, path: /status-only, interval: 100ms, timeout: 500ms, fall: 2, rise: 1 }\n";
    let proxy = in_front_of(&[&one, &two], more);
    one.wait_for_seen(1);
    one.fall_silent();
    let mut client = Http2::connect(proxy.address());
    for reply in client.ask_all((0..8).map(|_| Ask::get("/echo"))) {
        reply.expect(200);
    }
    assert!(!is_up(&proxy, "b1"));
}

#[test]
fn many_small_pieces_that_nobody_takes_end_their_own_response_alone() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let mut other = client.begin(Ask::new("POST", "/call").piece("one"));
    assert_eq!(client.head(&mut other), 200);
    let mut slow = Http2::with(
        h2::client::Builder::new()
            .initial_window_size(16 << 10)
            .data_frame_budget(usize::MAX),
        proxy.address(),
    );
    // Not all of it would fit into the window of a stream.
    let mut patient = slow.begin(Ask::get("/pieces/20000/5"));
    assert_eq!(slow.head(&mut patient), 200);
    let mut stalled = slow.begin(Ask::get("/pieces/100000/5"));
    assert_eq!(slow.head(&mut stalled), 200);
    let seen = server.wait_for_seen(2);
    assert_eq!(seen[1].reset, Some(Reason::CANCEL), "{:?}", seen[1]);
    other.send.send_data("two".into(), true).unwrap();
    assert_eq!(client.read(&mut other, 6).unwrap(), b"onetwo");
    let body = slow.read(&mut patient, 100_000).unwrap();
    assert_eq!(body.len(), 100_000);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_response_with_all_its_bytes_is_whole() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    for path in ["/apart", "/late"] {
        let mut client = Raw::connect(proxy.address());
        for _ in 0..2 {
            client.send(Request::get(path).bytes());
            assert_eq!(client.read_response().expect(200).body, b"whole");
        }
    }
    let mut client = Http2::connect(proxy.address());
    assert_eq!(client.get("/apart").expect(200).body, b"whole");
    let ends = ["/apart", "/apart/200", "/apart/204", "/apart/304"];
    for path in ends {
        let mut by_http1 = Raw::connect(proxy.address());
        for method in ["HEAD", "GET"] {
            by_http1.send(Request::new(method, path).bytes());
            let answer = by_http1.read_response_to(method);
            assert!(answer.status() < 400 && answer.body.len() <= 5, "{path}");
            let reply = client.ask(Ask::new(method, path));
            assert_eq!((reply.status, reply.reset), (answer.status(), None));
            assert_eq!(reply.body, answer.body);
        }
    }
    eventually("all are over", || {
        let metrics = proxy.metrics();
        metrics.value("cattail_backend_requests_in_flight", &[]) == 0
    });
    assert_eq!(errors(&proxy, "client_gone"), 0);
    assert_eq!(errors(&proxy, "closed"), 0);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_backend_that_says_goodbye_is_heard_before_a_request_is_lost() {
    let server = scripted(&[&[
        HELLO,
        Step::Await(frames::HEADERS, 1),
        Step::Send(frames::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
        Step::Send(frames::PING, 0, 0, &[0; 8]),
        Step::Await(frames::PING, 1),
        Step::Tell,
    ]]);
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let _held = client.begin(Ask::get("/hang"));
    server.wait_for_told(1);
    Request::post("/echo", "x")
        .send(proxy.address())
        .expect(200);
    assert_eq!(count(&proxy, "cattail_retries_total", "stale"), 0);
    assert_eq!(server.connections(), 2);
}

#[test]
fn what_had_begun_before_a_goaway_has_its_time() {
    // Longer than a connection that nobody uses may take to end.
    const LONG: Duration = Duration::from_secs(6);
    let server = scripted(&[&[
        HELLO,
        Step::Await(frames::HEADERS, 1),
        Step::Send(frames::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
        Step::Pause(LONG),
        Step::Send(frames::HEADERS, LAST, 1, OK),
    ]]);
    let proxy = in_front_of(&[&server], "");
    Request::post("/long", "x")
        .send(proxy.address())
        .expect(200);
    eventually("its connection is closed", || {
        let metrics = proxy.metrics();
        metrics.value("cattail_backend_connections_open", &[]) == 0
    });
}

#[test]
fn a_goaway_between_requests_fails_neither_side_of_it() {
    let server = scripted(&[&[
        HELLO,
        Step::Await(frames::HEADERS, 4),
        Step::Send(frames::GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]),
        Step::Send(frames::HEADERS, LAST, 1, OK),
        Step::Send(frames::HEADERS, LAST, 3, OK),
    ]]);
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let asks = (0..4).map(|number| Ask::new("POST", &format!("/echo/{number}")).body("x"));
    for reply in client.ask_all(asks) {
        reply.expect(200);
    }
    // Those that it had looked at were not sent again.
    assert_eq!(server.seen().len(), 2);
    assert_eq!(count(&proxy, "cattail_retries_total", "stale"), 2);
}

#[test]
fn a_connection_that_breaks_gives_nobody_a_bad_name() {
    let server = scripted(&[&[
        HELLO,
        Step::Await(frames::HEADERS, 3),
        // A piece of no stream at all.
        Step::Send(frames::DATA, 0, 0, b"x"),
    ]]);
    let other = Http2Server::start();
    let proxy = in_front_of(&[&server, &other], "    outliers: { consecutive: 3 }\n");
    let mut client = Http2::connect(proxy.address());
    for reply in client.ask_all((0..6).map(|_| Ask::get("/echo"))) {
        reply.expect(200);
    }
    assert_eq!(errors(&proxy, "protocol"), 0);
}

#[test]
fn fewer_streams_are_heeded_from_the_next_request_on() {
    let server = scripted(&[&[
        HELLO,
        Step::Await(frames::HEADERS, 1),
        // MAX_CONCURRENT_STREAMS: one.
        Step::Send(frames::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]),
        Step::Send(frames::PING, 0, 0, &[0; 8]),
        Step::Await(frames::PING, 1),
        Step::Tell,
    ]]);
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let _held = client.begin(Ask::get("/hang"));
    server.wait_for_told(1);
    client.get("/echo").expect(200);
    assert_eq!(server.connections(), 2);
}

#[test]
fn who_cancels_much_ends_nobody_elses_request() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let mut other = client.begin(Ask::new("POST", "/call").piece("one"));
    assert_eq!(client.head(&mut other), 200);
    for _ in 0..30 {
        let mut hasty = Http2::connect(proxy.address());
        let mut streams: Vec<_> = (0..90)
            .map(|_| hasty.begin(Ask::get("/bytes/10000000")))
            .collect();
        for stream in &mut streams {
            assert_eq!(hasty.head(stream), 200);
        }
        for stream in streams {
            stream.reset(Reason::CANCEL);
        }
    }
    other.send.send_data("two".into(), true).unwrap();
    assert_eq!(client.read(&mut other, 6).unwrap(), b"onetwo");
}

#[test]
fn a_bad_body_of_a_client_costs_no_connection() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    for _ in 0..3 {
        let mut client = Raw::connect(proxy.address());
        client.send("POST /hang HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n");
        client.read_response().expect(400);
    }
    get(proxy.address(), "/echo").expect(200);
    assert_eq!(server.connections(), 1);
}

#[test]
fn interim_answers_have_an_end() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    for _ in 0..3 {
        let answer = Request::post("/interim/90", "x").send(proxy.address());
        assert_eq!(answer.expect(200).body, b"x");
    }
    Request::post("/interim/100000", "x")
        .send(proxy.address())
        .expect(502);
    get(proxy.address(), "/echo").expect(200);
    assert_eq!(server.connections(), 2);
}

#[test]
fn what_a_backend_says_to_the_proxy_is_not_said_to_clients() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let told = [
        (Reason::REFUSED_STREAM, Reason::INTERNAL_ERROR),
        (Reason::ENHANCE_YOUR_CALM, Reason::INTERNAL_ERROR),
        (Reason::CANCEL, Reason::CANCEL),
    ];
    let mut client = Http2::connect(proxy.address());
    for (said, heard) in told {
        // A reset may overtake the head.
        let reply = client.try_ask(Ask::get(&format!("/cut/{}", u32::from(said))));
        let reason = match reply {
            Ok(reply) => reply.reset,
            Err(error) => error.reason(),
        };
        assert_eq!(reason, Some(heard), "{said:?}");
    }
}

#[test]
fn calls_outlive_the_lifetime_of_their_connection() {
    let server = Http2Server::start();
    let pool = "    pool: { lifetime: 1s, max_idle: 0 }\n";
    let proxy = in_front_of(&[&server], pool);
    let mut client = Http2::connect(proxy.address());
    let mut held: Vec<_> = (0..3)
        .map(|_| client.begin(Ask::new("POST", "/call").piece("a")))
        .collect();
    for stream in &mut held {
        assert_eq!(client.head(stream), 200);
    }
    eventually("others get a new connection", || {
        get(proxy.address(), "/echo").expect(200);
        server.connections() > 1
    });
    for stream in &mut held {
        stream.send.send_data("b".into(), true).unwrap();
        assert_eq!(client.read(stream, 2).unwrap(), b"ab");
    }
    drop(held);
    server.wait_for_open(0);
}

#[test]
fn a_port_that_takes_connections_is_enough_for_its_check() {
    let server = Http2Server::start();
    let health = "    health: { type: tcp, interval: 50ms, fall: 1, rise: 1 }\n";
    let proxy = in_front_of(&[&server], health);
    get(proxy.address(), "/echo").expect(200);
    let port = server.address().port();
    drop(server);
    eventually("it is found down", || !is_up(&proxy, "b1"));
    let _back = Http2Server::with(Settings {
        port,
        ..Settings::default()
    });
    eventually("it is back", || is_up(&proxy, "b1"));
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn a_connection_that_hangs_is_closed_when_nobody_uses_it_any_more() {
    // Windows are no matter; the line is full.
    const WIDE: &[u8] = &[0, 4, 0x7f, 0xff, 0xff, 0xff];
    let server = scripted(&[&[
        Step::Send(frames::SETTINGS, 0, 0, WIDE),
        Step::Send(frames::WINDOW_UPDATE, 0, 0, &[0x40, 0, 0, 0]),
        Step::Await(frames::HEADERS, 1),
        Step::Hang,
    ]]);
    let more = "    timeouts: { response: 500ms, body_idle: 1s }\n    http2: { ping: 0s }\n";
    let proxy = in_front_of(&[&server], more);
    let mut client = Http2::connect(proxy.address());
    let mut stream = client.begin(Ask::new("POST", "/upload").piece(vec![0; 30_000_000]));
    assert_eq!(client.head(&mut stream), 504);
    let open = || {
        let metrics = proxy.metrics();
        metrics.value("cattail_backend_connections_open", &[])
    };
    eventually("it is closed", || open() == 0);
}
