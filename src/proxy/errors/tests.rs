use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, header};

use crate::config::Errors;

use super::*;

const EVERY: [ProxyError; 22] = [
    ProxyError::Refused(Refusal::HostMissing),
    ProxyError::NoRule,
    ProxyError::AccessDenied,
    ProxyError::NoBackend,
    ProxyError::BackendsFull,
    ProxyError::QueueFull,
    ProxyError::Shed,
    ProxyError::QueueTime,
    ProxyError::OwnerUnavailable,
    ProxyError::StoreUnreachable,
    ProxyError::UpstreamConnect(ConnectFailure::Timeout),
    ProxyError::UpstreamConnect(ConnectFailure::Refused),
    ProxyError::UpstreamConnect(ConnectFailure::Tls),
    ProxyError::UpstreamTimeout,
    ProxyError::UpstreamProtocol,
    ProxyError::UpstreamClosed,
    ProxyError::BodyTooLarge,
    ProxyError::BodyTimeout,
    ProxyError::BodyMalformed,
    ProxyError::ClientGone,
    ProxyError::UpgradeRefused,
    ProxyError::ShuttingDown,
];

fn pages() -> ErrorPages {
    ErrorPages::new(&Errors {
        pages: [(502, Bytes::from_static(b"<p>our own page"))].into(),
        retry_after: Duration::from_millis(4_500),
    })
}

fn rendered(error: ProxyError, format: Format) -> Response<Bytes> {
    let asked = Asked {
        method: &Method::GET,
        format,
        request_id: "id<1>",
    };
    pages().render(error, asked)
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

#[test]
fn every_error_has_its_status_and_label() {
    let expected = [
        (400, "host_missing"),
        (404, "no_rule"),
        (403, "access_denied"),
        (503, "no_backend"),
        (503, "backends_full"),
        (503, "queue_full"),
        (503, "shed"),
        (503, "queue_time"),
        (503, "owner_unavailable"),
        (503, "store_unreachable"),
        (504, "connect_timeout"),
        (502, "connect"),
        (502, "tls"),
        (504, "response_timeout"),
        (502, "protocol"),
        (502, "closed"),
        (413, "body_too_large"),
        (408, "body_timeout"),
        (400, "body_malformed"),
        (499, "client_gone"),
        (403, "upgrade_refused"),
        (503, "shutting_down"),
    ];
    let found = EVERY.map(|error| (error.status().as_u16(), error.reason()));
    assert_eq!(found, expected);
    for error in EVERY {
        let counted = error.kind().map(ErrorReason::label);
        assert_eq!(counted.unwrap_or(error.reason()), error.reason());
    }
}

#[test]
fn an_answer_is_never_stored_and_a_503_says_when_to_come_back() {
    for error in EVERY {
        let response = rendered(error, Format::Plain);
        assert_eq!(response.status(), error.told());
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(
            response
                .headers()
                .get(header::RETRY_AFTER)
                .map(HeaderValueText::text),
            (error.status() == 503).then_some("5")
        );
    }
}

trait HeaderValueText {
    fn text(&self) -> &str;
}

impl HeaderValueText for http::HeaderValue {
    fn text(&self) -> &str {
        self.to_str().unwrap()
    }
}

#[test]
fn what_cannot_be_trusted_closes_the_connection() {
    let closes = |error| {
        rendered(error, Format::Plain)
            .headers()
            .contains_key(header::CONNECTION)
    };
    assert!(closes(Refusal::TransferEncoding.into()));
    assert!(closes(ProxyError::BodyTooLarge));
    assert!(closes(ProxyError::ShuttingDown));
    assert!(!closes(ProxyError::NoBackend));
    assert!(!closes(ProxyError::UpstreamTimeout));
}

#[test]
fn each_form_tells_status_advice_and_request_id() {
    for error in EVERY {
        let page = rendered(error, Format::Html);
        assert!(
            text(&page).contains("id&lt;1&gt;") || error.told() == 502,
            "{error}"
        );
        assert!(!text(&page).contains("id<1>"));

        let problem = rendered(error, Format::Json);
        let json: serde_json::Value = serde_json::from_slice(problem.body()).unwrap();
        assert_eq!(json["status"], error.told().as_u16());
        assert_eq!(json["request_id"], "id<1>");
        assert_eq!(
            problem.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );

        let plain = rendered(error, Format::Plain);
        assert!(text(&plain).starts_with(&error.told().as_u16().to_string()));
        assert!(text(&plain).contains("id<1>"));
    }
}

#[test]
fn an_own_page_is_for_browsers_only() {
    let error = ProxyError::UpstreamClosed;
    assert_eq!(text(&rendered(error, Format::Html)), "<p>our own page");
    assert!(text(&rendered(error, Format::Json)).starts_with('{'));
}

#[test]
fn head_gets_the_length_of_what_get_would_get() {
    let get = rendered(ProxyError::NoBackend, Format::Html);
    let asked = Asked {
        method: &Method::HEAD,
        format: Format::Html,
        request_id: "id<1>",
    };
    let head = pages().render(ProxyError::NoBackend, asked);
    assert!(head.body().is_empty());
    assert_eq!(head.headers(), get.headers());
    assert_eq!(
        head.headers()[header::CONTENT_LENGTH].text(),
        get.body().len().to_string()
    );
}
