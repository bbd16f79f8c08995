//! Clients that speak HTTP/2 to do harm, or badly: each is bounded, and no stranger notices.

use std::time::Duration;

use tokio::time::Instant;

use super::harness::frames::{self, CALM, END_HEADERS, END_STREAM, Frames};
use super::harness::*;

const ALL_REASONS: [&str; 6] = [
    "resets",
    "control_frames",
    "enhance_your_calm",
    "timeout",
    "send_timeout",
    "protocol_error",
];

fn start(tomcat: &Tomcat, limits: &str) -> Proxy {
    let cluster = proxy::cluster(&[tomcat], "");
    Proxy::start(&format!("workers: 1\nlimits: {{ {limits} }}\n{cluster}"))
}

fn errors(proxy: &Proxy, reason: &str) -> i64 {
    let labels = [("reason", reason)];
    proxy.metrics().value("cattail_http2_errors_total", &labels)
}

/// Waits until a connection was closed for this, and sees that others are served.
#[track_caller]
fn expect_error(proxy: &Proxy, reason: &str) {
    let all = || proxy.metrics().value("cattail_http2_errors_total", &[]);
    eventually("it is closed for something", || all() == 1);
    let found = ALL_REASONS.iter().find(|reason| errors(proxy, reason) > 0);
    assert_eq!(found, Some(&reason));
    eventually("it is closed", || {
        proxy.metrics().value("cattail_connections_open", &[]) == 0
    });
    Http2::connect(proxy.address()).get("/echo").expect(200);
    assert_eq!(proxy.metrics().value("cattail_panics_total", &[]), 0);
}

#[test]
fn requests_cancelled_in_a_row_end_the_connection() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "http2: { resets: 50 }");
    let started = Instant::now();
    let mut client = Frames::connect(proxy.address(), &[]);
    let mut sent = 0;
    while sent < 10_000 {
        let stream = 2 * sent + 1;
        let block = frames::get_fields("/echo", &[]);
        let request = frames::frame(frames::HEADERS, END_STREAM | END_HEADERS, stream, &block);
        let cancel = frames::frame(frames::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        if client.raw.try_send([request, cancel].concat()).is_err() {
            break;
        }
        sent += 1;
    }
    client.expect_closed();
    // A slow machine gives more of them back; and one more tick of the clock.
    let most = 50 + 5 * (started.elapsed().as_secs() + 1) + 1;
    let count = tomcat.count();
    assert!(count <= most, "{count} of {most} requests got through");
    expect_error(&proxy, "resets");
}

#[test]
fn who_cancels_now_and_then_is_served() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "http2: { resets: 50 }");
    let mut client = Http2::connect(proxy.address());
    for _ in 0..40 {
        client.begin(Ask::get("/echo")).reset(h2::Reason::CANCEL);
        client.get("/echo").expect(200);
    }
    assert!(!client.has_ended());
}

#[test]
fn frames_that_carry_nothing_end_the_connection() {
    for (kind, payload) in [
        (frames::PING, &b"pingping"[..]),
        (frames::SETTINGS, b""),
        // A priority.
        (2, b"\0\0\0\0\x10"),
        // Of no known kind.
        (0xfa, b""),
    ] {
        let tomcat = Tomcat::start("jvm1");
        let proxy = start(&tomcat, "http2: { control_frames: 200 }");
        let mut client = Frames::connect(proxy.address(), &[]);
        let stream = u32::from(kind == 2);
        let flood = frames::frame(kind, 0, stream, payload).repeat(100);
        let mut sent = 0;
        while sent < 1000 && client.raw.try_send(&flood).is_ok() {
            sent += 1;
        }
        let reason = client.expect_closed();
        assert!(
            reason.is_none_or(|reason| reason == CALM),
            "{kind}: {reason:?}"
        );
        expect_error(&proxy, "control_frames");
    }
}

#[test]
fn a_flood_that_is_not_read_from_costs_no_memory_and_ends() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(
        &tomcat,
        "send_idle: 300ms, http2: { control_frames: 10000000 }",
    );
    let mut client = Frames::connect(proxy.address(), &[]);
    let flood = frames::frame(frames::PING, 0, 0, b"pingping").repeat(1000);
    let pause = Duration::from_millis(100);
    // Nothing of the answers is read, so that soon nothing of the flood is.
    let sent = client.raw.send_until_blocked(&flood.repeat(1000), pause);
    assert!(sent < flood.len() * 1000, "all of it was taken");
    expect_error(&proxy, "send_timeout");
}

