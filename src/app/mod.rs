//! Wiring: from a configuration to a running proxy and to its orderly end.
//!
//! Nothing is half-started: names are resolved, log and sockets opened before the first worker
//! runs, and whatever fails there is a [`StartFailure`] that names it.

mod background;
mod certificates;
mod certificates_of;
mod guarded;
mod judging;
mod reload;
mod shown;
mod signals;
mod start;
mod state_file;
mod status;
mod watched;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;
use tokio::time::Instant;

pub use reload::ReloadFailure;
pub use signals::{RunFailure, run};
pub use start::{StartFailure, start, start_with};

use crate::admin::AdminHandle;
use crate::config::{ListenAddr, Shutdown};
use crate::observe::access_log::AccessLogHandle;
use background::Background;
use shown::Shown;
use worker::{Deadlines, Phase};

/// A proxy that runs. Dropped, it ends at once; [`Proxy::stop`] ends it in good order.
#[derive(Debug)]
pub struct Proxy {
    shown: Arc<Shown>,
    addresses: Vec<ListenAddr>,
    admin: Option<(SocketAddr, AdminHandle)>,
    background: Option<Background>,
    phase: watch::Sender<Phase>,
    workers: Vec<JoinHandle<io::Result<()>>>,
    files: Vec<crate::server::sockets::SocketFile>,
}

impl Proxy {
    /// Where clients reach it, in the order of the file; with the ports that the kernel chose.
    pub fn addresses(&self) -> &[ListenAddr] {
        &self.addresses
    }

    /// Where the admin side listens.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(address, _)| *address)
    }

    /// How the process is to end, by the configuration in force.
    pub fn shutdown(&self) -> Shutdown {
        self.shown.published.snapshot().config.shutdown
    }

    /// Opens log files anew, after they were rotated.
    pub fn reopen_logs(&self) {
        if let Some(log) = self.access_log() {
            log.reopen();
        }
    }

    /// Tells load balancers in front that new clients should go elsewhere; all are still served.
    pub fn announce_stop(&self) {
        self.shown.begin_to_stop();
    }

    /// Begins the orderly end: no new connections, requests in flight are finished, at the latest
    /// at the configured deadline. Returns at once.
    pub fn begin_stop(&self) {
        self.announce_stop();
        let (now, shutdown) = (Instant::now(), self.shutdown());
        self.phase.send_replace(Phase::Ending(Deadlines {
            all: now + shutdown.deadline,
            tunnels: now + shutdown.tunnel_deadline,
        }));
    }

    /// Ends at once, whatever is in flight.
    pub fn abort(&self) {
        self.phase.send_replace(Phase::Over);
    }

    /// Whether all workers have ended.
    pub fn has_ended(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// Ends in good order and waits for it.
    pub fn stop(self) {
        self.begin_stop();
        self.join();
    }

    /// Waits until the workers have ended, then closes what they used.
    pub fn join(mut self) {
        self.close();
    }

    fn access_log(&self) -> Option<AccessLogHandle> {
        self.shown.published.snapshot().access_log.clone()
    }

    fn close(&mut self) {
        for worker in self.workers.drain(..) {
            match worker.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a worker could not run"),
                Err(_) => tracing::error!("a worker panicked"),
            }
        }
        if let Some(background) = self.background.take() {
            if *self.phase.borrow() == Phase::Over {
                background.end_at_once();
            }
            drop(background);
        }
        if let Some((_, admin)) = self.admin.take() {
            admin.stop();
        }
        if let Some(log) = self.access_log() {
            log.close();
        }
        self.files.clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if !self.workers.is_empty() {
            self.abort();
            self.close();
        }
    }
}
