//! Clusters and their backends as all workers share them: states, requests in flight, who is
//! usable. It knows no sockets; `upstream` connects, `health` asks, both report here.

mod addresses;
mod administer;
mod backend;
mod balancing;
mod changes;
pub mod connect_fault;
mod evacuation;
mod limit;
pub mod machine;
mod moves;
mod orders;
pub mod queue;
mod recent;
pub mod resolve;
mod returns;
mod sessions;
pub mod stores;
mod warmth;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

pub use addresses::Addresses;
pub use administer::{Pace, Refused};
pub use backend::{Backend, OpenRequest, Stand};
pub use balancing::{Balancing, Standing};
pub use changes::Changes;
pub use connect_fault::ConnectFault;
pub use evacuation::{Evacuation, Leave, Stage, Stays, Tally};
pub use moves::Moves;
pub use orders::{Names, Order, Orders};
pub use queue::Queue;
pub use returns::{Rest, Returns};
pub use sessions::{Common, Held, OwnCookie, SessionBook, WhyMoved};
pub use stores::{ClusterStores, WatchedNode};
pub use warmth::{Progress, Warmth};

use crate::balance::Slot;
use crate::config;
use crate::config::{JvmRoute, OwnerBy};
use crate::observe::events::News;
use crate::observe::metrics::{
    BackendState, CertificateReloads, ClusterCells, EjectionCause, PerWorker, RouteAlarm,
};
use crate::session::id::Id;
use crate::session::routes::{Named, is_learnable};
use machine::{Cause, Event, Fault, Machine, Peers, State, Transition, Wish};

/// A cluster under one configuration.
#[derive(Debug)]
pub struct Cluster {
    /// What the file says.
    pub config: config::Cluster,
    /// In the order of the file; a [`Slot`] is an index into it.
    pub backends: Vec<Arc<Backend>>,
    /// What each worker counts.
    pub cells: Arc<PerWorker<ClusterCells>>,
    /// Changes of the files of its TLS.
    pub certificate_reloads: Arc<CertificateReloads>,
    /// Who waits for a place.
    pub queue: Arc<Queue>,
    /// Its part of the ledger.
    pub sessions: SessionBook,
    /// Where memcached-session-manager keeps its sessions.
    pub stores: Option<ClusterStores>,
    balancing: ArcSwap<Balancing>,
    /// The change up to which `balancing` is true.
    seen: AtomicU64,
    /// One lays it out, so that an older view never replaces a newer one.
    laying_out: Mutex<()>,
    /// One judges silence.
    judging: Mutex<()>,
    cursor: AtomicUsize,
    retrying: AtomicUsize,
    changes: Arc<Changes>,
}

impl Cluster {
    /// The cluster of a new configuration. Backends that `before` has too (same name, same
    /// address) live on with their state, connections and counters.
    pub fn new(
        config: config::Cluster,
        before: Option<&Self>,
        workers: usize,
        common: &Arc<Common>,
    ) -> Self {
        let queue = before.map_or_else(
            || Queue::new(config.max_requests),
            |before| Arc::clone(&before.queue),
        );
        let backends: Vec<_> = config
            .backends
            .iter()
            .map(|settings| {
                before
                    .and_then(|before| before.backend_like(settings))
                    .map_or_else(
                        || {
                            let order = common
                                .orders
                                .of(config.name.as_str(), settings.name.as_str());
                            let machine = Machine::new(settings.state, &config.health)
                                .warming_up(!config.slow_start.is_zero())
                                .returning(config.fail_back)
                                .under(order.wish);
                            // Others serve already: it is the only cold one.
                            let machine = if before.is_some() {
                                machine.new_among_others()
                            } else {
                                machine
                            };
                            let queue = Arc::clone(&queue);
                            let backend = Backend::new(settings.clone(), machine, workers, queue);
                            backend.order_weight(order.weight);
                            backend
                        },
                        Arc::clone,
                    )
            })
            .collect();
        let cells = before.map(|before| Arc::clone(&before.cells));
        let certificate_reloads = before.map(|before| Arc::clone(&before.certificate_reloads));
        let cursor = before.map_or(0, |before| before.cursor.load(Ordering::Relaxed));
        let sessions = SessionBook::new(&config, common, before.map(|before| &before.sessions));
        let stores = config.stores.clone().map(|settings| {
            let before = before.and_then(|before| before.stores.as_ref());
            ClusterStores::new(settings, before)
        });
        let cluster = Self {
            config,
            backends,
            cells: cells.unwrap_or_else(|| Arc::new(PerWorker::new(workers))),
            certificate_reloads: certificate_reloads.unwrap_or_default(),
            queue,
            sessions,
            stores,
            balancing: ArcSwap::default(),
            seen: AtomicU64::new(u64::MAX),
            laying_out: Mutex::default(),
            judging: Mutex::default(),
            cursor: AtomicUsize::new(cursor),
            retrying: AtomicUsize::new(0),
            changes: Arc::clone(&common.changes),
        };
        cluster.resume();
        cluster
    }

