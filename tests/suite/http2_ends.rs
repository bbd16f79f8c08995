//! How requests and connections by HTTP/2 end: what breaks off looks broken off, and each end is one
//! request's own.

use std::time::Duration;

use cattail::standin::{BodyEnd, Fault, pattern};
use h2::Reason;
use tokio::time::Instant;

use super::harness::frames::{self, Frames};
use super::harness::*;

const MIB: usize = 1 << 20;

fn start(tomcat: &Tomcat, limits: &str) -> Proxy {
    let cluster = proxy::cluster(&[tomcat], "");
    Proxy::start(&format!("workers: 1\nlimits: {{ {limits} }}\n{cluster}"))
}

fn errors(proxy: &Proxy, reason: &str) -> i64 {
    let labels = [("reason", reason)];
    proxy.metrics().value("cattail_http2_errors_total", &labels)
}

#[test]
fn an_answer_that_is_cut_off_is_reset_and_never_ends() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    for fault in [
        Fault::HalfBody,
        Fault::HalfBodyReset,
        Fault::ChunkedCut,
        Fault::ChunkedBadSize,
    ] {
        let what = format!("{fault:?}");
        tomcat.script("/cut", fault);
        let beside = Ask::get("/chunked/300000");
        let replies = client.ask_all([beside.clone(), Ask::get("/cut"), beside]);
        let [one, cut, other] = <[_; 3]>::try_from(replies).unwrap();
        if cut.status == 200 {
            assert_eq!(cut.reset, Some(Reason::INTERNAL_ERROR), "{what}");
        } else {
            // Nothing of its body had come.
            assert_eq!(cut.status, 502, "{what}");
        }
        for whole in [one, other] {
            assert_eq!(whole.expect(200).body.len(), 300_000, "{what}");
        }
    }
    assert_eq!(proxy.metrics().value("cattail_connections_total", &[]), 1);
}

#[test]
fn an_answer_that_pauses_too_long_is_reset() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "timeouts: { body_idle: 200ms }");
    tomcat.script("/hangs", Fault::HangInBody);
    let mut client = Http2::connect(proxy.address());
    let reply = client.get("/hangs");
    assert_eq!(
        (reply.status, reply.reset),
        (200, Some(Reason::INTERNAL_ERROR))
    );
    client.get("/echo").expect(200);
}

#[test]
fn an_upload_that_its_client_gives_up_is_never_complete() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    let reasons = [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR];
    for (number, reason) in (1..).zip(reasons) {
        for (twice, ask) in [
            Ask::new("POST", "/echo"),
            Ask::new("POST", "/echo").header("content-length", "10"),
        ]
        .into_iter()
        .enumerate()
        {
            let stream = client.begin(ask.piece("hello"));
            tomcat.wait_for_requests(2 * number - 1 + twice as u64);
            stream.reset(reason);
            tomcat.wait_for("the request over", |counts| counts.in_progress == 0);
            assert_eq!(tomcat.last_request().body_end, BodyEnd::Cut, "{reason:?}");
        }
    }
    eventually("they are counted", || {
        let gone = [("reason", "client_gone")];
        proxy.metrics().value("cattail_errors_total", &gone) == 6
    });
    client.get("/echo").expect(200);
}

#[test]
fn a_client_that_goes_away_takes_its_requests_with_it() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.hold("/page");
    let mut client = Frames::connect(proxy.address(), &[]);
    for stream in [1, 3, 5, 7] {
        client.get(stream, "/page");
    }
    tomcat.wait_for("all", |counts| counts.in_progress == 4);
    client.raw.reset();
    tomcat.wait_for("all given up", |counts| counts.open_connections == 0);
    let now = |name| proxy.metrics().value(name, &[]);
    eventually("nothing is left", || {
        now("cattail_connections_open") == 0 && now("cattail_backend_requests_in_flight") == 0
    });
    tomcat.release("/page");
}

