//! One of the tables that the sessions are spread over; a lock guards each.
//!
//! Chains run through a slab that is never moved: an index of their beginnings, the entries, and
//! the claimed ones once more in the order in which they came. All three are reserved at the start,
//! which costs nothing until they are used. How room is made stands in `room`.

use super::entry::{Entry, NONE};
use super::queue::Queue;
use super::tallies::{Share, Tallies};
use super::words::{Key, Kind, Member, Seconds};

/// Pins of an entry that are told apart from those of the next new entry.
const GENERATIONS_APART: u8 = 97;

#[derive(Debug)]
pub(super) struct Shard {
    /// Twice as long as the slab: most chains have one entry.
    index: Vec<u32>,
    /// Never grows beyond `capacity`. A link to an entry is its slot + 1.
    pub(super) slab: Vec<Entry>,
    pub(super) capacity: usize,
    /// The first of the free slots.
    pub(super) free: u32,
    pub(super) claimed: Queue,
    /// Where the next look for room begins.
    pub(super) hand: usize,
    /// Where the generations of a new entry's pins begin: not where those of one that was removed
    /// began, whose requests may still be in flight.
    generation: u8,
}

impl Shard {
    /// Bytes of each entry, and of each claimed one more.
    pub(super) const ENTRY_BYTES: usize = size_of::<Entry>() + 2 * size_of::<u32>();
    pub(super) const CLAIMED_BYTES: usize = Queue::PLACE_BYTES;

