//! What a backend says is believed only if it is well framed, and what is cut off looks cut off.

use cattail::standin::{Fault, Then};

use super::harness::*;

/// One Tomcat behind a proxy with one worker, so that there is one pool to look at.
fn one_worker(tomcat: &Tomcat, more: &str) -> Proxy {
    let text = proxy::cluster(&[tomcat], more);
    Proxy::start(&format!("workers: 1\n{text}"))
}

/// Answers with these bytes, then closes.
fn closing(bytes: &str) -> Fault {
    Fault::Raw(bytes.into(), Then::Close)
}

/// Answers with these bytes and keeps the connection.
fn keeping(bytes: &str) -> Fault {
    Fault::Raw(bytes.into(), Then::Keep)
}

/// A POST, which is never tried again, so that one attempt is one request.
fn post_to(proxy: &Proxy) -> Result<response::Response, Broken> {
    let mut client = Raw::connect(proxy.address());
    client.send(Request::post("/bad", "x").bytes());
    client.try_read_response_to("POST")
}

/// Each of these, to a request that is never tried again, is a bad gateway for `reason`.
#[track_caller]
fn are_bad_gateways(cases: Vec<(&'static str, Fault)>, reason: &str) {
    let tomcat = Tomcat::start("jvm1");
    let proxy = one_worker(&tomcat, "");
    for (round, (name, fault)) in (1..).zip(cases) {
        let connection = {
            get(proxy.address(), "/echo").expect(200);
            tomcat.last_request().connection
        };
        tomcat.script("/bad", fault);
        let answer = post_to(&proxy).unwrap_or_else(|broken| panic!("{name}: {broken}"));
        assert_eq!(answer.status(), 502, "{name}: {answer:?}");
        assert_eq!(answer.header("X-Tomcat"), None, "{name}");
        assert_eq!(
            tomcat.requests_to("/bad").len(),
            round,
            "{name} was tried again"
        );
        assert_eq!(tomcat.last_request().connection, connection, "{name}");
        // Whatever else came on that connection, it is nobody's.
        let stranger = get(proxy.address(), "/echo").expect(200).json();
        assert_ne!(
            stranger["connection"], connection,
            "{name} used its connection again"
        );
        let errors = proxy
            .metrics()
            .value_or_zero("cattail_errors_total", &[("reason", reason)]);
        assert_eq!(usize::try_from(errors), Ok(round), "{name} is not counted");
    }
    assert_eq!(
        proxy
            .metrics()
            .value_or_zero("cattail_backend_failures_total", &[("stage", "await_head")]),
        i64::try_from(tomcat.requests_to("/bad").len()).unwrap()
    );
}

#[test]
fn no_answer_is_a_bad_gateway() {
    let cases = vec![
        ("reset", Fault::ResetBeforeHead),
        ("reset at the body", Fault::ResetBeforeBody),
        ("closed", Fault::CloseBeforeHead),
    ];
    are_bad_gateways(cases, "closed");
}

#[test]
fn an_answer_that_is_no_answer_is_a_bad_gateway() {
    let cases = vec![
        ("half a head", Fault::HalfHead),
        ("junk", Fault::Junk),
        ("a list of lengths", Fault::LengthList),
        ("lengths that differ", Fault::LengthsDiffer),
        ("a negative length", Fault::LengthNegative),
        ("two framings", Fault::LengthAndChunked),
        ("an unknown coding", Fault::UnknownCoding),
        ("an unasked upgrade", Fault::UnaskedUpgrade),
        ("endless 102", Fault::EndlessInterim),
        ("a huge head", Fault::HugeHead),
    ];
    are_bad_gateways(cases, "protocol");
}

#[test]
fn framing_that_could_be_read_in_two_ways_is_a_bad_gateway() {
    let cases = vec![
        (
            "two codings",
            keeping("HTTP/1.1 200 \r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "two lines of codings",
            keeping(
                "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
        ),
        (
            "identity",
            keeping("HTTP/1.1 200 \r\nTransfer-Encoding: identity\r\n\r\nwhole"),
        ),
        (
            "length, then coding",
            keeping(
                "HTTP/1.1 200 \r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
        ),
        (
            "two equal lengths",
            keeping("HTTP/1.1 200 \r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nwhole"),
        ),
        (
            "no number",
            closing("HTTP/1.1 200 \r\nContent-Length: five\r\n\r\nwhole"),
        ),
        (
            "a signed length",
            keeping("HTTP/1.1 200 \r\nContent-Length: +5\r\n\r\nwhole"),
        ),
        (
            "an empty length",
            closing("HTTP/1.1 200 \r\nContent-Length:\r\n\r\nwhole"),
        ),
        (
            "too great a length",
            closing("HTTP/1.1 200 \r\nContent-Length: 18446744073709551616\r\n\r\nwhole"),
        ),
    ];
    are_bad_gateways(cases, "protocol");
}

#[test]
fn a_head_that_is_none_is_a_bad_gateway() {
    let cases = vec![
        (
            "a space before a colon",
            keeping("HTTP/1.1 200 \r\nContent-Length : 5\r\n\r\nwhole"),
        ),
        (
            "a folded field",
            keeping("HTTP/1.1 200 \r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "NUL in a field",
            keeping("HTTP/1.1 200 \r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "CR in a field",
            keeping("HTTP/1.1 200 \r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "a status of two digits",
            keeping("HTTP/1.1 20 \r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "another version",
            keeping("HTTP/2.0 200 \r\nContent-Length: 0\r\n\r\n"),
        ),
        ("ICY", closing("ICY 200 OK\r\n\r\n")),
        ("HTTP/0.9", closing("<html>hello</html>")),
        ("only 100", closing("HTTP/1.1 100 \r\n\r\n")),
    ];
    are_bad_gateways(cases, "protocol");
}

/// Bodies that end before their end.
fn cut_bodies() -> Vec<(&'static str, Fault)> {
    vec![
        ("half a length", Fault::HalfBody),
        ("half a length, reset", Fault::HalfBodyReset),
        ("a cut chunk", Fault::ChunkedCut),
        ("a chunk size that is none", Fault::ChunkedBadSize),
        (
            "chunks without the last",
            closing("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n"),
        ),
        (
            "half of the last chunk",
            closing("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n"),
        ),
        (
            "half of the trailers",
            closing(
                "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\nX: y\r\n",
            ),
        ),
        (
            "an endless chunk",
            closing("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nwhole"),
        ),
        (
            "too great a chunk",
            closing(
                "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nwhole\r\n0\r\n\r\n",
            ),
        ),
    ]
}

#[test]
fn a_body_that_is_cut_off_looks_cut_off() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = one_worker(&tomcat, "");
    for (round, (name, fault)) in (1..).zip(cut_bodies()) {
        tomcat.script("/bad", fault);
        let mut client = Raw::connect(proxy.address());
        let request = Request::get("/bad").header("Connection", "close");
        client.send(request.bytes());
        let (bytes, _) = client.read_to_end();
        let text = String::from_utf8_lossy(&bytes);
        // A bad gateway, where the fault came together with the head.
        assert!(
            text.starts_with("HTTP/1.1 502 ") || text.starts_with("HTTP/1.1 200 "),
            "{name}: {text:?}"
        );
        assert!(
            !text.ends_with("0\r\n\r\n"),
            "{name} was completed: {text:?}"
        );
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let told = text.contains("content-length: 10") && body.len() == 10;
        assert!(!told, "{name} was filled up: {text:?}");
        let metrics = proxy.metrics();
        assert_eq!(
            metrics.value("cattail_errors_total", &[("reason", "closed")]),
            round,
            "{name}"
        );
        assert_eq!(
            metrics.value("cattail_backend_failures_total", &[("stage", "body")]),
            round,
            "{name}"
        );
    }
}

#[test]
fn a_second_answer_is_nobodys() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = one_worker(&tomcat, "");
    for _ in 0..20 {
        tomcat.script_times("/bad", 1, Fault::AnswerTwice);
        let mut client = Raw::connect(proxy.address());
        let first = Request::get("/bad").send_on(&mut client).expect(200);
        assert_eq!(first.text(), "first");
        let second = Request::get("/echo/mine").send_on(&mut client).expect(200);
        assert_eq!(second.json()["target"], "/echo/mine");
        let stranger = get(proxy.address(), "/echo/stranger").expect(200);
        assert_eq!(stranger.json()["target"], "/echo/stranger");
    }
}

#[test]
fn bytes_behind_an_answer_without_a_body_are_nobodys() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = one_worker(&tomcat, "");
    let smuggled = "HTTP/1.1 200 \r\nContent-Length: 8\r\n\r\nsmuggled";
    let heads = [
        "HTTP/1.1 204 \r\n\r\n",
        "HTTP/1.1 304 \r\nContent-Length: 45\r\n\r\n",
        "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    ];
    for head in heads {
        tomcat.script("/bad", keeping(&format!("{head}{smuggled}")));
        get(proxy.address(), "/bad");
        let stranger = get(proxy.address(), "/echo/stranger").expect(200);
        assert_eq!(stranger.json()["target"], "/echo/stranger", "{head}");
    }
    tomcat.script(
        "/bad",
        keeping(&format!(
            "HTTP/1.1 200 \r\nContent-Length: 45\r\n\r\n{smuggled}"
        )),
    );
    Request::new("HEAD", "/bad")
        .send(proxy.address())
        .expect(200);
    let stranger = get(proxy.address(), "/echo/stranger").expect(200);
    assert_eq!(stranger.json()["target"], "/echo/stranger", "HEAD");
}

#[test]
fn a_tomcat_that_says_nothing_is_a_gateway_timeout() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.hold("/bad");
    let proxy = one_worker(&tomcat, "timeouts: { response: 50ms }");
    assert_eq!(post_to(&proxy).unwrap().status(), 504);
    let metrics = proxy.metrics();
    assert_eq!(
        metrics.value("cattail_errors_total", &[("reason", "response_timeout")]),
        1
    );
    tomcat.wait_for("the connection closed", |counts| {
        counts.open_connections == 0
    });
}

#[test]
fn a_tomcat_that_stops_within_its_body_is_cut_off() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.script("/bad", Fault::HangInBody);
    let proxy = one_worker(&tomcat, "timeouts: { body_idle: 50ms }");
    let broken = post_to(&proxy).unwrap_err();
    assert!(matches!(broken, Broken::Cut(_) | Broken::Reset), "{broken}");
    let metrics = proxy.metrics();
    assert_eq!(
        metrics.value("cattail_errors_total", &[("reason", "response_timeout")]),
        1
    );
    tomcat.wait_for("the connection closed", |counts| {
        counts.open_connections == 0
    });
}

#[test]
fn interim_answers_are_swallowed_and_never_final() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = one_worker(&tomcat, "");
    for path in ["/interim/103", "/interim/102?times=50", "/interim/199"] {
        let answer = get(proxy.address(), path).expect(200);
        assert!(answer.interim.is_empty(), "{path}: {answer:?}");
        assert_eq!(answer.header("Link"), None);
        assert_eq!(answer.json()["target"], path);
    }
    // All of them came on one connection, which none of them had put in doubt.
    assert_eq!(tomcat.counts().connections_accepted, 1);
}

#[test]
fn an_answer_without_a_length_ends_with_its_connection_and_reaches_the_client_whole() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = one_worker(&tomcat, "");
    let answer = get(proxy.address(), "/until-close/100000").expect(200);
    assert_eq!(answer.framing, Framing::Chunked);
    assert_eq!(answer.body, cattail::standin::pattern(0, 100_000));
    let mut old = Raw::connect(proxy.address());
    old.send(Request::get("/until-close/100000").http10().bytes());
    let answer = old.read_response().expect(200);
    assert_eq!(answer.framing, Framing::UntilClose);
    assert_eq!(answer.body, cattail::standin::pattern(0, 100_000));
    tomcat.wait_for("closed", |counts| counts.open_connections == 0);
}

#[test]
fn a_bad_answer_to_an_early_reader_does_not_hurt_the_next() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = one_worker(&tomcat, "");
    // A client that leaves in the middle of an answer: the rest of it is nobody's.
    let mut client = Raw::connect(proxy.address());
    client.send(Request::get("/slow?pieces=1000&every_ms=5").bytes());
    client.read_exactly(200);
    drop(client);
    tomcat.wait_for("the connection closed", |counts| {
        counts.open_connections == 0
    });
    eventually("it is counted", || {
        let metrics = proxy.metrics();
        metrics.value_or_zero("cattail_errors_total", &[("reason", "client_gone")]) == 1
    });
    let stranger = get(proxy.address(), "/echo/stranger").expect(200);
    assert_eq!(stranger.json()["target"], "/echo/stranger");
}
