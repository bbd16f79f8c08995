//! How a cluster's backends are emptied, and filled again.

use std::time::Duration;

use http::HeaderName;

use super::{Cluster, Pattern};

/// How backends are emptied.
#[derive(Debug, Clone, PartialEq)]
pub struct Drain {
    /// Sessions that an evacuation marks each second, unless the order says otherwise.
    pub rate: u32,
    /// After an answer, until its session's backup is surely in the store.
    pub backup_delay: Duration,
    /// Paths for which a session that has died at a draining backend is begun elsewhere.
    pub replay_dead: Option<Pattern>,
    /// The request header that tells a backend its own state.
    pub state_header: Option<HeaderName>,
}

/// What goes to a backend that has come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailBack {
    /// New sessions, and ids that name it.
    NewSessions,
    /// Nothing, until it is enabled by hand.
    Never,
    /// The sessions that it had, too: each as soon as nobody has used it for `fail_back_idle`.
    WhenIdle,
    /// The same, each with its next request: as soon as its backup is in the store.
    AtOnce,
}

impl FailBack {
    /// The word of each.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("new_sessions", Self::NewSessions),
        ("never", Self::Never),
        ("when_idle", Self::WhenIdle),
        ("at_once", Self::AtOnce),
    ];

    /// Whether sessions go back to whom they had to leave.
    pub fn brings_home(self) -> bool {
        matches!(self, Self::WhenIdle | Self::AtOnce)
    }
}

impl Cluster {
    /// How long a session has to rest before it goes home: never shorter than its backup takes.
    pub fn quiet_before_return(&self) -> Duration {
        match self.fail_back {
            FailBack::WhenIdle => self.fail_back_idle.max(self.drain.backup_delay),
            FailBack::NewSessions | FailBack::Never | FailBack::AtOnce => self.drain.backup_delay,
        }
    }
}
