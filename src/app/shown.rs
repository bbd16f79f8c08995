//! What the admin side shows of a running proxy.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::state_file;
use crate::admin::api::model;
use crate::admin::api::{self, Unfit};
use crate::admin::{NotReady, Readiness, Source};
use crate::cluster::machine::State;
use crate::cluster::{Cluster, Names, Order};
use crate::config::tls::FromFiles;
use crate::config::{Affinity, Secret};
use crate::observe::access_log::LogCounters;
use crate::observe::events::EventLog;
use crate::observe::metrics::{
    BackendStatus, CapacityStatus, CertificateReloads, LedgerStatus, ProcessEvents, ReloadResult,
    Scrape, SessionCounts, StoreStatus, names,
};
use crate::proxy::Published;
use crate::proxy::explain::{Explanation, Question, Unclear, explain};
use crate::server::Door;
use crate::session::ledger::Status as LedgerNumbers;

/// The states by the names that the metric shows.
const STATES: [&str; 6] = [
    "up",
    "warming",
    "draining",
    "evacuating",
    "down",
    "disabled",
];

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) published: Arc<Published>,
    pub(super) doors: Vec<Arc<Door>>,
    pub(super) events: ProcessEvents,
    pub(super) log: Arc<LogCounters>,
    stopping: AtomicBool,
    last_reload_failed: AtomicBool,
    loaded_at: AtomicU64,
    kept: Mutex<Kept>,
}

/// What stands in the state file, and when it could not be written.
#[derive(Debug, Default)]
struct Kept {
    orders: Vec<(Names, Order)>,
    failed: Option<Instant>,
}

/// Until a state file that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(10);

