//! One worker's connections to one backend.
//!
//! Kept-alive connections are used youngest first, so that those not needed grow old and go. A
//! connection in doubt is closed, never kept: one that was used before the backend went down, one
//! whose exchange did not end cleanly, one that is too old.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::Carrier;
use super::dial::dial;
use super::failure::{Connection, Fault, UpstreamFailure};
use super::http1::AloneCarrier;
use super::oldest::oldest;
use super::share::Sharing;
use super::stream::{Seat, Wire};
use crate::clock::{Clock, Deadline};
use crate::cluster::{Backend, OpenRequest};
use crate::config;
use crate::config::tls::ClusterTls;
use crate::observe::metrics::{BackendCells, Stage, WorkerId};
use crate::proxy_protocol::{Introduction, Version};
use crate::session::ledger::Key;

/// A backend as one worker sees it: its connections.
#[derive(Debug)]
pub struct Upstream {
    /// What all workers share of the backend.
    pub backend: Arc<Backend>,
    pub(super) worker: WorkerId,
    pub(super) clock: Rc<Clock>,
    settings: Cell<config::Pool>,
    pub(super) tls: RefCell<Option<Arc<ClusterTls>>>,
    /// No connection from before this is kept.
    oldest_ms: Cell<u64>,
    idle: RefCell<Vec<Kept>>,
    pub(super) sharing: Sharing,
    /// Whether the backend has left the configuration: nothing is kept for it any more.
    retired: Cell<bool>,
    /// When it was asked last whether it still takes connections, and did.
    listened: Cell<Option<Instant>>,
    /// All connections, to look at them and to end them.
    open: RefCell<Vec<Weak<Wire>>>,
    /// Which of the backend's orders to end everything this worker has followed.
    ended: Cell<u64>,
}

/// Requests of one worker that are told of a backend.
const MOST_TOLD: usize = 100;

/// How long a backend that took a connection is believed to take them. Pages that are missing must
/// not cost it a connection each.
const LISTENS: Duration = Duration::from_millis(10);

#[derive(Debug)]
struct Kept {
    carrier: Carrier,
    born_ms: u64,
    idle_since_ms: u64,
    epoch: u64,
    introduced: Option<Box<Introduced>>,
}

/// For whom a connection was made, where its backend is told.
#[derive(Debug, Clone)]
pub struct Introduced {
    /// What it begins with. Requests share a connection only if each would begin it so.
    pub introduction: Introduction,
    /// Lives as long as the client is connected; without it nobody will need the connection.
    pub client: Weak<dyn Any>,
}

/// A connection in use by one exchange. Dropped, it closes; [`Lease::give_back`] keeps it.
#[derive(Debug)]
pub struct Lease {
    upstream: Rc<Upstream>,
    carrier: Carrier,
    born_ms: u64,
    epoch: u64,
    introduced: Option<Box<Introduced>>,
    /// Whether it carried an exchange before.
    pub connection: Connection,
}

/// A connection in use by a tunnel: as little as it needs, since it may be idle for hours.
#[derive(Debug)]
pub struct TunnelLease {
    upstream: Rc<Upstream>,
    wire: Rc<Wire>,
}

impl TunnelLease {
    /// Whether the connection was ordered to end; the task that reads from it was woken then.
    pub fn is_cut(&self) -> bool {
        self.wire.was_cut()
    }

    /// Whether the backend has left the configuration; all who wait by the clock were woken then.
    pub fn is_retired(&self) -> bool {
        self.upstream.retired.get()
    }
}

impl Upstream {
    /// No connections yet.
    pub fn new(
        backend: Arc<Backend>,
        worker: WorkerId,
        clock: Rc<Clock>,
        (settings, tls): (config::Pool, Option<Arc<ClusterTls>>),
    ) -> Rc<Self> {
        Rc::new(Self {
            ended: Cell::new(backend.ended()),
            open: RefCell::default(),
            backend,
            worker,
            clock,
            settings: Cell::new(settings),
            tls: RefCell::new(tls),
            oldest_ms: Cell::new(0),
            idle: RefCell::default(),
            sharing: Sharing::default(),
            retired: Cell::new(false),
            listened: Cell::new(None),
        })
    }

