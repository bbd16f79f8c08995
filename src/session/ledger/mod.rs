//! What the proxy remembers of live sessions: one bounded table for all workers and all clusters.
//!
//! It decides nothing about requests: callers say what happened and ask what is known. An entry is
//! *issued* if a backend's Set-Cookie made it, else *claimed*. Claimed ones are at most a quarter
//! and displace nobody but each other, so clients that invent ids displace no session. All memory
//! is reserved at the start and used as it fills; a call holds one lock for one look-up, and
//! allocates nothing. Losing an entry loses what it says, never more.
//!
//! An entry that nobody has seen for its cluster's idle time is expired: it is removed by
//! [`Ledger::sweep`], or sooner if its room is needed, and answers until then.

mod entry;
mod former;
mod key;
mod labels;
mod names;
mod pins;
mod queue;
mod room;
mod shard;
mod status;
mod tallies;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

pub use entry::Known;
pub use former::Former;
pub use labels::OTHER;
pub use pins::{Detour, Home, Pinned, TakeOver};
pub use status::Status;
pub use words::{ClusterNumber, Key, Kind, Member, PathNumber, Seconds, Store};

use entry::Entry;
use key::Keys;
use labels::Labels;
use names::Names;
use shard::{Shard, share};
use tallies::Tallies;

/// More shards than this are not worth their memory: two workers rarely meet in one of these.
const MOST_SHARDS: usize = 256;
/// So that a shard's share of the entries is about the same for each.
const FEWEST_PER_SHARD: usize = 64;
/// Spare room of a shard for keys that are not spread quite evenly, in standard deviations.
const SPARE_DEVIATIONS: usize = 4;
/// Claimed entries are at most one in as many.
const CLAIMED_SHARE: usize = 4;

/// What is remembered of sessions.
///
/// Shared by reference; all calls are safe from any thread. Where an entry is missing and cannot be
/// made, nothing is remembered and nothing fails.
pub struct Ledger {
    shards: Box<[Lone]>,
    capacity: usize,
    /// Bytes of all tables once they are full.
    most_bytes: usize,
    keys: Keys,
    tallies: Tallies,
    names: Names,
    labels: Labels,
    /// Where the next sweep begins: shard and slot.
    cursor: Mutex<(usize, usize)>,
}

/// On a cache line of its own, so that workers in different shards do not slow each other.
#[derive(Debug)]
#[repr(align(128))]
struct Lone(Mutex<Shard>);

/// A Set-Cookie that made or changed a session id.
#[derive(Debug, Clone, Copy)]
pub struct Issue {
    /// The backend that issued it.
    pub owner: Member,
    /// That backend's life.
    pub life: u8,
    /// The store node in the id.
    pub store: Store,
    /// The cookie's Path.
    pub path: PathNumber,
}

/// What a session id says that only a client has shown.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// The backend that it names, or that it was sent to.
    pub owner: Member,
    /// That backend's life.
    pub life: u8,
    /// The store node in the id.
    pub store: Store,
}

impl Ledger {
    /// Room for `capacity` sessions, of which a quarter may be claimed; with none, nothing is
    /// remembered.
    pub fn new(capacity: usize) -> Self {
        let shards = (capacity / FEWEST_PER_SHARD).clamp(1, MOST_SHARDS);
        let shards = 1 << shards.ilog2();
        let each = capacity / shards;
        let spare = if shards == 1 {
            0
        } else {
            SPARE_DEVIATIONS * each.isqrt()
        };
        let slots = |count: usize| u32::try_from(count).unwrap_or(u32::MAX - 1);
        let shard = |_| Shard::new(slots(each + spare), slots(each / CLAIMED_SHARE));
        let shards: Vec<Shard> = (0..shards).map(shard).collect();
        let tallies = Tallies::new();
        let most_bytes =
            shards.iter().map(Shard::most_bytes).sum::<usize>() + tallies.table_bytes();
        Self {
            shards: shards.into_iter().map(|it| Lone(Mutex::new(it))).collect(),
            capacity,
            most_bytes,
            keys: Keys::random(),
            tallies,
            names: Names::default(),
            labels: Labels::default(),
            cursor: Mutex::default(),
        }
    }

    /// The key of the session that `cluster` knows by `base`.
    #[inline]
    pub fn key(&self, cluster: ClusterNumber, base: &[u8]) -> Key {
        self.keys.of(cluster, base)
    }

    /// A client has shown the id: what was known of it until now.
    pub fn touch(&self, key: Key, now: Seconds) -> Option<Known> {
        let mut shard = self.shard(key)?;
        let entry = shard.find_mut(key)?;
        let known = entry.known(now);
        entry.shown_again(now);
        Some(known)
    }

    /// As [`touch`](Self::touch), but nothing is noted.
    pub fn peek(&self, key: Key, now: Seconds) -> Option<Known> {
        self.shard(key)?.find(key).map(|entry| entry.known(now))
    }

