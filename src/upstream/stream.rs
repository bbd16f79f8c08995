//! The socket to a backend, with what we watch on it.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{HEAD_ALLOWANCE, Heard};
use crate::cluster::Backend;
use crate::frames::{Frame, Frames};
use crate::observe::metrics::WorkerId;
use crate::session::ledger::Key;
use crate::socket::Socket;

/// What the proxy and the socket tell each other.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Bytes that may still be read before a response head is complete; `usize::MAX` while
    /// nobody waits for one. It bounds heads and endless 1xx answers alike.
    head_allowance: Cell<usize>,
    /// What the connection is used for.
    seat: Cell<Option<Seat>>,
    /// Whether it is to end at once, and who reads from it.
    cut: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    /// Reads that brought something.
    reads: Cell<u64>,
    /// Whether the backend has closed it.
    is_ended: Cell<bool>,
    /// Who wants to hear of SETTINGS and GOAWAY.
    listener: RefCell<Option<Waker>>,
    /// Whether one of these has begun, and perhaps not ended.
    has_terms: Cell<bool>,
    /// Heads that may still come on a connection that is shared.
    heads: Cell<u32>,
}

/// Heads for each request on a connection that is shared: interim ones, and the last.
const HEADS: u32 = 100;

/// A request, or what has become of it, on a connection.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// Since when, by the worker's clock.
    pub since_ms: u64,
    /// The session of the request.
    pub session: Option<Key>,
    /// Who asked.
    pub client: Option<IpAddr>,
    /// Whether the request counts at its session, so that nobody moves it.
    pub is_counted: bool,
    /// Whether the connection has switched protocols.
    pub is_tunnel: bool,
}

impl Wire {
    /// A head is awaited from now on.
    pub(super) fn expect_head(&self) {
        self.head_allowance.set(HEAD_ALLOWANCE);
    }

    /// The head is there; the body has its own bounds.
    pub(super) fn head_done(&self) {
        self.head_allowance.set(usize::MAX);
    }

    /// What the connection is used for from now on.
    pub(super) fn sit(&self, seat: Option<Seat>) {
        self.seat.set(seat);
    }

    /// The connection has switched protocols: what it is used for stays.
    pub(super) fn sit_in_tunnel(&self) {
        let seat = self.seat.get();
        self.seat.set(seat.map(|seat| Seat {
            is_tunnel: true,
            ..seat
        }));
    }

    /// What it is used for.
    pub(super) fn seat(&self) -> Option<Seat> {
        self.seat.get()
    }

    /// The connection ends at once, whatever is on it.
    pub(super) fn cut(&self) {
        self.cut.set(true);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Whether it was cut.
    pub(super) fn was_cut(&self) -> bool {
        self.cut.get()
    }

    /// Reads so far that brought something.
    pub(super) fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// Whether the backend has closed it.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended.get()
    }

    /// One more request goes out on a connection that is shared, where heads of so many may be under
    /// way.
    pub(super) fn expect_heads(&self, most: u32) {
        let heads = self.heads.get().saturating_add(HEADS);
        self.heads.set(heads.min(HEADS.saturating_mul(most)));
    }

    /// Takes in what was read of a connection that is shared.
    fn pass(&self, frames: &mut Frames, bytes: &[u8]) -> io::Result<()> {
        let mut left = Some(self.heads.get());
        frames.pass(bytes, |head| match head.frame {
            Frame::Terms => self.has_terms.set(true),
            Frame::Fields if !head.is_last => left = left.and_then(|left| left.checked_sub(1)),
            _ => {}
        });
        if self.has_terms.get() {
            self.has_terms.set(frames.unfinished().is_some());
            if let Some(listener) = self.listener.take() {
                listener.wake();
            }
        }
        let endless = || io::Error::new(io::ErrorKind::InvalidData, "too many interim responses");
        self.heads.set(left.ok_or_else(endless)?);
        Ok(())
    }

    /// Wakes the task when SETTINGS or GOAWAY were read.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        let mut listener = self.listener.borrow_mut();
        if !listener.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
            *listener = Some(cx.waker().clone());
        }
    }

    /// Nothing goes either way on a connection that was cut.
    pub(super) fn refuse_if_cut(&self) -> io::Result<()> {
        if self.cut.get() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Wakes the task when it is cut.
    pub(super) fn listen_for_cut(&self, cx: &Context<'_>) {
        let mut reader = self.reader.borrow_mut();
        // Often it is used by one task several times.
        if !reader
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            *reader = Some(cx.waker().clone());
        }
    }

    /// Nobody reads from it now.
    pub(super) fn forget_reader(&self) {
        self.reader.take();
    }

    /// What came since a head was expected.
    pub(super) fn heard(&self) -> Heard {
        match self.head_allowance.get() {
            0 => Heard::TooMuch,
            HEAD_ALLOWANCE => Heard::Nothing,
            _ => Heard::Something,
        }
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        self.reads.set(self.reads.get() + 1);
        let left = self.head_allowance.get();
        if left == usize::MAX {
            return Ok(());
        }
        self.head_allowance.set(left.saturating_sub(bytes));
        if bytes >= left {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "response head too large",
            ));
        }
        Ok(())
    }
}

/// How a connection to a backend ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// Without a word. What waits to be sent still is.
    AsItIs,
    /// In good order, which a secured one tells the backend.
    InOrder,
    /// In the middle of an exchange. What of it has not been sent never is: it may be under way to another.
    BrokenOff,
}

/// A socket that counts its bytes and reports signs of life to its backend.
#[derive(Debug)]
pub(super) struct BackendStream {
    pub(super) socket: Socket,
    pub(super) wire: Rc<Wire>,
    pub(super) backend: Arc<Backend>,
    pub(super) worker: WorkerId,
    /// Whether it counts as open until it is dropped.
    pub(super) is_counted: bool,
    /// How it ends when it is dropped.
    pub(super) parting: Parting,
    /// The frames that come, where it is shared.
    pub(super) frames: Option<Box<Frames>>,
}

impl Drop for BackendStream {
    fn drop(&mut self) {
        if self.is_counted {
            let cells = self.backend.cells.of(self.worker);
            cells.connections_open.dec();
        }
        match self.parting {
            Parting::InOrder if self.is_secured() => {
                let mut cx = Context::from_waker(Waker::noop());
                // As far as it goes at once.
                let _is_told = Pin::new(&mut self.socket).poll_shutdown(&mut cx).is_ready();
            }
            Parting::InOrder | Parting::AsItIs => {}
            Parting::BrokenOff => self.socket.give_up(),
        }
    }
}

impl AsyncRead for BackendStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        this.wire.listen_for_cut(cx);
        this.wire.refuse_if_cut()?;
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        if read > 0 {
            this.backend.note_life();
            this.backend
                .cells
                .of(this.worker)
                .bytes_received
                .add(read as u64);
            this.wire.take(read)?;
            if let Some(frames) = &mut this.frames {
                this.wire
                    .pass(frames, buf.filled().get(before..).unwrap_or_default())?;
            }
        } else if buf.remaining() > 0 {
            this.wire.is_ended.set(true);
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendStream {
    pub(super) fn is_secured(&self) -> bool {
        matches!(self.socket, Socket::Tls(_))
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.backend
                .cells
                .of(self.worker)
                .bytes_sent
                .add(*bytes as u64);
        }
        written
    }
}

impl AsyncWrite for BackendStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.wire.refuse_if_cut()?;
        let written = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.count(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.wire.refuse_if_cut()?;
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.refuse_if_cut()?;
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.refuse_if_cut()?;
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
