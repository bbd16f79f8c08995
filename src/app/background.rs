//! What watches backends and certificates, name look-ups and health checks, and tells of events: on
//! one thread beside the workers.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{self, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::balance::Slot;
use crate::cluster::resolve::{INTERVAL, News, SystemResolver, keep_resolved};
use crate::cluster::{Addresses, Backend, Cluster, Common};
use crate::config::tls::ClusterTls;
use crate::config::{self, BackendAddr, Check};
use crate::health::agent::watch_agent;
use crate::health::{Network, Pace, SOON, Way, Ways, watch, watch_store};
use crate::proxy::Snapshot;
use crate::proxy::headers::host::own_host;
use crate::webhook::{Courier, Plain, Settings};

use super::certificates::Certificates;
use super::guarded::Guarded;
use super::judging::Judging;
use super::watched::Watched;

/// The thread; it ends when the handle is dropped, once events that wait have had a last chance.
#[derive(Debug)]
pub(super) struct Background {
    words: Option<mpsc::UnboundedSender<Word>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What the thread is told.
#[derive(Debug)]
enum Word {
    /// Another configuration is in force; this was the last event before it.
    Watch(Arc<Snapshot>, u64),
    /// End without another look at anything.
    EndAtOnce,
}

impl Background {
    /// Starts the thread for this configuration.
    /// `keep` is called now and then, to write down what is to outlive the process.
    pub(super) fn start(
        first: Arc<Snapshot>,
        common: Arc<Common>,
        certificates: Arc<Certificates>,
        keep: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let keep = Arc::new(keep);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (words, given) = mpsc::unbounded_channel::<Word>();
        let thread = thread::Builder::new()
            .name("background".to_owned())
            .spawn(move || {
                runtime.block_on(run(first, common, given, (certificates, keep)));
                // Neither a look-up nor a file system that does not answer may hold the end up.
                runtime.shutdown_timeout(Duration::ZERO);
            })?;
        Ok(Self {
            words: Some(words),
            thread: Some(thread),
        })
    }

    /// Watches the backends of `snapshot`, and no others, from now on; `last` was the last event
    /// before.
    pub(super) fn watch(&self, snapshot: Arc<Snapshot>, last: u64) {
        self.say(Word::Watch(snapshot, last));
    }

    /// Nothing that waits is to hold the end up.
    pub(super) fn end_at_once(&self) {
        self.say(Word::EndAtOnce);
    }

    fn say(&self, word: Word) {
        if let Some(words) = &self.words {
            // Sending fails only when the thread has ended, with the process.
            drop(words.send(word));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.words.take());
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the background thread panicked");
        }
    }
}

async fn run(
    first: Arc<Snapshot>,
    common: Arc<Common>,
    mut given: mpsc::UnboundedReceiver<Word>,
    (certificates, keep): (Arc<Certificates>, Arc<impl Fn() + Send + Sync + 'static>),
) {
    let watched = |snapshot: &Snapshot| {
        let mut tasks = watchers(snapshot, &keep);
        certificates.watch(snapshot, &mut tasks);
        tasks
    };
    // It outlives configurations, with the events that wait.
    let (webhook, settings) = sync::watch::channel(Settings {
        webhook: first.config.webhook.clone(),
        ..Settings::default()
    });
    let mut courier = JoinSet::new();
    courier.spawn(Courier::new(common, settings, Plain).run());
    let mut tasks = watched(&first);
    while let Some(word) = given.recv().await {
        let Word::Watch(snapshot, last) = word else {
            return;
        };
        tasks.abort_all();
        tasks = watched(&snapshot);
        webhook.send_if_modified(|it| it.follow(snapshot.config.webhook.as_ref(), last));
    }
    tasks.abort_all();
    drop(webhook);
    if courier
        .join_next()
        .await
        .is_some_and(|ended| ended.is_err())
    {
        tracing::error!("what delivers events panicked");
    }
}

fn watchers<K: Fn() + Send + Sync + 'static>(snapshot: &Snapshot, keep: &Arc<K>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for cluster in &snapshot.clusters {
        for slot in cluster.slots() {
            let Some(backend) = cluster.backend(slot) else {
                continue;
            };
            watch_backend((&mut tasks, began), cluster, slot, backend);
            if let BackendAddr::Host { host, port } = &backend.address {
                let name = cluster.config.name.as_str();
                let offset = Pace::of(name, backend.name.as_str(), INTERVAL, 0).first();
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

fn watch_backend(
    (tasks, began): (&mut JoinSet<()>, Instant),
    cluster: &Arc<Cluster>,
    slot: Slot,
    backend: &Arc<Backend>,
) {
    let (config, settings) = (&cluster.config, backend.settings());
    let (name, health) = (config.name.as_str(), &config.health);
    let pace = Pace::of_checks(name, backend.name.as_str(), health).together(began);
    // A reload must not make one that is on its way back wait longer.
    let offset = if backend.is_down() {
        pace.first().min(SOON)
    } else {
        pace.first()
    };
    let network = Network::new(
        health,
        &own_host(&backend.address),
        health.check_port(&settings),
        &config.sessions.cookies,
        ways(config, backend),
    )
    .introduced(config.pool.proxy_protocol);
    let watched = Watched::new(cluster, slot, backend);
    tasks.spawn(watch(watched, network, pace, offset));
    if let Some(port) = health.agent_port(&settings) {
        let agent = &health.agent;
        let pace = Pace::of(name, backend.name.as_str(), agent.interval, health.jitter);
        let pace = pace.together(began);
        let sent = agent.send.as_ref();
        let sent = sent.map(|line| line.replace("$backend", backend.name.as_str()));
        let guarded = Guarded::new(cluster, slot, backend, port);
        tasks.spawn(watch_agent(guarded, sent, agent.timeout, pace));
    }
}

/// A check by TLS of a backend that requests reach without only asks whether TLS is spoken there.
fn ways(config: &config::Cluster, backend: &Backend) -> Ways {
    let way = |tls: Arc<ClusterTls>| Way {
        tls,
        to: backend.address.clone(),
    };
    let request = config.tls.clone().map(way);
    let wanted = match (&config.health.check, config.health.tls) {
        (Some(Check::Tls), _) => true,
        (Some(Check::Tcp), None) => false,
        (_, wanted) => wanted.unwrap_or(request.is_some()),
    };
    let unverified = || ClusterTls::unverified().map(Arc::new).map(way);
    let http2 = config.pool.http2.is_some();
    let check = wanted.then(|| request.clone().or_else(unverified));
    let mut check = check.flatten();
    if http2
        && config.health.check_port(&backend.settings()).is_some()
        && let Some(way) = &mut check
    {
        // Who listens there speaks HTTP/1.1 as a rule.
        way.tls = Arc::new(way.tls.by_http1());
    }
    Ways {
        check,
        request,
        http2,
    }
}

/// Between two looks at what grows old or warm.
const HOUSE_KEEPING: Duration = Duration::from_millis(200);
/// Ledger entries looked at each time: a full ledger of a million is gone through in 50 s.
const SWEPT: usize = 4_000;

/// Lets slow starts go on, tells of sessions out of reach, and forgets those that ended without a
/// word.
async fn keep_house(clusters: Vec<Arc<Cluster>>, keep: Arc<impl Fn()>) {
    let mut judging: Vec<_> = clusters.iter().map(Judging::of).collect();
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
