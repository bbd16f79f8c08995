//! What all connections and all lives of one stand-in share.

use std::time::Duration;

use super::fault::Scripts;
use super::journal::Journal;
use super::page::Look;
use super::session::{Identity, SharedSessions};

/// Which paths behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Menu {
    /// Every behaviour of the module's table.
    All,
    /// The page only, whatever the path: for the demo, where strangers may ask.
    PageOnly,
}

/// What a stand-in was built with.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) look: Look,
    pub(super) menu: Menu,
    pub(super) identity: Identity,
    pub(super) cookie_name: String,
    pub(super) cookie_path: String,
    pub(super) keep_alive: Duration,
    pub(super) requests_per_connection: u64,
    pub(super) max_connections: usize,
    pub(super) kept_requests: usize,
    pub(super) kept_body: usize,
}

/// One stand-in's lasting part: it survives kills and restarts.
#[derive(Debug)]
pub(super) struct Tomcat {
    pub(super) settings: Settings,
    pub(super) sessions: SharedSessions,
    pub(super) scripts: Scripts,
    pub(super) journal: Journal,
}
