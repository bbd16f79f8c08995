use std::time::Duration;

use http::Request;

use crate::config::{ByteSize, HandshakeLimits, Http2Limits};

use super::*;

fn limits() -> Limits {
    let time = Duration::from_secs(1);
    Limits {
        connections: 1,
        connections_per_client: 0,
        requests_per_connection: 1,
        target_bytes: ByteSize(64),
        head_bytes: ByteSize::kib(32),
        head_fields: 100,
        head_time: time,
        body_bytes: ByteSize(1000),
        body_idle: time,
        send_idle: time,
        idle_time: time,
        handshakes: HandshakeLimits {
            per_client: 0,
            in_all: 0,
            under_way: 1,
        },
        http2: Http2Limits {
            streams: 1,
            stream_window: 1,
            connection_window: 1,
            send_buffer: 1,
            resets: 1,
            errors: 1,
            control_frames: 1,
        },
        ledger: 1000,
    }
}

/// A head as on the wire, with `|` between its lines.
fn head(text: &str) -> Parts {
    let mut lines = text.split('|');
    let mut words = lines.next().unwrap().split(' ');
    let mut request = Request::builder()
        .method(words.next().unwrap())
        .uri(words.next().unwrap())
        .version(match words.next() {
            Some("HTTP/1.0") => Version::HTTP_10,
            Some("HTTP/2") => Version::HTTP_2,
            _ => Version::HTTP_11,
        });
    for (name, value) in lines.map(|line| line.split_once(": ").unwrap()) {
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

fn checked(text: &str) -> Result<Checked, Refusal> {
    check(&head(text), &limits())
}

fn assert_refused(cases: &[(&str, Refusal)]) {
    for (text, expected) in cases {
        assert_eq!(checked(text).err(), Some(*expected), "{text}");
    }
}

#[test]
fn methods_and_targets_of_a_forward_proxy_are_refused() {
    use Refusal as R;
    let long = format!("GET /{} HTTP/1.1|host: a", "a".repeat(64));
    assert_refused(&[
        ("CONNECT a:443 HTTP/1.1|host: a", R::MethodConnect),
        ("TRACE / HTTP/1.1|host: a", R::MethodTrace),
        ("GET a:80 HTTP/1.1|host: a", R::TargetForm),
        ("GET a HTTP/1.1|host: a", R::TargetForm),
        ("GET * HTTP/1.1|host: a", R::TargetForm),
        ("GET ftp://a/ HTTP/1.1|host: a", R::TargetScheme),
        ("GET http://me@a/ HTTP/1.1|host: a", R::TargetHost),
        ("GET http://a,b/ HTTP/1.0", R::TargetHost),
        (&long, R::TargetTooLong),
    ]);
}

#[test]
fn a_request_names_one_valid_host() {
    use Refusal as R;
    assert_refused(&[
        ("GET / HTTP/1.1", R::HostMissing),
        ("GET http://a/ HTTP/1.1", R::HostMissing),
        ("GET / HTTP/1.1|host: a|host: a", R::HostRepeated),
        ("GET / HTTP/1.0|host: a|host: b", R::HostRepeated),
        ("GET / HTTP/1.1|host: ", R::HostEmpty),
        ("GET / HTTP/1.1|host: a b", R::HostInvalid),
        ("GET / HTTP/1.1|host: a/b", R::HostInvalid),
        ("GET / HTTP/1.1|host: [::1", R::HostInvalid),
        ("GET / HTTP/1.0|host: a@b", R::HostInvalid),
        ("GET http://b/ HTTP/1.1|host: a", R::TargetDisagrees),
        ("GET http://a:81/ HTTP/1.1|host: a", R::TargetDisagrees),
        ("GET https://a:80/ HTTP/1.1|host: a", R::TargetDisagrees),
    ]);
}

/// As `proxy::http2` has translated them.
#[test]
fn heads_of_http2_are_held_to_the_same() {
    use Refusal as R;
    let many = format!("GET http://a/ HTTP/2|host: a{}", "|x: y".repeat(100));
    assert_refused(&[
        ("CONNECT a:443 HTTP/2|host: a", R::MethodConnect),
        ("GET / HTTP/2", R::HostMissing),
        ("GET http://a/ HTTP/2|host: b", R::TargetDisagrees),
        ("GET http://a/ HTTP/2|host: a|host: a", R::HostRepeated),
        ("GET http://a?x HTTP/2|host: a", R::TargetForm),
        ("GET ftp://a/ HTTP/2|host: a", R::TargetScheme),
        (
            "POST http://a/ HTTP/2|host: a|content-length: 1|content-length: 1",
            R::ContentLength,
        ),
        ("POST http://a/ HTTP/2|host: a|expect: x", R::Expectation),
        (&many, R::FieldsTooMany),
    ]);
    let head = "POST http://a/ HTTP/2|host: a|expect: 100-continue";
    let found = checked(head).unwrap();
    assert_eq!(found.expectation, Expectation::None, "nobody can say 100");
}

#[test]
fn a_body_without_a_length_is_seen_by_its_stream() {
    use DeclaredBody as B;
    let cases = [
        (B::None, Version::HTTP_2, false, B::Chunked),
        (B::None, Version::HTTP_2, true, B::None),
        (B::Length(3), Version::HTTP_2, false, B::Length(3)),
        (B::None, Version::HTTP_11, false, B::None),
        (B::Chunked, Version::HTTP_11, false, B::Chunked),
    ];
    for (declared, version, has_ended, expected) in cases {
        let found = declared.or_streamed(version, has_ended);
        assert_eq!(found, expected, "{declared:?} {version:?} {has_ended}");
    }
}

#[test]
fn a_body_has_one_clear_end() {
    use Refusal as R;
    let cases = [
        ("transfer-encoding: gzip, chunked", R::TransferEncoding),
        ("transfer-encoding: chunked, chunked", R::TransferEncoding),
        ("transfer-encoding: , chunked", R::TransferEncoding),
        ("transfer-encoding: chunked;a=b", R::TransferEncoding),
        (
            "transfer-encoding: gzip|transfer-encoding: chunked",
            R::TransferEncoding,
        ),
        (
            "transfer-encoding: chunked|transfer-encoding: chunked",
            R::TransferEncoding,
        ),
        ("content-length: +1", R::ContentLength),
        ("content-length: 1, 1", R::ContentLength),
        ("content-length: ", R::ContentLength),
        ("content-length: 99999999999999999999", R::ContentLength),
        ("content-length: 1|content-length: 1", R::ContentLength),
        ("content-length: 1001", R::BodyTooLarge),
        ("expect: 200-ok", R::Expectation),
        ("expect: 100-continue|expect: x", R::Expectation),
    ];
    for (fields, expected) in cases {
        assert_refused(&[(&format!("POST / HTTP/1.1|host: a|{fields}"), expected)]);
    }
    let old = "POST / HTTP/1.0|transfer-encoding: chunked";
    assert_refused(&[(old, R::TransferEncodingInHttp10)]);
}

#[test]
fn ordinary_requests_go_on() {
    for text in [
        "GET / HTTP/1.1|host: a",
        "GET / HTTP/1.0",
        "GET http://a/ HTTP/1.0",
        "GET http://A.Example/x HTTP/1.1|host: a.example:80",
        "GET HTTPS://a:443/x HTTP/1.1|host: a",
        "GET http://a?q HTTP/1.1|host: a",
        "OPTIONS * HTTP/1.1|host: a",
        "GET /a;b=c/%2F//../x?y HTTP/1.1|host: [::1]:8080",
        "POST / HTTP/1.1|host: a|transfer-encoding: Chunked",
        "POST / HTTP/1.1|host: a|content-length: 1000",
        "POST / HTTP/1.0|host: a|expect: something",
        "PROPFIND / HTTP/1.1|host: a",
    ] {
        assert_eq!(checked(text).err(), None, "{text}");
    }
}

#[test]
fn a_checked_request_tells_host_body_and_expectation() {
    let post = "POST / HTTP/1.1|host: A.example:8080|content-length: 007|expect: 100-Continue";
    let post = checked(post).unwrap();
    let host = post.host.unwrap();
    assert_eq!((host.name(), host.port()), ("A.example", Some(8080)));
    assert_eq!(post.body, DeclaredBody::Length(7));
    assert_eq!(post.expectation, Expectation::Continue);

    let old = checked("GET http://a:81/ HTTP/1.0").unwrap();
    assert_eq!(old.host.unwrap().as_str(), "a:81");
    assert_eq!(old.body, DeclaredBody::None);
    assert_eq!(checked("GET / HTTP/1.0").unwrap().host, None);

    let chunked = checked("POST / HTTP/1.1|host: a|transfer-encoding: chunked");
    assert_eq!(chunked.unwrap().body, DeclaredBody::Chunked);
}

#[test]
fn reasons_are_a_closed_set_of_distinct_labels() {
    let mut labels: Vec<_> = Refusal::ALL
        .iter()
        .map(|refusal| refusal.reason())
        .collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), Refusal::ALL.len());
    assert!(
        Refusal::ALL
            .iter()
            .all(|refusal| refusal.status().is_client_error()
                || refusal.status() == StatusCode::NOT_IMPLEMENTED)
    );
}
