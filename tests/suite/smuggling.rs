//! Request smuggling: whatever a client writes, the Tomcat sees one request or none, in one
//! reading, and what stands behind it is never taken for a request of its own.
//!
//! Each case is one write. Its target is `/echo/one`; wherever a second reading could find another
//! request, that one asks for `/echo/smuggled`.

use cattail::standin::BodyEnd;

use super::harness::*;

/// What must become of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Answered with this status; the Tomcat sees nothing; closed.
    Refused(u16),
    /// Passed on once, in one reading, answered with 200; then closed.
    Once,
    /// The head was fine, the body is not: answered with 400 at most; the Tomcat sees at most a
    /// body that broke off; closed.
    BadBody,
}

use Fate::{BadBody, Once, Refused};

/// What a smuggler hides.
const SMUGGLED: &str = "GET /echo/smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";

struct Case(&'static str, Vec<u8>, Fate);

/// A POST with these lines after its Host, and this behind its head.
fn post(name: &'static str, lines: &str, rest: &str, fate: Fate) -> Case {
    let head = format!("POST /echo/one HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n\r\n{rest}");
    Case(name, head.into_bytes(), fate)
}

/// A whole head as written; a smuggled request follows.
fn head(name: &'static str, head: impl AsRef<[u8]>, fate: Fate) -> Case {
    Case(name, [head.as_ref(), SMUGGLED.as_bytes()].concat(), fate)
}

/// Plays the cases on one proxy with one Tomcat, each followed by a stranger who must get his own
/// answer, most likely over the same connection to the Tomcat.
#[track_caller]
fn play(cases: &[Case]) {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!("workers: 1\n{}", proxy::cluster(&[&tomcat], "")));
    for Case(name, bytes, fate) in cases {
        let before = tomcat.requests().len();
        let mut client = Raw::connect(proxy.address());
        client.send(bytes);
        let answer = client.try_read_response_to("POST");
        let (rest, _) = client.read_to_end();
        assert!(
            rest.is_empty(),
            "{name}: more than one answer: {}",
            rest.escape_ascii()
        );
        let status = answer.as_ref().map(response::Response::status);
        match fate {
            Refused(expected) => assert_eq!(status, Ok(*expected), "{name}: {answer:?}"),
            Once => assert_eq!(status, Ok(200), "{name}: {answer:?}"),
            BadBody => assert!(matches!(status, Ok(400)), "{name}: {answer:?}"),
        }
        let stranger = get(proxy.address(), "/echo/stranger").expect(200);
        assert_eq!(
            stranger.json()["target"],
            "/echo/stranger",
            "{name}: a stranger got another's answer"
        );
        let seen = tomcat.requests().split_off(before);
        let seen: Vec<_> = seen
            .iter()
            .filter(|request| request.target != "/echo/stranger")
            .collect();
        assert!(
            seen.iter().all(|request| request.target == "/echo/one"),
            "{name}: {seen:#?}"
        );
        match fate {
            Refused(_) => assert_eq!(seen.len(), 0, "{name}: {seen:#?}"),
            Once => {
                assert_eq!(seen.len(), 1, "{name}: {seen:#?}");
                let framings =
                    seen[0].all("Content-Length").len() + seen[0].all("Transfer-Encoding").len();
                assert!(framings <= 1, "{name}: {seen:#?}");
                assert_eq!(seen[0].body_end, BodyEnd::Complete, "{name}");
            }
            BadBody => assert!(
                seen.len() <= 1 && seen.iter().all(|one| one.body_end != BodyEnd::Complete),
                "{name}: {seen:#?}"
            ),
        }
    }
}

#[test]
fn two_framings_are_read_in_one_way_or_refused() {
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    let by_length = format!("5\r\nhello\r\n0\r\n\r\n{SMUGGLED}");
    let length = chunked.len();
    play(&[
        post(
            "CL.TE",
            &format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
            &chunked,
            Once,
        ),
        post(
            "TE.CL",
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            &by_length,
            Once,
        ),
        post(
            "TE.CL with a length that is none",
            "Transfer-Encoding: chunked\r\nContent-Length: x",
            &by_length,
            Once,
        ),
        post(
            "two lengths that differ",
            "Content-Length: 0\r\nContent-Length: 56",
            SMUGGLED,
            Refused(400),
        ),
        post(
            "a list of lengths",
            "Content-Length: 0, 56",
            SMUGGLED,
            Refused(400),
        ),
        post(
            "a list of equal lengths",
            "Content-Length: 5, 5",
            "hello",
            Refused(400),
        ),
    ]);
}

