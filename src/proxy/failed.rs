//! What becomes of a failed attempt: whether another follows, what is logged, what the client is
//! told.

use std::error::Error as _;

use super::errors::ProxyError;
use super::forward::Forwarding;
use super::history::History;
use super::outgoing::Outgoing;
use super::retry::{self, Body, Load, Situation};
use super::select::Nobody;
use crate::balance::Slot;
use crate::observe::metrics::RetryReason;
use crate::upstream::{FailureKind, UpstreamFailure};

/// Why a failed attempt may be followed by another; `None`: it may not.
pub(super) fn consider(
    forwarding: &Forwarding<'_>,
    outgoing: &Outgoing,
    failure: &UpstreamFailure,
    history: &History,
) -> Option<RetryReason> {
    let cluster = &forwarding.cluster.cluster;
    let now = Situation {
        policy: &forwarding.plans.config.retry,
        method: outgoing.repeat,
        body: if outgoing.is_replayable() {
            Body::AtHand
        } else {
            Body::Gone
        },
        elapsed: forwarding.account.elapsed().saturating_sub(history.began),
        past: history.past,
        load: Load {
            in_flight: cluster.requests_alone(),
            retrying: cluster.retrying(),
        },
    };
    let reason = retry::may_retry(failure, &now)?;
    let is_asked_for = matches!(reason, RetryReason::Status | RetryReason::Timeout);
    let stays = forwarding.session.stays(&forwarding.cluster.cluster);
    (!is_asked_for || !stays).then_some(reason)
}

/// What the client is told of the last failure.
pub(super) fn told(outgoing: &Outgoing, failure: &UpstreamFailure) -> ProxyError {
    ProxyError::of(
        failure,
        outgoing.source.as_ref().and_then(|it| it.borrow().fault()),
    )
}

/// What a client is told for whom there is no backend, after its last attempt or without one.
pub(super) fn given_up(
    forwarding: &Forwarding<'_>,
    outgoing: &Outgoing,
    nobody: Nobody,
    last: Option<(Slot, RetryReason, UpstreamFailure)>,
) -> ProxyError {
    if let Some((slot, _, failure)) = &last {
        log_failure(forwarding, *slot, failure, None);
    }
    match (nobody, last) {
        (
            Nobody::Usable | Nobody::Free | Nobody::Queues | Nobody::Spares | Nobody::InTime,
            Some((_, _, failure)),
        ) => last_told(forwarding, outgoing, &failure),
        (nobody, _) => nobody.error(),
    }
}

impl Nobody {
    /// What a client is told for whom there is no backend.
    pub(super) fn error(self) -> ProxyError {
        match self {
            Self::Owner => ProxyError::OwnerUnavailable,
            Self::Copy => ProxyError::StoreUnreachable,
            Self::Usable => ProxyError::NoBackend,
            Self::Free => ProxyError::BackendsFull,
            Self::Queues => ProxyError::QueueFull,
            Self::Spares => ProxyError::Shed,
            Self::InTime => ProxyError::QueueTime,
        }
    }
}

/// What a client is told whose last attempt failed and who cannot have another one. A cluster
/// that was found dead by this very request is told as for all that follow: try again later.
fn last_told(
    forwarding: &Forwarding<'_>,
    outgoing: &Outgoing,
    failure: &UpstreamFailure,
) -> ProxyError {
    match &failure.kind {
        FailureKind::Refused(_)
        | FailureKind::Unreachable(_)
        | FailureKind::WentDown
        | FailureKind::Farewell(_)
            if !forwarding.cluster.cluster.has_usable() =>
        {
            ProxyError::NoBackend
        }
        _ => told(outgoing, failure),
    }
}

/// One line per failed attempt, here alone: nobody further out logs it again.
pub(super) fn log_failure(
    forwarding: &Forwarding<'_>,
    slot: Slot,
    failure: &UpstreamFailure,
    reason: Option<RetryReason>,
) {
    if let (Some(reason), Some(cells)) = (reason, forwarding.account.cells()) {
        cells.retries.inc(reason);
    }
    let backend = forwarding
        .cluster
        .cluster
        .backend(slot)
        .map(|backend| backend.name.as_str());
    let cluster = forwarding.plans.config.name.as_str();
    let attempt = forwarding.account.attempts();
    let cause = failure.kind.source().map(tracing::field::display);
    let next = reason.map_or("given up", |_| "trying again");
    if matches!(failure.kind, FailureKind::RequestBody) {
        tracing::debug!(cluster, backend, attempt, %failure, next, "request body failed");
    } else if reason.is_some() {
        tracing::info!(cluster, backend, attempt, %failure, cause, next, "attempt failed");
    } else {
        tracing::warn!(cluster, backend, attempt, %failure, cause, next, "attempt failed");
    }
}