#[test]
fn an_early_answer_stops_the_upload_and_nothing_else() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    for _ in 0..3 {
        let mut stream = client.begin(Ask::new("POST", "/early").piece(vec![b'x'; 1000]));
        client.head(&mut stream);
        let told = async { std::future::poll_fn(|cx| stream.send.poll_reset(cx)).await };
        let reset = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(told);
        assert_eq!(reset.unwrap(), Reason::NO_ERROR);
        client.get("/echo").expect(200);
    }
    assert_eq!(proxy.metrics().value("cattail_connections_total", &[]), 1);
}

#[test]
fn a_body_that_grows_too_large_or_stops_is_refused() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "body: 1MiB, body_idle: 200ms");
    let mut client = Http2::connect(proxy.address());
    let large = vec![b'x'; MIB + 1];
    for ask in [
        Ask::new("POST", "/echo").piece(large.clone()),
        Ask::new("POST", "/echo").body(large),
    ] {
        assert_eq!(client.ask(ask).status, 413);
    }
    let stream = client.begin(Ask::new("POST", "/echo").piece("hel"));
    let reply = client.finish(stream).unwrap();
    assert_eq!(reply.status, 408);
    tomcat.wait_for("none left", |counts| counts.in_progress == 0);
    let seen = tomcat.requests();
    assert!(seen.iter().all(|seen| seen.body_end == BodyEnd::Cut));
    client.get("/echo").expect(200);
}

#[test]
fn a_reader_that_is_slow_holds_up_nobody() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "idle: 60s");
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(65_535)
        .initial_connection_window_size(16 << 20);
    let mut client = Http2::with(&builder, proxy.address());
    let mut slow = [(); 20].map(|()| client.begin(Ask::new("POST", "/bytes/3000000")));
    for stream in &mut slow {
        stream.send.send_data(bytes::Bytes::new(), true).unwrap();
        assert_eq!(client.head(stream), 200);
    }
    for _ in 0..20 {
        client.get("/echo").expect(200);
        assert_eq!(client.get("/bytes/60000").expect(200).body.len(), 60_000);
    }
    let received = proxy
        .metrics()
        .value("cattail_backend_received_bytes_total", &[]);
    assert!(
        received < 20 * 1_000_000,
        "{received} bytes for who reads none"
    );
    for stream in &mut slow {
        let body = client.read(stream, 3_000_000).unwrap();
        assert!(body == pattern(0, 3_000_000), "another body came");
    }
}

#[test]
fn a_response_that_nobody_takes_is_given_up_and_no_other() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "send_idle: 500ms");
    let mut client = Http2::connect(proxy.address());
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1000);
    let mut narrow = Http2::with(&builder, proxy.address());
    let mut stuck = narrow.begin(Ask::get("/bytes/3000000"));
    stuck.send.send_data(bytes::Bytes::new(), true).unwrap();
    assert_eq!(narrow.head(&mut stuck), 200);
    let slow = Ask::get("/slow?head_ms=1000&pieces=3&every_ms=300");
    // Beside it, on the same connection, who waits for the Tomcat is not taken for stuck.
    narrow.ask(slow.clone()).expect(200);
    client.ask(slow).expect(200);
    assert_eq!(narrow.read(&mut stuck, 3_000_000), Err(Reason::CANCEL));
    tomcat.wait_for("it is given up", |counts| counts.in_progress == 0);
    let stuck = proxy
        .metrics()
        .value("cattail_http2_streams_stuck_total", &[]);
    assert_eq!(stuck, 1);
    narrow.get("/status/204").expect(204);
    assert!(!narrow.has_ended());
}

#[test]
fn a_reader_that_is_slow_is_not_given_up() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "send_idle: 1s");
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(100_000);
    let mut client = Http2::with(&builder, proxy.address());
    let mut stream = client.begin(Ask::get("/bytes/3000000"));
    stream.send.send_data(bytes::Bytes::new(), true).unwrap();
    client.head(&mut stream);
    for _ in 0..20 {
        client.read(&mut stream, 100_000).expect("goes on");
        wait::stays("reading slowly", Duration::from_millis(100), || true);
    }
    client.read(&mut stream, 1_000_000).expect("goes on");
}

