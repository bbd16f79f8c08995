//! Fields that end at this hop (RFC 9110, 7.6.1), in both directions.
//!
//! Taken away: the fields of one connection, and whatever `Connection` names. Not by naming:
//! the fields that say where a message ends and where it goes, and those about the client, which
//! `forwarding` alone decides. So a client cannot strip what we, or a trusted proxy, put in.
//!
//! `Upgrade` goes too: who offers an upgrade has read it before and sets it anew, together with
//! `Connection`. `TE` is reduced to `trailers`, the only part that both sides keep.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::fields::{Field, Fields, Scan};
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

const ANY_HOP_BY_HOP: Fields = Fields::of(&[
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
const NOT_BY_NAMING: Fields = Fields::of(&[
    Field::Host,
    Field::ContentLength,
    Field::Expect,
    Field::XForwardedFor,
    Field::XForwardedProto,
    Field::XForwardedHost,
    Field::XForwardedPort,
    Field::XForwardedOther,
    Field::XRealIp,
    Field::Forwarded,
    Field::Via,
]);

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
mod tests {
    use proptest::prelude::*;

    use super::super::fields::scan;
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    fn stripped(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = map(fields);
        let found = scan(&headers);
        strip(&mut headers, found);
        headers
    }

    #[test]
    fn fields_of_one_connection_go() {
        let kept = stripped(
            &[
                ("host", "a"),
                ("connection", "keep-alive, Upgrade, X-Mine"),
                ("connection", "close, x-other, , \u{1}bad"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("proxy-authorization", "Basic x"),
                ("upgrade", "websocket"),
                ("http2-settings", "AAA"),
                ("te", "gzip"),
                ("transfer-encoding", "chunked"),
                ("x-mine", "1"),
                ("x-mine", "2"),
                ("X-Other", "1"),
                ("cookie", "a=b"),
                ("trailer", "x-sum"),
            ]
            .map(|(name, value)| {
                (
                    name,
                    if value.contains('\u{1}') {
                        "close, x-other"
                    } else {
                        value
                    },
                )
            }),
        );
        assert_eq!(
            kept,
            map(&[("host", "a"), ("cookie", "a=b"), ("trailer", "x-sum")])
        );
    }

    #[test]
    fn naming_does_not_take_away_what_is_ours() {
        let ours = [
            ("host", "a"),
            ("content-length", "5"),
            ("x-forwarded-for", "1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/a"),
            ("x-real-ip", "1"),
            ("forwarded", "for=1"),
            ("via", "1.1 a"),
        ];
        let named = "Host, content-length, X-Forwarded-For, x-forwarded-proto, x-forwarded-prefix, \
                     x-real-ip, forwarded, via";
        let mut fields = ours.to_vec();
        fields.push(("connection", named));
        assert_eq!(stripped(&fields), map(&ours));
    }

    #[test]
    fn te_is_reduced_to_trailers() {
        let kept = stripped(&[("te", "gzip;q=0.5, Trailers"), ("connection", "TE")]);
        assert_eq!(kept, map(&[("te", "trailers"), ("connection", "te")]));
        assert_eq!(
            stripped(&[("te", "gzip, xtrailers"), ("connection", "te")]),
            HeaderMap::new()
        );
    }

    #[test]
    fn a_body_has_one_framing() {
        let framed = |fields: &[(&str, &str)], body| {
            let mut headers = map(fields);
            frame_request(&mut headers, body);
            headers
        };
        let chunked = framed(&[("content-length", "5")], DeclaredBody::Chunked);
        assert_eq!(chunked, map(&[("transfer-encoding", "chunked")]));
        let plain = framed(&[("content-length", "007")], DeclaredBody::Length(7));
        assert_eq!(plain, map(&[("content-length", "7")]));
        let zero = framed(&[("content-length", "0")], DeclaredBody::Length(0));
        assert_eq!(zero, map(&[("content-length", "0")]));
        assert_eq!(
            framed(&[("content-length", "5")], DeclaredBody::None),
            HeaderMap::new()
        );
    }

    #[test]
    fn an_expectation_is_passed_on_in_our_words() {
        let mut headers = map(&[("expect", "100-Continue"), ("expect", "100-continue")]);
        let found = scan(&headers);
        pass_expectation(&mut headers, found, Expectation::Continue);
        assert_eq!(headers, map(&[("expect", "100-continue")]));
        pass_expectation(&mut headers, found, Expectation::None);
        assert_eq!(headers, HeaderMap::new());
    }

    fn any_fields() -> impl Strategy<Value = Vec<(String, String)>> {
        let name = prop::sample::select(vec![
            "connection",
            "te",
            "keep-alive",
            "upgrade",
            "host",
            "content-length",
            "x-a",
            "x-b",
            "transfer-encoding",
            "x-forwarded-for",
            "cookie",
            "proxy-connection",
        ]);
        let value = "[a-bx, -]{0,8}|x-a|x-b, close|host|trailers|cookie,te|transfer-encoding";
        prop::collection::vec((name.prop_map(str::to_owned), value), 0..12)
    }

    proptest! {
        #[test]
        fn no_hop_by_hop_field_passes_and_no_other_is_lost(fields in any_fields()) {
            let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let before = map(&fields);
            let after = stripped(&fields);
            let named: Vec<String> = before.get_all("connection").iter()
                .flat_map(|line| line.to_str().unwrap().split(','))
                .map(|option| option.trim().to_owned())
                .collect();
            let hop = ["connection", "te", "keep-alive", "upgrade", "transfer-encoding",
                       "proxy-connection"];
            for name in before.keys().map(HeaderName::as_str) {
                let lines = |map: &HeaderMap| map.get_all(name).iter().cloned().collect::<Vec<_>>();
                if hop.contains(&name) {
                    let after = lines(&after);
                    prop_assert!(after.is_empty() || (name == "te" && after == ["trailers"])
                        || (name == "connection" && after == ["te"]));
                } else if ["host", "content-length", "x-forwarded-for"].contains(&name)
                    || !named.iter().any(|option| option == name) {
                    prop_assert_eq!(lines(&after), lines(&before));
                } else {
                    prop_assert!(lines(&after).is_empty());
                }
            }
            let again = { let mut map = after.clone(); let found = scan(&map); strip(&mut map, found); map };
            prop_assert_eq!(again, after);
        }
    }
}
