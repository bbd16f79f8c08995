//! A connection that speaks HTTP/1: hyper's protocol machine, our time limits, the orderly end.

mod stream;

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;

use self::stream::{ClientStream, Lookout};
use super::connection::{Line, Spoken};
use super::door::Door;
use crate::config::Limits;
use crate::observe::metrics::ParseError;
use crate::proxy::conversation::{Conversation, Patience, Phase};
use crate::proxy::tunnel::Tunnel;
use crate::proxy::{Caller, Front, Worker};
use crate::socket::{Rewound, Socket};

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

/// What a connection goes on with when it speaks HTTP/1 no more.
pub(super) enum Next {
    /// HTTP/2: the bytes that were read, and the socket.
    Http2(Bytes, Socket),
    /// What it has switched to.
    Tunnel(Box<Tunnel>, Rewound<Socket>),
}

/// Serves a connection to its end, or until it speaks something else.
pub(super) async fn serve(
    line: &Line,
    (spoken, socket): (Spoken, Socket),
    front: &impl Front,
) -> Option<Next> {
    let worker = &line.worker;
    let view = worker.view();
    let limits = &view.snapshot.config.limits;
    let talk = Conversation::new(&worker.clock, Patience::from(limits));
    let builder = protocol(limits);
    drop(view);
    let caller = Rc::new(Caller {
        worker: Rc::clone(worker),
        peer: Rc::clone(&line.peer),
        talk: Rc::clone(&talk),
        listener: Arc::clone(&line.door.name),
        door: line.door.index,
    });
    let lookout = match spoken {
        Spoken::Unknown => Lookout::Alike(0),
        Spoken::Http1 | Spoken::Http2 => Lookout::Over,
    };
    let stream = TokioIo::new(ClientStream::new(socket, Rc::clone(&talk), lookout));
    let mut connection = builder.serve_connection(stream, front.service(caller));
    let mut told_to_end = false;
    let end = poll_fn(|cx| {
        if worker.is_stopping() && !told_to_end && may_end(&talk) {
            told_to_end = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(outcome) = poll_to_its_end(&mut connection, &talk, cx) {
            return Poll::Ready(Some(outcome));
        }
        watch(&talk, cx)
    })
    .await;
    let client = line.peer.ip();
    // A socket that hyper has seen break says no more than that it has ended: a tunnel would wait for
    // the backend's end.
    let tunnel = talk.take_tunnel().filter(|_| matches!(end, Some(Ok(()))));
    let Some(outcome) = end else {
        if matches!(talk.phase(), Phase::Head | Phase::New) {
            refuse(&line.door, worker, (client, ParseError::Timeout));
        }
        return None;
    };
    let parts = connection.into_parts();
    let (read, stream) = (parts.read_buf, parts.io.into_inner());
    if let Some(tunnel) = tunnel {
        let socket = Rewound::new(read, stream.into_inner());
        return Some(Next::Tunnel(tunnel, socket));
    } else if let Some(kept) = stream.kept() {
        let mut all = BytesMut::from(&*read);
        all.extend_from_slice(kept);
        return Some(Next::Http2(all.freeze(), stream.into_inner()));
    } else if let Err(error) = outcome {
        if let Some(reason) = refused(&error, &talk) {
            refuse(&line.door, worker, (client, reason));
        } else {
            // A client that went away: what it asked for is accounted by its request.
            tracing::debug!(%error, "client connection ended");
        }
    }
    None
}

/// Told to end before its first request was read, hyper would close a connection whose request
/// is already in the socket. So a new one is given the time that a head may take. Nor is it told
/// while a switch is offered: it would put its `close` into the 101.
fn may_end(talk: &Conversation) -> bool {
    match talk.phase() {
        Phase::New | Phase::Head => talk.requests() > 0,
        Phase::Busy => !talk.has_offer(),
        Phase::Idle => true,
    }
}

/// After any request with an `Upgrade`, whatever became of it, hyper leaves the socket as it is
/// when it comes to the end, for whoever has switched. Asked once more, it ends the connection.
fn poll_to_its_end(
    connection: &mut (impl Future<Output = hyper::Result<()>> + Unpin),
    talk: &Conversation,
    cx: &mut Context<'_>,
) -> Poll<hyper::Result<()>> {
    let polled = Pin::new(&mut *connection).poll(cx);
    let is_over = matches!(polled, Poll::Ready(Ok(())));
    if is_over && !talk.has_said_end() && !talk.has_tunnel() {
        return Pin::new(connection).poll(cx);
    }
    polled
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