#[test]
fn many_answers_on_a_slow_line_are_not_given_up() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "send_idle: 2s");
    // Windows are no matter; the line is.
    let raw = Raw::connect_narrow(proxy.address());
    let mut client = Frames::over(raw, &[(frames::INITIAL_WINDOW, 1 << 30)]);
    client.send(frames::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
    for number in 0..100 {
        client.get(2 * number + 1, "/bytes/1000000");
    }
    let (started, mut taken) = (Instant::now(), 0);
    // Each gets less than a piece in the time that it is waited for.
    while started.elapsed() < Duration::from_secs(8) {
        let due = started.elapsed().as_millis() as usize * 1000;
        if taken > due {
            wait::stays("a pause", Duration::from_millis(2), || true);
            continue;
        }
        let frame = client.try_next().expect("goes on");
        assert_ne!(frame.kind, frames::RST_STREAM, "after {taken} bytes");
        taken += frame.payload.len();
    }
    let stuck = proxy
        .metrics()
        .value("cattail_http2_streams_stuck_total", &[]);
    assert_eq!(stuck, 0);
}

#[test]
fn who_takes_nothing_and_talks_all_the_while_is_closed() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "send_idle: 500ms, idle: 60s");
    // A socket that is full refuses large frames as a whole.
    let settings = [
        (frames::INITIAL_WINDOW, 1 << 30),
        (frames::MAX_FRAME_SIZE, 1 << 20),
    ];
    for streams in [1, 2, 4, 6, 7] {
        let raw = Raw::connect_narrow(proxy.address());
        let mut client = Frames::over(raw, &settings);
        client.send(frames::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
        for number in 0..streams {
            client.get(2 * number + 1, "/bytes/3000000");
        }
        let started = Instant::now();
        // Answers to what it says would be a reason to wait for it.
        let one_more = 1_u32.to_be_bytes();
        while client
            .try_send(frames::WINDOW_UPDATE, 0, 1, &one_more)
            .is_ok()
        {
            assert!(started.elapsed() < Duration::from_secs(8), "{streams}");
            wait::stays("a pause", Duration::from_millis(100), || true);
        }
    }
    tomcat.wait_for("all given up", |counts| counts.in_progress == 0);
}

#[test]
fn a_stop_lets_requests_finish_and_takes_no_more() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.hold("/page");
    let mut client = Http2::connect(proxy.address());
    let mut idle = Http2::connect(proxy.address());
    idle.get("/echo").expect(200);
    let streams = [(); 4].map(|()| {
        let mut stream = client.begin(Ask::get("/page"));
        stream.send.send_data(bytes::Bytes::new(), true).unwrap();
        stream
    });
    tomcat.wait_for("all", |counts| counts.in_progress == 4);
    proxy.running().begin_stop();
    eventually("the client is told", || client.is_told_to_go());
    assert_eq!(idle.ended(), Ok(()));
    assert!(!proxy.running().has_ended());
    tomcat.release("/page");
    for stream in streams {
        let reply = client.finish(stream).unwrap().expect(200);
        assert_eq!(reply.header("connection"), None);
    }
    assert_eq!(client.ended(), Ok(()));
    proxy.stop();
    tomcat.wait_for("an end", |counts| counts.open_connections == 0);
}

#[test]
fn a_stop_waits_no_longer_than_its_deadline() {
    let tomcat = Tomcat::start("jvm1");
    let cluster = proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!("shutdown: {{ deadline: 1s }}\n{cluster}"));
    tomcat.hold("/page");
    let mut client = Http2::connect(proxy.address());
    let stream = client.begin(Ask::get("/page"));
    tomcat.wait_for_requests(1);
    let started = Instant::now();
    proxy.stop();
    assert!(started.elapsed() < scaled(Duration::from_secs(4)));
    client.finish(stream).expect_err("the connection is gone");
    tomcat.release("/page");
}