    fn backend_like(&self, settings: &config::Backend) -> Option<&Arc<Backend>> {
        self.backends
            .iter()
            .find(|backend| backend.name == settings.name && backend.address == settings.address)
    }

    /// Puts this configuration in force for backends that live on from an earlier one.
    pub fn take_over(&self) {
        for (backend, settings) in self.backends.iter().zip(&self.config.backends) {
            backend.change_settings(settings.clone());
            if !self.config.health.has_agent(settings) {
                self.forget_agent(backend);
            }
            let flip = backend.advance(&self.changes, |machine| {
                let warms = !self.config.slow_start.is_zero();
                let policy = self.config.fail_back;
                machine.configure(settings.state, &self.config.health, (warms, policy))
            });
            self.tell(backend, flip);
            // One that is new in the file may have been ordered while names were looked up.
            let (cluster, name) = (self.config.name.as_str(), backend.name.as_str());
            let order = self.sessions.common.orders.of(cluster, name);
            if backend.stand().ordered != order.wish {
                let flip = backend.advance(&self.changes, |machine| machine.order(order.wish));
                self.tell(backend, flip);
            }
            backend.order_weight(order.weight);
        }
        self.queue.change_whole(self.config.max_requests);
        self.sessions.follow(&self.config);
    }

    /// All slots.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        (0..self.backends.len()).map_while(|index| u16::try_from(index).ok().map(Slot))
    }

    /// The backend in a slot.
    pub fn backend(&self, slot: Slot) -> Option<&Arc<Backend>> {
        self.backends.get(usize::from(slot.0))
    }

    /// The jvm route of a backend's Tomcat: as configured, else as learned.
    pub fn jvm_route(&self, slot: Slot) -> Option<JvmRoute> {
        let settings = self.config.backends.get(usize::from(slot.0))?;
        let learned = || self.backend(slot)?.learned_route().as_deref().cloned();
        settings.jvm_route.clone().or_else(learned)
    }

    /// Who is usable now.
    pub fn balancing(&self) -> Guard<Arc<Balancing>> {
        if self.seen.load(Ordering::Acquire) != self.changes.count() {
            self.lay_out();
        }
        self.balancing.load()
    }

    #[cold]
    fn lay_out(&self) {
        let _one = self
            .laying_out
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Read first: a change while the states are read makes the next reader come here again.
        let change = self.changes.count();
        let states: Vec<_> = self
            .backends
            .iter()
            .zip(&self.config.backends)
            .map(|(backend, settings)| Standing {
                settings: settings.clone(),
                state: backend.state(),
                weight: backend.wished_weight(),
                step: backend.warmth().step(),
                percent: backend.agent_percent(),
                learned: backend.learned_route().as_deref().cloned(),
            })
            .collect();
        self.balancing.store(Arc::new(Balancing::of(
            &states,
            self.config.sessions.owner == OwnerBy::Append,
        )));
        self.seen.store(change, Ordering::Release);
    }

    /// The next turn of the round robin, one for each request.
    pub fn next_turn(&self) -> usize {
        self.cursor.fetch_add(1, Ordering::Relaxed)
    }

    /// Requests in flight at all its backends.
    pub fn in_flight(&self) -> usize {
        self.backends
            .iter()
            .map(|backend| backend.in_flight())
            .sum()
    }

    /// Those of them that are requests still: a tunnel says nothing of how much is asked.
    pub fn requests_alone(&self) -> usize {
        let backends = self.backends.iter();
        backends.map(|backend| backend.requests_alone()).sum()
    }

    /// Counts a retry that `retry.on` allowed, until the guard is dropped.
    pub fn begin_retry(cluster: &Arc<Self>) -> Retrying {
        cluster.retrying.fetch_add(1, Ordering::Relaxed);
        Retrying(Arc::clone(cluster))
    }

    /// Retries in flight that `retry.on` allowed.
    pub fn retrying(&self) -> usize {
        self.retrying.load(Ordering::Relaxed)
    }

    /// Whether any backend takes new requests.
    pub fn has_usable(&self) -> bool {
        self.backends.iter().any(|backend| backend.takes_new())
    }

    /// A request waited the whole response time-out for a backend.
    pub fn report_silence(&self, slot: Slot) {
        // One at a time: two that fall silent at once must not both count on the other.
        let _one = self.judging.lock().unwrap_or_else(PoisonError::into_inner);
        self.report(slot, Event::ResponseTimeout(self.peers()));
    }

    /// Too many answers of a backend were bad or slow. The answer is whether it could be spared.
    pub fn report_outlying(&self, slot: Slot) -> bool {
        let _one = self.judging.lock().unwrap_or_else(PoisonError::into_inner);
        self.report(slot, Event::Outlying(self.peers()));
        self.backend(slot)
            .is_some_and(|backend| backend.is_outlying())
    }

    /// Tells a backend's state machine what was seen; publishes and logs what follows from it.
    pub fn report(&self, slot: Slot, event: Event) {
        let Some(backend) = self.backend(slot) else {
            return;
        };
        if event == Event::Refused {
            backend.note_refusal();
        }
        let flip = backend.advance(&self.changes, |machine| machine.on(event));
        self.tell(backend, flip);
    }

    /// Lets the shares of those that warm up grow. Called every now and then, off the request's
    /// way.
    pub fn warm_up(&self) {
        for slot in self.slots() {
            let Some(backend) = self.backend(slot) else {
                continue;
            };
            if backend.state() != State::Warming {
                continue;
            }
            match backend.warmth().advance(self.config.slow_start) {
                Progress::Same => {}
                Progress::Grown => self.changes.announce(),
                Progress::Warm => self.report(slot, Event::Warmed),
            }
        }
    }

    /// A backend made a new session with this id: from now on its jvm route is the backend's, if
    /// nobody knew.
    pub fn teach(&self, slot: Slot, id: &Id<'_>) -> Option<RouteAlarm> {
        let route = id.route()?;
        let backend = self.backend(slot)?;
        let settings = self.config.backends.get(usize::from(slot.0))?;
        let is_configured = settings
            .jvm_route
            .as_ref()
            .is_some_and(|known| known.as_str().as_bytes() == route);
        let is_learned = backend
            .learned_route()
            .as_ref()
            .is_some_and(|known| known.as_str().as_bytes() == route);
        if !is_configured && !is_learned && is_learnable(route) {
            let text = std::str::from_utf8(route).unwrap_or_default();
            backend.learn_route(JvmRoute::new(text));
            self.changes.announce();
            let cluster = &self.config.name;
            let route = id.shown_route().unwrap_or_default().escape_ascii();
            tracing::info!(%cluster, backend = %backend.name, %route, "jvm route learned");
        }
        if self.balancing().routes.named(route) == Named::Several {
            return Some(RouteAlarm::Shared);
        }
        (settings.jvm_route.is_some() && !is_configured).then_some(RouteAlarm::Unused)
    }

    fn tell(&self, backend: &Backend, flip: Option<Transition>) {
        let Some(flip) = flip else { return };
        let (cluster, name) = (&self.config.name, &backend.name);
        backend.events.flips.inc(state_kind(flip.to));
        if let Cause::Fault(fault) = flip.cause {
            backend.events.ejections.inc(ejection(fault));
            tracing::warn!(%cluster, backend = %name, "{flip}");
        } else {
            tracing::info!(%cluster, backend = %name, "{flip}");
        }
        self.sessions.common.events.tell(News {
            kind: "state".to_owned(),
            cluster: cluster.to_string(),
            backend: name.to_string(),
            from: flip.from.as_str().to_owned(),
            to: flip.to.as_str().to_owned(),
            cause: flip.cause.as_str().to_owned(),
            text: flip.to_string(),
            ..News::default()
        });
    }

    fn peers(&self) -> Peers {
        let usable = self
            .backends
            .iter()
            .filter(|backend| backend.takes_new())
            .count();
        let wanted = |backend: &&Arc<Backend>| backend.stand().wish == Wish::Up;
        Peers {
            usable,
            total: self.backends.iter().filter(wanted).count(),
        }
    }
}

/// Counts one request that is tried again; see [`Cluster::begin_retry`].
#[derive(Debug)]
pub struct Retrying(Arc<Cluster>);

impl Drop for Retrying {
    fn drop(&mut self) {
        self.0.retrying.fetch_sub(1, Ordering::Relaxed);
    }
}

fn state_kind(state: State) -> BackendState {
    match state {
        State::Up => BackendState::Up,
        State::Warming => BackendState::Warming,
        State::Draining => BackendState::Draining,
        State::Evacuating => BackendState::Evacuating,
        State::Down => BackendState::Down,
        State::Disabled => BackendState::Disabled,
    }
}

fn ejection(fault: Fault) -> EjectionCause {
    match fault {
        Fault::Refused | Fault::Unreachable => EjectionCause::Connect,
        Fault::Silent => EjectionCause::Silence,
        Fault::CheckFailed => EjectionCause::Check,
        // No flip has this cause: who orders it does.
        Fault::Agent | Fault::Unproven => EjectionCause::Agent,
    }
}
