//! What watches backends: name look-ups and health checks, on one thread beside the workers.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::balance::Slot;
use crate::cluster::machine::{Event, Needed, State};
use crate::cluster::resolve::{INTERVAL, News, SystemResolver, keep_resolved};
use crate::cluster::{Addresses, Backend, Cluster};
use crate::config::BackendAddr;
use crate::health::outliers::{Counted, Judge, Verdict, usual};
use crate::health::{Endpoint, Network, Outcome, ProbeFailure, Subject, Target};
use crate::health::{SOON, start_offset, watch, watch_store};
use crate::observe::metrics::{CheckResult, HistogramTotal};
use crate::proxy::Snapshot;
use crate::proxy::headers::host::own_host;

/// The thread; it ends when the handle is dropped.
#[derive(Debug)]
pub(super) struct Background {
    snapshots: Option<mpsc::UnboundedSender<Arc<Snapshot>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Background {
    /// Starts the thread; it has nothing to watch yet.
    /// `keep` is called now and then, to write down what is to outlive the process.
    pub(super) fn start(keep: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let keep = Arc::new(keep);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (snapshots, mut given) = mpsc::unbounded_channel::<Arc<Snapshot>>();
        let thread = thread::Builder::new()
            .name("background".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let mut tasks = JoinSet::new();
                    while let Some(snapshot) = given.recv().await {
                        tasks.abort_all();
                        tasks = watchers(&snapshot, &keep);
                    }
                });
                // A look-up that the system does not answer must not hold the end up.
                runtime.shutdown_timeout(Duration::ZERO);
            })?;
        Ok(Self {
            snapshots: Some(snapshots),
            thread: Some(thread),
        })
    }

    /// Watches the backends of `snapshot`, and no others, from now on.
    pub(super) fn watch(&self, snapshot: Arc<Snapshot>) {
        if let Some(snapshots) = &self.snapshots {
            // Sending fails only when the thread has ended, with the process.
            drop(snapshots.send(snapshot));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.snapshots.take());
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the background thread panicked");
        }
    }
}

fn watchers<K: Fn() + Send + Sync + 'static>(snapshot: &Snapshot, keep: &Arc<K>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for cluster in &snapshot.clusters {
        for slot in cluster.slots() {
            let Some(backend) = cluster.backend(slot) else {
                continue;
            };
            let (name, health) = (cluster.config.name.as_str(), cluster.config.health.clone());
            let offset = start_offset(name, backend.name.as_str(), health.interval);
            // A reload must not make one that is on its way back wait longer.
            let offset = if backend.is_down() {
                offset.min(SOON)
            } else {
                offset
            };
            let watched = Watched {
                cluster: Arc::clone(cluster),
                backend: Arc::clone(backend),
                slot,
            };
            tasks.spawn(watch(watched, Network, health, offset));
            if let BackendAddr::Host { host, port } = &backend.address {
                let offset = start_offset(name, backend.name.as_str(), INTERVAL);
                tasks.spawn(resolve(Arc::clone(backend), (host.clone(), *port), offset));
            }
        }
    }
    for cluster in &snapshot.clusters {
        let stores = cluster.stores.as_ref().map_or(0, |it| it.nodes.len());
        for place in 0..stores {
            tasks.spawn(watch_store(Arc::clone(cluster), place));
        }
    }
    let clusters = snapshot.clusters.clone();
    tasks.spawn(keep_house(clusters, Arc::clone(keep)));
    tasks
}

/// Between two looks at what grows old or warm.
const HOUSE_KEEPING: Duration = Duration::from_millis(200);
/// Ledger entries looked at each time: a full ledger of a million is gone through in 50 s.
const SWEPT: usize = 4_000;

/// Lets slow starts go on, tells of sessions out of reach, and forgets those that ended without a
/// word.
async fn keep_house(clusters: Vec<Arc<Cluster>>, keep: Arc<impl Fn()>) {
    let mut judging: Vec<_> = clusters.iter().map(|it| Judging::of(it)).collect();
    let mut turns = tokio::time::interval(HOUSE_KEEPING);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        for cluster in &clusters {
            cluster.warm_up();
            cluster.go_on_evacuating();
            cluster.watch_drains();
            cluster.watch_reach();
        }
        for judging in &mut judging {
            judging.look();
        }
        keep();
        if let Some(cluster) = clusters.first() {
            let common = &cluster.sessions.common;
            common.ledger.sweep(common.now(), SWEPT);
        }
    }
}

