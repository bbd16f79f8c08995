//! Who goes when a shard is full.
//!
//! Expired entries first, which is no eviction. Then claimed ones, the oldest first, but once
//! spared if the client was seen since. Then, for an issued one only: issued ones never seen again
//! (robots), then those not seen for longest, among a few looked at. Never one that is pinned.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::entry::Entry;
use super::shard::Shard;
use super::tallies::Tallies;
use super::words::{Key, Kind, Seconds};

/// Entries looked at for one that may go, in the slab and again among the claimed ones: the lock
/// is held meanwhile.
const LOOKS: usize = 8;

/// What a look at a part of the slab has found.
enum Found {
    Expired(Key),
    /// An issued entry, and whether it was seen again.
    Issued(Key, bool),
    Nothing,
}

impl Shard {
    /// Whether an entry of `kind` may be added now, after all that may be done for it.
    pub(super) fn make_room(&mut self, kind: Kind, now: Seconds, tallies: &Tallies) -> bool {
        let losses = &tallies.losses;
        let claimed_are_full = kind == Kind::Claimed && self.claimed.is_full();
        let made = if claimed_are_full {
            self.evict_claimed(now, tallies)
        } else if self.has_room() {
            true
        } else {
            match self.look(now, tallies) {
                Found::Expired(key) => {
                    self.expire(key, tallies);
                    true
                }
                _ if self.evict_claimed(now, tallies) => true,
                Found::Issued(key, seen_again) if kind == Kind::Issued => {
                    let tally = if seen_again {
                        &losses.evicted_issued
                    } else {
                        &losses.evicted_unseen
                    };
                    self.evict(key, tally, tallies);
                    true
                }
                Found::Issued(..) | Found::Nothing => false,
            }
        };
        if !made {
            losses.refused.fetch_add(1, Relaxed);
        }
        made
    }

    pub(super) fn expire(&mut self, key: Key, tallies: &Tallies) {
        self.evict(key, &tallies.losses.expired, tallies);
    }

    fn evict(&mut self, key: Key, tally: &AtomicU64, tallies: &Tallies) {
        self.remove(key, tallies);
        tally.fetch_add(1, Relaxed);
    }

    /// Looks at the next few slots: for an expired one, else for the issued one that is missed
    /// least.
    fn look(&mut self, now: Seconds, tallies: &Tallies) -> Found {
        let slots = self.slab.len();
        let mut least = None;
        for _ in 0..LOOKS.min(slots) {
            self.hand = if self.hand + 1 < slots {
                self.hand + 1
            } else {
                0
            };
            let Some(entry) = self.slab.get(self.hand) else {
                continue;
            };
            if tallies.is_expired(entry.owner, entry.seen, now) {
                return Found::Expired(entry.key);
            }
            let worth = (entry.is_seen_again(), entry.seen);
            if entry.kind() == Some(Kind::Issued)
                && !entry.is_pinned(now)
                && least.is_none_or(|(least, _)| worth < least)
            {
                least = Some((worth, entry.key));
            }
        }
        match least {
            Some(((seen_again, _), key)) => Found::Issued(key, seen_again),
            None => Found::Nothing,
        }
    }

    /// Removes the claimed entry that came first; pinned ones, and once those seen since, queue up
    /// again. False if there is none, or all that were looked at are pinned.
    fn evict_claimed(&mut self, now: Seconds, tallies: &Tallies) -> bool {
        let mut spared = None;
        for _ in 0..LOOKS {
            let Some(link) = self.claimed.first() else {
                return false;
            };
            let Some(entry) = self.at_mut(link) else {
                return false;
            };
            let key = entry.key;
            if tallies.is_expired(entry.owner, entry.seen, now) {
                self.expire(key, tallies);
                return true;
            }
            let is_pinned = entry.is_pinned(now);
            if !is_pinned && !entry.is_seen_again() {
                self.evict(key, &tallies.losses.evicted_claimed, tallies);
                return true;
            }
            if !is_pinned {
                entry.spare();
                spared = spared.or(Some(key));
            }
            self.queue_again(link);
        }
        let Some(key) = spared else { return false };
        self.evict(key, &tallies.losses.evicted_claimed, tallies);
        true
    }

    fn queue_again(&mut self, link: u32) {
        let Some(place) = self.at(link).map(Entry::place) else {
            return;
        };
        self.claimed.remove(place);
        let place = self.claimed.push(link);
        if let (Some(entry), Some(place)) = (self.at_mut(link), place) {
            entry.set_place(place);
        }
    }
}
