//! Single fields of a request: each line of the input is tried as `Accept`, `X-Forwarded-For`,
//! `Host` and request id. What is believed of them is bounded by what their writers may claim.

#![no_main]

use std::sync::LazyLock;

use cattail::config::Networks;
use cattail::proxy::authority::{Authority, Host};
use cattail::proxy::client::{Entrance, Scheme, Trust};
use cattail::proxy::client_address::{client, peer};
use cattail::proxy::errors::Format;
use cattail::proxy::headers::request_id::RequestId;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const ENTRANCE: Entrance = Entrance {
    scheme: Scheme::Http,
    port: Some(80),
};
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

static TRUSTED: LazyLock<Networks> = LazyLock::new(|| {
    let list = ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"];
    Networks(
        list.iter()
            .map(|text| text.parse().expect("a network"))
            .collect(),
    )
});

fuzz_target!(|text: &[u8]| {
    let lines = text.split(|byte| *byte == b'\n');
    let lines: Vec<_> = lines
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    forwarded_for(&lines);
    for line in &lines {
        authority(line);
        request_id(line);
    }
    let like = Format::preferred(&lines);
    // What fits none of the forms changes nothing.
    let junk = HeaderValue::from_static("image/png, text/x-none;q=1");
    assert_eq!(Format::preferred(lines.iter().chain([&junk])), like);
});

/// What a client puts in front of the list changes nothing once a stranger's address is reached.
fn forwarded_for(lines: &[HeaderValue]) {
    let of = |address: &str, headers: &HeaderMap| {
        let peer = peer(address.parse().ok(), ENTRANCE, &TRUSTED);
        client(&peer, &TRUSTED, headers).ip()
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(FORWARDED, line.clone());
    }
    assert_eq!(of("192.0.2.9:1", &headers), "192.0.2.9".parse().ok());
    let found = of("10.0.0.1:1", &headers).expect("a peer on the network has an address");
    let mut forged = HeaderMap::new();
    forged.append(
        FORWARDED,
        HeaderValue::from_static("198.51.100.7, 10.0.0.9"),
    );
    for line in lines {
        forged.append(FORWARDED, line.clone());
    }
    let other = of("10.0.0.1:1", &forged).expect("the same");
    assert!(
        other == found || TRUSTED.contains(found),
        "{found} became {other}"
    );
}

fn authority(line: &HeaderValue) {
    let parsed = line.to_str().ok().and_then(Authority::parse);
    let host = Host::parse(line);
    assert_eq!(parsed.is_some(), host.is_some());
    let (Some(parsed), Some(host)) = (parsed, host) else {
        return;
    };
    assert_eq!((host.name(), host.port()), (parsed.name, parsed.port));
    assert!(!parsed.name.is_empty());
    assert!(
        !parsed.name.contains(['/', '@', '\\', '?', '#', '%', ' ']),
        "{parsed:?}"
    );
    let written = match parsed.port {
        Some(port) => format!("{}:{port}", parsed.name),
        None => parsed.name.to_owned(),
    };
    assert_eq!(Authority::parse(&written), Some(parsed));
    assert!(parsed.is_same(parsed, 80));
}

fn request_id(line: &HeaderValue) {
    let name = HeaderName::from_static("x-request-id");
    let mut headers = HeaderMap::new();
    headers.append(&name, line.clone());
    assert_eq!(
        RequestId::taken_over(&headers, &name, Trust::Untrusted),
        None
    );
    if let Some(id) = RequestId::taken_over(&headers, &name, Trust::Trusted) {
        assert!((1..=128).contains(&id.as_str().len()));
        assert!(id.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(
            !id.as_str().contains(['"', '<', '>', '&', '\'', '\\']),
            "{id:?}"
        );
        headers.append(&name, line.clone());
        assert_eq!(RequestId::taken_over(&headers, &name, Trust::Trusted), None);
    }
}