impl Shown {
    pub(super) fn new(
        published: Arc<Published>,
        doors: Vec<Arc<Door>>,
        log: Arc<LogCounters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            published,
            doors,
            events: ProcessEvents::default(),
            log,
            stopping: AtomicBool::new(false),
            last_reload_failed: AtomicBool::new(false),
            loaded_at: AtomicU64::new(unix_time()),
            kept: Mutex::default(),
        })
    }

    /// New clients should go elsewhere from now on.
    pub(super) fn begin_to_stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// A reload ended.
    pub(super) fn reloaded(&self, result: ReloadResult) {
        self.events.reloads.inc(result);
        self.last_reload_failed
            .store(result == ReloadResult::Failure, Ordering::Release);
        if result == ReloadResult::Success {
            self.loaded_at.store(unix_time(), Ordering::Release);
        }
    }

    /// Writes the orders of administrators down, where that is wanted and they have changed.
    pub(super) fn keep_orders(&self) {
        let snapshot = self.published.snapshot();
        let admin = snapshot.config.admin.as_ref();
        let Some(path) = admin.and_then(|admin| admin.state_file.as_deref()) else {
            return;
        };
        // One at a time: the last one to write has the last word.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = self.published.common.orders.all();
        let is_due = kept.failed.is_none_or(|at| at.elapsed() >= AGAIN);
        if kept.orders == orders || !is_due {
            return;
        }
        match state_file::write(path, orders.clone()) {
            Ok(()) => {
                *kept = Kept {
                    orders,
                    failed: None,
                };
            }
            Err(error) => {
                kept.failed = Some(Instant::now());
                tracing::error!(file = %path.display(), %error, "orders cannot be kept");
            }
        }
    }

    /// These orders stand in the state file already.
    pub(super) fn orders_are_kept(&self, orders: Vec<(Names, Order)>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.orders = orders;
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

impl Source for Shown {
    fn scrape(&self, scrape: &mut Scrape) {
        let snapshot = self.published.snapshot();
        for cluster in &snapshot.clusters {
            let name = cluster.config.name.as_str();
            scrape.cluster(name, &cluster.cells);
            capacity(scrape, cluster);
            for backend in &cluster.backends {
                let backend_name = backend.name.as_str();
                scrape.backend(name, backend_name, &backend.cells);
                scrape.backend_events(name, backend_name, &backend.events);
                let state: State = backend.state();
                let status = BackendStatus {
                    state: state.as_str(),
                    states: &STATES,
                    serves: state.serves_its_own(),
                    in_flight: backend.in_flight(),
                    limit: backend.max_requests(),
                    percent: backend.agent_percent(),
                    weight: backend.weight(),
                };
                scrape.backend_status(name, backend_name, status);
            }
            if cluster.config.affinity != Affinity::None {
                sessions(scrape, cluster);
            }
            stores(scrape, cluster);
        }
        for door in &self.doors {
            scrape.listener(&door.name, &door.cells);
        }
        for (door, side) in self.doors.iter().zip(&snapshot.tls) {
            if let Some(side) = side {
                let of = (&*door.name, "");
                certificates(scrape, of, &door.certificate_reloads, &*side.current());
            }
        }
        for cluster in &snapshot.clusters {
            let files = cluster.config.tls.as_ref().map(|tls| tls.files());
            if let Some(files) = files.filter(|files| !files.files().is_empty()) {
                let of = ("", cluster.config.name.as_str());
                certificates(scrape, of, &cluster.certificate_reloads, &*files);
            }
        }
        ledger(scrape, self.published.common.ledger.status());
        scrape.workers(&self.published.cells);
        scrape.process_events(&self.events);
        scrape.webhook(&self.published.common.events.webhook);
        self.log.scrape(scrape);
        let limit = snapshot.config.limits.connections as u64;
        scrape.gauge(names::CONNECTIONS_LIMIT, &[], limit);
        scrape.gauge(names::STOPPING, &[], u64::from(self.is_stopping()));
        let succeeded = !self.last_reload_failed.load(Ordering::Acquire);
        scrape.gauge(names::LAST_RELOAD_SUCCESS, &[], u64::from(succeeded));
        let loaded_at = self.loaded_at.load(Ordering::Acquire);
        scrape.gauge(names::LAST_RELOAD_TIMESTAMP, &[], loaded_at);
        scrape.process();
    }

    fn readiness(&self) -> Readiness {
        if self.is_stopping() {
            Readiness::NotReady(vec![NotReady::ShuttingDown])
        } else {
            Readiness::Ready
        }
    }

    fn token(&self) -> Option<Secret> {
        let snapshot = self.published.snapshot();
        snapshot.config.admin.as_ref()?.token.clone()
    }

    fn status(&self) -> model::Status {
        self.stand()
    }

    fn backend(&self, cluster: &str, backend: &str) -> Result<model::BackendStatus, Unfit> {
        self.stand_of(cluster, backend)
    }

    fn order(
        &self,
        cluster: &str,
        backend: &str,
        order: api::Order,
        by: &str,
    ) -> Result<model::BackendStatus, Unfit> {
        self.follow((cluster, backend), order, by)
    }

    fn events(&self) -> &EventLog {
        &self.published.common.events
    }

    fn explain(&self, question: &Question) -> Result<Explanation, Unclear> {
        explain(&self.published.snapshot(), question)
    }
}

/// When certificates of a listener or cluster expire. Before 1970 is long ago as well.
fn certificates(
    scrape: &mut Scrape,
    of: (&str, &str),
    reloads: &CertificateReloads,
    tls: &impl FromFiles,
) {
    let ends = tls.shown().into_iter().map(|(name, certificate)| {
        let end = u64::try_from(certificate.not_after()).unwrap_or(0);
        (name, end)
    });
    scrape.certificates(of, reloads, ends);
}

/// How full a cluster is.
fn capacity(scrape: &mut Scrape, cluster: &Cluster) {
    let (config, queue) = (&cluster.config, &cluster.queue);
    let name = config.name.as_str();
    let status = CapacityStatus {
        limit: whole(config.max_requests),
        waiting: whole(queue.waiting()),
        length: whole(config.queue.length),
    };
    scrape.capacity(name, status);
    for backend in &cluster.backends {
        let waiting = whole(queue.waiting_for(backend));
        scrape.backend_queue(name, backend.name.as_str(), waiting);
    }
}

/// The live sessions of a cluster.
fn sessions(scrape: &mut Scrape, cluster: &Cluster) {
    let (name, book) = (cluster.config.name.as_str(), &cluster.sessions);
    let ledger = &book.common.ledger;
    for (backend, member) in cluster.backends.iter().zip(book.members()) {
        let counts = SessionCounts {
            issued: whole(ledger.issued(*member)),
            claimed: whole(ledger.claimed(*member)),
        };
        scrape.sessions(name, backend.name.as_str(), counts);
    }
    for (label, issued) in ledger.stores(book.number) {
        scrape.store_node(name, &label, whole(issued));
    }
    scrape.held(name, whole(book.held()));
}

/// The stores of a cluster that has some.
fn stores(scrape: &mut Scrape, cluster: &Cluster) {
    let Some(stores) = &cluster.stores else {
        return;
    };
    let name = cluster.config.name.as_str();
    for (place, node) in stores.nodes.iter().enumerate() {
        let status = StoreStatus {
            label: &node.label(),
            is_up: node.is_up(),
            at_risk: whole(cluster.sessions_at_risk(place)),
            events: &node.events,
        };
        scrape.store(name, &status);
    }
    if cluster.config.affinity != Affinity::None {
        for (label, moves) in stores.moves() {
            scrape.store_moves(name, &label, moves);
        }
    }
}

fn ledger(scrape: &mut Scrape, status: LedgerNumbers) {
    scrape.ledger(LedgerStatus {
        capacity: whole(status.capacity),
        issued: whole(status.issued),
        claimed: whole(status.claimed),
        evicted_claimed: status.evicted_claimed,
        evicted_unseen: status.evicted_unseen,
        evicted_issued: status.evicted_issued,
        claims_refused: status.refused,
        waits: status.waits,
    });
}

fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn unix_time() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
