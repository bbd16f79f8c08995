//! The seam: what carries an exchange to a backend.
//!
//! The proxy knows [`Carrier`] alone. Another way of speaking to a backend is another variant of it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::ask::Ask;
use super::broken::Broken;
use super::http1::{AloneCarrier, AnswerBody};
use super::shared::SharedCarrier;
use super::stream::{BackendStream, Seat};
use crate::socket::Rewound;

/// A connection to a backend, or a part of one, that carries one exchange at a time. The cluster's
/// setting says which.
#[derive(Debug)]
pub enum Carrier {
    /// A connection of HTTP/1.1.
    Alone(AloneCarrier),
    /// A place on a connection of HTTP/2.
    Shared(SharedCarrier),
}

/// Why no head came back.
#[derive(Debug)]
pub struct SendFailure {
    /// How it broke.
    pub error: Broken,
    /// Whether provably no byte of the request was sent.
    pub was_unsent: bool,
    /// What the backend had said by then.
    pub heard: Heard,
}

/// What came from a backend before an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Not a byte.
    Nothing,
    /// The beginning of an answer.
    Something,
    /// More than a head may have.
    TooMuch,
    /// What is no HTTP/2.
    Nonsense,
    /// That this request is given up; the connection goes on.
    Reset,
}

/// Bounds on a response head, and on the trailers behind a body.
pub(super) const HEAD_BYTES: usize = 32 << 10;
pub(super) const HEAD_FIELDS: usize = 256;
/// Room for a head, for interim responses before it, and for the body bytes that come with it.
pub(super) const HEAD_ALLOWANCE: usize = 256 << 10;

/// The socket of a connection whose HTTP has ended, with what was read beyond it.
pub(super) type Switched = Rewound<BackendStream>;

impl Carrier {
    /// Sends a request, waits for the response's head. Dropping the future gives up the connection, or
    /// that part of it.
    pub fn send(
        &mut self,
        ask: impl Ask,
    ) -> impl Future<Output = Result<Response<BackendBody>, SendFailure>> + 'static {
        match self {
            Self::Alone(alone) => Either::Alone {
                sent: alone.send(ask),
            },
            Self::Shared(shared) => Either::Shared {
                sent: shared.send(ask.request()),
            },
        }
    }

    /// What the connection is used for from now on.
    pub(super) fn sit(&self, seat: Option<Seat>) {
        match self {
            Self::Alone(alone) => alone.sit(seat),
            Self::Shared(shared) => shared.sit(seat),
        }
    }

    /// Whether another request can be sent now.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Alone(alone) => alone.is_ready(),
            Self::Shared(shared) => !shared.is_closed(),
        }
    }

    /// Whether the connection is gone.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Alone(alone) => alone.is_closed(),
            Self::Shared(shared) => shared.is_closed(),
        }
    }

    /// The same as [`Self::is_ready`], of one that is idle. It remembers nobody who has used it.
    pub(super) fn rests(&self) -> bool {
        if let Self::Alone(alone) = self {
            alone.forget_users();
        }
        self.is_ready()
    }

    /// Takes over the connection after a 101. Nothing is left of what spoke HTTP on it.
    pub(super) fn take_over(self) -> io::Result<Switched> {
        match self {
            Self::Alone(alone) => alone.take_over(),
            // Nothing that is shared becomes a tunnel.
            Self::Shared(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

pin_project! {
    /// One of two futures.
    #[project = EitherProjected]
    enum Either<A, B> {
        Alone { #[pin] sent: A },
        Shared { #[pin] sent: B },
    }
}

impl<A, B> Future for Either<A, B>
where
    A: Future<Output = Result<Response<AnswerBody>, SendFailure>>,
    B: Future<Output = Result<Response<Incoming>, SendFailure>>,
{
    type Output = Result<Response<BackendBody>, SendFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            EitherProjected::Alone { sent } => {
                let sent = sent.poll(cx);
                sent.map_ok(|response| response.map(BackendBody::Alone))
            }
            EitherProjected::Shared { sent } => {
                let sent = sent.poll(cx);
                sent.map_ok(|response| response.map(BackendBody::Shared))
            }
        }
    }
}

/// The body of a response, by the way it comes.
#[derive(Debug)]
pub enum BackendBody {
    /// On a connection of its own.
    Alone(AnswerBody),
    /// On one that is shared.
    Shared(Incoming),
}

impl BackendBody {
    /// What goes on while nobody takes it: the request's body is still sent, and the connection may
    /// break.
    pub fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<Broken> {
        match self {
            Self::Alone(body) => body.poll_broken(cx),
            // hyper's tasks do all that.
            Self::Shared(_) => Poll::Pending,
        }
    }
}

impl Body for BackendBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Alone(body) => Pin::new(body).poll_frame(cx),
            Self::Shared(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map(|frame| frame.map(|frame| frame.map_err(Broken::Http2)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Alone(body) => body.is_end_stream(),
            Self::Shared(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Alone(body) => body.size_hint(),
            Self::Shared(body) => body.size_hint(),
        }
    }
}
