use std::net::SocketAddr;

use crate::proxy::client::{Entrance, Scheme};

use super::super::fields::scan;
use super::super::map;
use super::*;

const ALL: Forwarded = Forwarded {
    x_forwarded: true,
    x_real_ip: true,
    rfc7239: true,
    via: true,
};
const NOTHING: Forwarded = Forwarded {
    x_forwarded: false,
    x_real_ip: false,
    rfc7239: false,
    via: false,
};

fn told(peer: Option<&str>, trust: Trust, told: Forwarded, fields: &[(&str, &str)]) -> HeaderMap {
    let address = peer.map(|text| text.parse::<SocketAddr>().unwrap());
    let entrance = Entrance {
        scheme: Scheme::Http,
        port: Some(8080),
    };
    let peer = Peer::new(address, entrance, trust);
    let client = match trust {
        Trust::Untrusted => peer.as_client(),
        Trust::Trusted => Client::behind("192.0.2.9".parse().unwrap(), Scheme::Https),
    };
    let mut headers = map(fields);
    let host = headers.get("host").map(|value| Host::parse(value).unwrap());
    let found = scan(&headers);
    let subject = Subject {
        peer: &peer,
        client: &client,
        host: host.as_ref(),
        version: Version::HTTP_11,
    };
    apply(&mut headers, found, told, subject);
    if found.present.has_any(CLAIMED) {
        return headers;
    }
    let (mut put_in, mut written) = (Vec::new(), Vec::new());
    for (name, value) in headers.iter().skip(fields.len()) {
        write_field(&mut put_in, name, value.as_bytes());
    }
    write(&mut written, told, subject);
    assert_eq!(put_in, written, "the same, where there was none");
    headers
}

const CLAIMS: &[(&str, &str)] = &[
    ("host", "a.example:81"),
    ("x-forwarded-for", "6.6.6.6"),
    ("x-forwarded-for", "7.7.7.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil"),
    ("x-forwarded-port", "443"),
    ("x-forwarded-prefix", "/evil"),
    ("x-forwarded-prefix", "/worse"),
    ("x-forwarded-ssl", "on"),
    ("x-real-ip", "6.6.6.6"),
    ("forwarded", "for=6.6.6.6"),
    ("via", "1.0 old"),
];

#[test]
fn a_stranger_s_claims_are_replaced() {
    let headers = told(Some("192.0.2.1:5"), Trust::Untrusted, ALL, CLAIMS);
    let expected = map(&[
        ("host", "a.example:81"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "a.example:81"),
        ("x-forwarded-port", "8080"),
        ("x-real-ip", "192.0.2.1"),
        (
            "forwarded",
            "for=192.0.2.1;host=\"a.example:81\";proto=http",
        ),
        ("via", "1.0 old"),
        ("via", "1.1 cattail"),
    ]);
    assert_eq!(headers, expected);
}

#[test]
fn a_stranger_s_claims_go_even_where_the_backend_is_told_nothing() {
    let headers = told(Some("192.0.2.1:5"), Trust::Untrusted, NOTHING, CLAIMS);
    assert_eq!(
        headers,
        map(&[("host", "a.example:81"), ("via", "1.0 old")])
    );
}

#[test]
fn a_trusted_peer_s_lists_are_continued_and_its_claims_kept() {
    let headers = told(Some("10.0.0.1:5"), Trust::Trusted, ALL, CLAIMS);
    let expected = map(&[
        ("host", "a.example:81"),
        ("x-forwarded-for", "6.6.6.6, 7.7.7.7, 10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-prefix", "/worse"),
        ("x-forwarded-ssl", "on"),
        ("x-real-ip", "6.6.6.6"),
        (
            "forwarded",
            "for=6.6.6.6, for=10.0.0.1;host=\"a.example:81\";proto=http",
        ),
        ("via", "1.0 old"),
        ("via", "1.1 cattail"),
    ]);
    assert_eq!(headers, expected);
    assert_eq!(
        told(Some("10.0.0.1:5"), Trust::Trusted, NOTHING, CLAIMS),
        map(CLAIMS)
    );
}

#[test]
fn what_a_trusted_peer_left_out_is_filled_in() {
    let headers = told(
        Some("10.0.0.1:5"),
        Trust::Trusted,
        ALL,
        &[("host", "a.example")],
    );
    let expected = map(&[
        ("host", "a.example"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "a.example"),
        ("x-forwarded-port", "8080"),
        ("x-real-ip", "192.0.2.9"),
        ("forwarded", "for=10.0.0.1;host=a.example;proto=http"),
        ("via", "1.1 cattail"),
    ]);
    assert_eq!(headers, expected);
}

#[test]
fn addresses_are_written_as_each_field_wants_them() {
    let fields = [("host", "[::1]"), ("x-forwarded-for", "6.6.6.6")];
    let v6 = told(Some("[2001:db8::1]:5"), Trust::Untrusted, ALL, &fields);
    assert_eq!(v6["x-forwarded-for"], "2001:db8::1");
    assert_eq!(
        v6["forwarded"],
        "for=\"[2001:db8::1]\";host=\"[::1]\";proto=http"
    );

    let unix = told(None, Trust::Untrusted, ALL, &fields);
    assert!(!unix.contains_key("x-forwarded-for"));
    assert!(!unix.contains_key("x-real-ip"));
    assert_eq!(unix["forwarded"], "for=unknown;host=\"[::1]\";proto=http");

    let v6 = told(Some("[2001:db8::1]:5"), Trust::Untrusted, ALL, &fields[..1]);
    assert_eq!(v6["x-real-ip"], "2001:db8::1");
    assert_eq!(told(None, Trust::Untrusted, ALL, &fields[..1]), unix);

    let mapped = told(Some("[::ffff:192.0.2.1]:5"), Trust::Untrusted, ALL, &[]);
    assert_eq!(mapped["x-forwarded-for"], "192.0.2.1");
    assert!(!mapped.contains_key("x-forwarded-host"));
}
