//! Why an order is not followed, or a question not answered.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::model::Problem;
use crate::cluster::Refused;

/// Why something cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// No cluster has this name; these there are.
    Cluster(String, Vec<String>),
    /// No backend of the cluster has this name; these there are.
    Backend(String, Vec<String>),
    /// There is no such state.
    State(String),
    /// The weight is out of its bounds.
    Weight(u32),
    /// The rate is.
    Rate(u32),
    /// The cluster refuses.
    Refused(Refused),
    /// The body is not the JSON that is expected.
    Json(String),
    /// The query is not understood.
    Query,
    /// The body is too long, or broke off.
    TooLong,
    /// The body took too long.
    TooSlow,
}

impl Unfit {
    fn parts(&self) -> (StatusCode, &'static str, String) {
        match self {
            Self::Cluster(name, known) => (
                StatusCode::NOT_FOUND,
                "unknown_cluster",
                format!(
                    "no cluster is called {name:?}; there is {}",
                    known.join(", ")
                ),
            ),
            Self::Backend(name, known) => (
                StatusCode::NOT_FOUND,
                "unknown_backend",
                format!(
                    "no backend is called {name:?}; there is {}",
                    known.join(", ")
                ),
            ),
            Self::State(state) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_state",
                format!(
                    "no state is called {state:?}; there is up, draining, evacuating, disabled"
                ),
            ),
            Self::Weight(weight) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "weight",
                format!(
                    "a weight is from 1 to 65535, not {weight}; a backend that shall get no new \
                     sessions is drained"
                ),
            ),
            Self::Rate(rate) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "rate",
                format!("a rate is at least 1 session a second, not {rate}"),
            ),
            Self::Refused(refused) => {
                let word = match refused {
                    Refused::TheLast => "the_last",
                    Refused::NotReplicated => "not_replicated",
                    Refused::Strict => "strict",
                };
                (StatusCode::CONFLICT, word, refused.to_string())
            }
            Self::Json(error) => (
                StatusCode::BAD_REQUEST,
                "json",
                format!("not the JSON that is expected: {error}"),
            ),
            Self::Query => (
                StatusCode::BAD_REQUEST,
                "query",
                "the query takes after, most and wait_s, each a whole number".to_owned(),
            ),
            Self::TooLong => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_long",
                "the order is longer than 16 KiB, or broke off".to_owned(),
            ),
            Self::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "the order took too long".to_owned(),
            ),
        }
    }
}

impl IntoResponse for Unfit {
    fn into_response(self) -> Response {
        let (status, error, message) = self.parts();
        let problem = Problem {
            error: error.to_owned(),
            message,
        };
        let body = serde_json::to_string_pretty(&problem).unwrap_or_default() + "\n";
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (status, kind, body).into_response()
    }
}
