//! One worker's connections to one backend that speaks HTTP/2.
//!
//! Requests share a connection as long as there is room on it; where all are full, one more is
//! made. It is made by one request while the others that need it wait: a hundred that come at once
//! need one connection, not a hundred.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use http::uri::Scheme;
use tokio::sync::Notify;

use super::connection::Chosen;
use super::dial::in_time;
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
    /// Whether one is being made, and who waits for it.
    is_dialling: Cell<bool>,
    dialled: Notify,
}

/// One is being made until this is dropped.
struct Dialling<'a>(&'a Sharing);

impl<'a> Dialling<'a> {
    fn begin(sharing: &'a Sharing) -> Self {
        sharing.is_dialling.set(true);
        Self(sharing)
    }
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        self.0.is_dialling.set(false);
        self.0.dialled.notify_waiters();
    }
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
            Chosen::Shared(carrier),
            (life.born_ms, life.epoch),
            connection,
        )
    }

    /// A place on a connection: one that has room, or a new one, for which others may wait as well.
    pub async fn share(
        self: &Rc<Self>,
        timeout: Duration,
        deadline: &Deadline,
    ) -> Result<Lease, UpstreamFailure> {
        let Some(settings) = self.settings().http2 else {
            return self.connect(timeout, deadline, None).await;
        };
        while self.sharing.is_dialling.get() {
            let made = self.sharing.dialled.notified();
            let waited = in_time(timeout, deadline, async {
                made.await;
                Ok(())
            });
            waited.await.map_err(UpstreamFailure::from_connect_error)?;
            if let Some(lease) = self.take_shared(&settings) {
                return Ok(lease);
            }
        }
        let _dialling = Dialling::begin(&self.sharing);
        self.connect_shared(settings, timeout, deadline).await
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
            return Err(self.no_http2(None));
        }
        self.count_open(&mut stream);
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
        let begun = in_time(reached.left, deadline, async {
            Ok(Shared::start(stream, terms, life).await)
        });
        let shared = match begun.await {
            Ok(Ok(shared)) => shared,
            Ok(Err(error)) => return Err(self.no_http2(error)),
            Err(error) => {
                self.cells().connect_failures.inc();
                return Err(UpstreamFailure {
                    stage: Stage::Http2,
                    ..UpstreamFailure::from_connect_error(error)
                });
            }
        };
        self.sharing.open.borrow_mut().push(Rc::clone(&shared));
        Ok(self.lease(&shared, Connection::Fresh))
    }

    fn no_http2(&self, error: Option<hyper::Error>) -> UpstreamFailure {
        self.cells().connect_failures.inc();
        UpstreamFailure::no_http2(error)
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
