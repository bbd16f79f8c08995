//! A counter of state changes, so that nobody has to be told about each.

use std::sync::atomic::{AtomicU64, Ordering};

/// Rises with every change of any backend's state. Clusters lay out their balancing anew, and
/// workers wake the requests that wait, when they see that it has risen.
#[derive(Debug, Default)]
pub struct Changes(AtomicU64);

impl Changes {
    /// A state has changed.
    pub fn announce(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// How many changes there were.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