    /// Takes over changed settings; the connections live on, unless they are secured in another
    /// way than is wanted now.
    pub fn change_settings(&self, settings: config::Pool, tls: Option<Arc<ClusterTls>>) {
        let before = self.settings.replace(settings);
        if before.http2.is_some() != settings.http2.is_some() {
            self.let_go();
        }
        let before = self.tls.replace(tls);
        let is_alike = match (&before, &*self.tls.borrow()) {
            (None, None) => true,
            (Some(before), Some(now)) => now.is_typed_alike(before),
            _ => false,
        };
        if is_alike {
            return;
        }
        // Those of this tick that are right already go too.
        self.oldest_ms.set(self.clock.now_ms() + 1);
    }

    /// Whether it was asked just now.
    pub fn has_just_listened(&self) -> bool {
        let listened = self.listened.get();
        listened.is_some_and(|at| at.elapsed() < LISTENS)
    }

    /// This worker's cells of the backend.
    pub fn cells(&self) -> &BackendCells {
        self.backend.cells.of(self.worker)
    }

    /// A kept-alive connection that looks alive, if there is one. One that was introduced is for
    /// whom it was introduced.
    pub fn take_kept(self: &Rc<Self>, introduced: Option<&Introduced>) -> Option<Lease> {
        match (introduced, &self.settings.get().http2) {
            (_, Some(settings)) => self.take_shared(settings),
            (None, None) => self.take_any(),
            (Some(introduced), None) => self.take_of(introduced),
        }
    }

