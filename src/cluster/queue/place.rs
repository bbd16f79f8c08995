//! A place that was taken for a request that waits.

use std::sync::Arc;

use crate::cluster::Backend;

/// Where a request in flight is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// At its backend.
    Backend,
    /// In the whole cluster too.
    Cluster,
}

/// A place among the requests in flight at a backend. Goes back when it is dropped, unless it was
/// taken.
#[derive(Debug)]
pub struct Place {
    backend: Arc<Backend>,
    scope: Scope,
    is_taken: bool,
}

impl Place {
    pub(super) fn new(backend: Arc<Backend>, scope: Scope) -> Self {
        Self {
            backend,
            scope,
            is_taken: false,
        }
    }

    /// Where it is.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// Takes it: whoever does gives it back with [`Backend::leave`].
    pub fn take(mut self) -> Scope {
        self.is_taken = true;
        self.scope
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_taken {
            self.backend.leave(self.scope);
        }
    }
}
