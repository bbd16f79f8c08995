//! `POST /explain`: where a request would go, by the real states and the ledger.

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::answers::Shown;
use super::guard;
use crate::proxy::explain::Question;

/// Bytes of a question.
const MOST_BYTES: usize = 64 * 1024;

/// For a whole question.
const BODY_TIME: Duration = Duration::from_secs(10);

pub(super) async fn explain(State(shown): State<Arc<Shown>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let admitted = guard::admit(&head.headers, shown.source.token().as_ref());
    if let Err(refusal) = admitted.and_then(|()| guard::must_be_json(&head.headers)) {
        return refusal.into_response();
    }
    let body = match timeout(BODY_TIME, to_bytes(body, MOST_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            return (
                StatusCode::PAYLOAD_TOO_LARGE,
                "The question is longer than 64 KiB, or broke off.\n",
            )
                .into_response();
        }
        Err(_) => {
            return (StatusCode::REQUEST_TIMEOUT, "The question took too long.\n").into_response();
        }
    };
    let question: Question = match serde_json::from_slice(&body) {
        Ok(question) => question,
        // Only the place: its own words would repeat what was sent, and that is secret.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let text = format!(
                "Not the expected JSON at line {line}, column {column}. Expected: \
                 {{\"url\": …, \"cookie\": …, \"host\": …, \"client\": …}}; only url is needed.\n"
            );
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    match shown.source.explain(&question) {
        Ok(explanation) => match serde_json::to_vec_pretty(&explanation) {
            Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
            Err(error) => {
                tracing::error!(%error, "an explanation could not be encoded");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the explanation could not be encoded\n",
                )
                    .into_response()
            }
        },
        Err(unclear) => (StatusCode::BAD_REQUEST, format!("{unclear}\n")).into_response(),
    }
}
