//! Moving the sessions of a backend away while it still serves, so that it can be stopped.
//!
//! Nothing is sent and nothing is stored: a session is *marked*, more of them from moment to
//! moment, and moves with the next request of its client that finds it at rest: no request of it at
//! the backend, and the last answer so old that its backup is in the store. Which are marked is
//! no list: those whose key, a hash, is below a bound that rises. A silent client needs no move; its
//! copy is in the store already.
//!
//! When all are marked and the backend has had nothing to do for a while, it gets nothing any more;
//! when what was on its way then is over too, it may be stopped. [`Course`] decides that, with
//! the time passed in.

mod course;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

pub use course::Stage;

use course::{Course, Seen};
pub(super) use course::{Plan, Step};

use super::recent::Recent;
use crate::observe::metrics::WorkerId;
use crate::session::ledger::Key;

/// Sessions without a copy that are told apart.
const MOST_COUNTED: usize = 1 << 16;

/// Of this many parts of all keys.
pub(super) const WHOLE: u64 = 1 << 32;

/// An evacuation, from the order to its end and beyond, as long as it may be asked about.
#[derive(Debug)]
pub struct Evacuation {
    /// When it began, for people.
    pub began_at: SystemTime,
    plan: Plan,
    began: Instant,
    course: Mutex<Course>,
    /// Keys below are marked.
    marked: AtomicU64,
    recent: Mutex<Recent>,
    /// By worker: how often it has looked, and whose requests it has there that no session counts.
    before: Box<[Mutex<Uncounted>]>,
    /// Whose client went away before the answer: the backend may still be at it.
    abandoned: Mutex<Recent>,
    moved: AtomicU64,
    lost: AtomicU64,
    without_copy: Mutex<HashSet<u64>>,
}

/// What a worker has at the backend that was on its way before the order came.
#[derive(Debug, Default)]
struct Uncounted {
    looks: u32,
    sessions: HashSet<u64>,
}

/// Looks of each worker before anything moves: what was chosen for the backend when the order came
/// may have had no connection at the first one.
const LOOKS: u32 = 2;

/// Whether a session may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Not yet, or not any more.
    Stay(Stays),
    /// After this time, if nothing comes between.
    After(Duration),
    /// Now.
    Now,
}

/// Why a session stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// It is not marked.
    Unmarked,
    /// A request of it is there, or may be.
    InFlight,
}

/// What came of it so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Sessions that have another owner now.
    pub moved: u64,
    /// Sessions that their new owner did not know.
    pub lost: u64,
    /// Sessions that stayed, since no store has a copy of them.
    pub without_copy: u64,
}

impl Evacuation {
    /// Begins now.
    pub(super) fn new(plan: Plan, workers: usize) -> Self {
        Self {
            began_at: SystemTime::now(),
            plan,
            began: Instant::now(),
            course: Mutex::new(Course::new(plan)),
            marked: AtomicU64::new(0),
            recent: Mutex::new(Recent::new(plan.delay)),
            before: (0..workers).map(|_| Mutex::default()).collect(),
            abandoned: Mutex::new(Recent::new(plan.longest)),
            moved: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            without_copy: Mutex::default(),
        }
    }

    /// Sessions marked each second.
    pub fn rate(&self) -> u32 {
        self.plan.rate
    }

    /// When it ends, after its beginning, whatever is still there.
    pub fn deadline(&self) -> Option<Duration> {
        self.plan.deadline
    }

    /// Sessions there were at the beginning.
    pub fn sessions(&self) -> usize {
        self.plan.sessions
    }

    /// How long it has been going on.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// How far it has come.
    pub fn stage(&self) -> Stage {
        lock(&self.course).stage()
    }

    /// Which part of the sessions is marked, in percent.
    pub fn marked_percent(&self) -> u64 {
        self.marked.load(Relaxed) * 100 / WHOLE
    }

    /// What came of it so far.
    pub fn tally(&self) -> Tally {
        Tally {
            moved: self.moved.load(Relaxed),
            lost: self.lost.load(Relaxed),
            without_copy: lock(&self.without_copy).len() as u64,
        }
    }

    /// Whether the session of `key` may leave; `is_there`: a request of it is at the backend.
    pub fn may_leave(&self, key: Key, is_there: bool) -> Leave {
        if is_there {
            return Leave::Stay(Stays::InFlight);
        }
        if u64::from(key.low()) >= self.marked.load(Relaxed) {
            return Leave::Stay(Stays::Unmarked);
        }
        let now = self.began.elapsed();
        let may_be_there =
            self.is_from_before(key) || lock(&self.abandoned).since(key.number(), now).is_some();
        if may_be_there {
            return Leave::Stay(Stays::InFlight);
        }
        match lock(&self.recent).since(key.number(), now) {
            Some(since) => match self.plan.delay.saturating_sub(since) {
                Duration::ZERO => Leave::Now,
                rest => Leave::After(rest),
            },
            None => Leave::Now,
        }
    }

    /// A request of the session has ended at the backend.
    pub fn answered(&self, key: Key) {
        let now = self.began.elapsed();
        lock(&self.recent).note(key.number(), now);
    }

    /// The client of a request went away before it was answered.
    pub fn abandoned(&self, key: Key) {
        let now = self.began.elapsed();
        lock(&self.abandoned).note(key.number(), now);
    }

    /// A request that does not count at its session has just got its connection.
    pub fn is_there_too(&self, worker: WorkerId, key: Key) {
        if let Some(before) = self.before.get(worker.0) {
            lock(before).sessions.insert(key.number());
        }
    }

    /// A session has another owner.
    pub fn has_moved(&self) {
        self.moved.fetch_add(1, Relaxed);
    }

    /// A session has moved, and its new owner did not know it.
    pub fn has_lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    /// A session stays: no store has its copy.
    pub fn has_no_copy(&self, key: Key) {
        let mut without = lock(&self.without_copy);
        if without.len() < MOST_COUNTED {
            without.insert(key.number());
        }
    }

    /// A worker says of which sessions it has requests at the backend that do not count at their
    /// session, since they were on their way when the order came.
    pub fn are_from_before(&self, worker: WorkerId, keys: impl IntoIterator<Item = Key>) {
        let Some(before) = self.before.get(worker.0) else {
            return;
        };
        let now: HashSet<u64> = keys.into_iter().map(Key::number).collect();
        let then = {
            let mut before = lock(before);
            before.looks = before.looks.saturating_add(1);
            std::mem::replace(&mut before.sessions, now.clone())
        };
        // Nobody saw when exactly they ended.
        for ended in then.difference(&now) {
            let at = self.began.elapsed();
            lock(&self.recent).note(*ended, at);
        }
    }

    fn is_from_before(&self, key: Key) -> bool {
        self.before.iter().any(|one| {
            let one = lock(one);
            one.looks < LOOKS || one.sessions.contains(&key.number())
        })
    }

    /// Lets it go on. Called every now and then, off the request's way.
    pub(super) fn advance(&self, in_flight: usize, attempts: u64, sessions: usize) -> Option<Step> {
        let all_looked = self.before.iter().all(|one| lock(one).looks >= LOOKS);
        let tally = self.tally();
        let mut course = lock(&self.course);
        let step = course.advance(Seen {
            at: self.began.elapsed(),
            all_looked,
            in_flight,
            attempts,
            sessions,
            moved: tally.moved,
            lost: tally.lost,
        });
        self.marked.store(course.marked(), Relaxed);
        step
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