async fn resolve(backend: Arc<Backend>, (host, port): (String, u16), offset: Duration) {
    let known = match &**backend.addresses() {
        Addresses::Ip(addresses) => addresses.clone(),
        Addresses::Unix(_) => Vec::new(),
    };
    keep_resolved(
        SystemResolver,
        (&host, port),
        known,
        offset,
        |news| match &news {
            News::Changed(addresses) => {
                tracing::info!(backend = %backend.name, host, "{news}");
                backend.change_addresses(Addresses::Ip(addresses.clone()));
            }
            News::Failing(_) => tracing::warn!(backend = %backend.name, host, "{news}"),
            News::Recovered => tracing::info!(backend = %backend.name, host, "{news}"),
        },
    )
    .await;
}

/// What judges the answers of a cluster's backends.
struct Judging {
    cluster: Arc<Cluster>,
    began: Instant,
    judges: Vec<Judge>,
}

impl Judging {
    fn of(cluster: &Arc<Cluster>) -> Self {
        let began = Instant::now();
        let outliers = &cluster.config.outliers;
        let judge = |backend: &Arc<Backend>| {
            let mut judge = Judge::default();
            // From before a reload: nobody knows for how long.
            if backend.is_outlying() {
                judge.is_out(Duration::ZERO, outliers);
            }
            judge
        };
        Self {
            cluster: Arc::clone(cluster),
            began,
            judges: cluster.backends.iter().map(judge).collect(),
        }
    }

    fn look(&mut self) {
        let outliers = &self.cluster.config.outliers;
        let at = self.began.elapsed();
        let pairs = self.judges.iter_mut().zip(&self.cluster.backends);
        let means: Vec<_> = pairs
            .map(|(judge, backend)| judge.look(at, counted(backend), outliers))
            .collect();
        for (place, slot) in self.cluster.slots().enumerate() {
            let Some(judge) = self.judges.get_mut(place) else {
                return;
            };
            let mean = means.get(place).copied().flatten();
            match judge.judge(at, (mean, usual(&means, place)), outliers) {
                Some(Verdict::Outlying) if self.cluster.report_outlying(slot) => {
                    judge.is_out(at, outliers);
                }
                Some(Verdict::Readmit) => self.cluster.report(slot, Event::Readmitted),
                Some(Verdict::Outlying) | None => {}
            }
        }
    }
}

fn counted(backend: &Backend) -> Counted {
    let (bad, row) = backend.bad_answers();
    let mut times = HistogramTotal::default();
    for cells in backend.cells.iter() {
        cells.response_time.add_to(&mut times);
    }
    let failures = backend.cells.sum(|cells| {
        let failures = cells.failures.iter();
        failures.map(|(_, count)| count.value()).sum()
    });
    Counted {
        answers: times.count() + failures,
        bad,
        time: times.time(),
        timed: times.count(),
        row,
    }
}

/// A backend as its monitor sees it.
struct Watched {
    cluster: Arc<Cluster>,
    backend: Arc<Backend>,
    slot: Slot,
}

impl Subject for Watched {
    fn needed(&self) -> Needed {
        // One that was evacuated is about to be restarted: a refused connection is the proof, and
        // lets sessions go back to it.
        let is_gone = self.backend.state() == State::Disabled;
        if is_gone && self.backend.evacuation().is_some() {
            return Needed::Answer;
        }
        self.backend.needed()
    }

    fn target(&self) -> Target {
        let endpoint = match &**self.backend.addresses() {
            Addresses::Ip(addresses) => Endpoint::Tcp(addresses.as_slice().into()),
            Addresses::Unix(path) => Endpoint::Unix(path.as_path().into()),
        };
        let host = self.cluster.config.health.host.clone();
        Target {
            endpoint,
            host: host.unwrap_or_else(|| own_host(&self.backend.address)),
        }
    }

    fn report(&self, outcome: Outcome) {
        self.backend.events.checks.inc(result_of(&outcome));
        if let Outcome::CheckFailed(failure) = &outcome {
            tracing::debug!(backend = %self.backend.name, %failure, "check failed");
        }
        if let Some(event) = outcome.event() {
            self.cluster.report(self.slot, event);
        }
    }

    fn wake(&self) -> &Notify {
        &self.backend.changed
    }
}

fn result_of(outcome: &Outcome) -> CheckResult {
    let (Outcome::CheckFailed(failure) | Outcome::Unanswered(failure)) = outcome else {
        return CheckResult::Success;
    };
    match failure {
        ProbeFailure::Connect { .. }
        | ProbeFailure::ConnectTimeout { .. }
        | ProbeFailure::NoAddress => CheckResult::Connect,
        ProbeFailure::AnswerTimeout(_) => CheckResult::Timeout,
        ProbeFailure::Status(_) => CheckResult::Status,
        ProbeFailure::Broken(_)
        | ProbeFailure::Ended
        | ProbeFailure::NotHttp(_)
        | ProbeFailure::HeadTooLong => CheckResult::Protocol,
    }
}
