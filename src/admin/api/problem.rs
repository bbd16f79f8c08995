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
    fn status(&self) -> StatusCode {
        match self {
            Self::Cluster(..) | Self::Backend(..) => StatusCode::NOT_FOUND,
            Self::State(_) | Self::Weight(_) | Self::Rate(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Json(_) | Self::Query => StatusCode::BAD_REQUEST,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// For programs.
    fn word(&self) -> &'static str {
        match self {
            Self::Cluster(..) => "unknown_cluster",
            Self::Backend(..) => "unknown_backend",
            Self::State(_) => "unknown_state",
            Self::Weight(_) => "weight",
            Self::Rate(_) => "rate",
            Self::Refused(Refused::TheLast) => "the_last",
            Self::Refused(Refused::NotReplicated) => "not_replicated",
            Self::Refused(Refused::Strict) => "strict",
            Self::Json(_) => "json",
            Self::Query => "query",
            Self::TooLong => "too_long",
            Self::TooSlow => "too_slow",
        }
    }

    /// For people.
    fn sentence(&self) -> String {
        match self {
            Self::Cluster(name, known) => {
                format!(
                    "no cluster is called {name:?}; there is {}",
                    known.join(", ")
                )
            }
            Self::Backend(name, known) => {
                format!(
                    "no backend is called {name:?}; there is {}",
                    known.join(", ")
                )
            }
            Self::State(state) => {
                format!("no state is called {state:?}; there is up, draining, evacuating, disabled")
            }
            Self::Weight(weight) => format!(
                "a weight is from 1 to 65535, not {weight}; a backend that shall get no new \
                 sessions is drained"
            ),
            Self::Rate(rate) => format!("a rate is at least 1 session a second, not {rate}"),
            Self::Refused(refused) => refused.to_string(),
            Self::Json(error) => format!("not the JSON that is expected: {error}"),
            Self::Query => "the query takes after, most and wait_s, each a whole number".to_owned(),
            Self::TooLong => "the order is longer than 16 KiB, or broke off".to_owned(),
            Self::TooSlow => "the order took too long".to_owned(),
        }
    }
}

impl IntoResponse for Unfit {
    fn into_response(self) -> Response {
        let problem = Problem {
            error: self.word().to_owned(),
            message: self.sentence(),
        };
        let body = serde_json::to_string_pretty(&problem).unwrap_or_default() + "\n";
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (self.status(), kind, body).into_response()
    }
}