    /// A response of `issue.owner` made the session or changed its id. A confirmed pin to another
    /// owner ends: this one has spoken since. What a response of another backend than the owner
    /// means is for [`take_over`](Self::take_over).
    pub fn issue(&self, key: Key, now: Seconds, issue: Issue) {
        let Some(mut shard) = self.shard(key) else {
            return;
        };
        let write = |entry: &mut Entry| {
            if entry.owner != issue.owner {
                entry.moved_until = Seconds::default();
            }
            entry.set_owner(issue.owner);
            entry.seen_at(now);
            (entry.life, entry.store, entry.path) = (issue.life, issue.store, issue.path);
        };
        let changed = shard.change(key, &self.tallies, |entry| {
            entry.now_issued();
            write(entry);
        });
        if changed.is_none() {
            let mut entry = Entry::new(key, now, issue.owner);
            entry.born_issued();
            write(&mut entry);
            shard.insert(entry, now, &self.tallies);
        }
    }

    /// Remembers an id that only a client has shown, if there is room, and that a backend has answered
    /// for. An entry that a backend has issued is left as it is, and so is the owner of one with a confirmed pin in force.
    pub fn claim(&self, key: Key, now: Seconds, claim: Claim) {
        let Some(mut shard) = self.shard(key) else {
            return;
        };
        let changed = shard.change(key, &self.tallies, |entry| {
            entry.seen_at(now);
            entry.found();
            if entry.kind() == Some(Kind::Claimed) && !entry.is_moved(now) {
                entry.set_owner(claim.owner);
                (entry.life, entry.store) = (claim.life, claim.store);
            }
        });
        if changed.is_none() {
            let mut entry = Entry::new(key, now, claim.owner);
            (entry.life, entry.store) = (claim.life, claim.store);
            shard.insert(entry, now, &self.tallies);
        }
    }

    /// The owner has given the session another id: until then, or as long as
    /// [`shown`](Self::shown) has it, its client may show the old one.
    pub fn renamed(&self, key: Key, until: Seconds) {
        if let Some(mut shard) = self.shard(key)
            && let Some(entry) = shard.find_mut(key)
        {
            entry.moved_until = until;
        }
    }

    /// The owner has answered, in another life than [`Known::life`], or for a session that was
    /// [missed](Self::miss).
    pub fn served(&self, key: Key, now: Seconds, life: u8) {
        if let Some(mut shard) = self.shard(key) {
            shard.change(key, &self.tallies, |entry| {
                entry.life = life;
                entry.seen_at(now);
                entry.found();
            });
        }
    }

    /// The session has ended.
    pub fn end(&self, key: Key) {
        if let Some(mut shard) = self.shard(key) {
            shard.remove(key, &self.tallies);
        }
    }

    /// The session's owner is gone, and its store has no copy: whoever answers next will say that it
    /// is lost. Not where requests of it are at a survivor, who may have taken the copy; those that are
    /// counted at the owner take nothing.
    pub fn miss(&self, key: Key, now: Seconds) {
        if let Some(mut shard) = self.shard(key) {
            shard.replace(key, now, &self.tallies, |entry| {
                let may_be_taken = entry.is_at_a_survivor() || entry.is_moved(now);
                let may_be = !(may_be_taken || entry.is_lost() || entry.is_missed());
                if may_be {
                    entry.now_missed();
                }
                may_be
            });
        }
    }

    /// The session is lost: `by`, in this life, knows nothing of it. The first to say so is told
    /// [`Loss::New`]. It is a claimed one from now on, whoever owned it.
    pub fn lose(&self, key: Key, now: Seconds, by: (Member, u8)) -> Loss {
        let Some(mut shard) = self.shard(key) else {
            return Loss::New;
        };
        let loss = match shard.find(key) {
            Some(entry) if entry.is_lost() => Loss::Told,
            // Not lost, but replaced: this one had taken it over.
            Some(entry) if entry.is_moved(now) && (entry.owner, entry.life) == by => Loss::None,
            Some(entry) if entry.is_missed() => Loss::Missed,
            Some(_) | None => Loss::New,
        };
        if matches!(loss, Loss::New | Loss::Missed) {
            shard.replace(key, now, &self.tallies, |entry| {
                entry.now_lost();
                true
            });
        }
        loss
    }

    /// The shard that `key` belongs to, locked.
    fn shard(&self, key: Key) -> Option<MutexGuard<'_, Shard>> {
        let at = share(key.0 >> 32, self.shards.len())?;
        let Lone(shard) = self.shards.get(at)?;
        Some(lock(shard, &self.tallies.losses.waits))
    }
}

/// What becomes of a session that somebody says is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It is, from now on.
    New,
    /// It is, from now on, and its store had no copy of it.
    Missed,
    /// That was said before.
    Told,
    /// It is not: who says so has taken it over, and it ended since.
    None,
}

/// How full it is; a million entries are for nobody to read.
impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status().fmt(f)
    }
}

/// Counts if it had to wait.
fn lock<'a>(shard: &'a Mutex<Shard>, waits: &AtomicU64) -> MutexGuard<'a, Shard> {
    match shard.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => {
            waits.fetch_add(1, Relaxed);
            shard.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
