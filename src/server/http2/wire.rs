//! The client's socket, and what is seen there of what the client does.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::allowance::Allowance;
use super::outlet::Outlet;
use super::unended::Unended;
use super::waits::{Overdue, Waiting, Waits};
use crate::clock::Clock;
use crate::config::Http2Limits;
use crate::frames::{Frame, Frames};
use crate::observe::metrics::Http2Error;
use crate::proxy::conversation::Patience;
use crate::server::linger::Linger;
use crate::socket::Socket;

/// What is seen of a connection at its socket.
#[derive(Debug)]
pub(super) struct Wire {
    outlet: Outlet,
    clock: Rc<Clock>,
    patience: Patience,
    waits: Waits,
    received: RefCell<Frames>,
    sent: RefCell<Frames>,
    allowance: RefCell<Allowance>,
    unended: RefCell<Unended>,
    /// Pieces of bodies that were sent.
    pieces: Cell<u64>,
    writes: Cell<u64>,
    blocked: Cell<bool>,
    /// When it was so last.
    blocked_at_ms: Cell<Option<u64>>,
    flood: Cell<Option<Http2Error>>,
}

/// How a connection is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// Requests that are being answered.
    pub(super) open: usize,
    /// Requests so far.
    pub(super) requests: u64,
    /// Whether the client was told to end it.
    pub(super) is_ending: bool,
}

impl Wire {
    pub(super) fn new(
        socket: Socket,
        clock: &Rc<Clock>,
        patience: Patience,
        limits: &Http2Limits,
    ) -> Rc<Self> {
        Rc::new(Self {
            outlet: Outlet::new(socket),
            patience,
            waits: Waits::new(clock, patience),
            received: RefCell::new(Frames::of_client()),
            sent: RefCell::new(Frames::of_server()),
            allowance: RefCell::new(Allowance::new(limits, clock.now_ms())),
            unended: RefCell::new(Unended::new(limits.streams)),
            clock: Rc::clone(clock),
            pieces: Cell::new(0),
            writes: Cell::new(0),
            blocked: Cell::new(false),
            blocked_at_ms: Cell::new(None),
            flood: Cell::new(None),
        })
    }

    /// What the client sent too much of.
    pub(super) fn flood(&self) -> Option<Http2Error> {
        self.flood.get()
    }

    /// After the protocol machine came to rest: whether the client has kept us waiting for too
    /// long. If not, the task is woken when it has.
    pub(super) fn overdue(&self, cx: &Context<'_>, used: Use) -> Option<Overdue> {
        self.waits.enter(self.waiting(used));
        self.waits.overdue(cx)
    }

    fn waiting(&self, used: Use) -> Waiting {
        if self.blocked.get() {
            return Waiting::Room(self.writes.get());
        }
        let received = self.received.borrow();
        if !received.has_begun() {
            return Waiting::Begin;
        }
        match received.unfinished() {
            Some(number) => Waiting::Frame(number),
            // Those that are answered have tasks, but for the ones that wait for their end alone.
            None if self.unended.borrow().count() > used.open => Waiting::Tail(self.pieces.get()),
            None if used.open > 0 => Waiting::Requests,
            None if used.is_ending => Waiting::End(self.pieces.get()),
            None => Waiting::Request(used.requests, self.pieces.get()),
        }
    }

    /// After the protocol machine came to rest: sends what it has written. `Err`: the client is gone.
    pub(super) fn send(&self, cx: &mut Context<'_>) -> io::Result<()> {
        // With nothing in hand nothing is learned: what was blocked may be a large piece, which `h2` keeps.
        let has_some = self.outlet.has_some();
        match self.outlet.poll_send(cx, |count| self.sent(count)) {
            Poll::Ready(outcome) => {
                if has_some {
                    self.blocked.set(false);
                }
                outcome
            }
            Poll::Pending => {
                self.block();
                Ok(())
            }
        }
    }

    /// Closes the client's socket.
    pub(super) fn close(&self) {
        self.outlet.close();
    }

    fn block(&self) {
        self.blocked.set(true);
        self.blocked_at_ms.set(Some(self.clock.now_ms()));
    }

    /// Whether it was the socket that had no room for what streams send, some time while one of
    /// them waited in vain: then its client may take all as fast as it can.
    pub(super) fn has_held_up(&self) -> bool {
        self.blocked_at_ms.get().is_some_and(|at_ms| {
            let passed = self.clock.now_ms().saturating_sub(at_ms);
            Duration::from_millis(passed) < self.patience.send
        })
    }

