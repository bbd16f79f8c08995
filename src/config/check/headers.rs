//! Rules that change headers.

use http::HeaderName;

use crate::config::{HeaderRules, Template};

use super::at::At;
use super::templates::{Use, template};

/// Headers that speak of one connection or of a message's framing; changing them by rule would
/// break the message or open it to smuggling.
const OURS: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that say something else already: what stands in their place would be taken for it, or
/// would be overwritten.
const TAKEN: &[&str] = &[
    "authorization",
    "cookie",
    "expect",
    "forwarded",
    "location",
    "set-cookie",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// Whether only the proxy itself may set this header.
pub(super) fn is_ours(name: &HeaderName) -> bool {
    OURS.contains(&name.as_str())
}

/// The section `request_headers` or `response_headers`.
pub(super) fn header_rules(at: &At<'_>, used: Use) -> HeaderRules {
    let section = at.section();
    let remove = section.get("remove").items();
    HeaderRules {
        remove: remove
            .iter()
            .filter_map(|item| changeable(item, used))
            .collect(),
        set: values(&section.get("set"), used),
        add: values(&section.get("add"), used),
    }
}

/// The name of a header.
pub(super) fn header_name(at: &At<'_>) -> Option<HeaderName> {
    at.parse(|text| HeaderName::from_bytes(text.as_bytes()).map_err(|_| None))
}

fn values(at: &At<'_>, used: Use) -> Vec<(HeaderName, Template)> {
    let mut values: Vec<(HeaderName, Template)> = Vec::new();
    for (key, value) in at.entries() {
        let template = template(&value, used);
        let Some((name, template)) = changeable(&key, used).zip(template) else {
            continue;
        };
        if values.iter().any(|(known, _)| *known == name) {
            key.unlike(
                "each header once",
                Some("case does not matter in header names".to_owned()),
            );
        } else {
            values.push((name, template));
        }
    }
    values
}

/// A header that a rule may change.
pub(super) fn changeable(at: &At<'_>, used: Use) -> Option<HeaderName> {
    free(at, used, "a header that rules may change")
}

/// The header that carries the id of a request.
pub(super) fn id_header(at: &At<'_>) -> Option<HeaderName> {
    let hint = "this header says something else; X-Request-Id is what most programs know";
    unclaimed(at, "a header that may carry an id", hint)
}

/// A header that tells backends of a client's certificate.
pub(super) fn certificate_header(at: &At<'_>) -> Option<HeaderName> {
    let expected = "a header that may tell of a certificate";
    let hint = "this header says something else; take one of its own, such as X-Client-Subject";
    let is_host = |text: &str| text.eq_ignore_ascii_case("host");
    // What else is to be done about Host is beside the point here.
    if at.plain_text().is_some_and(is_host) {
        at.unlike(expected, Some(hint.to_owned()));
        return None;
    }
    unclaimed(at, expected, hint)
}

/// A header by which nothing else is said.
fn unclaimed(at: &At<'_>, expected: &str, hint: &str) -> Option<HeaderName> {
    let name = free(at, Use::RequestHeader, expected)?;
    if TAKEN.contains(&name.as_str()) {
        at.unlike(expected, Some(hint.to_owned()));
        return None;
    }
    Some(name)
}

/// A header that is neither the connection's nor the framing's.
fn free(at: &At<'_>, used: Use, expected: &str) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(at.text()?.as_bytes()) else {
        at.unlike("a header's name", None);
        return None;
    };
    let hint = if is_ours(&name) {
        "this header belongs to the connection or frames the body; the proxy sets it itself"
    } else if name == http::header::HOST && used == Use::RequestHeader {
        "use the cluster's key host: keep, backend or a name"
    } else {
        return Some(name);
    };
    at.unlike(expected, Some(hint.to_owned()));
    None
}
