//! The requests of one connection, each a task of its own.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::Service;

use super::switched::{SwitchedStream, Writer};
use super::wire::{Use, Wire};
use crate::proxy::conversation::{Conversation, Patience};
use crate::proxy::{Caller, Front};
use crate::server::connection::Line;

/// What is shared between a connection and its streams; runs them as hyper wants them to.
#[derive(Clone)]
pub(super) struct Streams(Rc<Shared>);

struct Shared {
    line: Line,
    wire: Rc<Wire>,
    /// The conversation of the stream that hyper hands over next.
    next: RefCell<Option<Rc<Conversation>>>,
    /// What sends for the stream that has just switched.
    writer: RefCell<Option<Writer>>,
    open: Cell<usize>,
    requests: Cell<u64>,
    connection: RefCell<Option<Waker>>,
}

impl Streams {
    pub(super) fn new(line: &Line, wire: &Rc<Wire>) -> Self {
        Self(Rc::new(Shared {
            line: line.clone(),
            wire: Rc::clone(wire),
            next: RefCell::default(),
            writer: RefCell::default(),
            open: Cell::new(0),
            requests: Cell::new(0),
            connection: RefCell::default(),
        }))
    }

    /// How the connection is used; its task is woken when a request has ended.
    pub(super) fn used(&self, cx: &Context<'_>, is_ending: bool) -> Use {
        let mut connection = self.0.connection.borrow_mut();
        match &mut *connection {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *connection = Some(cx.waker().clone()),
        }
        Use {
            open: self.0.open.get(),
            requests: self.0.requests.get(),
            is_ending,
        }
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.0.requests.get()
    }

    /// Waits for what was left of requests when their connection ended: they hear of it, and are
    /// accounted.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| match self.used(cx, true).open {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }
}

/// Counts a stream as long as it lives, also if it ends in a panic.
struct Open(Rc<Shared>);

impl Open {
    fn new(shared: &Rc<Shared>) -> Self {
        shared.open.set(shared.open.get() + 1);
        Self(Rc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        if std::thread::panicking() {
            self.0.line.worker.cells().panics.inc();
        }
        // The connection may have nothing left to do, or wait for an answer's end alone.
        if let Some(connection) = &*self.0.connection.borrow() {
            connection.wake_by_ref();
        }
    }
}

/// hyper asks the service for a response, and right after that has the stream executed.
impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        match self.0.next.take() {
            Some(talk) => {
                tokio::task::spawn_local(run(stream, talk, Open::new(&self.0)));
            }
            // Not a request, but what sends for one that has taken over its stream. The request's
            // own task, which is being polled, looks for it.
            None => {
                self.0.writer.replace(Some(Box::pin(stream)));
            }
        }
    }
}

/// Runs a stream to its end. One whose client takes nothing of it for too long is dropped, which
/// resets it; the others go on.
async fn run(stream: impl Future<Output = ()>, talk: Rc<Conversation>, open: Open) {
    let mut stream = pin!(stream);
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            if let Some(writer) = open.0.writer.take() {
                carry(&talk, writer, &open.0);
            }
            return Poll::Ready(());
        }
        talk.read_ahead_of_stream(cx);
        while talk.is_overdue(cx) {
            // A socket that takes nothing at all is given up with all that is on it.
            if open.0.wire.has_held_up() && talk.wait_anew_for_room() {
                continue;
            }
            let line = &open.0.line;
            line.door.cells.of(line.worker.id).http2_streams_stuck.inc();
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    // One that the client did not live to see.
    drop(talk.take_tunnel());
}

/// Carries a tunnel in a task of its own: that of its request is far larger.
#[cold]
fn carry(talk: &Conversation, writer: Writer, shared: &Rc<Shared>) {
    // Without a tunnel nobody has switched: dropped, what sends resets the stream.
    let Some(mut tunnel) = talk.take_tunnel() else {
        return;
    };
    let open = Open::new(shared);
    tokio::task::spawn_local(async move {
        if let Some(stream) = tunnel.stream.take()
            && let Ok(upgraded) = stream.await
        {
            tunnel.run(SwitchedStream::new(upgraded, writer)).await;
        }
        drop(open);
    });
}

/// Answers the requests of one connection: each by a service of its own.
pub(super) struct Requests<F> {
    pub(super) streams: Streams,
    pub(super) patience: Patience,
    pub(super) front: F,
}

impl<F: Front> Service<Request<Incoming>> for Requests<F> {
    type Response = Response<F::Body>;
    type Error = Infallible;
    // hyper and the runtime move it several times before it runs and when it has ended: the place of
    // several kilobytes would cost more than an allocation.
    type Future = Pin<Box<<F::Service as Service<Request<Incoming>>>::Future>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let shared = &*self.streams.0;
        let line = &shared.line;
        shared.requests.set(shared.requests.get() + 1);
        line.door.cells.of(line.worker.id).http2_requests.inc();
        let talk = Conversation::of_stream(&line.worker.clock, self.patience);
        shared.next.replace(Some(Rc::clone(&talk)));
        let caller = Caller {
            worker: Rc::clone(&line.worker),
            peer: Rc::clone(&line.peer),
            talk,
            listener: Arc::clone(&line.door.name),
            door: line.door.index,
        };
        Box::pin(self.front.service(Rc::new(caller)).call(request))
    }
}
