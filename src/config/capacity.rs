//! How many requests wait for a place, for how long, and which of them matter most.

use std::time::Duration;

/// The queue of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Requests that may wait at a time; zero: none may.
    pub length: usize,
    /// How long a request waits in all.
    pub time: Duration,
    /// From how many on that wait for the owner of a session its requests may be served by
    /// another backend; `None`: never.
    pub spill_after: Option<usize>,
}

/// How much a request matters where not all can wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Refused when half of the queue is full.
    Low,
    /// Refused when it is full.
    Normal,
    /// May use a reserve beyond that.
    High,
}
