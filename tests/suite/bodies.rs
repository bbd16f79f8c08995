//! Bodies arrive whole, in order and as they were framed, at whatever size, and nobody has to hold
//! them; what breaks off is never taken for complete.

use std::time::Duration;

use cattail::standin::{BodyEnd, Checksum, pattern};

use super::harness::*;

const MIB: usize = 1 << 20;
/// So long a peer that takes nothing is watched.
const PAUSE: Duration = Duration::from_millis(300);

/// What the Tomcat's echo says of a body.
fn echoed(answer: &response::Response) -> (u64, String) {
    let echo = answer.json();
    let text = echo["body_checksum"]
        .as_str()
        .expect("a checksum")
        .to_owned();
    (echo["body_bytes"].as_u64().expect("a number"), text)
}

fn described(body: &[u8]) -> (u64, String) {
    (body.len() as u64, Checksum::of(body).to_string())
}

fn post_head(path: &str, framing: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: shop.example\r\n{framing}\r\n\r\n")
}

#[test]
fn a_body_with_a_length_keeps_it_both_ways() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    for size in [0, 1, 100, 65_536, 300_000] {
        let body = pattern(0, size);
        let answer = Request::post("/echo", body.clone())
            .send_on(&mut client)
            .expect(200);
        assert_eq!(echoed(&answer), described(&body));
        let seen = tomcat.last_request();
        assert_eq!(
            seen.header("Content-Length"),
            Some(size.to_string().as_str())
        );
        assert_eq!(seen.header("Transfer-Encoding"), None);
        let path = format!("/bytes/{size}");
        let answer = Request::get(&path).send_on(&mut client).expect(200);
        assert_eq!(answer.framing, Framing::Length(size as u64));
        assert_eq!(answer.body, body);
    }
}

#[test]
fn a_chunked_body_stays_chunked_both_ways() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    let bodies: [&[&[u8]]; 3] = [&[], &[b"one"], &[b"a", b"bc", b"def"]];
    for chunks in bodies {
        let answer = Request::new("POST", "/echo")
            .chunked(chunks)
            .send_on(&mut client)
            .expect(200);
        assert_eq!(echoed(&answer), described(&chunks.concat()));
        let seen = tomcat.last_request();
        assert_eq!(seen.all("Transfer-Encoding"), ["chunked"]);
        assert_eq!(seen.header("Content-Length"), None);
    }
    for path in ["/chunked/0", "/chunked/1", "/chunked/100000?piece=777"] {
        let answer = Request::get(path).send_on(&mut client).expect(200);
        // An empty body that is there at once may as well have its length.
        let empty = answer.framing == Framing::Length(0);
        assert!(empty || answer.framing == Framing::Chunked, "{path}");
        let length = answer.body.len();
        assert!(path.starts_with(&format!("/chunked/{length}")), "{path}");
        assert_eq!(answer.body, pattern(0, length), "{path}");
    }
    assert_eq!(
        tomcat.counts().connections_accepted,
        1,
        "bodies cost no connection"
    );
}

#[test]
fn chunk_extensions_are_dropped() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client.send(post_head("/echo", "Transfer-Encoding: Chunked"));
    client.send("5;name=value;other=\"x\"\r\nhello\r\n00000006 \r\n world\r\n0;last\r\n\r\n");
    let answer = client.read_response().expect(200);
    assert_eq!(echoed(&answer), described(b"hello world"));
}

#[test]
fn announced_trailers_go_both_ways() {
    let tomcat = Tomcat::start("jvm1");
    let head = "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nTrailer: X-Checked\r\n\r\n";
    let answer = format!("{head}5\r\nwhole\r\n0\r\nX-Checked: yes\r\nX-Not-Announced: x\r\n\r\n");
    tomcat.raw_answer("/trailers", answer);
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let request = Request::new("POST", "/trailers")
        .header("TE", "trailers")
        .header("Trailer", "X-Late, X-Later")
        .chunked(&[b"body"])
        .trailer("X-Late", "1")
        .trailer("X-Later", "2");
    let answer = request.send(proxy.address()).expect(200);
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        list.iter().map(owned).collect()
    };
    let lower = |list: Vec<(String, String)>| -> Vec<(String, String)> {
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        list.into_iter().map(lower).collect()
    };
    let seen = tomcat.last_request();
    assert_eq!(
        lower(seen.trailers),
        pairs(&[("x-late", "1"), ("x-later", "2")])
    );
    assert_eq!(lower(answer.trailers), pairs(&[("x-checked", "yes")]));
    // Who does not say that he wants them does not get them.
    let answer = get(proxy.address(), "/trailers").expect(200);
    assert_eq!(
        (answer.text().as_str(), answer.trailers.len()),
        ("whole", 0)
    );
}

#[test]
fn trailers_that_frame_or_route_are_dropped() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let request = Request::new("POST", "/echo")
        .header("Trailer", "Host, Content-Length, Transfer-Encoding, X-Late")
        .chunked(&[b"body"])
        .trailer("Host", "elsewhere")
        .trailer("Content-Length", "100")
        .trailer("Transfer-Encoding", "identity")
        .trailer("X-Late", "1");
    request.send(proxy.address()).expect(200);
    let names: Vec<_> = tomcat.last_request().trailers;
    let names: Vec<_> = names
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    assert_eq!(names, ["x-late"]);
}