#[test]
fn the_priorities_of_a_browser_are_no_flood() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "http2: { control_frames: 100 }");
    let mut client = Frames::connect(proxy.address(), &[]);
    for number in 0..200 {
        let stream = 2 * number + 1;
        client.get(stream, "/bytes/10000");
        client.send(2, 0, stream, b"\0\0\0\0\x10");
        client.next_of(frames::DATA, stream);
        let more = 10_000_u32.to_be_bytes();
        client.send(frames::WINDOW_UPDATE, 0, 0, &more);
    }
    client.get(999, "/echo");
    client.next_of(frames::DATA, 999);
}

#[test]
fn a_head_without_end_is_cut_short() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "head_time: 60s");
    let mut client = Frames::connect(proxy.address(), &[]);
    let block = frames::get_fields("/echo", &[]);
    client.send(frames::HEADERS, END_STREAM, 1, &block);
    let mut sent = 0;
    while sent < 10_000 {
        let field = frames::fields(&[("x-more", "of it")]);
        if client.try_send(frames::CONTINUATION, 0, 1, &field).is_err() {
            break;
        }
        sent += 1;
    }
    client.expect_closed();
    assert_eq!(tomcat.count(), 0);
    expect_error(&proxy, "enhance_your_calm");
}

#[test]
fn fields_that_are_too_many_or_too_large_are_refused_alone() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "head: 8KiB, target: 1KiB, fields: 50");
    let mut client = Http2::connect(proxy.address());
    client.get("/echo").expect(200);
    let with = |count: usize, size: usize| {
        let value = "v".repeat(size);
        (0..count).fold(Ask::get("/echo"), |ask, number| {
            ask.header(&format!("x-{number}"), &value)
        })
    };
    client.ask(with(49, 100)).expect(200);
    client.ask(with(50, 1)).expect(431);
    client.ask(with(1, 7000)).expect(200);
    client.ask(with(2, 6000)).expect(431);
    let long = format!("/echo/{}", "a".repeat(1024));
    client.get(&long).expect(414);
    // What is far beyond ends the connection, since it must be read to its end to go on.
    let crumbs = (0..60).fold(Ask::get("/echo"), |ask, number| {
        ask.header("cookie", &format!("c{number}=1"))
    });
    client.ask(crumbs).expect(200);
    assert!(!client.has_ended());
}

#[test]
fn more_requests_at_once_than_allowed_are_refused_and_may_come_again() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "http2: { streams: 5 }");
    let mut client = Frames::connect(proxy.address(), &[]);
    tomcat.hold("/page");
    for stream in [1, 3, 5, 7, 9, 11] {
        client.get(stream, "/page");
    }
    let refused = client.next(frames::RST_STREAM);
    assert_eq!(refused.stream, 11);
    assert_eq!(refused.payload, 7_u32.to_be_bytes(), "REFUSED_STREAM");
    tomcat.wait_for("the others", |counts| counts.in_progress == 5);
    tomcat.release("/page");
    for _ in 0..5 {
        client.next(frames::DATA);
    }
    // A client that keeps to it has any number of them.
    let mut client = Http2::connect(proxy.address());
    // With the first answer it knows the bound.
    client.get("/echo").expect(200);
    for reply in client.ask_all((0..100).map(|_| Ask::get("/echo"))) {
        reply.expect(200);
    }
    assert!(tomcat.counts().concurrent_peak <= 5);
}

#[test]
fn a_client_that_goes_on_beyond_the_bound_is_ended() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "http2: { streams: 1, errors: 20 }");
    let mut client = Frames::connect(proxy.address(), &[]);
    tomcat.hold("/page");
    let mut sent = 0;
    let block = frames::get_fields("/page", &[]);
    while sent < 10_000 {
        let flags = END_STREAM | END_HEADERS;
        if client
            .try_send(frames::HEADERS, flags, 2 * sent + 1, &block)
            .is_err()
        {
            break;
        }
        sent += 1;
    }
    client.expect_closed();
    tomcat.release("/page");
    assert!(tomcat.count() <= 1);
    expect_error(&proxy, "enhance_your_calm");
}

#[test]
fn ten_thousand_requests_leave_nothing_behind() {
    let tomcat = Tomcat::build("jvm1", |tomcat| tomcat);
    let proxy = start(&tomcat, "requests_per_connection: 100000");
    let mut client = Http2::connect(proxy.address());
    for _ in 0..100 {
        for reply in client.ask_all((0..100).map(|_| Ask::get("/status/204"))) {
            reply.expect(204);
        }
    }
    let now = |name| proxy.metrics().value(name, &[]);
    assert_eq!(now("cattail_http2_requests_total"), 10_000);
    assert_eq!(now("cattail_connections_total"), 1);
    eventually("nothing is in flight", || {
        now("cattail_backend_requests_in_flight") == 0
    });
}

