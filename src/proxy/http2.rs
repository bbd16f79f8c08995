//! A head of HTTP/2 in the words of HTTP/1.1, so that nothing behind this point must know both.
//!
//! What HTTP/2 itself forbids (fields of one connection, bad pseudo-fields, a Content-Length that
//! its stream does not keep to) has been refused by `h2`, with a reset of the stream.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version, header};
use hyper::ext::Protocol;
use rustix::rand::{GetRandomFlags, getrandom};

/// Puts `Host` where only `:authority` said it, and one `Cookie` line in the place of several.
///
/// Both may be there: then `refuse` looks whether they agree.
pub fn translate(head: &mut Parts) {
    if head.method == Method::CONNECT {
        translate_connect(head);
    }
    if let Some(authority) = head.uri.authority()
        && !head.headers.contains_key(header::HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(header::HOST, host);
    }
    trim(&mut head.headers);
    join_cookies(head);
}

/// HTTP/2 has no white space around a value to be skipped: what is there would be part of it here, and
/// none of it to a backend that speaks HTTP/1.1.
fn trim(headers: &mut HeaderMap) {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    for value in headers.values_mut() {
        let bytes = value.as_bytes();
        if (is_blank(bytes.first()) || is_blank(bytes.last()))
            && let Ok(trimmed) = HeaderValue::from_bytes(bytes.trim_ascii())
        {
            *value = trimmed;
        }
    }
}

/// An extended CONNECT (RFC 8441) in the words of RFC 6455: a GET that asks for a switch. Any other
/// is left as it is, to be refused.
fn translate_connect(head: &mut Parts) {
    let protocol = head.extensions.get::<Protocol>();
    let Some(protocol) = protocol.and_then(|it| HeaderValue::from_str(it.as_str()).ok()) else {
        return;
    };
    head.method = Method::GET;
    head.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
    if protocol.as_bytes().eq_ignore_ascii_case(b"websocket") {
        head.headers.insert(header::SEC_WEBSOCKET_KEY, key());
    }
    let upgrade = HeaderValue::from_static("upgrade");
    head.headers.insert(header::CONNECTION, upgrade);
    head.headers.insert(header::UPGRADE, protocol);
}

/// A key that nobody has used: clients send none by HTTP/2.
fn key() -> HeaderValue {
    let mut nonce = [0; 16];
    if let Err(error) = getrandom(&mut nonce, GetRandomFlags::empty()) {
        // The backend's answer to it is a proof all the same.
        tracing::debug!(%error, "no randomness for the key of a WebSocket");
    }
    let key = HeaderValue::from_str(&STANDARD.encode(nonce));
    key.unwrap_or_else(|_| HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

/// Whether a head was an extended CONNECT, which every success would seem to grant.
pub fn is_connect(head: &Parts) -> bool {
    head.version == Version::HTTP_2 && head.extensions.get::<Protocol>().is_some()
}

/// Clients split cookies so that they compress better (RFC 9113, 8.2.3).
fn join_cookies(head: &mut Parts) {
    let mut lines = head.headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    // What each line may hold, all of them together may.
    if let Ok(joined) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        head.headers.insert(header::COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn translated(uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        translate(&mut head);
        head
    }

    #[test]
    fn the_host_is_that_of_the_authority_unless_there_is_one() {
        let cases = [
            ("http://a.example:81/x", None, Some("a.example:81")),
            ("http://a.example/x", Some("b"), Some("b")),
            ("/x", Some("b"), Some("b")),
            ("/x", None, None),
        ];
        for (uri, host, expected) in cases {
            let fields: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
            let head = translated(uri, &fields);
            let host = head.headers.get(header::HOST);
            assert_eq!(host.map(|host| host.to_str().unwrap()), expected, "{uri}");
        }
    }

    #[test]
    fn white_space_around_a_value_is_none_of_it() {
        let values = [("a", " x\t"), ("b", "x y"), ("c", "  "), ("d", "")];
        let head = translated("/x", &values);
        let values: Vec<_> = head.headers.values().collect();
        assert_eq!(values, ["x", "x y", "", ""]);
    }

    #[test]
    fn an_extended_connect_is_a_request_for_a_switch() {
        let request = |protocol: Option<&'static str>| {
            let mut request = Request::connect("http://a.example/chat?x=y")
                .version(Version::HTTP_2)
                .header("sec-websocket-key", "of the client")
                .header("sec-websocket-accept", "forged");
            if let Some(protocol) = protocol {
                request = request.extension(Protocol::from_static(protocol));
            }
            let (mut head, ()) = request.body(()).unwrap().into_parts();
            translate(&mut head);
            head
        };
        let (one, other) = (request(Some("websocket")), request(Some("websocket")));
        assert!(is_connect(&one));
        assert_eq!((&one.method, one.uri.path()), (&Method::GET, "/chat"));
        assert_eq!(one.headers["upgrade"], "websocket");
        assert_eq!(one.headers["connection"], "upgrade");
        assert_eq!(one.headers["host"], "a.example");
        assert!(!one.headers.contains_key("sec-websocket-accept"));
        let key = |head: &Parts| head.headers["sec-websocket-key"].clone();
        assert_eq!(STANDARD.decode(key(&one)).unwrap().len(), 16);
        assert_ne!(key(&one), key(&other));
        assert_eq!(key(&request(Some("connect-udp"))), "of the client");
        let plain = request(None);
        assert!(!is_connect(&plain));
        assert_eq!(plain.method, Method::CONNECT, "to be refused");
    }

    #[test]
    fn several_cookie_lines_are_one_in_their_order() {
        let cases: [(&[&str], &[&str]); 4] = [
            (&[], &[]),
            (&["a=b; c=d"], &["a=b; c=d"]),
            (&["a=b", "c=d"], &["a=b; c=d"]),
            (&["a=b", "", "c=\"d\"; e"], &["a=b; ; c=\"d\"; e"]),
        ];
        for (lines, expected) in cases {
            let fields: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            let head = translated("http://a/", &fields);
            let found: Vec<_> = head
                .headers
                .get_all(header::COOKIE)
                .iter()
                .map(|line| line.to_str().unwrap())
                .collect();
            assert_eq!(found, expected);
        }
    }
}
