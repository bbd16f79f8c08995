use std::time::Duration;

use http::Request;

use crate::config::ByteSize;

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
    }
}

/// `line` is `METHOD target version`, then come the fields, as on the wire.
fn head(line: &str, fields: &[(&str, &str)]) -> Parts {
    let mut words = line.split(' ');
    let mut request = Request::builder()
        .method(words.next().unwrap())
        .uri(words.next().unwrap())
        .version(match words.next() {
            Some("HTTP/1.0") => Version::HTTP_10,
            _ => Version::HTTP_11,
        });
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

const HOST: (&str, &str) = ("host", "a.example");

fn refused(line: &str, fields: &[(&str, &str)]) -> Option<Refusal> {
    check(&head(line, fields), &limits()).err()
}

#[test]
fn what_hyper_lets_pass_and_a_proxy_must_not_is_refused() {
    use Refusal as R;
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], R);
    let long = format!("GET /{} HTTP/1.1", "a".repeat(64));
    let cases: &[Case<'_>] = &[
        ("CONNECT a.example:443 HTTP/1.1", &[HOST], R::MethodConnect),
        ("TRACE / HTTP/1.1", &[HOST], R::MethodTrace),
        ("GET a.example:80 HTTP/1.1", &[HOST], R::TargetForm),
        ("GET a HTTP/1.1", &[HOST], R::TargetForm),
        ("GET * HTTP/1.1", &[HOST], R::TargetForm),
        ("GET ftp://a.example/ HTTP/1.1", &[HOST], R::TargetScheme),
        (
            "GET http://b.example/ HTTP/1.1",
            &[HOST],
            R::TargetDisagrees,
        ),
        (
            "GET http://a.example:81/ HTTP/1.1",
            &[HOST],
            R::TargetDisagrees,
        ),
        (
            "GET https://a.example:80/ HTTP/1.1",
            &[HOST],
            R::TargetDisagrees,
        ),
        ("GET http://me@a.example/ HTTP/1.1", &[HOST], R::TargetHost),
        ("GET http://a,b/ HTTP/1.0", &[], R::TargetHost),
        (&long, &[HOST], R::TargetTooLong),
        ("GET / HTTP/1.1", &[], R::HostMissing),
        ("GET http://a.example/ HTTP/1.1", &[], R::HostMissing),
        ("GET / HTTP/1.1", &[HOST, HOST], R::HostRepeated),
        ("GET / HTTP/1.0", &[HOST, ("host", "b")], R::HostRepeated),
        ("GET / HTTP/1.1", &[("host", "")], R::HostEmpty),
        ("GET / HTTP/1.1", &[("host", "a b")], R::HostInvalid),
        ("GET / HTTP/1.1", &[("host", "a/b")], R::HostInvalid),
        ("GET / HTTP/1.1", &[("host", "[::1")], R::HostInvalid),
        ("GET / HTTP/1.0", &[("host", "a@b")], R::HostInvalid),
        (
            "POST / HTTP/1.1",
            &[HOST, ("transfer-encoding", "gzip, chunked")],
            R::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("transfer-encoding", "chunked, chunked")],
            R::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("transfer-encoding", ", chunked")],
            R::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("transfer-encoding", "chunked;a=b")],
            R::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1",
            &[
                HOST,
                ("transfer-encoding", "gzip"),
                ("transfer-encoding", "chunked"),
            ],
            R::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1",
            &[
                HOST,
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
            R::TransferEncoding,
        ),
        (
            "POST / HTTP/1.0",
            &[("transfer-encoding", "chunked")],
            R::TransferEncodingInHttp10,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("content-length", "+1")],
            R::ContentLength,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("content-length", "1, 1")],
            R::ContentLength,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("content-length", "")],
            R::ContentLength,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("content-length", "99999999999999999999")],
            R::ContentLength,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("content-length", "1"), ("content-length", "1")],
            R::ContentLength,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("content-length", "1001")],
            R::BodyTooLarge,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("expect", "200-ok")],
            R::Expectation,
        ),
        (
            "POST / HTTP/1.1",
            &[HOST, ("expect", "100-continue"), ("expect", "x")],
            R::Expectation,
        ),
    ];
    for (line, fields, expected) in cases {
        assert_eq!(refused(line, fields), Some(*expected), "{line} {fields:?}");
    }
}

#[test]
fn ordinary_requests_go_on() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)]);
    let cases: &[Case<'_>] = &[
        ("GET / HTTP/1.1", &[HOST]),
        ("GET / HTTP/1.0", &[]),
        ("GET http://a.example/ HTTP/1.0", &[]),
        (
            "GET http://A.Example/x HTTP/1.1",
            &[("host", "a.example:80")],
        ),
        ("GET HTTPS://a.example:443/x HTTP/1.1", &[HOST]),
        ("GET http://a.example?q HTTP/1.1", &[HOST]),
        ("OPTIONS * HTTP/1.1", &[HOST]),
        ("GET /a;b=c/%2F//../x?y HTTP/1.1", &[("host", "[::1]:8080")]),
        ("POST / HTTP/1.1", &[HOST, ("transfer-encoding", "Chunked")]),
        ("POST / HTTP/1.1", &[HOST, ("content-length", "1000")]),
        ("POST / HTTP/1.0", &[HOST, ("expect", "something")]),
        ("PROPFIND / HTTP/1.1", &[HOST]),
    ];
    for (line, fields) in cases {
        assert_eq!(refused(line, fields), None, "{line} {fields:?}");
    }
}

#[test]
fn a_checked_request_tells_host_body_and_expectation() {
    let checked = |line, fields| check(&head(line, fields), &limits()).unwrap();

    let post = checked(
        "POST / HTTP/1.1",
        &[
            ("host", "A.example:8080"),
            ("content-length", "007"),
            ("expect", "100-Continue"),
        ],
    );
    let host = post.host.unwrap();
    assert_eq!((host.name(), host.port()), ("A.example", Some(8080)));
    assert_eq!(post.body, DeclaredBody::Length(7));
    assert_eq!(post.expectation, Expectation::Continue);

    let old = checked("GET http://a.example:81/ HTTP/1.0", &[]);
    assert_eq!(old.host.unwrap().as_str(), "a.example:81");
    assert_eq!(old.body, DeclaredBody::None);
    assert_eq!(checked("GET / HTTP/1.0", &[]).host, None);

    let chunked = checked("POST / HTTP/1.1", &[HOST, ("transfer-encoding", "chunked")]);
    assert_eq!(chunked.body, DeclaredBody::Chunked);
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