#[test]
fn a_transfer_coding_is_chunked_or_refused() {
    let rest = format!("0\r\n\r\n{SMUGGLED}");
    let cases = [
        "chunked, identity",
        "identity, chunked",
        "identity",
        "gzip, chunked",
        "chunked, chunked",
        "xchunked",
        "chunkedx",
        "chunked;q=1",
        "\"chunked\"",
        "chunked,",
        ",chunked",
        "cow",
        "\x0bchunked",
        "",
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|coding| {
            post(
                coding,
                &format!("Transfer-Encoding: {coding}"),
                &rest,
                Refused(400),
            )
        })
        .collect();
    play(&cases);
}

#[test]
fn a_transfer_coding_stands_in_one_whole_line_or_is_refused() {
    let rest = format!("0\r\n\r\n{SMUGGLED}");
    play(&[
        post(
            "two lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            &rest,
            Refused(400),
        ),
        post(
            "two lines, reversed",
            "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
            &rest,
            Refused(400),
        ),
        post(
            "two equal lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            &rest,
            Refused(400),
        ),
        post(
            "a space before the colon",
            "Transfer-Encoding : chunked",
            &rest,
            Refused(400),
        ),
        post(
            "a space before the name",
            "X: y\r\n Transfer-Encoding: chunked",
            &rest,
            Refused(400),
        ),
        post(
            "a tab before the colon",
            "Transfer-Encoding\t: chunked",
            &rest,
            Refused(400),
        ),
        post(
            "a folded value",
            "Transfer-Encoding:\r\n chunked",
            &rest,
            Refused(400),
        ),
        Case(
            "HTTP/1.0",
            format!("POST /echo/one HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{rest}").into(),
            Refused(400),
        ),
    ]);
}

#[test]
fn a_content_length_is_one_decimal_number_or_refused() {
    let cases = [
        "+5",
        "-5",
        "0x5",
        "5a",
        "5 5",
        "5.0",
        "1e1",
        "",
        "\"5\"",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551621",
        "99999999999999999999999999",
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|length| {
            // More than any body may have is refused with its own status.
            let fate = match *length {
                "9223372036854775808" => Refused(413),
                // Hyper has no better word for what it cannot count.
                "18446744073709551615" => Refused(431),
                _ => Refused(400),
            };
            post(
                length,
                &format!("Content-Length: {length}"),
                &format!("hello{SMUGGLED}"),
                fate,
            )
        })
        .collect();
    play(&cases);
}