#[test]
fn large_bodies_arrive_whole() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let body = pattern(0, 20 * MIB);
    let answer = Request::post("/echo", body.clone())
        .send(proxy.address())
        .expect(200);
    assert_eq!(echoed(&answer), described(&body));
    let pieces: Vec<&[u8]> = body.chunks(1_000_003).collect();
    let answer = Request::new("POST", "/echo")
        .chunked(&pieces)
        .send(proxy.address())
        .expect(200);
    assert_eq!(echoed(&answer), described(&body));
    let answer = get(proxy.address(), &format!("/bytes/{}", body.len())).expect(200);
    assert!(answer.body == body, "another body came back");
}

#[test]
fn a_client_is_made_to_wait_for_a_tomcat_that_does_not_read() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let body = pattern(0, 40 * MIB);
    tomcat.hang();
    let mut client = Raw::connect(proxy.address());
    client.send(post_head(
        "/echo",
        &format!("Content-Length: {}", body.len()),
    ));
    let sent = client.send_until_blocked(&body, PAUSE);
    // What stands in the kernel's buffers of two connections, and little more.
    assert!(
        sent < 30 * MIB,
        "{sent} bytes were taken for a Tomcat that reads none"
    );
    tomcat.resume();
    client.send(&body[sent..]);
    let answer = client.read_response().expect(200);
    assert_eq!(echoed(&answer), described(&body));
}

#[test]
fn an_answer_before_the_body_reaches_the_client_and_ends_the_connection() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client
        .send(post_head("/early", "Content-Length: 1000000"))
        .send([b'x'; 1000]);
    let answer = client.read_response().expect(200);
    assert_eq!(answer.text(), "early\n");
    assert!(!answer.keeps_alive());
    client.expect_closed();
    tomcat.wait_for("the connection closed", |counts| {
        counts.open_connections == 0
    });
    assert_eq!(tomcat.last_request().body_end, BodyEnd::Cut);
}

#[test]
fn a_client_that_goes_on_sending_sees_the_early_answer() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    for _ in 0..10 {
        let mut client = Raw::connect(proxy.address());
        client
            .send(post_head("/early", "Content-Length: 100000000"))
            .send(vec![b'x'; 3 * MIB]);
        let answer = client.read_response().expect(200);
        assert_eq!(answer.text(), "early\n");
        client.expect_closed();
    }
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_to_a_client_that_goes_on_sending() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!(
        "limits: {{ body: 1MiB }}\n{}",
        proxy::cluster(&[&tomcat], "")
    ));
    let mut client = Raw::connect(proxy.address());
    client.send(post_head("/echo", "Content-Length: 1048577"));
    client.send(vec![b'x'; MIB + 1]);
    client.read_response().expect(413);
    client.expect_closed();
    assert_eq!(tomcat.count(), 0);
    let answer = Request::post("/echo", vec![b'x'; MIB])
        .send(proxy.address())
        .expect(200);
    assert_eq!(echoed(&answer).0, MIB as u64);
}

#[test]
fn a_chunked_body_that_grows_too_large_is_refused_to_a_client_that_goes_on_sending() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!(
        "limits: {{ body: 1MiB }}\n{}",
        proxy::cluster(&[&tomcat], "")
    ));
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 65_536], b"\r\n"].concat();
    let mut client = Raw::connect(proxy.address());
    client
        .send(post_head("/echo", "Transfer-Encoding: chunked"))
        .send(chunk.repeat(48));
    client.read_response().expect(413);
    client.expect_closed();
    tomcat.wait_for("the request over", |counts| counts.in_progress == 0);
    // It need not have seen any of it.
    let seen = tomcat.requests();
    assert!(
        seen.iter().all(|seen| seen.body_end == BodyEnd::Cut),
        "{seen:#?}"
    );
    let errors = proxy
        .metrics()
        .value("cattail_errors_total", &[("reason", "body_too_large")]);
    assert_eq!(errors, 1);
}

#[test]
fn a_client_that_stops_within_its_body_is_timed_out() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!(
        "limits: {{ body_idle: 100ms }}\n{}",
        proxy::cluster(&[&tomcat], "")
    ));
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut client = Raw::connect(proxy.address());
        client.send(post_head("/echo", framing)).send("5\r\nhel");
        client.read_response().expect(408);
        client.expect_closed();
        tomcat.wait_for("the request over", |counts| counts.in_progress == 0);
        assert_eq!(tomcat.last_request().body_end, BodyEnd::Cut, "{framing}");
    }
    assert_eq!(
        proxy.metrics().value("cattail_backend_up", &[]),
        1,
        "no fault of the Tomcat"
    );
}

#[test]
fn an_upload_that_its_client_aborts_is_never_complete() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let bodies = [
        ("Content-Length: 10", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n"),
        ("Transfer-Encoding: chunked", "a\r\nhello"),
    ];
    for (framing, body) in bodies {
        for leave in [drop, Raw::reset] {
            let before = tomcat.count();
            let mut client = Raw::connect(proxy.address());
            client.send(post_head("/echo", framing)).send(body);
            tomcat.wait_for_requests(before + 1);
            leave(client);
            tomcat.wait_for("the request over", |counts| counts.in_progress == 0);
            assert_eq!(
                tomcat.last_request().body_end,
                BodyEnd::Cut,
                "{framing}: {body}"
            );
        }
    }
    assert_eq!(tomcat.count(), 8, "none was tried again");
    eventually("they are counted", || {
        proxy
            .metrics()
            .value("cattail_errors_total", &[("reason", "client_gone")])
            == 8
    });
    get(proxy.address(), "/echo").expect(200);
}
