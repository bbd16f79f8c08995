//! Header rules filled in with whatever a client sends: doing them twice is doing them once, and
//! the fields that frame or route a message stay as they are.

#![no_main]

use std::sync::LazyLock;

use cattail::config::{self, Config};
use cattail::proxy::client::Peer;
use cattail::proxy::client::{Entrance, Scheme, Trust};
use cattail::proxy::facts::Facts;
use cattail::proxy::headers::edit::{HeaderEdits, is_reserved};
use cattail::proxy::headers::request_id::{RequestIdSlot, RequestIds};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use libfuzzer_sys::fuzz_target;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = "listeners: [{ address: '127.0.0.1:80' }]\n\
        clusters:\n  shop:\n    backends: ['127.0.0.1:8080']\n    request_headers:\n      \
        remove: [x-gone, cookie]\n      \
        set: { x-a: '$http_x_b', x-path: '$path?$query', x-empty: '$http_nothing' }\n      \
        add: { x-more: '<$http_x_c> $request_uri $http_host' }\n";
    config::load_text("fuzz.yaml", text, &|_| None).expect("loads")
});
static EDITS: LazyLock<HeaderEdits> =
    LazyLock::new(|| HeaderEdits::new(&CONFIG.clusters[0].request_headers));

fuzz_target!(|text: &[u8]| {
    let mut lines = text.split(|byte| *byte == b'\n');
    let Ok(target) = Uri::try_from(lines.next().unwrap_or_default()) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines.take(100) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let peer = Peer::new(
        "192.0.2.1:5000".parse().ok(),
        Entrance {
            scheme: Scheme::Http,
            port: Some(80),
        },
        Trust::Untrusted,
    );
    let ids = RequestIds::seeded([1, 2, 3, 4]);
    let original = headers.clone();
    let facts = Facts {
        peer: &peer,
        client: &peer.as_client(),
        method: &Method::GET,
        target: &target,
        host: None,
        request_headers: Some(&original),
        request_id: &RequestIdSlot::new(None, &ids),
        cluster: Some("shop"),
        backend: None,
        status: None,
    };
    let left_out = EDITS.apply(&mut headers, &facts);
    assert_eq!(
        left_out.0, 0,
        "fields and targets hold nothing that a field cannot"
    );
    for name in original.keys().filter(|name| is_reserved(name)) {
        let values =
            |headers: &HeaderMap| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(values(&headers), values(&original));
    }
    assert!(!headers.contains_key("x-gone") && !headers.contains_key("cookie"));
    assert!(!headers.contains_key("x-empty"));
    // `add` adds each time; all else is done once and for all.
    let mut twice = headers.clone();
    let _ = EDITS.apply(&mut twice, &facts);
    assert_eq!(
        twice.get_all("x-more").iter().count(),
        headers.get_all("x-more").iter().count() + 1
    );
    twice.remove("x-more");
    headers.remove("x-more");
    assert_eq!(twice, headers);
});
