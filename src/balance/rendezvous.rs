//! Weighted rendezvous: every key has its own order of all backends.
//!
//! The order depends on the key, the backends' names and their weights alone, so instances that
//! see the same backends usable agree without talking to each other, and a backend that goes moves
//! its own keys only. The function is fixed for good: `docs/decisions/0011-rendezvous-hash.md`.

use std::cmp::Ordering;

use crate::config::BackendName;

use super::log2::neg_log2;
use super::xxh64::{avalanche, xxh64};
use super::{Member, Slot};

/// The hash of a key; made once per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(u64);

impl KeyHash {
    /// Hashes the bytes of a key.
    pub fn of(key: &[u8]) -> Self {
        Self(xxh64(key))
    }
}

/// A backend with what rendezvous needs to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    slot: Slot,
    weight: u32,
    name_hash: u64,
}

impl Candidate {
    /// Hashes the name. The weight is the configured one, never a lowered one: other instances
    /// must come to the same order.
    pub fn new(member: Member, name: &BackendName) -> Self {
        Self {
            slot: member.slot,
            weight: member.weight.max(1),
            name_hash: xxh64(name.as_str().as_bytes()),
        }
    }

    fn score(&self, key: KeyHash) -> Score {
        let hash = avalanche(key.0 ^ self.name_hash);
        Score {
            distance: neg_log2(hash),
            hash,
            weight: self.weight,
            slot: self.slot,
        }
    }
}

/// All backends of a cluster that can ever get a key, usable now or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendezvous {
    candidates: Box<[Candidate]>,
}

impl Rendezvous {
    /// Takes the candidates in any order; no two have the same name.
    pub fn new(candidates: impl IntoIterator<Item = Candidate>) -> Self {
        Self {
            candidates: candidates.into_iter().collect(),
        }
    }

    /// The first in the key's order that is usable. Asks only about those that come before the
    /// best one found so far. Allocates nothing.
    pub fn best(&self, key: KeyHash, mut is_usable: impl FnMut(Slot) -> bool) -> Option<Slot> {
        let mut best: Option<Score> = None;
        for candidate in &self.candidates {
            let score = candidate.score(key);
            if best.is_none_or(|best| score < best) && is_usable(candidate.slot) {
                best = Some(score);
            }
        }
        best.map(|score| score.slot)
    }

    /// All candidates in the key's order. Allocates nothing; each step costs a look at all.
    pub fn rank(&self, key: KeyHash) -> Rank<'_> {
        Rank {
            candidates: &self.candidates,
            key,
            last: None,
        }
    }
}

/// The candidates in a key's order; made by [`Rendezvous::rank`].
#[derive(Debug, Clone)]
pub struct Rank<'a> {
    candidates: &'a [Candidate],
    key: KeyHash,
    last: Option<Score>,
}

impl Iterator for Rank<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let scores = self
            .candidates
            .iter()
            .map(|candidate| candidate.score(self.key));
        let next = scores
            .filter(|score| self.last.is_none_or(|last| last < *score))
            .min()?;
        self.last = Some(next);
        Some(next.slot)
    }
}

/// A candidate's place in a key's order; the smallest is the first.
///
/// With u the hash as a number in (0, 1), `-ln(u) / weight` is the smallest with a probability of
/// weight over the sum of weights. Compared by cross multiplication: integers, no rounding.
#[derive(Debug, Clone, Copy)]
struct Score {
    distance: u64,
    hash: u64,
    weight: u32,
    slot: Slot,
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        let this = u128::from(self.distance) * u128::from(other.weight);
        let that = u128::from(other.distance) * u128::from(self.weight);
        this.cmp(&that)
            .then(other.hash.cmp(&self.hash))
            // Only two names with one hash come this far.
            .then(self.slot.cmp(&other.slot))
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Score {}

#[cfg(test)]
mod tests;
