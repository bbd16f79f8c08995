//! A connection that speaks HTTP/2: hyper's protocol machine, one task for each request, our
//! limits.
//!
//! A request is the same to the proxy as by HTTP/1: it has a [`Caller`] and a conversation of its
//! own. What is of the connection alone is seen at its socket ([`wire`]).
//!
//! [`Caller`]: crate::proxy::Caller

mod allowance;
mod farewell;
mod outlet;
mod streams;
mod switched;
mod unended;
mod waits;
mod wire;

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::Reason;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;

use self::farewell::Farewell;
use self::streams::{Requests, Streams};
use self::waits::Overdue;
use self::wire::{FrameStream, Wire};
use super::connection::Line;
use crate::config::Limits;
use crate::observe::metrics::Http2Error;
use crate::proxy::Front;
use crate::proxy::conversation::Patience;
use crate::socket::Socket;

/// What a field costs beside its bytes, as HTTP/2 counts.
const PER_FIELD: usize = 32;

fn protocol(limits: &Limits, streams: Streams) -> http2::Builder<Streams> {
    let fields = limits.head_fields.saturating_mul(PER_FIELD);
    let head = limits.head_bytes.as_usize().saturating_add(fields);
    let own = &limits.http2;
    let mut builder = http2::Builder::new(streams);
    builder
        .enable_connect_protocol()
        .max_concurrent_streams(own.streams)
        .initial_stream_window_size(own.stream_window)
        .initial_connection_window_size(own.connection_window)
        .max_send_buf_size(usize::try_from(own.send_buffer).unwrap_or(usize::MAX))
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(usize::try_from(own.resets).ok())
        .max_local_error_reset_streams(own.errors);
    builder
}

/// How a connection ends.
enum End {
    /// The protocol machine has ended it.
    Ended(hyper::Result<()>),
    /// The client was silent for too long.
    Silent(Option<Http2Error>),
}

/// Serves a connection to its end.
pub(super) async fn serve(line: &Line, begun: (Bytes, Socket), front: impl Front) {
    let worker = &line.worker;
    line.door.cells.of(worker.id).http2_connections.inc();
    let view = worker.view();
    let limits = &view.snapshot.config.limits;
    let patience = Patience::from(limits);
    let most = limits.requests_per_connection;
    let at_last = most.saturating_add(u64::from(limits.http2.streams));
    let mut farewell = Farewell::new(patience, at_last);
    let wire = Wire::new(begun.1, &worker.clock, patience, &limits.http2);
    let streams = Streams::new(line, &wire);
    let builder = protocol(limits, streams.clone());
    drop(view);
    let requests = Requests {
        streams: streams.clone(),
        patience,
        front,
    };
    let stream = TokioIo::new(FrameStream::new(begun.0, Rc::clone(&wire)));
    let mut connection = builder.serve_connection(stream, requests);
    let end = poll_fn(|cx| {
        loop {
            let ended = Pin::new(&mut connection).poll(cx);
            let sent = wire.send(cx);
            if let Poll::Ready(outcome) = ended {
                return Poll::Ready(End::Ended(outcome));
            }
            if sent.is_err() {
                return Poll::Ready(End::Silent(None));
            }
            let overdue = wire.overdue(cx, streams.used(cx, farewell.is_said()));
            if let Some(Overdue::Silent(why)) = overdue {
                return Poll::Ready(End::Silent(why));
            }
            let (requests, now_ms) = (streams.requests(), worker.clock.now_ms());
            if farewell.is_ignored(requests, now_ms) {
                return Poll::Ready(End::Silent(None));
            }
            let is_due = overdue == Some(Overdue::Idle) || worker.is_stopping() || requests >= most;
            if !is_due || farewell.is_said() {
                return Poll::Pending;
            }
            farewell.say(now_ms);
            Pin::new(&mut connection).graceful_shutdown();
        }
    })
    .await;
    drop(connection);
    wire.close();
    let error = match end {
        End::Ended(outcome) => wire
            .flood()
            .or_else(|| outcome.err().and_then(|it| why(&it))),
        End::Silent(why) => why,
    };
    if let Some(error) = error {
        tell(line, error);
    }
    streams.ended().await;
}

/// Counts and logs what was wrong with a connection.
fn tell(line: &Line, error: Http2Error) {
    line.door.cells.of(line.worker.id).http2_errors.inc(error);
    let client = line.peer.ip().map(tracing::field::display);
    tracing::debug!(
        listener = &*line.door.name,
        client,
        reason = error.label(),
        "HTTP/2 connection closed"
    );
}

/// What was wrong with a connection; `None`: its client just went away.
fn why(error: &hyper::Error) -> Option<Http2Error> {
    let error = error.source()?.downcast_ref::<h2::Error>()?;
    if error.is_remote() {
        return Some(Http2Error::Client);
    }
    Some(match error.reason()? {
        Reason::PROTOCOL_ERROR => Http2Error::Protocol,
        Reason::FLOW_CONTROL_ERROR => Http2Error::FlowControl,
        Reason::FRAME_SIZE_ERROR => Http2Error::FrameSize,
        Reason::COMPRESSION_ERROR => Http2Error::Compression,
        Reason::ENHANCE_YOUR_CALM => Http2Error::Calm,
        Reason::STREAM_CLOSED => Http2Error::StreamClosed,
        _ => Http2Error::Other,
    })
}
