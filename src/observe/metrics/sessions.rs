//! What a scrape shows of the sessions that live now and of the ledger that remembers them.
//!
//! Plain numbers: the ledger lies above this layer and counts for itself. What its responses said
//! of sessions is counted in cells, as everything else of a request.

use super::blocks::{StoreEvents, StoreMoves};
use super::kinds::{EntryKind, EvictedKind};
use super::names;
use super::scrape::{Labels, Scrape};

/// The live sessions that one backend owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// Of those whose cookie a response set.
    pub issued: u64,
    /// Of those that only clients showed.
    pub claimed: u64,
}

/// How the ledger stands, over all clusters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LedgerStatus {
    /// The most entries.
    pub capacity: u64,
    /// Entries made by responses.
    pub issued: u64,
    /// Entries made by clients.
    pub claimed: u64,
    /// Entries made by clients that gave way, since the start.
    pub evicted_claimed: u64,
    /// Entries made by responses and never seen again that gave way, since the start.
    pub evicted_unseen: u64,
    /// Entries made by responses and in use that gave way, since the start.
    pub evicted_issued: u64,
    /// Ids of clients that found no place, since the start.
    pub claims_refused: u64,
    /// Times that a worker waited for another thread, since the start.
    pub waits: u64,
}

/// How a store node stands.
#[derive(Debug)]
pub struct StoreStatus<'a> {
    /// Its name, or its address.
    pub label: &'a str,
    /// Whether it answers.
    pub is_up: bool,
    /// Sessions that nobody who answers has a copy of.
    pub at_risk: u64,
    /// What happened to it.
    pub events: &'a StoreEvents,
}

impl Scrape {
    /// Adds the live sessions that a backend owns.
    pub fn sessions(&mut self, cluster: &str, backend: &str, counts: SessionCounts) {
        for kind in EntryKind::ALL {
            let labels: Labels<'_> = &[
                ("cluster", cluster),
                ("backend", backend),
                ("kind", kind.label()),
            ];
            let count = match kind {
                EntryKind::Issued => counts.issued,
                EntryKind::Claimed => counts.claimed,
            };
            self.gauge(names::SESSIONS, labels, count);
        }
    }

    /// Adds the live issued sessions of a store node. The caller sees to it that a cluster has few
    /// labels, each of them once: they are words of its backends.
    pub fn store_node(&mut self, cluster: &str, label: &str, issued: u64) {
        let labels: Labels<'_> = &[("cluster", cluster), ("store_node", label)];
        self.gauge(names::STORE_NODE_SESSIONS, labels, issued);
    }

    /// Adds how a store node stands, and what happened to it.
    pub fn store(&mut self, cluster: &str, store: &StoreStatus<'_>) {
        let (cluster, node) = (("cluster", cluster), ("store_node", store.label));
        let labels: Labels<'_> = &[cluster, node];
        self.gauge(names::STORE_NODE_UP, labels, u64::from(store.is_up));
        self.gauge(names::STORE_NODE_AT_RISK, labels, store.at_risk);
        let failures = store.events.failures.value();
        self.counter(names::STORE_NODE_CHECK_FAILURES, labels, failures);
        for (look, count) in store.events.looks.iter() {
            let labels: Labels<'_> = &[cluster, node, ("result", look.label())];
            self.counter(names::STORE_LOOKS, labels, count.value());
        }
    }

    /// Adds how many sessions left a store node for another one, and came from another one.
    pub fn store_moves(&mut self, cluster: &str, label: &str, moves: &StoreMoves) {
        let (cluster, node) = (("cluster", cluster), ("store_node", label));
        for (direction, count) in moves.iter() {
            let labels: Labels<'_> = &[cluster, node, ("direction", direction.label())];
            self.counter(names::STORE_NODE_MOVES, labels, count.value());
        }
    }

    /// Adds how many requests of a cluster wait for the owner of their session.
    pub fn held(&mut self, cluster: &str, requests: u64) {
        self.gauge(names::HELD_REQUESTS, &[("cluster", cluster)], requests);
    }

    /// Adds how the ledger stands.
    pub fn ledger(&mut self, status: LedgerStatus) {
        self.gauge(names::LEDGER_CAPACITY, &[], status.capacity);
        for kind in EntryKind::ALL {
            let entries = match kind {
                EntryKind::Issued => status.issued,
                EntryKind::Claimed => status.claimed,
            };
            self.gauge(names::LEDGER_ENTRIES, &[("kind", kind.label())], entries);
        }
        for kind in EvictedKind::ALL {
            let evicted = match kind {
                EvictedKind::Claimed => status.evicted_claimed,
                EvictedKind::Unseen => status.evicted_unseen,
                EvictedKind::Issued => status.evicted_issued,
            };
            self.counter(names::LEDGER_EVICTIONS, &[("kind", kind.label())], evicted);
        }
        self.counter(names::LEDGER_CLAIMS_REFUSED, &[], status.claims_refused);
        self.counter(names::LEDGER_WAITS, &[], status.waits);
    }
}
