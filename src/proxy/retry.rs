//! Whether a request may be tried again, and why.
//!
//! A pure table. What may have reached a backend is never sent twice unless its method is
//! idempotent and its body is still at hand; nothing is tried again once a byte of a response
//! head came. What is safe is always done; time-outs and statuses only where `retry.on` names
//! them, within the budget.

use std::time::Duration;

use http::Method;

use crate::config::Retry;
use crate::observe::metrics::RetryReason;
use crate::upstream::{Connection, FailureKind, Sent, UpstreamFailure};

/// What a decision depends on besides the failure.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What the cluster allows.
    pub policy: &'a Retry,
    /// Whether doing it twice is as good as once.
    pub method: Repeat,
    /// Whether the body can be sent from its start.
    pub body: Body,
    /// Since the first attempt began.
    pub elapsed: Duration,
    /// What was tried again before.
    pub past: Past,
    /// Requests in flight in the cluster and retries among them that `retry.on` allowed.
    pub load: Load,
}

/// Whether a method may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// RFC 9110, 9.2.2.
    Idempotent,
    /// POST, PATCH, and whatever is not known.
    Once,
}

/// Whether a request body can be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// None, or all of it still at hand.
    AtHand,
    /// Some of it is gone.
    Gone,
}

/// Retries of this request so far that are allowed once each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    /// For a stale kept-alive connection.
    pub stale: u32,
    /// For a connection that died before a response byte.
    pub closed: u32,
    /// For a status or a time-out.
    pub asked_for: u32,
}

/// What the budget is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests in flight in the cluster, without tunnels.
    pub in_flight: usize,
    /// Retries in flight that `retry.on` allowed.
    pub retrying: usize,
}

impl Repeat {
    /// What RFC 9110 says of a method.
    pub fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS => {
                Self::Idempotent
            }
            _ => Self::Once,
        }
    }
}

/// Why the request may be tried again; `None`: it may not.
pub fn may_retry(failure: &UpstreamFailure, now: &Situation<'_>) -> Option<RetryReason> {
    // A backend that is down is left whenever that is noticed: nobody waits for a dead one.
    let is_down = matches!(
        failure.kind,
        FailureKind::WentDown | FailureKind::Farewell(_)
    );
    if now.body == Body::Gone || (now.elapsed >= now.policy.time && !is_down) {
        return None;
    }
    match (&failure.kind, failure.request) {
        // The client's own fault, or ours: another backend changes nothing.
        (FailureKind::RequestBody | FailureKind::Local(_) | FailureKind::Protocol(_), _) => None,
        // It is there, and too busy for now: that costs no session its place.
        (FailureKind::Reset(_), Sent::Nothing) => died(Connection::Fresh, now.past),
        (_, Sent::Nothing) => Some(unsent(failure)),
        (_, Sent::Perhaps) if now.method == Repeat::Once => None,
        (FailureKind::Closed(_), _) => died(failure.connection, now.past),
        (FailureKind::Reset(_), _) => died(Connection::Fresh, now.past),
        (FailureKind::WentDown | FailureKind::Farewell(_), _) => Some(RetryReason::BackendDown),
        (FailureKind::TimedOut, _) => asked_for(now, now.policy.timeouts, RetryReason::Timeout),
        (FailureKind::Status(status), _) => asked_for(
            now,
            now.policy.statuses.contains(status),
            RetryReason::Status,
        ),
        // Only connects fail this way, and they send nothing.
        (
            FailureKind::Refused(_)
            | FailureKind::Unreachable(_)
            | FailureKind::Tls(_)
            | FailureKind::NoHttp2(_),
            _,
        ) => None,
    }
}

fn unsent(failure: &UpstreamFailure) -> RetryReason {
    match failure.connection {
        Connection::Reused => RetryReason::Stale,
        Connection::Fresh => RetryReason::Connect,
    }
}

/// A kept-alive connection that dies was most likely closed by the backend before it saw the
/// request: that does not use up the one retry for a connection that died.
fn died(connection: Connection, past: Past) -> Option<RetryReason> {
    match connection {
        Connection::Reused if past.stale == 0 => Some(RetryReason::Stale),
        _ if past.closed == 0 => Some(RetryReason::Closed),
        _ => None,
    }
}

fn asked_for(now: &Situation<'_>, is_named: bool, reason: RetryReason) -> Option<RetryReason> {
    let share = now
        .load
        .in_flight
        .saturating_mul(now.policy.budget_percent as usize)
        / 100;
    let budget = share.max(now.policy.budget_min);
    (is_named && now.past.asked_for == 0 && now.load.retrying < budget).then_some(reason)
}

#[cfg(test)]
mod tests;
