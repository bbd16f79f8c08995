//! The ledger from outside: numbers of clusters, backends and labels, what is counted, and the
//! sweep in the background.

use std::sync::TryLockError;
use std::sync::atomic::Ordering::Relaxed;

use super::entry::Entry;
use super::words::{ClusterNumber, Kind, Member, PathNumber, Seconds, Store};
use super::{Ledger, Lone, lock};

/// Slots that a sweep looks at under one lock.
const STEP: usize = 32;

/// How full the ledger is, and what it had to forget since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Sessions that it has room for; a little more where they are spread unevenly.
    pub capacity: usize,
    /// Issued entries.
    pub issued: usize,
    /// Claimed entries.
    pub claimed: usize,
    /// Entries with requests in flight at a survivor.
    pub pinned: usize,
    /// Claimed entries that made room.
    pub evicted_claimed: u64,
    /// Issued entries that were never seen again and made room.
    pub evicted_unseen: u64,
    /// Other issued entries that made room: the ledger is too small for the live sessions.
    pub evicted_issued: u64,
    /// Entries not seen for their idle time; no evictions.
    pub expired: u64,
    /// Entries for which no room was to be made.
    pub refused: u64,
    /// Calls that had to wait for another one.
    pub waits: u64,
    /// Memory of its tables once they are full.
    pub memory_bytes: usize,
}

impl Ledger {
    /// The number of the cluster `name`. There are 65535; any more share the last.
    pub fn cluster(&self, name: &str) -> ClusterNumber {
        self.names.cluster(name)
    }

    /// The number of a backend: the same for the same name as long as it is in force or any entry
    /// speaks of it. [`Member::NOBODY`] if all 4096 are taken.
    pub fn member(&self, cluster: ClusterNumber, name: &str) -> Member {
        self.names.member(cluster, name, &self.tallies)
    }

    /// Says after a reload which numbers the configuration in force has; the others may be given
    /// away when none is left.
    pub fn retain_members(&self, in_force: &[Member]) {
        self.names.retain(in_force);
    }

    /// Sessions of `member` expire when they were not seen for `seconds`; half an hour if it is
    /// never said.
    pub fn set_idle(&self, member: Member, seconds: u32) {
        self.tallies.set_idle(member, seconds);
    }

    /// The number of a store-node label that is configured or that a backend has issued. The first
    /// 64 well-formed ones of a cluster have their own; the others share one.
    pub fn store(&self, cluster: ClusterNumber, label: &[u8]) -> Store {
        self.labels.store(cluster, label)
    }

    /// As [`store`](Self::store), for a label that only a client has shown: a new one shares the
    /// number of the others, so that clients cannot use up the labels.
    pub fn known_store(&self, cluster: ClusterNumber, label: &[u8]) -> Store {
        self.labels.known_store(cluster, label)
    }

    /// The number of a cookie's Path as it is written. The first 254 have their own.
    pub fn path(&self, path: &[u8]) -> PathNumber {
        self.labels.path(path)
    }

    /// Issued entries that `member` owns.
    pub fn issued(&self, member: Member) -> usize {
        self.tallies.issued(member)
    }

    /// Claimed entries that `member` owns.
    pub fn claimed(&self, member: Member) -> usize {
        self.tallies.claimed(member)
    }

    /// Issued entries whose id names `store`.
    pub fn issued_at(&self, store: Store) -> usize {
        self.tallies.of_store(store)
    }

    /// Issued entries that `member` owns and whose id names `store`. Nobody keeps that number: it
    /// is counted, a few entries under each lock.
    pub fn issued_by_at(&self, member: Member, store: Store) -> usize {
        let fits = |entry: &Entry| {
            entry.kind() == Some(Kind::Issued) && entry.owner == member && entry.store == store
        };
        let mut all = 0;
        for Lone(shard) in &self.shards {
            let mut from = 0;
            loop {
                let shard = lock(shard, &self.tallies.losses.waits);
                let Some(part) = shard.slab.get(from..).filter(|part| !part.is_empty()) else {
                    break;
                };
                let part = part.get(..STEP).unwrap_or(part);
                all += part.iter().filter(|entry| fits(entry)).count();
                from += part.len();
            }
        }
        all
    }

    /// The store-node labels of a cluster in order, each with its issued entries; `(other)` last.
    pub fn stores(&self, cluster: ClusterNumber) -> Vec<(String, usize)> {
        let stores = self.labels.stores(cluster).into_iter();
        stores
            .map(|(label, store)| (label, self.tallies.of_store(store)))
            .collect()
    }

    /// What is counted. Takes no shard's lock, so the numbers may be of slightly different moments.
    pub fn status(&self) -> Status {
        let [issued, claimed, pinned] = self.tallies.totals();
        let losses = &self.tallies.losses;
        Status {
            capacity: self.capacity,
            issued,
            claimed,
            pinned,
            evicted_claimed: losses.evicted_claimed.load(Relaxed),
            evicted_unseen: losses.evicted_unseen.load(Relaxed),
            evicted_issued: losses.evicted_issued.load(Relaxed),
            expired: losses.expired.load(Relaxed),
            refused: losses.refused.load(Relaxed),
            waits: losses.waits.load(Relaxed),
            memory_bytes: self.most_bytes,
        }
    }

    /// Removes expired entries among the next `budget` slots, a few under each lock, and goes on
    /// there the next time; the answer is how many were removed. One round at most. Does nothing
    /// while another worker sweeps. An entry goes even if a request is still in flight.
    pub fn sweep(&self, now: Seconds, budget: usize) -> usize {
        let mut cursor = match self.cursor.try_lock() {
            Ok(cursor) => cursor,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return 0,
        };
        let (mut left, mut all, mut ends) = (budget, 0, 0);
        while left > 0 && ends <= self.shards.len() {
            let (at, from) = *cursor;
            let Some(Lone(shard)) = self.shards.get(at) else {
                *cursor = (0, 0);
                continue;
            };
            let most = left.min(STEP);
            let mut shard = lock(shard, &self.tallies.losses.waits);
            let (looked, removed) = shard.sweep(from, most, now, &self.tallies);
            drop(shard);
            all += removed;
            // The end of a shard counts as a slot, so that empty ones are not free of charge.
            left = left.saturating_sub(looked.max(1));
            *cursor = if looked < most {
                ends += 1;
                (at + 1, 0)
            } else {
                (at, from + looked)
            };
        }
        all
    }
}
