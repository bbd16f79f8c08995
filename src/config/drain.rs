//! How a cluster's backends are emptied, and filled again.

use std::time::Duration;

use http::HeaderName;

use super::Pattern;

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
}

impl FailBack {
    /// The word of each.
    pub const WORDS: [(&'static str, Self); 2] =
        [("new_sessions", Self::NewSessions), ("never", Self::Never)];
}
