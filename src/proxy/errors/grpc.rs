//! Error answers to gRPC calls: a client of it reads no status of HTTP.
//!
//! The whole answer is one head ("Trailers-Only" in gRPC's words): 200, and what went wrong in fields
//! of its own.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header};

use super::{Format, ProxyError};

/// What became of a call.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether a request is a gRPC call.
pub(super) fn is_call(head: &Parts) -> bool {
    const KIND: &[u8] = b"application/grpc";
    let kind = head.headers.get(header::CONTENT_TYPE);
    let kind = kind.map(HeaderValue::as_bytes).unwrap_or_default();
    let begins_so = kind
        .get(..KIND.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(KIND));
    // Others that begin so, as gRPC-Web, are told in other ways.
    head.version == Version::HTTP_2
        && begins_so
        && matches!(kind.get(KIND.len()), None | Some(b'+' | b';' | b' '))
}

/// The code of gRPC for a status, as its own table for clients behind proxies has it.
fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 | 502..=504 => "14",
        _ => "2",
    }
}

pub(super) fn answer(error: ProxyError) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, Format::Grpc.content_type());
    headers.insert(GRPC_STATUS, HeaderValue::from_static(code(error.told())));
    // ASCII without a percent sign: it need not be escaped.
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(error.advice()));
    response
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_call_is_known_by_its_content_type() {
        let cases = [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC; charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/grpcish", false),
            ("application/json", false),
            ("", false),
        ];
        for (kind, expected) in cases {
            let request = Request::post("/").header(header::CONTENT_TYPE, kind);
            let (mut head, ()) = request.body(()).unwrap().into_parts();
            assert!(!is_call(&head), "{kind} by HTTP/1.1");
            head.version = Version::HTTP_2;
            assert_eq!(is_call(&head), expected, "{kind}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_reach_its_backend_says_unavailable() {
        let cases = [
            (ProxyError::NoBackend, "14"),
            (ProxyError::UpstreamClosed, "14"),
            (ProxyError::UpstreamTimeout, "14"),
            (ProxyError::NoRule, "12"),
            (ProxyError::AccessDenied, "7"),
            (ProxyError::BodyMalformed, "13"),
            (ProxyError::BodyTooLarge, "2"),
        ];
        for (error, expected) in cases {
            let answer = answer(error);
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()[GRPC_STATUS], expected, "{error:?}");
            let message = answer.headers()[GRPC_MESSAGE].to_str().unwrap();
            assert!(!message.contains('%'), "{message}");
        }
    }
}