    /// `Err`: too much of something.
    fn take(&self, bytes: &[u8]) -> Result<(), Http2Error> {
        let (mut allowance, now_ms) = (self.allowance.borrow_mut(), self.clock.now_ms());
        let (mut unended, mut outcome) = (self.unended.borrow_mut(), Ok(()));
        self.received.borrow_mut().pass(bytes, |head| {
            unended.received(head);
            if outcome.is_ok() {
                outcome = allowance.received(head.frame, now_ms);
            }
        });
        if let Err(flood) = outcome {
            self.flood.set(Some(flood));
        }
        outcome
    }

    /// The socket took so much.
    fn sent(&self, count: usize) {
        self.blocked.set(false);
        self.writes.set(self.writes.get() + 1);
        self.allowance.borrow_mut().sent(count);
    }

    fn give<'b>(&self, bufs: impl Iterator<Item = &'b [u8]>, mut count: usize) {
        let (mut sent, mut unended) = (self.sent.borrow_mut(), self.unended.borrow_mut());
        for buf in bufs {
            let written = buf.get(..count).unwrap_or(buf);
            count -= written.len();
            sent.pass(written, |head| {
                unended.sent(head);
                if head.frame == Frame::Data {
                    self.pieces.set(self.pieces.get() + 1);
                }
            });
        }
    }

    /// GOAWAY with the reason `ENHANCE_YOUR_CALM`, if it can be said now.
    fn farewell(&self) -> Option<[u8; 17]> {
        if !self.sent.borrow().is_between() {
            return None;
        }
        let mut frame = *b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";
        let last = self.received.borrow().last_stream().to_be_bytes();
        for (place, byte) in frame.iter_mut().skip(9).zip(last) {
            *place = byte;
        }
        Some(frame)
    }
}

/// A client's socket.
#[derive(Debug)]
pub(super) struct FrameStream {
    /// What was read before it was known what is spoken.
    read: Bytes,
    wire: Rc<Wire>,
    lingering: Option<Linger>,
}

impl FrameStream {
    pub(super) fn new(read: Bytes, wire: Rc<Wire>) -> Self {
        Self {
            read,
            wire,
            lingering: None,
        }
    }
}

impl AsyncRead for FrameStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.read.is_empty() {
            let outlet = &this.wire.outlet;
            ready!(outlet.ask(|socket| Pin::new(socket).poll_read(cx, buf)))?;
        } else {
            let count = this.read.len().min(buf.remaining());
            buf.put_slice(&this.read.split_to(count));
        }
        let read = buf.filled().get(before..).unwrap_or_default();
        if this.wire.take(read).is_err() {
            if let Some(farewell) = this.wire.farewell() {
                // As far as there is room for it: the connection is closed in any case.
                let (outlet, farewell) = (&this.wire.outlet, [io::IoSlice::new(&farewell)]);
                drop(outlet.poll_take(cx, &farewell, |_| ()));
                drop(outlet.poll_send(cx, |_| ()));
            }
            return Poll::Ready(Err(io::ErrorKind::Other.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FrameStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = &self.wire;
        let outcome = wire.outlet.poll_take(cx, bufs, |count| wire.sent(count));
        match &outcome {
            Poll::Ready(Ok(count)) => wire.give(bufs.iter().map(|buf| &**buf), *count),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => wire.block(),
        }
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing is sent yet: it would be after each piece. Who drives the connection sees to it.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outlet = &this.wire.outlet;
        if this.lingering.is_none() {
            if outlet
                .poll_send(cx, |count| this.wire.sent(count))?
                .is_pending()
            {
                this.wire.block();
                return Poll::Pending;
            }
            let shut = outlet.ask(|socket| Pin::new(socket).poll_shutdown(cx))?;
            if shut.is_pending() {
                this.wire.block();
                return Poll::Pending;
            }
            // What we said last must not be lost since the client is still sending.
            this.wire.waits.enter(Waiting::Linger);
        }
        if this.wire.waits.is_over(cx) {
            return Poll::Ready(Ok(()));
        }
        let linger = this.lingering.get_or_insert_with(Linger::new);
        outlet.ask(|socket| linger.poll(socket, cx))
    }
}
