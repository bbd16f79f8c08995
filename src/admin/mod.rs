//! The admin side: metrics, health, readiness and explanations on a listener and a thread of its own.
//!
//! It reads what it is handed as a [`Source`] and decides nothing. It answers while every worker
//! is busy, and nothing that happens on its listener reaches a worker: its connections, heads and
//! times are bounded, and a panic in a scrape ends that scrape's connection alone.

mod answers;
pub mod api;
mod explain;
mod guard;
mod server;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use crate::config::Secret;
use crate::observe::events::EventLog;
use crate::observe::metrics::{Exposition, Scrape};
use crate::proxy::explain::{Explanation, Question, Unclear};
use api::model::{BackendStatus, Status};
use api::{Order, Unfit};

/// What the admin side shows.
pub trait Source: Send + Sync + 'static {
    /// Puts the samples of now into a scrape. Called on the admin thread.
    fn scrape(&self, scrape: &mut Scrape);

    /// Whether new clients should be sent here.
    fn readiness(&self) -> Readiness;

    /// What must be shown for more than metrics and health; `None`: that is refused.
    fn token(&self) -> Option<Secret>;

    /// How everything stands.
    fn status(&self) -> Status;

    /// How one backend stands.
    fn backend(&self, cluster: &str, backend: &str) -> Result<BackendStatus, Unfit>;

    /// Follows an order, and says how the backend stands then. `by`: who gives it.
    fn order(
        &self,
        cluster: &str,
        backend: &str,
        order: Order,
        by: &str,
    ) -> Result<BackendStatus, Unfit>;

    /// What happened to backends.
    fn events(&self) -> &EventLog;

    /// Where a request would go now. Called on the admin thread; changes nothing.
    fn explain(&self, question: &Question) -> Result<Explanation, Unclear>;
}

/// Whether new clients should be sent here: the configuration is in force, the listeners are
/// open, and no stop was asked for. The state of the backends is no part of it: a proxy without a
/// usable backend answers 503 with a helpful page, and taking all proxies away would heal nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// No, for these reasons; never empty.
    NotReady(Vec<NotReady>),
}

/// Why new clients should not be sent here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    /// The listeners are not open yet.
    Starting,
    /// A stop was asked for; requests are still served for a while.
    ShuttingDown,
}

impl NotReady {
    /// As `/readyz` says it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::ShuttingDown => "shutting down",
        }
    }
}

/// Serves the admin side on a thread of its own until [`AdminHandle::stop`] or the handle's drop.
pub fn start(listener: TcpListener, source: Arc<dyn Source>) -> io::Result<AdminHandle> {
    listener.set_nonblocking(true)?;
    let scraped = Arc::clone(&source);
    let exposition =
        Exposition::new(move |scrape| scraped.scrape(scrape)).map_err(io::Error::other)?;
    let router = answers::router(exposition, source);
    let (stop, stopped) = watch::channel(());
    let (tell, told) = sync_channel(1);
    let thread = thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || server::run(listener, router, stopped, &tell))?;
    told.recv()
        .unwrap_or_else(|ended| Err(io::Error::other(ended)))?;
    Ok(AdminHandle {
        stop: Some(stop),
        thread: Some(thread),
    })
}

/// The admin side that runs.
#[derive(Debug)]
pub struct AdminHandle {
    /// Dropped to stop.
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AdminHandle {
    /// Stops listening, lets answers under way end for a second, and joins the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the admin thread panicked");
        }
    }
}

impl Drop for AdminHandle {
    fn drop(&mut self) {
        self.end();
    }
}
