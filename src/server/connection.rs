//! One client connection: hyper's protocol machine, our time limits, the orderly end.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;

use super::admission::Place;
use super::door::Door;
use super::handshake::shake;
use super::stream::ClientStream;
use crate::config::Limits;
use crate::observe::metrics::{Handshake, ParseError};
use crate::proxy::client::Peer;
use crate::proxy::conversation::{Conversation, Phase};
use crate::proxy::{Caller, Front, Worker};
use crate::socket::{Rewound, Socket};
use crate::tls::ServerSide;

/// How hyper is set for clients.
pub fn protocol(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Our own coarse clock bounds heads, idle times and slow readers.
        .header_read_timeout(None)
        .max_header_size(limits.head_bytes.as_usize())
        // Hyper asks for at least 8 KiB. The head must fit in, with room for a line of a body.
        .max_buf_size(limits.head_bytes.as_usize().max(8 << 10) + 1024)
        .half_close(false);
    if limits.head_fields != HYPERS_FIELDS {
        builder.max_headers(limits.head_fields);
    }
    builder
}

/// As many fields hyper parses without asking the heap for room.
const HYPERS_FIELDS: usize = 100;

/// What a connection starts from.
pub(super) struct Accepted {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    pub(super) place: Place,
    pub(super) door: Arc<Door>,
    pub(super) worker: Rc<Worker>,
    pub(super) open: Open,
}

/// Counts a connection as long as it lives, also if it ends in a panic.
pub(super) struct Open {
    accepted: (Rc<Worker>, Arc<Door>),
    open: Rc<Cell<usize>>,
}

impl Open {
    pub(super) fn new(worker: &Rc<Worker>, door: &Arc<Door>, open: &Rc<Cell<usize>>) -> Self {
        open.set(open.get() + 1);
        worker.cells().connections_open.inc();
        door.cells.of(worker.id).open.inc();
        Self {
            accepted: (Rc::clone(worker), Arc::clone(door)),
            open: Rc::clone(open),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let (worker, door) = &self.accepted;
        self.open.set(self.open.get() - 1);
        worker.cells().connections_open.dec();
        door.cells.of(worker.id).open.dec();
        if std::thread::panicking() {
            worker.cells().panics.inc();
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(accepted: Accepted, front: impl Front) {
    let Accepted {
        socket,
        peer,
        place,
        door,
        worker,
        open,
    } = accepted;
    let _open = open;
    let _place = place;
    let Some((socket, peer)) = entered(socket, peer, (&door, &worker)).await else {
        return;
    };
    let (talk, builder) = prepared(&worker);
    let caller = Rc::new(Caller {
        worker: Rc::clone(&worker),
        peer,
        talk: Rc::clone(&talk),
        listener: Arc::clone(&door.name),
        door: door.index,
    });
    let client = caller.peer.ip();
    let stream = TokioIo::new(ClientStream::new(socket, Rc::clone(&talk)));
    let mut connection = builder.serve_connection(stream, front.service(caller));
    let mut told_to_end = false;
    let end = poll_fn(|cx| {
        if worker.is_stopping() && !told_to_end && may_end(&talk) {
            told_to_end = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(outcome) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(Some(outcome));
        }
        watch(&talk, cx)
    })
    .await;
    match end {
        Some(Ok(())) => {
            if let Some(tunnel) = talk.take_tunnel() {
                let parts = connection.into_parts();
                tunnel
                    .run(Rewound::new(parts.read_buf, parts.io.into_inner()))
                    .await;
            }
        }
        Some(Err(error)) => {
            if let Some(reason) = refused(&error, &talk) {
                refuse(&door, &worker, (client, reason));
            } else {
                // A client that went away: what it asked for is accounted by its request.
                tracing::debug!(%error, "client connection ended");
            }
        }
        None if matches!(talk.phase(), Phase::Head | Phase::New) => {
            refuse(&door, &worker, (client, ParseError::Timeout));
        }
        None => {}
    }
}

fn prepared(worker: &Worker) -> (Rc<Conversation>, http1::Builder) {
    let view = worker.view();
    let limits = &view.snapshot.config.limits;
    (Conversation::new(&worker.clock, limits), protocol(limits))
}

/// The connection once it may speak: after its handshake, where there is to be one.
async fn entered(
    socket: Socket,
    peer: Peer,
    (door, worker): (&Door, &Worker),
) -> Option<(Socket, Peer)> {
    let view = worker.view();
    let side = view.snapshot.tls.get(door.index).and_then(Option::as_ref);
    let Some(side) = side.map(Arc::clone) else {
        return Some((socket, peer));
    };
    drop(view);
    // On the heap: a handshake is far larger than what is kept of it.
    Box::pin(secure(socket, peer, &side, (door, worker))).await
}

/// Shakes hands, and counts what became of it.
async fn secure(
    socket: Socket,
    peer: Peer,
    side: &ServerSide,
    (door, worker): (&Door, &Worker),
) -> Option<(Socket, Peer)> {
    let outcome = shake(socket, side, &worker.clock.deadline()).await;
    let cells = &door.cells.of(worker.id).handshakes;
    match outcome {
        Ok((socket, secured)) => {
            cells.inc(if secured.resumed {
                Handshake::Resumed
            } else {
                Handshake::Full
            });
            Some((socket, peer.by_tls(secured)))
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

/// Told to end before its first request was read, hyper would close a connection whose request
/// is already in the socket. So a new one is given the time that a head may take.
fn may_end(talk: &Conversation) -> bool {
    !matches!(talk.phase(), Phase::New | Phase::Head) || talk.requests() > 0
}

/// After the protocol machine came to rest: what it does not see by itself.
fn watch<T>(talk: &Conversation, cx: &mut Context<'_>) -> Poll<Option<T>> {
    talk.read_ahead(cx);
    if talk.is_overdue(cx) {
        Poll::Ready(None)
    } else {
        Poll::Pending
    }
}

/// Why a head was refused before it was a request, if it was.
fn refused(error: &hyper::Error, talk: &Conversation) -> Option<ParseError> {
    if error.is_parse_too_large() {
        Some(ParseError::TooLarge)
    } else if error.is_parse_version_h2() {
        Some(ParseError::Version)
    } else if error.is_parse() {
        Some(ParseError::Malformed)
    } else if error.is_incomplete_message() && talk.phase() == Phase::Head {
        Some(ParseError::Incomplete)
    } else {
        None
    }
}

/// Counts and logs a head that did not become a request.
fn refuse(door: &Door, worker: &Worker, (client, reason): (Option<IpAddr>, ParseError)) {
    door.cells.of(worker.id).parse_errors.inc(reason);
    let client = client.map(tracing::field::display);
    tracing::debug!(
        listener = &*door.name,
        client,
        reason = reason.label(),
        "head refused"
    );
}