    /// A connection whose header says the same.
    fn take_of(self: &Rc<Self>, introduced: &Introduced) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        let place = idle.iter().rposition(|kept| {
            let of_it = kept.introduced.as_ref();
            of_it.is_some_and(|it| it.introduction == introduced.introduction)
                && self.is_fresh(kept)
                && kept.carrier.is_ready()
        })?;
        let kept = idle.remove(place);
        self.cells().connections_idle.dec();
        self.cells().reuses.inc();
        Some(Lease {
            upstream: Rc::clone(self),
            carrier: kept.carrier,
            born_ms: kept.born_ms,
            epoch: kept.epoch,
            introduced: Some(Box::new(introduced.clone())),
            connection: Connection::Reused,
        })
    }

    fn take_any(self: &Rc<Self>) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        let kept = loop {
            let kept = idle.pop()?;
            self.cells().connections_idle.dec();
            // One that was introduced, as a reload had it, is for its own client alone.
            let is_anybodys = kept.introduced.is_none();
            if is_anybodys && self.is_fresh(&kept) && kept.carrier.is_ready() {
                break kept;
            }
        };
        self.cells().reuses.inc();
        Some(Lease {
            upstream: Rc::clone(self),
            carrier: kept.carrier,
            born_ms: kept.born_ms,
            epoch: kept.epoch,
            introduced: None,
            connection: Connection::Reused,
        })
    }

    /// A new connection, which begins with an introduction, if one is given.
    pub async fn connect(
        self: &Rc<Self>,
        timeout: Duration,
        deadline: &Deadline,
        introduced: Option<&Introduced>,
    ) -> Result<Lease, UpstreamFailure> {
        if let Some(http2) = self.settings.get().http2 {
            return Box::pin(self.connect_shared(http2, timeout, deadline)).await;
        }
        let epoch = self.backend.epoch();
        let header = introduced.map_or_else(Vec::new, |it| it.introduction.header());
        let (mut stream, reached) = self.reach(timeout, deadline, &header).await?;
        self.is_open(&mut stream);
        Ok(Lease {
            upstream: Rc::clone(self),
            carrier: Carrier::Alone(AloneCarrier::new(stream)),
            born_ms: reached.born_ms,
            epoch,
            introduced: introduced.map(|it| Box::new(it.clone())),
            connection: Connection::Fresh,
        })
    }

    /// Asks whether the backend still takes connections. One that is made is kept, unless a handshake
    /// would have to come first: nobody waits for that.
    pub async fn ask_whether_it_listens(
        self: &Rc<Self>,
        timeout: Duration,
        deadline: &Deadline,
        introduced: Option<&Introduced>,
    ) -> Result<(), UpstreamFailure> {
        if self.tls.borrow().is_some() || self.is_shared() {
            dial(&self.backend.addresses(), timeout, deadline, &[]).await?;
        } else {
            self.connect(timeout, deadline, introduced)
                .await?
                .give_back();
        }
        self.listened.set(Some(Instant::now()));
        Ok(())
    }

    /// What is used for a request from now on, and may be ended.
    pub(super) fn look_at(&self, wire: &Rc<Wire>) {
        self.open.borrow_mut().push(Rc::downgrade(wire));
    }

    /// How connections are kept.
    pub(super) fn settings(&self) -> config::Pool {
        self.settings.get()
    }

    /// Closes what has been idle or alive for too long, or belongs to an earlier life of the
    /// backend. Called by the worker's sweep.
    pub fn sweep(&self) {
        self.look_at_open();
        self.sweep_idle();
        self.sweep_shared();
    }

    fn sweep_idle(&self) {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain(|kept| self.is_fresh(kept) && kept.carrier.rests());
        for _ in idle.len()..before {
            self.cells().connections_idle.dec();
        }
    }

    /// Tells what is at a backend that is being emptied, and ends it if that is ordered.
    fn look_at_open(&self) {
        let mut open = self.open.borrow_mut();
        open.retain(|wire| wire.strong_count() > 0);
        let ended = self.backend.ended();
        if self.ended.replace(ended) != ended {
            for wire in open.iter().filter_map(Weak::upgrade) {
                wire.cut();
            }
        }
        if self.backend.state().takes_new() {
            return;
        }
        let seats = || {
            let wires = open.iter().filter_map(Weak::upgrade);
            wires.filter_map(|wire| wire.seat())
        };
        if let Some(evacuation) = &*self.backend.evacuation() {
            let uncounted = seats().filter(|seat| !seat.is_counted);
            evacuation.are_from_before(self.worker, uncounted.filter_map(|seat| seat.session));
        }
        let now = Instant::now();
        let now_ms = self.clock.ms_of(now);
        let told = oldest(seats(), MOST_TOLD, |seat| seat.since_ms);
        let told = told.into_iter().map(|seat| OpenRequest {
            since: now
                .checked_sub(Duration::from_millis(now_ms.saturating_sub(seat.since_ms)))
                .unwrap_or(now),
            client: seat.client,
            is_tunnel: seat.is_tunnel,
        });
        self.backend.tell_open(self.worker, told.collect());
    }

    /// The backend has left the configuration: closes all idle connections, and those in use as
    /// soon as their exchange is over. Tunnels hear of it.
    pub fn retire(&self) {
        self.retired.set(true);
        self.clock.wake_all();
        self.let_go();
    }

    /// Keeps none of the connections that are there.
    fn let_go(&self) {
        for _ in self.idle.borrow_mut().drain(..) {
            self.cells().connections_idle.dec();
        }
        self.sharing.clear();
        // Those of this tick that are right already go too.
        self.oldest_ms.set(self.clock.now_ms() + 1);
    }

    fn is_fresh(&self, kept: &Kept) -> bool {
        let introduced = kept.introduced.as_deref();
        !kept.carrier.is_closed()
            && is_introduced(introduced, self.settings.get().proxy_protocol)
            && self.is_young((kept.born_ms, kept.epoch), Some(kept.idle_since_ms))
    }

    /// Whether a connection from then may carry another exchange.
    pub(super) fn is_young(
        &self,
        (born_ms, epoch): (u64, u64),
        idle_since_ms: Option<u64>,
    ) -> bool {
        let settings = self.settings.get();
        let now = self.clock.now_ms();
        let within =
            |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) < limit.as_millis();
        !self.retired.get()
            && epoch == self.backend.epoch()
            && born_ms >= self.oldest_ms.get()
            && idle_since_ms.is_none_or(|since| within(since, settings.idle))
            && within(born_ms, settings.lifetime)
    }
}

