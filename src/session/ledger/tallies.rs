//! How many entries there are, by owner, store node and kind; and what became of others.
//!
//! Adjusted by the difference that a change to an entry made, under the lock of its shard: what is
//! counted down was counted up before, so no tally is ever negative.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::entry::Entry;
use super::former::Former;
use super::words::{Kind, Member, Seconds, Store};

/// Backends that have a number at a time, over all clusters.
pub(super) const MOST_MEMBERS: u16 = 4096;
/// Store-node labels that have a number, over all clusters; one is none.
pub(super) const MOST_STORES: u16 = 16_384;
/// Tomcat's own default; for the sessions of a backend that is not known.
const DEFAULT_IDLE_SECONDS: u32 = 30 * 60;

#[derive(Debug)]
pub(super) struct Tallies {
    members: Box<[OfMember]>,
    /// Issued entries by store node.
    stores: Box<[AtomicU32]>,
    issued: AtomicU32,
    claimed: AtomicU32,
    pinned: AtomicU32,
    pub(super) losses: Losses,
}

#[derive(Debug)]
struct OfMember {
    issued: AtomicU32,
    claimed: AtomicU32,
    /// As a pin or a former owner.
    mentions: AtomicU32,
    idle_seconds: AtomicU32,
}

/// Entries that are gone or never were, and what the locks cost.
#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) evicted_claimed: AtomicU64,
    pub(super) evicted_unseen: AtomicU64,
    pub(super) evicted_issued: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) waits: AtomicU64,
}

/// What an entry contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) kind: Option<Kind>,
    owner: Member,
    store: Store,
    pin: Option<Member>,
    former: Former,
}

impl Share {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            kind: entry.kind(),
            owner: entry.owner,
            store: entry.store,
            pin: (entry.pins > 0).then_some(entry.pin),
            former: entry.former(),
        }
    }
}

impl Tallies {
    pub(super) fn new() -> Self {
        let member = |_| OfMember {
            issued: AtomicU32::new(0),
            claimed: AtomicU32::new(0),
            mentions: AtomicU32::new(0),
            idle_seconds: AtomicU32::new(DEFAULT_IDLE_SECONDS),
        };
        Self {
            members: (0..MOST_MEMBERS).map(member).collect(),
            stores: (0..MOST_STORES).map(|_| AtomicU32::new(0)).collect(),
            issued: AtomicU32::new(0),
            claimed: AtomicU32::new(0),
            pinned: AtomicU32::new(0),
            losses: Losses::default(),
        }
    }

    pub(super) fn table_bytes(&self) -> usize {
        size_of_val(&*self.members) + size_of_val(&*self.stores)
    }

    /// An entry that contributed `before` now contributes `after`. Counted up first, so that a
    /// reader never sees less than there is.
    pub(super) fn changed(&self, before: Option<Share>, after: Option<Share>) {
        if before == after {
            return;
        }
        if let Some(share) = after {
            for tally in self.of(&share).into_iter().flatten() {
                tally.fetch_add(1, Relaxed);
            }
        }
        if let Some(share) = before {
            for tally in self.of(&share).into_iter().flatten() {
                tally.fetch_sub(1, Relaxed);
            }
        }
    }

    /// The tallies that `share` counts in.
    fn of(&self, share: &Share) -> [Option<&AtomicU32>; 8] {
        let owner = self.member(share.owner);
        let mention = |member| self.member(member).map(|of| &of.mentions);
        let [first, second, third] = share.former.members.map(mention);
        let (total, of_owner, of_store) = match share.kind {
            None => (None, None, None),
            Some(Kind::Claimed) => (Some(&self.claimed), owner.map(|of| &of.claimed), None),
            Some(Kind::Issued) => (
                Some(&self.issued),
                owner.map(|of| &of.issued),
                self.stores.get(usize::from(share.store.0)),
            ),
        };
        let pinned = share.pin.map(|_| &self.pinned);
        let pin = share.pin.and_then(mention);
        [total, of_owner, of_store, pinned, pin, first, second, third]
    }

    /// Whether a session of `owner` that was last `seen` then has ended by itself.
    pub(super) fn is_expired(&self, owner: Member, seen: Seconds, now: Seconds) -> bool {
        let idle = self.member(owner).map(|of| of.idle_seconds.load(Relaxed));
        now.since(seen) > idle.unwrap_or(DEFAULT_IDLE_SECONDS)
    }

    pub(super) fn set_idle(&self, member: Member, seconds: u32) {
        if let Some(of) = self.member(member) {
            of.idle_seconds.store(seconds, Relaxed);
        }
    }

    /// Gives the number to another backend.
    pub(super) fn reset_idle(&self, member: Member) {
        self.set_idle(member, DEFAULT_IDLE_SECONDS);
    }

    /// Whether any entry speaks of `member`.
    pub(super) fn is_remembered(&self, member: Member) -> bool {
        self.member(member).is_some_and(|of| {
            [&of.issued, &of.claimed, &of.mentions]
                .iter()
                .any(|tally| tally.load(Relaxed) > 0)
        })
    }

    pub(super) fn issued(&self, member: Member) -> usize {
        self.member(member).map_or(0, |of| count(&of.issued))
    }

    pub(super) fn claimed(&self, member: Member) -> usize {
        self.member(member).map_or(0, |of| count(&of.claimed))
    }

    pub(super) fn of_store(&self, store: Store) -> usize {
        self.stores.get(usize::from(store.0)).map_or(0, count)
    }

    /// Issued entries, claimed ones, and those with requests in flight at a survivor.
    pub(super) fn totals(&self) -> [usize; 3] {
        [&self.issued, &self.claimed, &self.pinned].map(count)
    }

    fn member(&self, member: Member) -> Option<&OfMember> {
        self.members.get(usize::from(member.0))
    }
}

fn count(tally: &AtomicU32) -> usize {
    usize::try_from(tally.load(Relaxed)).unwrap_or(usize::MAX)
}
