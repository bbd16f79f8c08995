//! What one worker has of its own, and how it sees what all workers share.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use http::HeaderName;
use regex::Regex;

use super::errors::ErrorPages;
use super::headers::request_id::RequestIds;
use super::plan::{ClusterPlan, RulePlan};
use super::rules::RuleTable;
use crate::clock::Clock;
use crate::cluster::{Cluster, Common};
use crate::config::{Config, ListenAddr, StoreNode};
use crate::observe::access_log::{AccessLogHandle, WorkerLog};
use crate::observe::metrics::{PerWorker, WorkerCells, WorkerId};
use crate::session::Redactor;
use crate::session::ledger::Seconds;
use crate::store::asker::Asker;
use crate::tls::{Elsewhere, ServerSide};
use crate::upstream::Upstream;

/// One configuration in force.
#[derive(Debug)]
pub struct Snapshot {
    /// The file, checked.
    pub config: Config,
    /// Its rules, ready to be matched.
    pub rules: RuleTable,
    /// By place of the rule.
    pub rule_plans: Vec<RulePlan>,
    /// By place of the listener; `None`: it does not speak TLS.
    pub tls: Vec<Option<Arc<ServerSide>>>,
    /// By place of the listener.
    elsewhere: Vec<Elsewhere>,
    /// Headers by which backends are told of clients' certificates: nobody else may send them.
    pub client_headers: Arc<[HeaderName]>,
    /// In the order of the file.
    pub clusters: Vec<Arc<Cluster>>,
    /// In the order of the file.
    pub cluster_plans: Vec<ClusterPlan>,
    /// What error answers look like.
    pub error_pages: ErrorPages,
    /// Shortens session ids in what is logged.
    pub redactor: Redactor,
    /// Where requests are logged.
    pub access_log: Option<AccessLogHandle>,
    /// Whether any cluster's backends are told in a PROXY header for whom a connection is.
    pub introduces: bool,
}

impl Snapshot {
    /// Compiles a configuration. Backends of `before` that are named again live on.
    pub fn new(
        config: Config,
        before: Option<&Self>,
        access_log: Option<AccessLogHandle>,
        common: &Arc<Common>,
    ) -> Result<Self, TlsFailure> {
        let tls = config.listeners.iter().map(|listener| {
            let Some(tls) = &listener.tls else {
                return Ok(None);
            };
            let before = before.and_then(|before| before.tls_of(&listener.address));
            ServerSide::new((**tls).clone(), before).map(|side| Some(Arc::new(side)))
        });
        let tls = tls.collect::<Result<_, _>>().map_err(TlsFailure)?;
        let clusters = config.clusters.iter().map(|cluster| {
            let before = before.and_then(|before| {
                before
                    .clusters
                    .iter()
                    .find(|other| other.config.name == cluster.name)
            });
            let before = before.map(Arc::as_ref);
            let tls_before = before.and_then(|before| before.config.tls.as_ref());
            if let (Some(tls), Some(before)) = (&cluster.tls, tls_before) {
                tls.take_over(before);
            }
            Arc::new(Cluster::new(
                cluster.clone(),
                before,
                config.workers,
                common,
            ))
        });
        let sessions = config.clusters.iter().map(|cluster| &cluster.sessions);
        let names = sessions.flat_map(|of| of.cookies.iter().chain(&of.parameters));
        let sides = config.listeners.iter().map(|it| it.tls.as_deref());
        let sides: Vec<_> = sides.collect();
        let client_headers = client_headers(&config);
        let rule_plan = |rule| RulePlan::new(rule, &config, &client_headers);
        Ok(Self {
            rules: RuleTable::new(&config.rules),
            rule_plans: config.rules.iter().map(rule_plan).collect(),
            clusters: clusters.collect(),
            cluster_plans: config.clusters.iter().map(ClusterPlan::new).collect(),
            error_pages: ErrorPages::new(&config.errors),
            redactor: Redactor::new(names.map(String::as_str)),
            access_log,
            client_headers,
            tls,
            elsewhere: Elsewhere::of_each(&sides),
            introduces: config
                .clusters
                .iter()
                .any(|cluster| cluster.pool.proxy_protocol.is_some()),
            config,
        })
    }

    /// Whether requests for this host may not be passed on by the listener in this place: others
    /// demand a certificate for it.
    #[inline]
    pub fn is_kept_from(&self, door: usize, host: Option<&str>) -> bool {
        let elsewhere = self.elsewhere.get(door);
        elsewhere.is_some_and(|elsewhere| elsewhere.has(host))
    }

    /// TLS of the listener at this address.
    fn tls_of(&self, address: &ListenAddr) -> Option<&ServerSide> {
        let mut listeners = self.config.listeners.iter();
        let place = listeners.position(|listener| listener.address == *address)?;
        self.tls.get(place)?.as_deref()
    }
}

