//! Sessions that are being taken over at this moment: the first request of each goes alone.
//!
//! Whoever takes a session over loads it from the store. Of requests that arrive side by side each
//! would load a copy of its own, and what they change would be lost, all but the last one's. So the
//! others wait until the first is answered. Bounded by the requests in flight.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::session::ledger::Key;

/// The sessions whose first request at a survivor is not answered yet.
#[derive(Debug, Default)]
pub struct Moves(Mutex<HashSet<u64>>);

impl Moves {
    /// This request is the first, unless another one is on its way.
    pub fn begin(&self, key: Key) -> bool {
        self.keys().insert(key.number())
    }

    /// Whether a first request is on its way.
    pub fn is_under_way(&self, key: Key) -> bool {
        self.keys().contains(&key.number())
    }

    /// It is answered, or will never be.
    pub fn end(&self, key: Key) {
        self.keys().remove(&key.number());
    }

    fn keys(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
