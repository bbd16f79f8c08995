//! What is at a backend that is being emptied, for people: told by the workers, each for itself.

use std::net::IpAddr;
use std::sync::PoisonError;

use tokio::time::Instant;

use super::Backend;
use crate::observe::metrics::WorkerId;

/// A request, or a tunnel, that is at a backend.
#[derive(Debug, Clone, Copy)]
pub struct OpenRequest {
    /// Since when.
    pub since: Instant,
    /// Who asked.
    pub client: Option<IpAddr>,
    /// Whether it has switched protocols.
    pub is_tunnel: bool,
}

impl Backend {
    /// A worker says what it has there.
    pub fn tell_open(&self, worker: WorkerId, requests: Vec<OpenRequest>) {
        if let Some(open) = self.open.get(worker.0) {
            *open.lock().unwrap_or_else(PoisonError::into_inner) = requests;
        }
    }

    /// What is there, the oldest first; as the workers saw it last, and only while no new sessions
    /// are taken.
    pub fn open(&self) -> Vec<OpenRequest> {
        if self.state().takes_new() {
            return Vec::new();
        }
        let mut all: Vec<_> = self
            .open
            .iter()
            .flat_map(|open| open.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .collect();
        all.sort_unstable_by_key(|request| request.since);
        all
    }
}