fn client_headers(config: &Config) -> Arc<[HeaderName]> {
    let sides = config.listeners.iter().filter_map(|it| it.tls.as_deref());
    let names = sides.flat_map(|tls| tls.client_headers.iter().map(|(_, name)| name.clone()));
    let mut names: Vec<_> = names.collect();
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    names.into()
}

/// TLS cannot be spoken as configured.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct TlsFailure(#[source] rustls::Error);

/// What all workers share: the snapshot in force and the state changes.
#[derive(Debug)]
pub struct Published {
    generation: AtomicU64,
    snapshot: ArcSwap<Snapshot>,
    /// What all clusters share.
    pub common: Arc<Common>,
    /// What each worker counts.
    pub cells: PerWorker<WorkerCells>,
}

impl Published {
    /// Puts the first snapshot in force.
    pub fn new(snapshot: Snapshot, common: Arc<Common>, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            generation: AtomicU64::new(1),
            snapshot: ArcSwap::from_pointee(snapshot),
            common,
            cells: PerWorker::new(workers),
        })
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts another snapshot in force, for requests that begin from now on.
    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

/// A cluster as one worker sees it.
#[derive(Debug)]
pub struct ClusterView {
    /// What all workers share of it.
    pub cluster: Arc<Cluster>,
    /// This worker's connections, by slot.
    pub upstreams: Vec<Rc<Upstream>>,
    /// This worker's connections to the stores, in the order of the file.
    pub askers: Vec<Rc<Asker>>,
    /// Paths that touch no session. A copy of this worker's own: copies share nothing that
    /// another worker could hold.
    pub ignore: Option<Regex>,
    /// Paths for which a dead session is begun elsewhere; a copy of this worker's own too.
    pub replay_dead: Option<Regex>,
}

/// A snapshot as one worker sees it; requests hold it by `Rc`.
#[derive(Debug)]
pub struct View {
    generation: u64,
    /// What all workers share of it.
    pub snapshot: Arc<Snapshot>,
    /// In the order of the file.
    pub clusters: Vec<ClusterView>,
    /// This worker's part of the access log.
    pub log: Option<Rc<WorkerLog>>,
}

/// One worker: its clock, its view, its connections, its counters.
#[derive(Debug)]
pub struct Worker {
    /// Which one.
    pub id: WorkerId,
    /// Bounds every wait.
    pub clock: Rc<Clock>,
    /// What all workers share.
    pub published: Arc<Published>,
    view: RefCell<Rc<View>>,
    /// Of views that were replaced: requests that began then log there.
    old_logs: RefCell<Vec<Weak<WorkerLog>>>,
    /// Makes ids for requests.
    pub request_ids: RequestIds,
    changes_seen: Cell<u64>,
    ledger_time: Cell<Seconds>,
    stopping: Cell<bool>,
    ends_tunnels: Cell<bool>,
    random: Cell<u64>,
}

impl Worker {
    /// A worker that has served nothing yet.
    pub fn new(id: WorkerId, published: Arc<Published>) -> Rc<Self> {
        let clock = Clock::new();
        let view = View::of(&published, id, &clock, None);
        // From the system's randomness, as hash maps are; never zero.
        let seed = RandomState::new().hash_one(id.0) | 1;
        Rc::new(Self {
            id,
            view: RefCell::new(Rc::new(view)),
            old_logs: RefCell::default(),
            ledger_time: Cell::new(published.common.now()),
            changes_seen: Cell::new(published.common.changes.count()),
            published,
            clock,
            request_ids: RequestIds::seeded_by_the_system(),
            stopping: Cell::new(false),
            ends_tunnels: Cell::new(false),
            random: Cell::new(seed),
        })
    }

    /// The snapshot in force, for one request.
    pub fn view(&self) -> Rc<View> {
        let generation = self.published.generation.load(Ordering::Acquire);
        let view = self.view.borrow();
        if view.generation == generation {
            return Rc::clone(&view);
        }
        let next = Rc::new(View::of(&self.published, self.id, &self.clock, Some(&view)));
        if let Some(log) = &view.log
            && !next.log.as_ref().is_some_and(|it| Rc::ptr_eq(it, log))
        {
            self.old_logs.borrow_mut().push(Rc::downgrade(log));
        }
        drop(view);
        self.view.replace(Rc::clone(&next));
        next
    }

    /// This worker's counters.
    pub fn cells(&self) -> &WorkerCells {
        self.published.cells.of(self.id)
    }

    /// Whether connections are to end with the request they are at.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// From now on connections end with the request they are at.
    pub fn stop(&self) {
        self.stopping.set(true);
        self.clock.wake_all();
    }