/// Whether a connection began as they are to begin, and its client is still connected.
#[inline]
fn is_introduced(introduced: Option<&Introduced>, wanted: Option<Version>) -> bool {
    match (introduced, wanted) {
        (None, None) => true,
        (Some(introduced), Some(wanted)) => {
            introduced.introduction.version == wanted && introduced.client.strong_count() > 0
        }
        _ => false,
    }
}

impl Lease {
    pub(super) fn new(
        upstream: &Rc<Upstream>,
        carrier: Carrier,
        (born_ms, epoch): (u64, u64),
        connection: Connection,
    ) -> Self {
        Self {
            upstream: Rc::clone(upstream),
            carrier,
            born_ms,
            epoch,
            introduced: None,
            connection,
        }
    }

    /// Whether the backend has not gone down since the connection was asked for.
    pub fn is_of_this_life(&self) -> bool {
        self.epoch == self.upstream.backend.epoch()
    }

    /// What the connection is used for from now on.
    pub fn sit(&self, session: Option<Key>, client: Option<IpAddr>, is_counted: bool) {
        if self.upstream.backend.is_evacuating() && !is_counted {
            self.sit_late(session);
        }
        self.carrier.sit(Some(Seat {
            since_ms: self.upstream.clock.now_ms(),
            session,
            client,
            is_counted,
            is_tunnel: false,
        }));
    }

    /// It was chosen before an evacuation was ordered, and got its connection late.
    #[cold]
    fn sit_late(&self, session: Option<Key>) {
        let backend = &self.upstream.backend;
        if let Some((session, evacuation)) = session.zip(backend.evacuation().as_ref()) {
            evacuation.is_there_too(self.upstream.worker, session);
        }
    }

    /// Takes over the connection after a 101: the way for its bytes, and what is left of the lease.
    pub fn switch(self) -> io::Result<(impl AsyncRead + AsyncWrite + Unpin, TunnelLease)> {
        let socket = self.carrier.take_over()?;
        let wire = Rc::clone(&socket.get_ref().wire);
        wire.sit_in_tunnel();
        let upstream = self.upstream;
        Ok((socket, TunnelLease { upstream, wire }))
    }

    /// The connection itself.
    pub fn carrier(&mut self) -> &mut Carrier {
        &mut self.carrier
    }

    /// Whether the request can be sent on it: the backend may have closed it meanwhile.
    pub fn is_ready(&self) -> bool {
        self.carrier.is_ready()
    }

    /// The exchange failed at `stage`: the connection is closed. One that is shared is given up if
    /// it takes no more, or says nothing at all, unless the client was to blame.
    pub fn failed(self, stage: Stage, fault: Fault) {
        self.upstream.cells().failures.inc(stage);
        if let Carrier::Shared(carrier) = &self.carrier
            && fault == Fault::Backend
            && (stage == Stage::Send || carrier.heard_nothing())
        {
            carrier.give_up();
        }
    }

    /// Keeps the connection for the next exchange. Only right when the exchange has ended
    /// cleanly on both sides; a connection that is closed anyway is dropped.
    pub fn give_back(self) {
        if matches!(self.carrier, Carrier::Shared(_)) {
            // It is kept in any case.
            return;
        }
        self.carrier.sit(None);
        let upstream = self.upstream;
        let kept = Kept {
            carrier: self.carrier,
            born_ms: self.born_ms,
            idle_since_ms: upstream.clock.now_ms(),
            epoch: self.epoch,
            introduced: self.introduced,
        };
        let mut idle = upstream.idle.borrow_mut();
        if !upstream.is_fresh(&kept) {
            return;
        }
        let most = upstream.settings.get().max_idle;
        if kept.introduced.is_some() && idle.len() >= most && !idle.is_empty() {
            // Each is for its own client only: the one that is needed least goes.
            idle.remove(0);
            upstream.cells().connections_idle.dec();
        }
        if idle.len() < most {
            idle.push(kept);
            upstream.cells().connections_idle.inc();
        }
    }
}
