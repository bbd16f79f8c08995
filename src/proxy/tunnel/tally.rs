//! What a tunnel adds up to: counters while it lasts, its line in the access log at its end.

use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::config::Timeouts;
use crate::observe::metrics::{ClusterCells, TunnelEnd};
use crate::proxy::Worker;
use crate::proxy::account::Account;

/// Counts a tunnel as long as it lives, however it ends.
#[derive(Debug)]
pub struct Tally {
    /// Who carries it.
    pub(super) worker: Rc<Worker>,
    cluster: Arc<Cluster>,
    /// Of its request; `None`: nothing is logged.
    account: Option<Box<Account>>,
    bytes_in: u64,
    bytes_out: u64,
    end: Option<TunnelEnd>,
}

impl Tally {
    /// The backend has switched.
    pub(in crate::proxy) fn open(
        worker: &Rc<Worker>,
        cluster: &Arc<Cluster>,
        account: Option<Box<Account>>,
    ) -> Self {
        let tally = Self {
            worker: Rc::clone(worker),
            cluster: Arc::clone(cluster),
            account,
            bytes_in: 0,
            bytes_out: 0,
            end: None,
        };
        tally.cells().tunnels.inc();
        tally
    }

    /// The bounds of its cluster, as they were when it began.
    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.cluster.config.timeouts
    }

    /// So many bytes have passed by now.
    pub(super) fn passed(&mut self, bytes_in: u64, bytes_out: u64) {
        let cells = self.cells();
        cells.bytes_in.add(bytes_in - self.bytes_in);
        cells.bytes_out.add(bytes_out - self.bytes_out);
        self.bytes_in = bytes_in;
        self.bytes_out = bytes_out;
    }

    /// Why it has ended.
    pub(super) fn end(&mut self, end: TunnelEnd) {
        self.end = Some(end);
    }

    fn cells(&self) -> &ClusterCells {
        self.cluster.cells.of(self.worker.id)
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        // Dropped before its end: by the end of the process, or since the client's side never
        // switched.
        let end = self.end.unwrap_or(if self.worker.is_stopping() {
            TunnelEnd::Stop
        } else {
            TunnelEnd::ClientLost
        });
        let cells = self.cells();
        cells.tunnels.dec();
        cells.tunnels_ended.inc(end);
        if let Some(account) = &mut self.account {
            account.tunnel_ended((self.bytes_in, self.bytes_out), end);
        }
    }
}