#[test]
fn a_reload_disturbs_no_stream() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one], "");
    one.hold("/page");
    let mut client = Http2::connect(proxy.address());
    let mut stream = client.begin(Ask::get("/page"));
    stream.send.send_data(bytes::Bytes::new(), true).unwrap();
    one.wait_for_requests(1);
    proxy.reload(&cluster(&[&two], "")).unwrap();
    let reply = client.get("/echo").expect(200);
    assert_eq!(reply.header("x-tomcat"), Some("jvm2"));
    one.release("/page");
    let reply = client.finish(stream).unwrap().expect(200);
    assert_eq!(reply.header("x-tomcat"), Some("jvm1"));
    assert!(!client.has_ended());
}

#[test]
fn a_connection_ends_in_order_after_its_number_of_requests() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "requests_per_connection: 5");
    let mut client = Http2::connect(proxy.address());
    for _ in 0..5 {
        client.get("/echo").expect(200);
    }
    assert_eq!(client.ended(), Ok(()));
    assert_eq!(tomcat.count(), 5);
}

/// Asks, and reads on to the end of the answer.
fn ask(client: &mut Frames, stream: u32) -> bool {
    let block = frames::get_fields("/echo", &[]);
    let flags = frames::END_STREAM | frames::END_HEADERS;
    let sent = client.try_send(frames::HEADERS, flags, stream, &block);
    sent.is_ok()
        && std::iter::from_fn(|| client.try_next().ok())
            .any(|frame| frame.kind == frames::DATA && frame.stream == stream)
}

#[test]
fn who_does_not_heed_the_end_gets_a_few_more_answers() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "requests_per_connection: 3, http2: { streams: 5 }");
    // It is told with a PING, and takes care not to answer that.
    let mut client = Frames::connect(proxy.address(), &[]);
    let answered = (0..100).take_while(|number| ask(&mut client, 2 * number + 1));
    assert_eq!(answered.count(), 3 + 5);
    client.expect_closed();
    Http2::connect(proxy.address()).get("/echo").expect(200);
}

#[test]
fn who_does_not_heed_the_end_is_served_a_while_longer() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "idle: 200ms, head_time: 300ms, send_idle: 300ms");
    let mut client = Frames::connect(proxy.address(), &[]);
    assert!(ask(&mut client, 1));
    client.next(frames::GOAWAY);
    let told = Instant::now();
    let mut stream = 3;
    while ask(&mut client, stream) {
        assert!(told.elapsed() < wait::patience(), "it goes on for ever");
        wait::stays("a pause", Duration::from_millis(20), || true);
        stream += 2;
    }
    assert!(stream > 5, "what was on its way is answered");
}

#[test]
fn an_idle_connection_ends_though_it_is_pinged() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "idle: 500ms");
    let mut client = Frames::connect(proxy.address(), &[]);
    client.get(1, "/echo");
    client.next_of(frames::DATA, 1);
    let started = Instant::now();
    let told = loop {
        // In halves: neither is a wait of its own.
        let ping = frames::frame(frames::PING, 0, 0, b"stay up!");
        for half in [&ping[..5], &ping[5..]] {
            client.raw.send(half);
            wait::stays("a pause", Duration::from_millis(50), || true);
        }
        assert!(started.elapsed() < wait::patience(), "it is kept up");
        let frame = client.try_next().expect("open");
        if frame.kind == frames::GOAWAY {
            break frame;
        }
    };
    assert!(started.elapsed() >= Duration::from_millis(350));
    assert_eq!(told.payload[4..8], [0, 0, 0, 0], "in good order");
    // Who answers as it must is let go at once; who does not, when a head would be overdue.
    drop(client);
    let mut client = Http2::connect(proxy.address());
    client.get("/echo").expect(200);
    assert_eq!(client.ended(), Ok(()));
    assert_eq!(errors(&proxy, "timeout"), 0);
}
