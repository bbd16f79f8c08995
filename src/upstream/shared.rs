//! A connection that speaks HTTP/2: hyper's protocol machine, and the places of exchanges on it.
//!
//! What is of one exchange has a seat of its own ([`Wire`] without a socket), so that whoever looks
//! at what is at a backend sees as many as there are. What is of the connection is the socket's.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;

use super::body::RequestBody;
use super::broken::Broken;
use super::connection::{HEAD_BYTES, HEAD_FIELDS, Heard, SendFailure};
use super::stream::{BackendStream, Seat, Wire};
use super::upload::{Tasks, Upload};
use crate::clock::Clock;
use crate::cluster::Backend;
use crate::config::Http2Pool;
use crate::observe::metrics::WorkerId;

/// What a field costs beside its bytes, as HTTP/2 counts.
const PER_FIELD: usize = 32;
/// How long a stream that was given up is remembered: what a slow backend still sends of it is
/// passed over.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Frames of streams that are forgotten, in a connection's life. Each is answered with a reset, and
/// these may pile up; a connection with more ends.
const STRAYS: usize = 50_000;
/// How long a connection that nobody uses any more may take to say what it still has to.
const LEAVING: Duration = Duration::from_secs(5);
/// How many streams the backend allows, while it has not said so. Nothing is sent before.
const UNSAID: usize = 0;

/// One connection.
#[derive(Debug)]
pub(super) struct Shared {
    sender: RefCell<SendRequest<RequestBody>>,
    tasks: Tasks,
    wire: Rc<Wire>,
    allowed: Rc<Allowed>,
    scheme: Scheme,
    /// Exchanges on it now.
    streams: Cell<usize>,
    /// Seats that nobody sits on.
    free: RefCell<Vec<Rc<Wire>>>,
    /// Whether no further exchange is to begin on it.
    is_given_up: Cell<bool>,
    life: Life,
    idle_since_ms: Cell<u64>,
    /// Whether it counts as idle.
    is_idle: Cell<bool>,
    /// Exchanges whose heads may be under way, those that were given up among them.
    most_heads: u32,
    /// Dropped with it: then nobody uses it any more.
    _used: oneshot::Sender<Infallible>,
}

/// Whose connection it is, and since when.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) backend: Arc<Backend>,
    pub(super) worker: WorkerId,
    pub(super) clock: Rc<Clock>,
    pub(super) born_ms: u64,
    pub(super) epoch: u64,
}

/// How one is begun.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) settings: Http2Pool,
    pub(super) scheme: Scheme,
    /// How long a PING waits for its answer.
    pub(super) answer: Duration,
}