    /// Room for `capacity` entries, of which `claimed` may be claimed ones.
    pub(super) fn new(capacity: u32, claimed: u32) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(0);
        Self {
            index: vec![NONE; 2 * capacity],
            slab: Vec::with_capacity(capacity),
            capacity,
            free: NONE,
            claimed: Queue::new(claimed),
            hand: 0,
            generation: 0,
        }
    }

    /// Bytes when it is full.
    pub(super) fn most_bytes(&self) -> usize {
        size_of::<Self>()
            + self.capacity * Self::ENTRY_BYTES
            + self.claimed.most() * Self::CLAIMED_BYTES
    }

    pub(super) fn find(&self, key: Key) -> Option<&Entry> {
        self.at(self.link(key)?)
    }

    /// For what no tally counts; else [`change`](Self::change).
    pub(super) fn find_mut(&mut self, key: Key) -> Option<&mut Entry> {
        let link = self.link(key)?;
        self.at_mut(link)
    }

    /// Changes the entry of `key`, if there is one, and the tallies with it.
    pub(super) fn change<R>(
        &mut self,
        key: Key,
        tallies: &Tallies,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        let entry = self.find_mut(key)?;
        let before = Share::of(entry);
        let result = change(entry);
        let after = Share::of(entry);
        let place = entry.place();
        if before.kind == Some(Kind::Claimed) && after.kind == Some(Kind::Issued) {
            self.claimed.remove(place);
        }
        tallies.changed(Some(before), Some(after));
        Some(result)
    }

    /// Adds an entry whose key is not there. Makes room for it if it may, else it is refused.
    pub(super) fn insert(&mut self, mut entry: Entry, now: Seconds, tallies: &Tallies) -> bool {
        self.generation = self.generation.wrapping_add(GENERATIONS_APART);
        entry.generation = entry.generation.wrapping_add(self.generation);
        self.insert_again(entry, now, tallies)
    }

    /// The same for one that was there: its pins are still its own.
    fn insert_again(&mut self, mut entry: Entry, now: Seconds, tallies: &Tallies) -> bool {
        let kind = entry.kind().unwrap_or(Kind::Claimed);
        if !self.make_room(kind, now, tallies) {
            return false;
        }
        let Some(bucket) = self.bucket(entry.key) else {
            debug_assert!(false, "where there is room there are chains");
            return false;
        };
        entry.next = self.index.get(bucket).copied().unwrap_or(NONE);
        let link = if let Some(next) = self.at(self.free).map(|free| free.next) {
            std::mem::replace(&mut self.free, next)
        } else {
            u32::try_from(self.slab.len() + 1).unwrap_or(NONE)
        };
        if kind == Kind::Claimed {
            let Some(place) = self.claimed.push(link) else {
                debug_assert!(false, "room was made for a claimed entry");
                return false;
            };
            entry.set_place(place);
        }
        match self.at_mut(link) {
            Some(slot) => *slot = entry,
            None => self.slab.push(entry),
        }
        if let Some(first) = self.index.get_mut(bucket) {
            *first = link;
        }
        tallies.changed(None, Some(Share::of(&entry)));
        true
    }

    pub(super) fn remove(&mut self, key: Key, tallies: &Tallies) {
        let Some(link) = self.link(key) else { return };
        let free = self.free;
        let Some(entry) = self.at_mut(link) else {
            return;
        };
        let (share, next, place) = (Share::of(entry), entry.next, entry.place());
        entry.free(free);
        self.free = link;
        self.replace_link(key, link, next);
        if share.kind == Some(Kind::Claimed) {
            self.claimed.remove(place);
        }
        tallies.changed(Some(share), None);
    }

    /// Changes the entry of `key`, or a new one, unless the change says that it may not be. An
    /// issued entry may become a claimed one, whose place is found anew.
    pub(super) fn replace(
        &mut self,
        key: Key,
        now: Seconds,
        tallies: &Tallies,
        change: impl FnOnce(&mut Entry) -> bool,
    ) {
        let known = self.find(key).copied();
        let mut entry = known.unwrap_or_else(|| Entry::new(key, now, Member::NOBODY));
        if !change(&mut entry) {
            return;
        }
        if known.is_some() {
            self.remove(key, tallies);
            self.insert_again(entry, now, tallies);
        } else {
            self.insert(entry, now, tallies);
        }
    }

    /// Removes the expired among the `most` slots from `from`; the answer is how many slots there
    /// were and how many entries were removed.
    pub(super) fn sweep(
        &mut self,
        from: usize,
        most: usize,
        now: Seconds,
        tallies: &Tallies,
    ) -> (usize, usize) {
        let (mut looked, mut removed) = (0, 0);
        for slot in from..self.slab.len().min(from + most) {
            looked += 1;
            if let Some(entry) = self.slab.get(slot)
                && entry.kind().is_some()
                && tallies.is_expired(entry.owner, entry.seen, now)
            {
                let key = entry.key;
                self.expire(key, tallies);
                removed += 1;
            }
        }
        (looked, removed)
    }

    pub(super) fn has_room(&self) -> bool {
        self.free != NONE || self.slab.len() < self.capacity
    }

    pub(super) fn at(&self, link: u32) -> Option<&Entry> {
        let slot = usize::try_from(link.checked_sub(1)?).ok()?;
        self.slab.get(slot)
    }

    pub(super) fn at_mut(&mut self, link: u32) -> Option<&mut Entry> {
        let slot = usize::try_from(link.checked_sub(1)?).ok()?;
        self.slab.get_mut(slot)
    }

    /// Lets whatever led to `link` lead to `next`.
    fn replace_link(&mut self, key: Key, link: u32, next: u32) {
        let Some(bucket) = self.bucket(key) else {
            return;
        };
        let Some(first) = self.index.get_mut(bucket) else {
            return;
        };
        if *first == link {
            *first = next;
            return;
        }
        let mut before = *first;
        while let Some(entry) = self.at_mut(before) {
            if entry.next == link {
                entry.next = next;
                return;
            }
            before = entry.next;
        }
    }

    fn link(&self, key: Key) -> Option<u32> {
        let mut link = *self.index.get(self.bucket(key)?)?;
        loop {
            let entry = self.at(link)?;
            if entry.key == key {
                return Some(link);
            }
            link = entry.next;
        }
    }

    /// Where the chain of `key` begins: by the low half of its bits, as the high ones chose the
    /// shard. `None` only if there is no room for anything.
    fn bucket(&self, key: Key) -> Option<usize> {
        share(key.0 & u64::from(u32::MAX), self.index.len())
    }
}

/// Spreads the 32 bits of `half` over `parts`; the high bits count most. `None` if there are none.
pub(super) fn share(half: u64, parts: usize) -> Option<usize> {
    let parts = u64::try_from(parts).ok().filter(|parts| *parts > 0)?;
    usize::try_from((half * parts) >> 32).ok()
}
