//! Fields that end at this hop (RFC 9110, 7.6.1), in both directions.
//!
//! Taken away: the fields of one connection, and whatever `Connection` names. Not by naming:
//! the fields that say where a message ends and where it goes, and those about the client, which
//! `forwarding` alone decides. So a client cannot strip what we, or a trusted proxy, put in.
//!
//! `Upgrade` goes too: who offers an upgrade has read it before and sets it anew, together with
//! `Connection`. `TE` is reduced to `trailers`, the only part that both sides keep.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::fields::{self, Field, Fields, Scan};
use super::forwarding::CLAIMED;
use crate::proxy::refuse::{DeclaredBody, Expectation};

/// Fields of one connection that are there seldom.
const HOP_BY_HOP: [(Field, HeaderName); 10] = [
    (Field::Connection, header::CONNECTION),
    (
        Field::ProxyConnection,
        HeaderName::from_static("proxy-connection"),
    ),
    (Field::KeepAlive, HeaderName::from_static("keep-alive")),
    (Field::Te, header::TE),
    (Field::Upgrade, header::UPGRADE),
    (
        Field::Http2Settings,
        HeaderName::from_static("http2-settings"),
    ),
    (Field::ProxyAuthorization, header::PROXY_AUTHORIZATION),
    (Field::ProxyAuthenticate, header::PROXY_AUTHENTICATE),
    (
        Field::ProxyAuthenticationInfo,
        HeaderName::from_static("proxy-authentication-info"),
    ),
    (Field::TransferEncoding, header::TRANSFER_ENCODING),
];

/// All of them.
pub const ANY_HOP_BY_HOP: Fields = Fields::of(&[
    Field::Connection,
    Field::ProxyConnection,
    Field::KeepAlive,
    Field::Te,
    Field::Upgrade,
    Field::Http2Settings,
    Field::ProxyAuthorization,
    Field::ProxyAuthenticate,
    Field::ProxyAuthenticationInfo,
    Field::TransferEncoding,
]);

/// What `Connection` may name without effect.
const NOT_BY_NAMING: Fields = CLAIMED.or(Fields::of(&[
    Field::Host,
    Field::ContentLength,
    Field::Expect,
]));

/// Takes the hop-by-hop fields away from a request or a response. `found` is the walk over these
/// same fields. Does nothing, and looks nothing up, where there are none.
pub fn strip(headers: &mut HeaderMap, found: Scan) {
    if !found.present.has_any(ANY_HOP_BY_HOP) {
        return;
    }
    let wants_trailers = found.present.has(Field::Te) && takes_trailers(headers);
    if found.present.has(Field::Connection) {
        strip_named(headers);
    }
    for (field, name) in &HOP_BY_HOP {
        if found.present.has(*field) {
            headers.remove(name);
        }
    }
    if wants_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
}

/// Takes away what trailers must not hold (RFC 9110, 6.5.1): the fields of one connection, and what
/// frames or routes a message.
pub fn strip_trailers(trailers: &mut HeaderMap) {
    strip(trailers, fields::scan(trailers));
    // A head may say which trailers are wanted; trailers may not, and HTTP/2 refuses them.
    for name in [
        header::CONTENT_LENGTH,
        header::HOST,
        header::TRAILER,
        header::TE,
        header::CONNECTION,
    ] {
        trailers.remove(name);
    }
}

/// The same of a request, and what is believed of heads alone, from us: who the client is.
/// `decided`: what the configuration decides besides.
pub fn strip_request_trailers(trailers: &mut HeaderMap, decided: &[HeaderName]) {
    strip_trailers(trailers);
    let is_forwarded = |name: &&HeaderName| name.as_str().starts_with("x-forwarded-");
    let forwarded: Vec<HeaderName> = trailers.keys().filter(is_forwarded).cloned().collect();
    let ours = [
        fields::X_REAL_IP,
        header::FORWARDED,
        header::VIA,
        header::COOKIE,
        header::AUTHORIZATION,
        // What a body is, or what is done with it, is said before it.
        header::CACHE_CONTROL,
        header::CONTENT_ENCODING,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::MAX_FORWARDS,
        header::SET_COOKIE,
    ];
    for name in ours.iter().chain(&forwarded) {
        trailers.remove(name);
    }
    remove_told(trailers, decided);
}

/// Takes fields away that we alone may send, and those that CGI and what is like it take for them: it
/// reads a dash as an underscore.
pub fn remove_told(headers: &mut HeaderMap, told: &[HeaderName]) {
    for name in told {
        headers.remove(name);
    }
    let has_underscore = |name: &HeaderName| name.as_str().contains('_');
    let is_odd = told.iter().any(has_underscore);
    let is_told = |name: &&HeaderName| {
        (is_odd || has_underscore(name)) && told.iter().any(|told| is_read_alike(name, told))
    };
    let odd = headers.keys().filter(is_told);
    for name in odd.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}

fn is_read_alike(one: &HeaderName, other: &HeaderName) -> bool {
    let read = |byte: u8| if byte == b'_' { b'-' } else { byte };
    one.as_str()
        .bytes()
        .map(read)
        .eq(other.as_str().bytes().map(read))
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::TE).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|coding| {
            let name = coding
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(b"trailers")
        })
}

fn strip_named(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::CONNECTION).iter();
    let (first, more) = (lines.next().cloned(), lines.next().is_some());
    if !more {
        if let Some(line) = first {
            strip_options(headers, &line);
        }
        return;
    }
    let lines: Vec<HeaderValue> = headers
        .get_all(header::CONNECTION)
        .iter()
        .cloned()
        .collect();
    for line in &lines {
        strip_options(headers, line);
    }
}

fn strip_options(headers: &mut HeaderMap, line: &HeaderValue) {
    for option in line.as_bytes().split(|byte| *byte == b',') {
        let option = option.trim_ascii();
        let is_ours = [b"keep-alive".as_slice(), b"close", b"upgrade", b"te"]
            .iter()
            .any(|known| option.eq_ignore_ascii_case(known));
        if is_ours {
            continue;
        }
        // What is no field name can name no field.
        let Ok(name) = HeaderName::from_bytes(option) else {
            continue;
        };
        if Field::of(&name).is_none_or(|field| !NOT_BY_NAMING.has(field)) {
            headers.remove(&name);
        }
    }
}

/// Puts one framing of our own into a request for a backend.
pub fn frame_request(headers: &mut HeaderMap, body: DeclaredBody) {
    match body {
        DeclaredBody::None => {
            headers.remove(header::CONTENT_LENGTH);
        }
        DeclaredBody::Chunked => {
            headers.remove(header::CONTENT_LENGTH);
            headers.insert(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
        }
        DeclaredBody::Length(length) => {
            let is_plain = headers.get(header::CONTENT_LENGTH).is_some_and(|value| {
                value.len() == 1 || value.as_bytes().first().is_some_and(|byte| *byte != b'0')
            });
            // `007` is a number to us, and may be an octal one to somebody else.
            if !is_plain {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
        }
    }
}

/// Puts the client's expectation into our words, or takes it away.
pub fn pass_expectation(headers: &mut HeaderMap, found: Scan, expectation: Expectation) {
    if !found.present.has(Field::Expect) {
        return;
    }
    match expectation {
        Expectation::None => {
            headers.remove(header::EXPECT);
        }
        Expectation::Continue => {
            headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
    }
}

#[cfg(test)]
mod tests;
