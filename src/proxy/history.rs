//! What the attempts of a request leave behind for the next one.

use std::time::Duration;

use tokio::time::Instant;

use super::account::Account;
use super::attempt::Connections;
use super::retry::Past;
use crate::balance::Slot;
use crate::observe::metrics::RetryReason;
use crate::upstream::UpstreamFailure;

/// Attempts that went before.
#[derive(Default)]
pub(super) struct History {
    /// When they began, after the request came; later by as long as it was held.
    pub(super) began: Duration,
    pub(super) past: Past,
    /// Whose kept-alive connection was stale just now.
    pub(super) stale: Option<Slot>,
    /// It is told once it is known whether another attempt follows.
    pub(super) last: Option<(Slot, RetryReason, UpstreamFailure)>,
}

impl History {
    /// When the next attempt begins: the first one with the request.
    pub(super) fn start_of_next(&self, account: &Account) -> Instant {
        if self.past == Past::default() && self.began.is_zero() {
            account.started()
        } else {
            Instant::now()
        }
    }

    /// Which connections the next attempt may use.
    pub(super) fn connections(&self) -> Connections {
        if self.past.stale > 0 {
            Connections::Fresh
        } else {
            Connections::Any
        }
    }

    /// An attempt failed, and another follows.
    pub(super) fn note(&mut self, slot: Slot, reason: RetryReason, failure: UpstreamFailure) {
        match reason {
            RetryReason::Stale => {
                self.past.stale += 1;
                self.stale = Some(slot);
            }
            RetryReason::Closed => self.past.closed += 1,
            RetryReason::Status | RetryReason::Timeout => self.past.asked_for += 1,
            RetryReason::Connect | RetryReason::BackendDown => {}
        }
        self.last = Some((slot, reason, failure));
    }
}