    /// Whether tunnels are to end at once.
    pub fn ends_tunnels(&self) -> bool {
        self.ends_tunnels.get()
    }

    /// From now on tunnels end.
    pub fn end_tunnels(&self) {
        self.ends_tunnels.set(true);
        self.clock.wake_all();
    }

    /// The ledger's time, as of the last tick.
    pub fn ledger_time(&self) -> Seconds {
        self.ledger_time.get()
    }

    /// One tick of the coarse clock: time-outs, and requests that wait for a backend that went
    /// down meanwhile, or for any of those that take part now.
    pub fn tick(&self) {
        self.clock.tick();
        self.ledger_time.set(self.published.common.now());
        let changes = self.published.common.changes.count();
        if self.changes_seen.replace(changes) != changes {
            self.clock.wake_all();
            for view in &self.view.borrow().clusters {
                view.cluster.queue.settle();
            }
        }
    }

    /// What needs doing now and then: old connections, logged lines that nobody pushed out.
    pub fn sweep(&self) {
        let view = self.view();
        for upstream in view.clusters.iter().flat_map(|cluster| &cluster.upstreams) {
            upstream.sweep();
        }
        if let Some(log) = &view.log {
            log.flush();
        }
        self.old_logs.borrow_mut().retain(|log| {
            let log = log.upgrade();
            if let Some(log) = &log {
                log.flush();
            }
            log.is_some()
        });
    }

    /// A random number for balancing (xorshift64*): fast, and nothing secret hangs on it.
    pub fn random(&self) -> u64 {
        let mut state = self.random.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.set(state);
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

impl View {
    fn of(published: &Published, id: WorkerId, clock: &Rc<Clock>, before: Option<&Self>) -> Self {
        // Read before the snapshot: a view that is newer than its number is only made once more.
        let generation = published.generation.load(Ordering::Acquire);
        let snapshot = published.snapshot();
        let upstream_before = |backend: &Arc<crate::cluster::Backend>| {
            let before = before?
                .clusters
                .iter()
                .flat_map(|cluster| &cluster.upstreams);
            before
                .into_iter()
                .find(|upstream| Arc::ptr_eq(&upstream.backend, backend))
        };
        let clusters: Vec<ClusterView> = snapshot
            .clusters
            .iter()
            .map(|cluster| {
                let (settings, tls) = (cluster.config.pool, &cluster.config.tls);
                let upstreams = cluster.backends.iter().map(|backend| {
                    upstream_before(backend).map_or_else(
                        || {
                            Upstream::new(
                                Arc::clone(backend),
                                id,
                                Rc::clone(clock),
                                (settings, tls.clone()),
                            )
                        },
                        |upstream| {
                            upstream.change_settings(settings, tls.clone());
                            Rc::clone(upstream)
                        },
                    )
                });
                ClusterView {
                    cluster: Arc::clone(cluster),
                    ignore: cluster.config.sessions.ignore.clone().map(|it| it.0),
                    replay_dead: cluster.config.drain.replay_dead.clone().map(|it| it.0),
                    upstreams: upstreams.collect(),
                    askers: askers(cluster),
                }
            })
            .collect();
        close_what_left(before, &clusters);
        let log = worker_log(before, &snapshot);
        Self {
            generation,
            snapshot,
            clusters,
            log,
        }
    }
}

/// This worker's part of the log: the one that it has, if that is the same log still.
fn worker_log(before: Option<&View>, now: &Snapshot) -> Option<Rc<WorkerLog>> {
    let handle = now.access_log.as_ref()?;
    let before = before.and_then(|view| Some((view.snapshot.access_log.as_ref()?, &view.log)));
    match before {
        Some((other, Some(log))) if handle.is_same(other) => Some(Rc::clone(log)),
        _ => Some(Rc::new(handle.worker())),
    }
}

/// Connections are made when they are needed, and anew after a reload: they are few, and seldom
/// used.
fn askers(cluster: &Cluster) -> Vec<Rc<Asker>> {
    let Some(stores) = cluster.stores.as_ref().map(|stores| &stores.settings) else {
        return Vec::new();
    };
    let asker = |node: &StoreNode| Rc::new(Asker::new(node.address.clone(), stores.timeout));
    stores.nodes.iter().map(asker).collect()
}

/// Idle connections to backends that are in the file no more.
fn close_what_left(before: Option<&View>, now: &[ClusterView]) {
    let Some(before) = before else { return };
    let stays = |upstream: &Rc<Upstream>| {
        now.iter().any(|cluster| {
            cluster
                .upstreams
                .iter()
                .any(|other| Rc::ptr_eq(other, upstream))
        })
    };
    for upstream in before
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.upstreams)
    {
        if !stays(upstream) {
            upstream.retire();
        }
    }
}
