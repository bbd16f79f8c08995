//! What all connections and all lives of one stand-in share.

use std::time::Duration;

use super::fault::Scripts;
use super::journal::Journal;
use super::page::Look;
use super::session::{Identity, Sessions};

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
    pub(super) contexts: Vec<String>,
    pub(super) keep_alive: Duration,
    pub(super) requests_per_connection: u64,
    pub(super) max_connections: usize,
    pub(super) kept_requests: usize,
    pub(super) kept_body: usize,
}

impl Settings {
    /// The context that `path` is below, if it is not the one at `/`, and the path within it.
    pub(super) fn within<'a>(&self, path: &'a str) -> (&str, &'a str) {
        let contexts = self.contexts.iter();
        let found = contexts.filter_map(|context| {
            let rest = path.strip_prefix(context.as_str())?;
            let is_below = rest.is_empty() || rest.starts_with(['/', ';', '?']);
            is_below.then_some((context.as_str(), rest))
        });
        found
            .max_by_key(|(context, _)| context.len())
            .unwrap_or(("", path))
    }
}

/// One stand-in's lasting part: it survives kills and restarts.
#[derive(Debug)]
pub(super) struct Tomcat {
    pub(super) settings: Settings,
    pub(super) sessions: Sessions,
    pub(super) scripts: Scripts,
    pub(super) journal: Journal,
}
