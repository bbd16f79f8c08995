//! The switch of protocols that a client asks for.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::super::http2;
use crate::upstream::http1::says;

/// A switch of protocols that the client offers and the cluster allows.
#[derive(Debug, Clone)]
pub struct Offer {
    /// As the client wrote it.
    protocol: HeaderValue,
    /// Of a stream of HTTP/2, which is to carry the bytes: the key that we made for the backend.
    stream: Option<Box<Option<HeaderValue>>>,
}

impl Offer {
    /// Reads the offer of a request, if `allowed` names its protocol. Any other is dropped with
    /// the fields of the connection, and the request goes on without.
    pub fn read(head: &Parts, allowed: &[String]) -> Option<Self> {
        let headers = &head.headers;
        let mut lines = headers.get_all(UPGRADE).iter();
        // More than one is a list, as one line with commas is.
        let (Some(protocol), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let is_allowed = allowed
            .iter()
            .any(|name| protocol.as_bytes().eq_ignore_ascii_case(name.as_bytes()));
        let key = || Box::new(headers.get(SEC_WEBSOCKET_KEY).cloned());
        (is_allowed && names_upgrade(headers)).then(|| Self {
            protocol: protocol.clone(),
            stream: http2::is_connect(head).then(key),
        })
    }

    /// Puts it into a head, after the fields of the other connection are gone. What answers it has
    /// no trailers that could be asked for.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.remove(TE);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.protocol.clone());
    }

    /// Whether the backend switched to what was offered.
    pub fn is_taken_up<B>(&self, response: &Response<B>) -> bool {
        let headers = response.headers();
        let is_same = headers.get(UPGRADE).is_some_and(|taken| {
            taken
                .as_bytes()
                .eq_ignore_ascii_case(self.protocol.as_bytes())
        });
        let key = self.stream.as_deref().and_then(Option::as_ref);
        is_same && key.is_none_or(|key| accepts(headers, key))
    }

    /// Whether an answer would look to the client as if the backend had switched, and it has not:
    /// by HTTP/2 each success does.
    pub fn would_mislead(&self, status: StatusCode) -> bool {
        self.stream.is_some() && status.is_success()
    }

    /// Tells the client that the backend has switched.
    pub fn answer<B>(&self, response: &mut Response<B>) {
        let headers = response.headers_mut();
        if self.stream.is_none() {
            self.apply(headers);
            return;
        }
        for name in [SEC_WEBSOCKET_ACCEPT, CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        *response.status_mut() = StatusCode::OK;
    }
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    says(headers.get_all(CONNECTION), "upgrade")
}

/// What RFC 6455 has the server do with the key, so that nobody takes an echo for an answer.
fn accepts(headers: &HeaderMap, key: &HeaderValue) -> bool {
    const OF_RFC_6455: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let text = [key.as_bytes(), OF_RFC_6455].concat();
    let expected = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text));
    let mut said = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
    said.next()
        .is_some_and(|it| it.as_bytes().trim_ascii() == expected.as_bytes())
        && said.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_has_its_answer() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        for (said, expected) in [
            (&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="][..], true),
            (&["S3pPLMBiTxaQ9kYGzzhZRbK+xOo="], false),
            (&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo"], false),
            (&[], false),
            (
                &[
                    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                ],
                false,
            ),
        ] {
            let mut headers = HeaderMap::new();
            for it in said {
                headers.append(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(it));
            }
            assert_eq!(accepts(&headers, &key), expected, "{said:?}");
        }
    }
}
