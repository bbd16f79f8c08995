//! Sessions as Tomcat keeps them, alone or with memcached-session-manager.
//!
//! `id` is how ids are written, `state` where sessions are, `serve` what a Tomcat does with the
//! ids that a request shows, `truth` what tests ask afterwards.

mod bounded;
mod id;
mod serve;
mod state;
#[cfg(test)]
mod tests;
mod truth;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

pub(super) use serve::{Backup, Outcome, Sessions, Wanted};
pub use truth::Truth;

use id::Id;
use state::State;

/// How a Tomcat keeps its sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manager {
    /// Non-sticky memcached-session-manager: the store has the session, no Tomcat does. Any serves
    /// it, and its id stays (the jvm route is where it was born).
    #[default]
    NonSticky,
    /// Sticky memcached-session-manager: the Tomcat's memory has the session, the store a backup
    /// of it. A session of another jvm route is loaded from the store, gets this Tomcat's, and the
    /// old id is gone at once; whoever shows that to a third Tomcat gets a new session. What is in
    /// memory is used without a look at the store, however old it is.
    Sticky,
    /// Tomcat's own manager: sessions are in its memory, and nowhere else.
    Plain,
}

/// How one stand-in makes and finds sessions.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) jvm_route: Option<String>,
    pub(super) store_nodes: Vec<String>,
    pub(super) manager: Manager,
    pub(super) backup_delay: Duration,
}

/// A session as one request sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// The whole id, store node and jvm route included.
    pub(super) id: String,
    /// When it was created.
    pub(super) created: SystemTime,
    /// Requests that used it, this one included.
    pub(super) hits: u64,
    /// Whether the answer must carry a `Set-Cookie`.
    pub(super) is_new_id: bool,
}

/// The sessions of Tomcats that share a store (a memcached); clones share it. Bounded: the oldest
/// sessions are dropped.
#[derive(Clone)]
pub struct SharedSessions {
    state: Arc<Mutex<State>>,
    /// Numbers the Tomcats.
    tomcats: Arc<AtomicU64>,
    round_trip: Duration,
}

/// Session ids are secrets: only their number is shown.
impl fmt::Debug for SharedSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSessions")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

impl Default for SharedSessions {
    fn default() -> Self {
        Self::with_limit(10_000)
    }
}

impl SharedSessions {
    /// A store of at most `limit` sessions, for Tomcats of at most as many each.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(limit))),
            tomcats: Arc::default(),
            round_trip: Duration::ZERO,
        }
    }

    /// A store that takes its time: reading and deleting take `time` each, so that two Tomcats can
    /// read one copy before either deletes it.
    pub fn with_round_trip(time: Duration) -> Self {
        Self {
            round_trip: time,
            ..Self::default()
        }
    }

    /// How many sessions have a copy somewhere, in the store or a running Tomcat's memory.
    pub fn count(&self) -> usize {
        self.with(|state| state.live())
    }

    /// What became of the sessions.
    pub fn truth(&self) -> Truth {
        self.with(|state| Truth {
            live: state.live(),
            ..state.truth
        })
    }

    /// Empties the store, as a memcached that restarts. What the Tomcats have in memory stays.
    pub fn clear(&self) {
        self.with(State::clear_store);
    }

    /// Lets the session with this id time out, wherever it is; only the base counts.
    pub fn expire(&self, id: &str) {
        if let Some(id) = Id::parse(id) {
            self.with(|state| state.expire(|base| base == id.base));
        }
    }

    /// Lets all sessions time out.
    pub fn expire_all(&self) {
        self.with(|state| state.expire(|_| true));
    }

    /// Takes a store node down. Its sessions move to another one with their next request, from the
    /// Tomcat's memory (sticky) or their second copy (non-sticky); what it holds stays on it.
    pub fn node_down(&self, node: &str) {
        self.with(|state| state.set_node(node, true));
    }

    /// Brings a store node back, with what it held.
    pub fn node_up(&self, node: &str) {
        self.with(|state| state.set_node(node, false));
    }

    fn number_a_tomcat(&self) -> u64 {
        self.tomcats.fetch_add(1, Ordering::Relaxed)
    }

    /// One question to the store and its answer.
    async fn round_trip(&self) {
        if !self.round_trip.is_zero() {
            sleep(self.round_trip).await;
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