#[test]
fn bytes_that_do_not_belong_into_a_head_are_refused() {
    let cases = [
        "GET /echo/one HTTP/1.1\r\nHost: a\r\nX: y\r\n\tfolded\r\n\r\n",
        "GET /echo/one HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
        "GET /echo/one HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /echo/one HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n",
        "GET /echo/one HTTP/1.1\r\nHost: a\r\nX: y\x00z\r\n\r\n",
        "GET /echo/one HTTP/1.1\r\nHost: a\r\nX\x00: y\r\n\r\n",
        "GET /echo/one HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        "GET /echo/one HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
        "GET /echo/one HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET /echo/one HTTP/1.1\r\nHost: a\r\nX\u{e9}: y\r\n\r\n",
        "GET /echo/one\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /echo/one\rX HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /echo/ one HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  /echo/one HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /echo/one  HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\t/echo/one\tHTTP/1.1\r\nHost: a\r\n\r\n",
        "G\x00T /echo/one HTTP/1.1\r\nHost: a\r\n\r\n",
        "(GET) /echo/one HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET /echo/one HTTP/1.1\r\nHost: a\r\n\r\n",
        "\rGET /echo/one HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|text| head(text, text, Refused(400)))
        .collect();
    play(&cases);
}

#[test]
fn other_protocols_and_versions_are_refused() {
    let cases = [
        "GET /echo/one\r\n",
        "GET /echo/one\r\nHost: a\r\n\r\n",
        "GET /echo/one HTTP/0.9\r\nHost: a\r\n\r\n",
        "GET /echo/one HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET /echo/one HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /echo/one HTTP/1.10\r\nHost: a\r\n\r\n",
        "GET /echo/one http/1.1\r\nHost: a\r\n\r\n",
        "GET /echo/one HTTP/ 1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03\r\n\r\n",
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|text| head(text, text, Refused(400)))
        .collect();
    play(&cases);
}

#[test]
fn a_host_is_one_name_or_refused() {
    let get = |target: &str, lines: &str| format!("GET {target} HTTP/1.1\r\n{lines}\r\n");
    play(&[
        head("no Host", get("/echo/one", ""), Refused(400)),
        head("an empty Host", get("/echo/one", "Host:\r\n"), Refused(400)),
        head(
            "two Hosts",
            get("/echo/one", "Host: a\r\nHost: b\r\n"),
            Refused(400),
        ),
        head(
            "two equal Hosts",
            get("/echo/one", "Host: a\r\nHost: a\r\n"),
            Refused(400),
        ),
        head(
            "a list of Hosts",
            get("/echo/one", "Host: a, b\r\n"),
            Refused(400),
        ),
        head(
            "a path in Host",
            get("/echo/one", "Host: a/b\r\n"),
            Refused(400),
        ),
        head(
            "a user in Host",
            get("/echo/one", "Host: me@a\r\n"),
            Refused(400),
        ),
        head(
            "a port that is none",
            get("/echo/one", "Host: a:b\r\n"),
            Refused(400),
        ),
    ]);
}

#[test]
fn a_target_is_a_place_on_this_host_or_refused() {
    let get = |target: &str, lines: &str| format!("GET {target} HTTP/1.1\r\n{lines}\r\n");
    let long = format!("/echo/{}", "x".repeat(17 << 10));
    let longer = format!("/echo/{}", "x".repeat(70 << 10));
    play(&[
        head(
            "another Host",
            get("http://b/echo/one", "Host: a\r\n"),
            Refused(400),
        ),
        head(
            "another port",
            get("http://a:81/echo/one", "Host: a\r\n"),
            Refused(400),
        ),
        head(
            "another scheme",
            get("ftp://a/echo/one", "Host: a\r\n"),
            Refused(400),
        ),
        head(
            "a user in the target",
            get("http://me@a/echo/one", "Host: a\r\n"),
            Refused(400),
        ),
        head("no slash", get("echo/one", "Host: a\r\n"), Refused(400)),
        head("an authority", get("a:80", "Host: a\r\n"), Refused(400)),
        head("an asterisk", get("*", "Host: a\r\n"), Refused(400)),
        head(
            "CONNECT",
            "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
            Refused(501),
        ),
        head(
            "CONNECT of a path",
            "CONNECT /echo/one HTTP/1.1\r\nHost: a\r\n\r\n",
            Refused(501),
        ),
        head(
            "TRACE",
            "TRACE /echo/one HTTP/1.1\r\nHost: a\r\n\r\n",
            Refused(501),
        ),
        head("a long target", get(&long, "Host: a\r\n"), Refused(414)),
        head(
            "a longer target than hyper reads",
            get(&longer, "Host: a\r\n"),
            Refused(431),
        ),
    ]);
}

#[test]
fn chunks_are_well_framed_or_the_body_is_cut_off() {
    let cases = [
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "five\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";x\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\rhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello world\r\n0\r\n\r\n",
        "5;x\ny\r\nhello\r\n0\r\n\r\n",
        "5;x\ry\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\x00\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|body| {
            let rest = format!("{body}{SMUGGLED}");
            post(body, "Transfer-Encoding: chunked", &rest, BadBody)
        })
        .collect();
    play(&cases);
}

#[test]
fn a_chunk_that_its_sender_never_fills_never_becomes_a_whole_body() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let head = "POST /echo/one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = Raw::connect(proxy.address());
    client
        .send(head)
        .send("ffffffffffffffff\r\nhello\r\n0\r\n\r\n")
        .send(SMUGGLED);
    tomcat.wait_for_requests(1);
    client.finish_sending().read_to_end();
    tomcat.wait_for("the request over", |counts| counts.in_progress == 0);
    assert_eq!(
        (tomcat.count(), tomcat.last_request().body_end),
        (1, BodyEnd::Cut)
    );
}

#[test]
fn bare_line_feeds_are_read_in_one_way() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    // Hyper takes them for line ends in a head, as RFC 9112 allows; none goes on.
    let mut client = Raw::connect(proxy.address());
    client.send("GET /echo/one HTTP/1.1\nHost: a\nX: y\n\n");
    client.read_response().expect(200);
    let head = tomcat.last_request().head;
    let lines = head.split(|byte| *byte == b'\n');
    assert!(
        lines
            .into_iter()
            .all(|line| line.is_empty() || line.ends_with(b"\r"))
    );
    // Behind the last chunk they begin a trailer, which takes the smuggled request with it.
    let mut client = Raw::connect(proxy.address());
    client.send("POST /echo/two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("5\r\nhello\r\n0\r\n\n{SMUGGLED}"));
    client.read_response().expect(200);
    Request::get("/echo/three").send_on(&mut client).expect(200);
    let targets: Vec<_> = tomcat
        .requests()
        .into_iter()
        .map(|seen| seen.target)
        .collect();
    assert_eq!(targets, ["/echo/one", "/echo/two", "/echo/three"]);
    assert_eq!(tomcat.requests_to("/echo/two")[0].trailers, []);
}
