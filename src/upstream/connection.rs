//! The seam: what carries an exchange to a backend, and hyper's client for HTTP/1.1 as its
//! implementation.
//!
//! The proxy knows [`Carrier`] alone. Another way of speaking to a backend is another
//! implementation, and another variant of [`Chosen`].

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Builder, SendRequest};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::body::RequestBody;
use super::shared::SharedCarrier;
use super::stream::{BackendStream, Seat, Wire};
use crate::socket::Rewound;

/// What carries an exchange to a backend: the cluster's setting says which.
#[derive(Debug)]
pub enum Chosen {
    /// A connection of HTTP/1.1, which carries one at a time.
    Alone(HyperCarrier),
    /// A place on a connection of HTTP/2.
    Shared(SharedCarrier),
}

/// A connection to a backend, or a part of one, that carries one exchange at a time.
pub trait Carrier: Sized + 'static {
    /// The body of a response.
    type Body: Body<Data = Bytes, Error = hyper::Error> + Unpin;
    /// The connection after a 101.
    type Tunnel: AsyncRead + AsyncWrite + Unpin;

    /// Sends a request, waits for the response's head. Dropping the future closes the connection, or
    /// gives up that part of it.
    fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Self::Body>, SendFailure>> + 'static;

    /// What the connection is used for from now on.
    fn sit(&self, seat: Option<Seat>);

    /// Whether another request can be sent now.
    fn is_ready(&self) -> bool;

    /// Whether the connection is gone.
    fn is_closed(&self) -> bool;

    /// Takes over the connection after a 101. Nothing is left of what spoke HTTP on it.
    fn take_over(self) -> impl Future<Output = io::Result<Self::Tunnel>>;
}

/// Why no head came back.
#[derive(Debug)]
pub struct SendFailure {
    /// What hyper says.
    pub error: hyper::Error,
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

/// Bounds on what a backend may say before its response head is complete.
pub(super) const HEAD_BYTES: usize = READ_PIECE;
pub(super) const HEAD_FIELDS: usize = 256;
/// Room for the head, for interim responses before it, and for the body bytes that come with it.
pub(super) const HEAD_ALLOWANCE: usize = 256 << 10;
/// What one read from a backend may bring; hyper begins with a quarter of it and grows while reads
/// fill it. Larger pieces fall out of the second-level cache before they are written on.
const READ_PIECE: usize = 32 << 10;

/// A connection driven by hyper's client, its protocol machine in a task of its own.
#[derive(Debug)]
pub struct HyperCarrier {
    sender: SendRequest<RequestBody>,
    wire: Rc<Wire>,
    taken_over: oneshot::Receiver<Switched>,
}

/// The socket of a connection whose HTTP has ended, with what was read beyond it.
type Switched = Rewound<BackendStream>;

/// Runs a connection's protocol machine to its end. Whoever uses the connection hears of its
/// error; an idle one just ends. After a 101 somebody waits for the socket.
async fn drive(
    mut connection: http1::Connection<TokioIo<BackendStream>, RequestBody>,
    hand_over: oneshot::Sender<Switched>,
    on_close: impl FnOnce(),
) {
    let _closed = OnDrop(Some(on_close));
    let outcome = poll_fn(|cx| Pin::new(&mut connection).poll(cx)).await;
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection to a backend ended");
    } else {
        let parts = connection.into_parts();
        // Nobody waits for a connection that ended otherwise; it closes here then.
        drop(hand_over.send(Rewound::new(parts.read_buf, parts.io.into_inner())));
    }
}

/// Runs something at the end, however it comes, a panic included.
pub(super) struct OnDrop<F: FnOnce()>(pub(super) Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
}

impl HyperCarrier {
    /// Starts HTTP/1.1 on a connected socket. `on_close` runs when the connection has ended.
    pub(super) async fn start(
        stream: BackendStream,
        on_close: impl FnOnce() + 'static,
    ) -> hyper::Result<Self> {
        let wire = Rc::clone(&stream.wire);
        wire.head_done();
        let (sender, connection) = Builder::new()
            .max_headers(HEAD_FIELDS)
            .max_header_size(HEAD_BYTES)
            .max_buf_size(READ_PIECE)
            .handshake(TokioIo::new(stream))
            .await?;
        let (hand_over, taken_over) = oneshot::channel();
        tokio::task::spawn_local(drive(connection, hand_over, on_close));
        Ok(Self {
            sender,
            wire,
            taken_over,
        })
    }
}

impl Carrier for HyperCarrier {
    type Body = Incoming;
    type Tunnel = Switched;

    fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendFailure>> + 'static {
        self.wire.expect_head();
        Alone {
            sent: self.sender.try_send_request(request),
            wire: Rc::clone(&self.wire),
        }
    }

    fn sit(&self, seat: Option<Seat>) {
        self.wire.sit(seat);
    }

    fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    async fn take_over(self) -> io::Result<Switched> {
        let gone = |_| io::Error::from(io::ErrorKind::NotConnected);
        self.taken_over.await.map_err(gone)
    }
}

impl Carrier for Chosen {
    type Body = Incoming;
    type Tunnel = Switched;

    fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendFailure>> + 'static {
        match self {
            Self::Alone(alone) => Either::Alone {
                sent: alone.send(request),
            },
            Self::Shared(shared) => Either::Shared {
                sent: shared.send(request),
            },
        }
    }

    fn sit(&self, seat: Option<Seat>) {
        match self {
            Self::Alone(alone) => alone.sit(seat),
            Self::Shared(shared) => shared.sit(seat),
        }
    }

    fn is_ready(&self) -> bool {
        match self {
            Self::Alone(alone) => alone.is_ready(),
            Self::Shared(shared) => !shared.is_closed(),
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Alone(alone) => alone.is_closed(),
            Self::Shared(shared) => shared.is_closed(),
        }
    }

    async fn take_over(self) -> io::Result<Switched> {
        match self {
            Self::Alone(alone) => alone.take_over().await,
            // Nothing that is shared becomes a tunnel.
            Self::Shared(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

// By hand: an `async` block would keep a second place for the future that it waits for, and that
// may hold a whole request.
pin_project! {
    /// A request on its way by HTTP/1.1.
    struct Alone<F> {
        #[pin]
        sent: F,
        wire: Rc<Wire>,
    }
}

/// What hyper says of a request, and the request itself, if nothing of it was sent.
type Said = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

impl<F: Future<Output = Said>> Future for Alone<F> {
    type Output = Result<Response<Incoming>, SendFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.sent.poll(cx));
        let heard = this.wire.heard();
        this.wire.head_done();
        Poll::Ready(outcome.map_err(|mut failure| SendFailure {
            was_unsent: failure.take_message().is_some(),
            error: failure.into_error(),
            heard,
        }))
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

impl<A: Future, B: Future<Output = A::Output>> Future for Either<A, B> {
    type Output = A::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            EitherProjected::Alone { sent } => sent.poll(cx),
            EitherProjected::Shared { sent } => sent.poll(cx),
        }
    }
}
