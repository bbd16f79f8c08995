//! What each path answers.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::explain::explain;
use super::{Readiness, Source, api};
use crate::observe::metrics::{CONTENT_TYPE, Exposition};

/// Each path with what it is for, as a stranger is told.
const PATHS: [(&str, &str); 5] = [
    (
        "/api/v1/status",
        "how everything stands; the API is described at /api/v1/openapi.json",
    ),
    (
        "/explain",
        "where a request would go, and why; POST, with the token",
    ),
    ("/healthz", "200 while the process serves"),
    ("/metrics", "metrics in Prometheus's text format"),
    (
        "/readyz",
        "200 while new clients should be sent here, else 503",
    ),
];

pub(super) struct Shown {
    exposition: Exposition,
    pub(super) source: Arc<dyn Source>,
}

/// The admin side's paths.
pub(super) fn router(exposition: Exposition, source: Arc<dyn Source>) -> Router {
    api::routes(Router::new())
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/explain", post(explain))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(with_common_headers))
        .with_state(Arc::new(Shown { exposition, source }))
}

async fn metrics(State(shown): State<Arc<Shown>>) -> Response {
    match shown.exposition.text() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "metrics could not be encoded\n",
            )
                .into_response()
        }
    }
}

async fn readyz(State(shown): State<Arc<Shown>>) -> Response {
    match shown.source.readiness() {
        Readiness::Ready => "ready\n".into_response(),
        Readiness::NotReady(reasons) => {
            let reasons: Vec<_> = reasons.into_iter().map(super::NotReady::text).collect();
            let text = format!("not ready: {}\n", reasons.join(", "));
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn not_found() -> (StatusCode, String) {
    let mut text = "There is nothing here. There is:\n".to_owned();
    for (path, meaning) in PATHS {
        let written = writeln!(text, "  {path}  {meaning}");
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    (StatusCode::NOT_FOUND, text)
}

async fn method_not_allowed() -> (StatusCode, &'static str) {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        "This path has other methods; /api/v1/openapi.json names them.\n",
    )
}

async fn with_common_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
