//! One worker's connections to one backend that speaks HTTP/2.
//!
//! Requests share a connection as long as there is room on it; where all are full, one more is
//! made. It is made by one request while the others that need it wait: a hundred that come at once
//! need one connection, not a hundred.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http::uri::Scheme;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::connection::Carrier;
use super::dial::while_up;
use super::failure::{Connection, UpstreamFailure};
use super::pool::{Lease, Upstream};
use super::shared::{Shared, Terms};
use crate::clock::Deadline;
use crate::config::Http2Pool;
use crate::observe::metrics::Stage;

/// The connections that are shared.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    open: RefCell<Vec<Rc<Shared>>>,
    /// The one that is being made.
    making: RefCell<Option<Rc<Making>>>,
}

/// A connection that is being made by one request, while others wait for it.
#[derive(Debug, Default)]
struct Making {
    outcome: RefCell<Outcome>,
    over: Notify,
}

#[derive(Debug, Default)]
enum Outcome {
    /// Who made it has given up.
    #[default]
    Abandoned,
    Made,
    Failed(UpstreamFailure),
}

/// One is being made until this is dropped.
struct Dialling<'a> {
    sharing: &'a Sharing,
    making: Rc<Making>,
}

impl<'a> Dialling<'a> {
    fn begin(sharing: &'a Sharing) -> Self {
        let making = Rc::new(Making::default());
        sharing.making.replace(Some(Rc::clone(&making)));
        Self { sharing, making }
    }

    fn tell(&self, outcome: Outcome) {
        self.making.outcome.replace(outcome);
    }
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        self.sharing.making.replace(None);
        self.making.over.notify_waiters();
    }
}

/// Why there is no place on a connection.
#[derive(Debug)]
pub enum NotShared {
    /// This request has tried to make one, and tells the cluster.
    Failed(UpstreamFailure),
    /// It waited for another's, which is told by that one.
    Waited(UpstreamFailure),
}

impl Sharing {
    /// Lets go of all. Those in use close when their last exchange is over.
    pub(super) fn clear(&self) {
        self.open.borrow_mut().clear();
    }
}

impl Upstream {
    /// Whether its connections are shared.
    pub fn is_shared(&self) -> bool {
        self.settings().http2.is_some()
    }

    /// A place on a connection that is there, if one has room.
    pub(super) fn take_shared(self: &Rc<Self>, settings: &Http2Pool) -> Option<Lease> {
        self.sweep_shared();
        let open = self.sharing.open.borrow();
        let shared = open.iter().find(|it| it.has_room(settings.streams))?;
        self.cells().reuses.inc();
        Some(self.lease(shared, Connection::Reused))
    }

    fn lease(self: &Rc<Self>, shared: &Rc<Shared>, connection: Connection) -> Lease {
        let (carrier, seat) = shared.join();
        if let Some(seat) = seat {
            self.look_at(&seat);
        }
        let life = shared.life();
        Lease::new(
            self,
            Carrier::Shared(carrier),
            (life.born_ms, life.epoch),
            connection,
        )
    }

    /// A place on a connection: one that has room, or a new one, for which others may wait as well.
    pub async fn share(
        self: &Rc<Self>,
        timeout: Duration,
        deadline: &Deadline,
    ) -> Result<Lease, NotShared> {
        let Some(settings) = self.settings().http2 else {
            let connected = self.connect(timeout, deadline, None).await;
            return connected.map_err(NotShared::Failed);
        };
        let mut began = Instant::now();
        loop {
            let Some(making) = self.sharing.making.borrow().clone() else {
                break;
            };
            let over = making.over.notified();
            let over = async {
                over.await;
                Ok(())
            };
            let left = timeout.saturating_sub(began.elapsed());
            let waited = while_up(over, &self.backend, (left, deadline), Stage::Http2);
            waited.await.map_err(NotShared::Waited)?;
            match &*making.outcome.borrow() {
                // As long as they are made, each brings the turn of this one nearer.
                Outcome::Made => began = Instant::now(),
                Outcome::Failed(failure) => return Err(NotShared::Waited(failure.of_another())),
                Outcome::Abandoned => {}
            }
            if let Some(lease) = self.take_shared(&settings) {
                return Ok(lease);
            }
        }
        let dialling = Dialling::begin(&self.sharing);
        let outcome = self.connect_shared(settings, timeout, deadline).await;
        dialling.tell(match &outcome {
            Ok(_) => Outcome::Made,
            Err(failure) => Outcome::Failed(failure.of_another()),
        });
        outcome.map_err(NotShared::Failed)
    }

    /// A new connection, and the first place on it.
    pub(super) async fn connect_shared(
        self: &Rc<Self>,
        settings: Http2Pool,
        timeout: Duration,
        deadline: &Deadline,
    ) -> Result<Lease, UpstreamFailure> {
        let epoch = self.backend.epoch();
        let (mut stream, reached) = self.reach(timeout, deadline, &[]).await?;
        if reached.is_secured && !stream.socket.speaks_http2() {
            self.cells().connect_failures.inc();
            return Err(UpstreamFailure::no_http2(None));
        }
        self.is_to_be_shared(&mut stream);
        let terms = Terms {
            settings,
            scheme: if reached.is_secured {
                Scheme::HTTPS
            } else {
                Scheme::HTTP
            },
            answer: timeout,
        };
        let life = self.life(reached.born_ms, epoch);
        let begun = async {
            let shared = Shared::start(stream, terms, life).await;
            shared.map_err(UpstreamFailure::no_http2)
        };
        let bounds = (reached.left, deadline);
        let shared = while_up(begun, &self.backend, bounds, Stage::Http2)
            .await
            .inspect_err(|_| self.cells().connect_failures.inc())?;
        self.sharing.open.borrow_mut().push(Rc::clone(&shared));
        Ok(self.lease(&shared, Connection::Fresh))
    }

    /// Lets go of those that are not to carry more, and of idle ones that are too many. Those in
    /// use close when their last exchange is over.
    pub(super) fn sweep_shared(&self) {
        let mut idle = 0;
        let most = self.settings().max_idle;
        self.sharing.open.borrow_mut().retain(|shared| {
            let idle_since = shared.idle_since_ms();
            idle += usize::from(idle_since.is_some());
            let life = shared.life();
            !shared.is_closed()
                && !shared.is_given_up()
                && (idle_since.is_none() || idle <= most)
                && self.is_young((life.born_ms, life.epoch), idle_since)
        });
    }
}