/// What the backend allows.
#[derive(Debug, Default)]
struct Allowed {
    streams: Cell<usize>,
    is_over: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Allowed {
    fn tell(&self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

type Machine = Connection<TokioIo<BackendStream>, RequestBody, Tasks>;

/// Hands requests to the connection, to its end. hyper has a task of its own for the rest, which
/// goes on with the exchanges that are there when the backend has said goodbye. When nobody uses the
/// connection any more, it ends in good order, or is cut: a backend that hangs takes nothing of that.
async fn drive(
    machine: Machine,
    (wire, allowed): (Rc<Wire>, Rc<Allowed>),
    (clock, mut used): (Rc<Clock>, oneshot::Receiver<Infallible>),
) {
    let at_end = || {
        allowed.is_over.set(true);
        allowed.tell();
    };
    let mut running = Some((machine, OnDrop(Some(at_end))));
    let mut leaving = None;
    poll_fn(|cx| {
        if let Some((machine, _)) = &mut running {
            let polled = Pin::new(&mut *machine).poll(cx);
            allowed.streams.set(machine.current_max_send_streams());
            // The machine looks after what was agreed only if it has something to send.
            wire.listen(cx);
            if allowed.streams.get() != UNSAID {
                allowed.tell();
            }
            if let Poll::Ready(outcome) = polled {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "connection to a backend ended");
                }
                // It holds the connection open.
                running = None;
            }
        }
        if leaving.is_none() && Pin::new(&mut used).poll(cx).is_ready() {
            let deadline = clock.deadline();
            deadline.arm(LEAVING);
            leaving = Some(deadline);
        }
        match &leaving {
            Some(deadline) if deadline.is_over(cx) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
    wire.cut();
}

impl Shared {
    /// Starts HTTP/2 on a connected socket, and waits until the backend has begun as well: what
    /// speaks no HTTP/2 gets no request. The caller bounds the time.
    pub(super) async fn start(
        stream: BackendStream,
        terms: Terms,
        life: Life,
    ) -> Result<Rc<Self>, Option<hyper::Error>> {
        let settings = &terms.settings;
        let wire = Rc::clone(&stream.wire);
        wire.head_done();
        let head = HEAD_BYTES + HEAD_FIELDS * PER_FIELD;
        let tasks = Tasks::default();
        let mut builder = Builder::new(tasks.clone());
        builder
            .timer(TokioTimer::new())
            .initial_max_send_streams(UNSAID)
            .initial_stream_window_size(settings.stream_window)
            .initial_connection_window_size(settings.connection_window())
            .max_send_buf_size(usize::try_from(settings.send_buffer).unwrap_or(usize::MAX))
            .max_concurrent_reset_streams(
                usize::try_from(remembered(settings.streams)).unwrap_or(usize::MAX),
            )
            .reset_stream_duration(REMEMBERED)
            .max_local_error_reset_streams(STRAYS)
            .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX));
        if !settings.ping.is_zero() {
            builder
                .keep_alive_interval(settings.ping)
                .keep_alive_timeout(terms.answer);
        }
        let (sender, machine) = builder.handshake(TokioIo::new(stream)).await?;
        let allowed = Rc::new(Allowed::default());
        let (used, is_used) = oneshot::channel();
        tokio::task::spawn_local(drive(
            machine,
            (Rc::clone(&wire), Rc::clone(&allowed)),
            (Rc::clone(&life.clock), is_used),
        ));
        let shared = Self {
            sender: RefCell::new(sender),
            tasks,
            wire,
            allowed,
            scheme: terms.scheme,
            streams: Cell::new(0),
            free: RefCell::default(),
            is_given_up: Cell::new(false),
            idle_since_ms: Cell::new(life.clock.now_ms()),
            is_idle: Cell::new(false),
            most_heads: remembered(settings.streams).saturating_add(settings.streams),
            life,
            _used: used,
        };
        shared.begun().await;
        if shared.is_closed() {
            return Err(None);
        }
        Ok(Rc::new(shared))
    }

    /// Waits until the backend has said what it allows, or has gone.
    async fn begun(&self) {
        poll_fn(|cx| {
            if self.allowed.streams.get() != UNSAID || self.is_closed() {
                return Poll::Ready(());
            }
            self.allowed.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Whether the connection is gone, or about to.
    pub(super) fn is_closed(&self) -> bool {
        self.allowed.is_over.get() || self.wire.is_ended() || self.sender.borrow().is_closed()
    }

    /// Whether no further exchange is to begin on it.
    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.get()
    }

    /// Whose connection it is, and since when.
    pub(super) fn life(&self) -> &Life {
        &self.life
    }

    /// Since when nothing is on it; `None`: something is.
    pub(super) fn idle_since_ms(&self) -> Option<u64> {
        (self.streams.get() == 0).then(|| self.idle_since_ms.get())
    }

    fn count_idle(&self, is_idle: bool) {
        if self.is_idle.replace(is_idle) == is_idle {
            return;
        }
        let cells = self.life.backend.cells.of(self.life.worker);
        if is_idle {
            cells.connections_idle.inc();
        } else {
            cells.connections_idle.dec();
        }
    }

    /// Whether there is room for one more exchange, `most` being what we allow.
    pub(super) fn has_room(&self, most: u32) -> bool {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.streams.get() < most.min(self.allowed.streams.get())
    }

    /// A place on it. `Some` with a seat that nobody knows yet.
    pub(super) fn join(self: &Rc<Self>) -> (SharedCarrier, Option<Rc<Wire>>) {
        self.streams.set(self.streams.get() + 1);
        self.count_idle(false);
        let free = self.free.borrow_mut().pop();
        let is_new = free.is_none();
        let seat = free.unwrap_or_default();
        let made = is_new.then(|| Rc::clone(&seat));
        let carrier = SharedCarrier {
            reads: self.wire.reads(),
            shared: Rc::clone(self),
            seat,
            upload: None,
        };
        (carrier, made)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.count_idle(false);
    }
}

/// Runs something at the end, however it comes, a panic included.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
}

/// The place of one exchange on a connection.
#[derive(Debug)]
pub struct SharedCarrier {
    shared: Rc<Shared>,
    seat: Rc<Wire>,
    /// What had been read of the connection when the request was sent.
    reads: u64,
    /// The sending of the request's body.
    upload: Option<Rc<Upload>>,
}

impl SharedCarrier {
    pub(super) fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendFailure>> + 'static {
        self.reads = self.shared.wire.reads();
        self.shared.wire.expect_heads(self.shared.most_heads);
        let mut request = translated(request, &self.shared.scheme);
        if !request.body().is_empty() {
            let (upload, beginning) = self.shared.tasks.upload();
            request.body_mut().tell(beginning);
            self.upload = Some(upload);
        }
        let sent = self.shared.sender.borrow_mut().try_send_request(request);
        async move { sent.await.map_err(judged) }
    }

    pub(super) fn sit(&self, seat: Option<Seat>) {
        self.seat.sit(seat);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// No further exchange begins on its connection.
    pub(super) fn give_up(&self) {
        self.shared.is_given_up.set(true);
    }

    /// Whether not a byte has come on the connection since the request was sent.
    pub(super) fn heard_nothing(&self) -> bool {
        self.shared.wire.reads() == self.reads
    }
}

impl Drop for SharedCarrier {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.end();
        }
        let shared = &self.shared;
        shared.streams.set(shared.streams.get() - 1);
        self.seat.sit(None);
        shared.free.borrow_mut().push(Rc::clone(&self.seat));
        if shared.streams.get() == 0 {
            shared.idle_since_ms.set(shared.life.clock.now_ms());
            shared.count_idle(!shared.is_given_up());
        }
    }
}

/// Streams that were given up and are remembered at a time: a client that cancels all it has on a
/// connection, and does so again and again, hurts nobody else on it.
fn remembered(streams: u32) -> u32 {
    const TIMES: u32 = 16;
    streams.saturating_mul(TIMES)
}

/// A request in the words of HTTP/2: `Host` is `:authority`, and what is of one connection of
/// HTTP/1.1 is left out.
fn translated(mut request: Request<RequestBody>, scheme: &Scheme) -> Request<RequestBody> {
    let headers = request.headers_mut();
    headers.remove(header::CONNECTION);
    headers.remove(header::TRANSFER_ENCODING);
    let host = headers.remove(header::HOST);
    let authority = host.as_ref().map(HeaderValue::as_bytes);
    let authority = authority.and_then(|host| Authority::try_from(host).ok());
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(scheme.clone());
    parts.authority = Some(authority.unwrap_or_else(|| Authority::from_static("localhost")));
    // Where that is no address, it goes without an authority, and its path is not changed.
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
    }
    request
}

/// What it says that no head came.
fn judged(mut failure: TrySendError<Request<RequestBody>>) -> SendFailure {
    let mut was_unsent = failure.take_message().is_some();
    let error = failure.into_error();
    let cause: Option<&h2::Error> = error.source().and_then(<dyn Error>::downcast_ref);
    let heard = match cause {
        Some(error) if error.is_remote() => {
            // GOAWAY names the last stream that was looked at: this one came after it.
            was_unsent |= error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
            if error.is_go_away() {
                Heard::Nothing
            } else {
                Heard::Reset
            }
        }
        // Of a connection that ends here nobody knows whose response broke it.
        Some(error) if error.is_library() && error.is_reset() => Heard::Nonsense,
        _ => Heard::Nothing,
    };
    SendFailure {
        error: Broken::Http2(error),
        was_unsent,
        heard,
    }
}
