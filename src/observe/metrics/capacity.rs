//! How full a cluster is, put into a [`Scrape`].

use super::names;
use super::scrape::{Labels, Scrape};

/// How full a cluster is at the time of a scrape.
#[derive(Debug, Clone, Copy)]
pub struct CapacityStatus {
    /// The most requests at all backends together; zero: unlimited.
    pub limit: u64,
    /// Requests that wait for a place.
    pub waiting: u64,
    /// The most that may.
    pub length: u64,
}

impl Scrape {
    /// Adds how full a cluster is.
    pub fn capacity(&mut self, cluster: &str, status: CapacityStatus) {
        let labels: Labels<'_> = &[("cluster", cluster)];
        self.gauge(names::CLUSTER_LIMIT, labels, status.limit);
        self.gauge(names::QUEUED_REQUESTS, labels, status.waiting);
        self.gauge(names::QUEUE_LENGTH, labels, status.length);
    }

    /// Adds how many requests wait for a backend and no other.
    pub fn backend_queue(&mut self, cluster: &str, backend: &str, waiting: u64) {
        let labels: Labels<'_> = &[("cluster", cluster), ("backend", backend)];
        self.gauge(names::BACKEND_QUEUED_REQUESTS, labels, waiting);
    }
}
