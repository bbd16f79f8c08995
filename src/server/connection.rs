//! One client connection: its place among all, and what is spoken on it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::admission::Place;
use super::door::Door;
use super::handshake::shake;
use super::http1::Next;
use super::under_way::UnderWay;
use super::{http1, http2};
use crate::observe::metrics::{Handshake, TlsFault};
use crate::proxy::client::Peer;
use crate::proxy::{Front, Worker};
use crate::socket::{FaultNote, RecordFault, Socket};
use crate::tls::ServerSide;

/// What a connection starts from.
pub(super) struct Accepted {
    pub(super) socket: Socket,
    pub(super) spoken: Spoken,
    pub(super) peer: Peer,
    pub(super) place: Place,
    pub(super) door: Arc<Door>,
    pub(super) worker: Rc<Worker>,
    pub(super) open: Open,
}

/// Which protocol a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    /// HTTP/1: the listener takes no other.
    Http1,
    /// HTTP/2: agreed upon before.
    Http2,
    /// Its first bytes will tell.
    Unknown,
}

/// A connection as those see it who speak on it.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) peer: Rc<Peer>,
    pub(super) door: Arc<Door>,
    pub(super) worker: Rc<Worker>,
}

/// Who is connected to one worker, over all listeners.
#[derive(Debug, Default)]
pub struct Crowd {
    open: Cell<usize>,
    under_way: UnderWay,
}

impl Crowd {
    /// Connections open.
    pub fn open(&self) -> usize {
        self.open.get()
    }
}

/// Counts a connection as long as it lives, also if it ends in a panic.
pub(super) struct Open {
    accepted: (Rc<Worker>, Arc<Door>),
    crowd: Rc<Crowd>,
    /// What was wrong with its records, where it is secured.
    fault: Option<FaultNote>,
}

impl Open {
    pub(super) fn new(worker: &Rc<Worker>, door: &Arc<Door>, crowd: &Rc<Crowd>) -> Self {
        crowd.open.set(crowd.open() + 1);
        worker.cells().connections_open.inc();
        door.cells.of(worker.id).open.inc();
        Self {
            accepted: (Rc::clone(worker), Arc::clone(door)),
            crowd: Rc::clone(crowd),
            fault: None,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let (worker, door) = &self.accepted;
        self.crowd.open.set(self.crowd.open() - 1);
        worker.cells().connections_open.dec();
        door.cells.of(worker.id).open.dec();
        if let Some(fault) = self.fault.as_ref().and_then(|note| note.get()) {
            let fault = kind_of(fault);
            door.cells.of(worker.id).tls_faults.inc(fault);
            let (listener, reason) = (&*door.name, fault.label());
            tracing::debug!(listener, reason, "TLS broken");
        }
        if std::thread::panicking() {
            worker.cells().panics.inc();
        }
    }
}

fn kind_of(fault: RecordFault) -> TlsFault {
    match fault {
        RecordFault::Barren => TlsFault::Barren,
        RecordFault::Empty => TlsFault::Empty,
        RecordFault::Keys => TlsFault::Keys,
        RecordFault::Renegotiation => TlsFault::Renegotiation,
        RecordFault::Warnings => TlsFault::Warnings,
        RecordFault::Alert => TlsFault::Alert,
        RecordFault::Malformed => TlsFault::Malformed,
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(accepted: Accepted, front: impl Front) {
    let Accepted {
        socket,
        spoken,
        peer,
        place,
        door,
        worker,
        open,
    } = accepted;
    let mut held = (open, place);
    let accepted = (socket, spoken, peer);
    let Some((socket, spoken, peer)) = entered(accepted, &held.0).await else {
        return;
    };
    held.0.fault = socket.fault_note();
    let line = Line {
        peer: Rc::new(peer),
        door,
        worker,
    };
    let next = match spoken {
        Spoken::Http2 => Some(Next::Http2(Bytes::new(), socket)),
        Spoken::Http1 | Spoken::Unknown => http1::serve(&line, (spoken, socket), &front).await,
    };
    match next {
        None => {}
        Some(Next::Http2(read, socket)) => {
            // On the heap: it would make the task of every other connection larger.
            Box::pin(http2::serve(&line, (read, socket), front)).await;
        }
        // A task of its own, and with it a small one: this one was made for all of HTTP.
        Some(Next::Tunnel(tunnel, socket)) => {
            tokio::task::spawn_local(async move {
                tunnel.run(socket).await;
                drop(held);
            });
            return;
        }
    }
    drop(held);
}

/// The connection once it may speak: after its handshake, where there is to be one.
async fn entered(
    (socket, spoken, peer): (Socket, Spoken, Peer),
    open: &Open,
) -> Option<(Socket, Spoken, Peer)> {
    let (worker, door) = &open.accepted;
    let view = worker.view();
    let side = view.snapshot.tls.get(door.index).and_then(Option::as_ref);
    let Some(side) = side.map(Arc::clone) else {
        return Some((socket, spoken, peer));
    };
    let most = view.snapshot.config.limits.handshakes.under_way;
    drop(view);
    // On the heap: a handshake is far larger than what is kept of it.
    Box::pin(secure(socket, peer, (&side, most), open)).await
}

/// Shakes hands, and counts what became of it.
async fn secure(
    socket: Socket,
    peer: Peer,
    (side, most_under_way): (&ServerSide, usize),
    open: &Open,
) -> Option<(Socket, Spoken, Peer)> {
    let (worker, door) = &open.accepted;
    let cells = door.cells.of(worker.id);
    let seat = open.crowd.under_way.seat(most_under_way, cells);
    let outcome = shake(socket, side, (&seat, &worker.clock.deadline())).await;
    drop(seat);
    let cells = &cells.handshakes;
    match outcome {
        Ok((socket, secured)) => {
            cells.inc(if secured.resumed {
                Handshake::Resumed
            } else {
                Handshake::Full
            });
            // Who agreed upon nothing speaks what was spoken before there was a choice.
            let spoken = if secured.http2 {
                Spoken::Http2
            } else {
                Spoken::Http1
            };
            Some((socket, spoken, peer.by_tls(secured)))
        }
        Err(failure) => {
            cells.inc(failure);
            let client = peer.ip().map(tracing::field::display);
            tracing::debug!(
                listener = &*door.name,
                client,
                outcome = failure.label(),
                "handshake failed"
            );
            None
        }
    }
}
