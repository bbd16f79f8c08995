//! What becomes of events that are sent to a receiver.

use std::sync::atomic::{AtomicU64, Ordering};

use super::cells::{ByKind, SharedCounter};
use super::kinds::Kind;
use super::names;
use super::scrape::Scrape;

kind!(
    /// How sending an event ended.
    Delivery {
        /// The receiver has taken it: status 200 to 299.
        Delivered = "delivered",
        /// The receiver answered with another status.
        Status = "status",
        /// No connection could be made, or the name not be found.
        Connect = "connect",
        /// No answer came in time.
        Timeout = "timeout",
        /// The connection broke, or what came was no answer.
        Broken = "broken",
    }
);

kind!(
    /// Why an event was dropped that should have been delivered.
    DropReason {
        /// More events waited than may.
        Full = "full",
        /// It had become too old when sending failed.
        Old = "old",
        /// The receiver takes no such event: status 400, 413, 415 or 422.
        Unfit = "unfit",
        /// The process ended, or the configuration names no receiver any more.
        Ended = "ended",
    }
);

/// What becomes of events that are sent to a receiver: rare, counted from any thread.
#[derive(Debug, Default)]
pub struct WebhookEvents {
    /// Requests to the receiver.
    pub requests: ByKind<Delivery, { Delivery::COUNT }, SharedCounter>,
    /// Events that were not delivered.
    pub dropped: ByKind<DropReason, { DropReason::COUNT }, SharedCounter>,
    waiting: AtomicU64,
}

impl WebhookEvents {
    /// So many wait now.
    pub fn set_waiting(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.waiting.store(count, Ordering::Relaxed);
    }
}

impl Scrape {
    /// Adds what became of events.
    pub fn webhook(&mut self, events: &WebhookEvents) {
        for (result, count) in events.requests.iter() {
            let labels = &[("result", result.label())];
            self.counter(names::WEBHOOK_REQUESTS, labels, count.value());
        }
        for (reason, count) in events.dropped.iter() {
            let labels = &[("reason", reason.label())];
            self.counter(names::EVENTS_DROPPED, labels, count.value());
        }
        let waiting = events.waiting.load(Ordering::Relaxed);
        self.gauge(names::EVENTS_WAITING, &[], waiting);
    }
}
