//! The handles of a connection: who asks, who waits for the head, who reads the body.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};

use super::machine::Machine;
use crate::socket::Rewound;
use crate::upstream::ask::Ask;
use crate::upstream::broken::Broken;
use crate::upstream::connection::SendFailure;
use crate::upstream::stream::{BackendStream, Seat};

/// A connection that carries one exchange at a time.
#[derive(Debug)]
pub struct AloneCarrier(Rc<RefCell<Machine>>);

impl AloneCarrier {
    /// HTTP/1.1 on a connected socket.
    pub(in crate::upstream) fn new(stream: BackendStream) -> Self {
        Self(Rc::new(RefCell::new(Machine::new(stream))))
    }

    /// Begins an exchange.
    pub(in crate::upstream) fn send(&mut self, ask: impl Ask) -> Asking {
        self.0.borrow_mut().begin(ask);
        Asking(Rc::clone(&self.0))
    }

    /// What the connection is used for from now on.
    pub(in crate::upstream) fn sit(&self, seat: Option<Seat>) {
        self.0.borrow().stream().wire.sit(seat);
    }

    /// Whether another request can be sent, after a look at the socket.
    pub(in crate::upstream) fn is_ready(&self) -> bool {
        self.0.borrow_mut().is_quiet()
    }

    /// Whoever has used it is not to be woken any more.
    pub(in crate::upstream) fn forget_users(&self) {
        self.0.borrow().stream().wire.forget_reader();
    }

    /// Whether no other request can be sent, so far as is known.
    pub(in crate::upstream) fn is_closed(&self) -> bool {
        !self.0.borrow().is_idle()
    }

    /// The socket after a 101, with what was read beyond it. Only right when nobody else has the
    /// connection.
    pub(in crate::upstream) fn take_over(self) -> io::Result<Rewound<BackendStream>> {
        let machine = Rc::try_unwrap(self.0).map_err(|_| io::ErrorKind::ResourceBusy)?;
        let (stream, read) = machine.into_inner().into_parts()?;
        Ok(Rewound::new(read, stream))
    }
}

/// A request on its way.
#[derive(Debug)]
pub(in crate::upstream) struct Asking(Rc<RefCell<Machine>>);

impl Future for Asking {
    type Output = Result<Response<AnswerBody>, SendFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut machine = self.0.borrow_mut();
        let outcome = ready!(machine.poll_head(cx));
        let body = || AnswerBody {
            machine: (!machine.answer().is_over()).then(|| Rc::clone(&self.0)),
        };
        Poll::Ready(match outcome {
            Ok(head) => Ok(head.map(|()| body())),
            Err(error) => Err(failure(&mut machine, error)),
        })
    }
}

fn failure(machine: &mut Machine, error: Broken) -> SendFailure {
    machine.give_up();
    let wire = &machine.stream().wire;
    let heard = wire.heard();
    wire.head_done();
    SendFailure {
        error,
        was_unsent: !machine.has_begun(),
        heard,
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct AnswerBody {
    /// `None`: all of it was taken.
    machine: Option<Rc<RefCell<Machine>>>,
}

impl AnswerBody {
    /// See [`Machine::poll_broken`].
    pub(in crate::upstream) fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<Broken> {
        match &self.machine {
            Some(machine) => machine.borrow_mut().poll_broken(cx),
            None => Poll::Pending,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(machine) = &self.machine else {
            return Poll::Ready(None);
        };
        let mut machine = machine.borrow_mut();
        let frame = ready!(machine.poll_body(cx));
        let is_over = machine.answer().is_over() || frame.is_none();
        drop(machine);
        if is_over {
            // Whoever has the connection has it alone again.
            self.machine = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.machine.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.machine {
            Some(machine) => machine.borrow().answer().left(),
            None => Some(0),
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
