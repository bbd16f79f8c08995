//! Sessions away from their owner: pinned to a survivor, taken over, shown to the client.

use super::Ledger;
use super::entry::Entry;
use super::words::{Key, Kind, Member, Seconds, Store};

/// A request that goes to a survivor.
#[derive(Debug, Clone, Copy)]
pub struct Detour {
    /// The owner, as far as the caller knows; remembered only if there is no entry.
    pub owner: Member,
    /// Where the request goes unless the session is pinned elsewhere.
    pub survivor: Member,
}

/// Where a request at a survivor went; given back when it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a pin that is never given back lasts until the session expires"]
pub struct Pinned {
    member: Member,
    /// Who owned the session then.
    owner: Member,
    /// Which pin of the session it is; `None` if it was not to be remembered.
    which: Option<Which>,
}

/// Tells a pin from others of the same entry, and from those of an earlier entry of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Which {
    created: Seconds,
    generation: u8,
}

impl Which {
    fn of(entry: &Entry) -> Self {
        Self {
            created: entry.created,
            generation: entry.generation,
        }
    }
}

impl Pinned {
    /// The survivor that gets the request.
    pub fn member(&self) -> Member {
        self.member
    }

    /// Who owned the session when the request was pinned.
    pub fn owner(&self) -> Member {
        self.owner
    }

    /// Whether further requests of the session will find the pin.
    pub fn is_remembered(&self) -> bool {
        self.which.is_some()
    }
}

/// A session that has another owner from now on.
#[derive(Debug, Clone, Copy)]
pub struct TakeOver {
    /// The owner so far as the caller knows it; used only if there is no entry.
    pub from: Member,
    /// The owner from now on.
    pub to: Member,
    /// The life of `to`.
    pub life: u8,
    /// Issued if a response has re-issued the id; an entry that is issued stays so.
    pub kind: Kind,
    /// The store node of the re-issued id; `None` leaves it.
    pub store: Option<Store>,
    /// How long the pin holds if the client never shows the new route.
    pub until: Seconds,
    /// If given, nothing changes where another than this one or `to` owns the session by now: what
    /// is learned late must not take it from who has it since.
    pub only_from: Option<Member>,
    /// Where the session is at home from now on.
    pub home: Home,
    /// A complete answer did not give it another id.
    pub keeps_id: bool,
}

/// Where a session is at home that has another owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// Where it was, or came to.
    AsBefore,
    /// With the owner so far, unless it was away already: it had to leave.
    Left,
    /// With the new owner.
    Here,
}

impl Ledger {
    /// A request of the session goes to a survivor: to the one that has requests of it in flight,
    /// if that is `usable`, else to `detour.survivor`, and further ones go there too until as many
    /// were given to [`unpin`](Self::unpin).
    ///
    /// `usable` is asked under a lock: it must be quick and must not use the ledger.
    pub fn pin(
        &self,
        key: Key,
        now: Seconds,
        detour: Detour,
        usable: impl Fn(Member) -> bool,
    ) -> Pinned {
        let unremembered = Pinned {
            member: detour.survivor,
            owner: detour.owner,
            which: None,
        };
        let Some(mut shard) = self
            .shard(key)
            .filter(|_| detour.survivor != Member::NOBODY)
        else {
            return unremembered;
        };
        let pinned = shard.change(key, &self.tallies, |entry| pin(entry, detour, usable));
        pinned.unwrap_or_else(|| {
            let entry = Entry::new(key, now, detour.owner);
            shard.insert(entry, now, &self.tallies);
            let pinned = shard.change(key, &self.tallies, |entry| pin(entry, detour, |_| true));
            pinned.unwrap_or(unremembered)
        })
    }

    /// A request at a survivor has ended. With the last one the pin ends, unless it was confirmed.
    pub fn unpin(&self, key: Key, now: Seconds, pinned: Pinned) {
        if pinned.which.is_none() {
            return;
        }
        let Some(mut shard) = self.shard(key) else {
            return;
        };
        // The end of a pin that was replaced, or of an entry that is gone, ends nothing.
        shard.change(key, &self.tallies, |entry| {
            let is_current = entry.pins > 0 && entry.pin == pinned.member;
            if is_current && pinned.which == Some(Which::of(entry)) {
                entry.seen_at(now);
                entry.pins -= 1;
                if entry.pins == 0 {
                    entry.end_pin();
                }
            }
        });
    }

    /// `take.to` owns the session from now on: the pin is confirmed, or a response of it has
    /// re-issued the id. Holds until the client has [`shown`](Self::shown) that it knows, at most
    /// until `take.until`. `mark` tells the refusal mark of the owner so far, given its life at its
    /// last response; it is asked under a lock and must not use the ledger. The answer is who owned
    /// it until now, if another did.
    pub fn take_over(
        &self,
        key: Key,
        now: Seconds,
        take: TakeOver,
        mark: impl Fn(Member, u8) -> u8,
    ) -> Option<Member> {
        let mut shard = self.shard(key)?;
        let write = |entry: &mut Entry| {
            let from = entry.owner;
            let others = from != take.to;
            if others && take.only_from.is_some_and(|only| only != from) {
                return None;
            }
            take_over(entry, now, take, &mark);
            Some(from).filter(|from| others && *from != Member::NOBODY)
        };
        let changed = shard.change(key, &self.tallies, write);
        if changed.is_none() {
            let mut entry = Entry::new(key, now, take.from);
            if take.kind == Kind::Issued {
                entry.born_issued();
            }
            take_over(&mut entry, now, take, &mark);
            shard.insert(entry, now, &self.tallies);
        }
        changed.flatten()
    }

    /// The client has shown the new route: the confirmed pin ends `grace` seconds from now, for
    /// requests that were on their way.
    pub fn shown(&self, key: Key, now: Seconds, grace: u32) {
        if let Some(mut shard) = self.shard(key)
            && let Some(entry) = shard.find_mut(key)
        {
            entry.moved_until = entry.moved_until.min(now.after(grace));
        }
    }
}

fn pin(entry: &mut Entry, detour: Detour, usable: impl Fn(Member) -> bool) -> Pinned {
    if entry.pins == 0 || !usable(entry.pin) {
        entry.begin_pin(detour.survivor);
    } else if let Some(pins) = entry.pins.checked_add(1) {
        entry.pins = pins;
    } else {
        // Not counted, so it must not be counted down either.
        return Pinned {
            member: entry.pin,
            owner: entry.owner,
            which: None,
        };
    }
    Pinned {
        member: entry.pin,
        owner: entry.owner,
        which: Some(Which::of(entry)),
    }
}

fn take_over(entry: &mut Entry, now: Seconds, take: TakeOver, mark: &impl Fn(Member, u8) -> u8) {
    let from = entry.owner;
    if from != take.to {
        let mut former = entry.former().without(take.to);
        if from != Member::NOBODY {
            former = former.with(from, mark(from, entry.life));
        }
        let home = match take.home {
            Home::Here => None,
            Home::Left if !entry.is_away() => Some(from),
            // Back where it was before it had to leave, it did not leave anybody else; nor is one of
            // those in between its home, if that is forgotten.
            Home::Left | Home::AsBefore => former.home(),
        };
        entry.set_taker(take.to, former.at_home_in(home));
        entry.set_kept_id(take.keeps_id);
    } else if take.store.is_some() {
        entry.set_kept_id(false);
    }
    if take.kind == Kind::Issued {
        entry.now_issued();
    }
    entry.seen_at(now);
    entry.life = take.life;
    entry.store = take.store.unwrap_or(entry.store);
    entry.moved_until = take.until;
}