#[test]
fn a_window_of_nothing_is_borne_for_a_while() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "send_idle: 300ms");
    let mut client = Frames::connect(proxy.address(), &[(frames::INITIAL_WINDOW, 0)]);
    for number in 0..20 {
        client.get(2 * number + 1, "/bytes/1000000");
    }
    for _ in 0..20 {
        assert_eq!(client.next(frames::RST_STREAM).payload, 8_u32.to_be_bytes());
    }
    tomcat.wait_for("all given up", |counts| counts.in_progress == 0);
    let stuck = proxy
        .metrics()
        .value("cattail_http2_streams_stuck_total", &[]);
    assert_eq!(stuck, 20);
    client.get(101, "/status/204");
    client.next_of(frames::HEADERS, 101);
}

#[test]
fn ends_of_answers_that_nobody_takes_end_the_connection() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "send_idle: 300ms, idle: 60s");
    tomcat.hold("/page");
    // A piece is sent when there is any room; these are the last of their answers.
    let mut client = Frames::connect(proxy.address(), &[(frames::INITIAL_WINDOW, 1)]);
    client.get(1, "/page");
    for stream in [3, 5, 7] {
        client.get(stream, "/bytes/1000");
    }
    tomcat.wait_for("all but one", |counts| counts.in_progress == 1);
    client.expect_closed();
    expect_error(&proxy, "send_timeout");
    tomcat.release("/page");
}

#[test]
fn who_takes_the_end_of_an_answer_slowly_gets_it() {
    let tomcat = Tomcat::start("jvm1");
    let limits = "head_time: 200ms, send_idle: 2s, idle: 60s, requests_per_connection: 1";
    let proxy = start(&tomcat, limits);
    let mut client = Frames::connect(proxy.address(), &[(frames::INITIAL_WINDOW, 1)]);
    client.get(1, "/bytes/4");
    let mut body = client.next_of(frames::DATA, 1).payload;
    for _ in 0..3 {
        wait::stays("a pause", Duration::from_millis(500), || true);
        client.send(frames::WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes());
        body.extend(client.next_of(frames::DATA, 1).payload);
    }
    assert_eq!(body.len(), 4);
}

#[test]
fn who_begins_and_says_no_more_is_closed() {
    let tomcat = Tomcat::start("jvm1");
    let begun = frames::get_fields("/echo", &[]);
    let hello = [frames::PREFACE, &frames::frame(frames::SETTINGS, 0, 0, b"")].concat();
    let half = frames::frame(frames::HEADERS, END_STREAM, 1, &begun);
    for (bytes, is_head) in [
        (&frames::PREFACE[..2], true),
        (&frames::PREFACE[..10], false),
        (frames::PREFACE, false),
        (&[&hello[..], b"\0"].concat(), false),
        (&[&hello[..], &half].concat(), false),
        (&[&hello[..], &half[..20]].concat(), false),
    ] {
        let proxy = start(&tomcat, "head_time: 300ms, idle: 60s");
        let mut client = Raw::connect(proxy.address());
        let started = Instant::now();
        client.send(bytes);
        client.read_to_end();
        let waited = started.elapsed();
        assert!(waited >= Duration::from_millis(250), "{waited:?}");
        if is_head {
            let labels = [("reason", "timeout")];
            let count = proxy.metrics().value("cattail_parse_errors_total", &labels);
            assert_eq!(count, 1);
        } else {
            expect_error(&proxy, "timeout");
        }
    }
    assert_eq!(tomcat.requests_to("/echo").len(), 5, "those of strangers");
}

#[test]
fn a_head_that_comes_in_drops_has_no_longer_than_others() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "head_time: 500ms");
    let mut client = Frames::connect(proxy.address(), &[]);
    let block = frames::get_fields("/echo", &[]);
    client.send(frames::HEADERS, END_STREAM, 1, &block);
    let started = Instant::now();
    let field = frames::fields(&[("a", "b")]);
    while client.try_send(frames::CONTINUATION, 0, 1, &field).is_ok() {
        let waited = started.elapsed();
        assert!(waited < scaled(Duration::from_secs(3)), "still open");
        wait::stays("a pause", Duration::from_millis(200), || true);
    }
    expect_error(&proxy, "timeout");
}

#[test]
fn what_is_not_http2_after_its_first_word_is_refused() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "idle: 60s");
    let mut client = Raw::connect(proxy.address());
    client.send("PRI * HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    client.read_to_end();
    expect_error(&proxy, "protocol_error");
}
