//! The API of administrators: how everything stands, orders, events. JSON under `/api/v1`.
//!
//! Everything takes the token. What changes something is PUT or DELETE; every change is an event.

pub mod model;
mod problem;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::answers::Shown;
use super::guard;
use model::{Events, StateOrder, WeightOrder};
pub use problem::Unfit;

/// Bytes of an order.
const MOST_BYTES: usize = 16 * 1024;
/// For a whole order.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Events in one answer.
const MOST_EVENTS: usize = 1000;
/// Longest wait for an event.
const MOST_WAIT: Duration = Duration::from_mins(1);

/// The description of the API, for programs that make clients of it.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Every path with its methods, as the description has them.
pub const PATHS: [(&str, &[&str]); 6] = [
    ("/api/v1/openapi.json", &["get"]),
    ("/api/v1/status", &["get"]),
    ("/api/v1/clusters/{cluster}/backends/{backend}", &["get"]),
    (
        "/api/v1/clusters/{cluster}/backends/{backend}/state",
        &["put", "delete"],
    ),
    (
        "/api/v1/clusters/{cluster}/backends/{backend}/weight",
        &["put", "delete"],
    ),
    ("/api/v1/events", &["get"]),
];

/// An order, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// This state; `None`: the file's again.
    State(Option<StateOrder>),
    /// This weight; `None`: the file's again.
    Weight(Option<u32>),
}

/// Who is connected.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdminPeer(pub(super) SocketAddr);

#[derive(Debug, Deserialize)]
struct Backend {
    cluster: String,
    backend: String,
}

/// Adds the API's paths.
pub(super) fn routes(router: Router<Arc<Shown>>) -> Router<Arc<Shown>> {
    let [openapi, status, backend, state, weight, events] = PATHS.map(|(path, _)| path);
    router
        .route(openapi, get(openapi_file))
        .route(status, get(all))
        .route(backend, get(one))
        .route(state, axum::routing::put(put_state).delete(delete_state))
        .route(weight, axum::routing::put(put_weight).delete(delete_weight))
        .route(events, get(some_events))
}

async fn openapi_file() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn all(State(shown): State<Arc<Shown>>, headers: HeaderMap) -> Response {
    match admit(&shown, &headers) {
        Ok(()) => json(&shown.source.status()),
        Err(refusal) => *refusal,
    }
}

async fn one(
    State(shown): State<Arc<Shown>>,
    Path(at): Path<Backend>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = admit(&shown, &headers) {
        return *refusal;
    }
    answer(shown.source.backend(&at.cluster, &at.backend))
}

async fn put_state(
    State(shown): State<Arc<Shown>>,
    Path(at): Path<Backend>,
    request: Request,
) -> Response {
    let read = order::<StateOrder>(&shown, request).await;
    follow(
        &shown,
        &at,
        read.map(|(order, by)| (Order::State(Some(order)), by)),
    )
}

async fn delete_state(
    State(shown): State<Arc<Shown>>,
    Path(at): Path<Backend>,
    request: Request,
) -> Response {
    take_back(&shown, &at, &request, Order::State(None))
}

async fn put_weight(
    State(shown): State<Arc<Shown>>,
    Path(at): Path<Backend>,
    request: Request,
) -> Response {
    let read = order::<WeightOrder>(&shown, request).await;
    follow(
        &shown,
        &at,
        read.map(|(order, by)| (Order::Weight(Some(order.weight)), by)),
    )
}

async fn delete_weight(
    State(shown): State<Arc<Shown>>,
    Path(at): Path<Backend>,
    request: Request,
) -> Response {
    take_back(&shown, &at, &request, Order::Weight(None))
}

/// Leaves to the file again what an order has overruled.
fn take_back(shown: &Shown, at: &Backend, request: &Request, order: Order) -> Response {
    let admitted = admit(shown, request.headers());
    follow(shown, at, admitted.map(|()| (order, by(request))))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    after: Option<u64>,
    most: Option<usize>,
    wait_s: Option<u64>,
}

/// The events after a number, at once if there are some, else as soon as there are; the last ones
/// if no number is given.
async fn some_events(
    State(shown): State<Arc<Shown>>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Response {
    if let Err(refusal) = admit(&shown, &headers) {
        return *refusal;
    }
    let Ok(Query(wanted)) = wanted else {
        return Unfit::Query.into_response();
    };
    let most = wanted.most.unwrap_or(100).min(MOST_EVENTS);
    let wait = Duration::from_secs(wanted.wait_s.unwrap_or(0)).min(MOST_WAIT);
    let log = shown.source.events();
    let mut told = log.watch();
    // Numbers begin anew with the process: whoever knows a later one has heard nothing of this one.
    let known = *told.borrow_and_update();
    let wanted_after = wanted
        .after
        .map(|after| if after > known { 0 } else { after });
    let read = || match wanted_after {
        Some(after) => log.after(after, most),
        None => log.last(most),
    };
    let mut events = read();
    if events.is_empty() && !wait.is_zero() {
        // Either way there is an answer: what came, or nothing.
        drop(timeout(wait, told.changed()).await);
        events = read();
    }
    let seen = wanted_after.unwrap_or(0);
    let last = events.last().map_or(seen, |event| event.number);
    json(&Events { events, last })
}

fn follow(shown: &Shown, at: &Backend, order: Result<(Order, String), Box<Response>>) -> Response {
    match order {
        Ok((order, by)) => answer(shown.source.order(&at.cluster, &at.backend, order, &by)),
        Err(refusal) => *refusal,
    }
}

fn answer<T: Serialize>(outcome: Result<T, Unfit>) -> Response {
    match outcome {
        Ok(value) => json(&value),
        Err(unfit) => unfit.into_response(),
    }
}

fn admit(shown: &Shown, headers: &HeaderMap) -> Result<(), Box<Response>> {
    guard::admit(headers, shown.source.token().as_ref()).map_err(refusal)
}

/// Reads an order, and who gives it.
async fn order<T: DeserializeOwned>(
    shown: &Shown,
    request: Request,
) -> Result<(T, String), Box<Response>> {
    let by = by(&request);
    let (head, body) = request.into_parts();
    admit(shown, &head.headers)?;
    guard::must_be_json(&head.headers).map_err(refusal)?;
    let body: Body = body;
    let bytes = match timeout(BODY_TIME, to_bytes(body, MOST_BYTES)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(refusal(Unfit::TooLong)),
        Err(_) => return Err(refusal(Unfit::TooSlow)),
    };
    serde_json::from_slice(&bytes)
        .map(|order| (order, by))
        .map_err(|error| refusal(Unfit::Json(error.to_string())))
}

#[expect(
    clippy::unnecessary_box_returns,
    reason = "an answer is too large to be the error of everything"
)]
fn refusal(why: impl IntoResponse) -> Box<Response> {
    Box::new(why.into_response())
}

/// Who is connected, as an event names it.
fn by(request: &Request) -> String {
    let peer = request.extensions().get::<AdminPeer>();
    peer.map(|AdminPeer(address)| address.ip().to_string())
        .unwrap_or_default()
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec_pretty(value) {
        Ok(mut text) => {
            text.push(b'\n');
            ([(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be encoded");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the answer could not be encoded\n",
            )
                .into_response()
        }
    }
}
