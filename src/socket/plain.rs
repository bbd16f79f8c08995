//! A socket as the kernel gives it. Small writes wait for the end of the worker's round, and go out
//! one behind the other with those of other sockets.
//!
//! Who sends now and then finds the receiver asleep each time and has to wake it, which on the same host costs as
//! much as the rest of sending. Who sends many pieces at once wakes it once.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{AbortHandle, spawn_local};

use super::kernel::Kernel;
use super::round;

/// Writes up to here wait. A copy of so much costs less than the kernel's work with a vector.
const SMALL: usize = 8 << 10;
/// What waits at one socket at most.
const MOST: usize = 16 << 10;

/// A socket, and what waits to be sent on it.
#[derive(Debug)]
pub struct Plain(Rc<Waiting>);

/// What the socket and the end of the round share.
#[derive(Debug)]
pub(super) struct Waiting {
    kernel: RefCell<Kernel>,
    unsent: RefCell<Unsent>,
    /// What the kernel has taken so far.
    sent: Cell<u64>,
    care: RefCell<Care>,
}

#[derive(Debug, Default)]
struct Unsent {
    bytes: Vec<u8>,
    /// How many of them the kernel has taken. Never less than before.
    gone: usize,
    /// Why it takes no more. Whoever writes next is told.
    fault: Option<io::Error>,
}

/// Who sees to it that what waits is sent. The kernel wakes only one, the last who asked.
#[derive(Debug, Default)]
enum Care {
    /// Nothing waits, or nobody wants it sent.
    #[default]
    Nobody,
    /// The end of the round.
    Round,
    /// The user of the socket, who was told to wait, and must not leave it at that.
    User,
    /// A task of its own: the user believes that all has been sent.
    Rescue {
        /// Ends with this.
        _task: Rescue,
    },
}

/// Ends its task when it is dropped.
#[derive(Debug)]
struct Rescue(AbortHandle);

impl Drop for Rescue {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Plain {
    pub(super) fn new(kernel: Kernel) -> Self {
        Self(Rc::new(Waiting {
            kernel: RefCell::new(kernel),
            unsent: RefCell::default(),
            sent: Cell::new(0),
            care: RefCell::default(),
        }))
    }

    /// Asks the kernel's socket.
    pub(super) fn ask<T>(&self, what: impl FnOnce(&Kernel) -> T) -> T {
        what(&self.0.kernel.borrow())
    }

    /// Its own end; `None`: a Unix socket.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.ask(Kernel::local)
    }

    /// How many bytes have been written and not given up. Less than before after a fault.
    pub(super) fn written(&self) -> u64 {
        self.sent() + self.0.unsent.borrow().rest().len() as u64
    }

    /// How many of them the kernel has taken.
    pub(super) fn sent(&self) -> u64 {
        self.0.sent.get()
    }

    /// Whether the kernel did not take all when it was asked last.
    pub(super) fn is_refused(&self) -> bool {
        self.0.is_refused()
    }

    /// Gives up what was not sent.
    pub(super) fn give_up(&self) {
        self.0.care.take();
        let unsent = self.0.unsent.take();
        round::give_back(unsent.bytes);
    }

    /// Takes a small piece, to be sent at the end of the round.
    fn poll_take(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let total = length(bufs);
        if self.0.is_refused() || self.0.unsent.borrow().bytes.len() + total > MOST {
            ready!(self.0.poll_clear(cx))?;
        }
        let mut unsent = self.0.unsent.borrow_mut();
        if let Some(fault) = unsent.fault.take() {
            return Poll::Ready(Err(fault));
        }
        if unsent.bytes.capacity() == 0 {
            unsent.bytes = round::room();
        }
        for buf in bufs {
            unsent.bytes.extend_from_slice(buf);
        }
        drop(unsent);
        let before = self.0.care.replace(Care::Round);
        if !matches!(before, Care::Round) {
            round::send_later(Rc::clone(&self.0));
        }
        Poll::Ready(Ok(total))
    }
}

impl Unsent {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.gone..).unwrap_or_default()
    }
}

impl Waiting {
    /// Whether the kernel did not take all when it was asked last.
    fn is_refused(&self) -> bool {
        matches!(*self.care.borrow(), Care::User | Care::Rescue { .. })
    }

    /// Sends what waits, as the round has come to its end.
    pub(super) fn send(self: Rc<Self>) {
        if self.poll_unattended().is_pending() {
            self.rescue();
        }
    }

    /// The same where there are no rounds any more: as far as it goes at once.
    pub(super) fn send_last(&self) {
        let _is_sent = self.poll_unattended().is_ready();
    }

    /// Sends for a user that hears of nothing.
    fn poll_unattended(&self) -> Poll<()> {
        if !matches!(*self.care.borrow(), Care::Round) {
            // The user waits for it, or has given it up.
            return Poll::Ready(());
        }
        self.care.take();
        self.poll_told(&mut Context::from_waker(Waker::noop()))
    }

    /// Sends what waits. The user, who may never write again, learns by reading that it could not be: of an end
    /// that is gone the kernel tells it. One that takes no more may still speak.
    fn poll_told(&self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_send(cx));
        let fault = self.unsent.borrow().fault.as_ref().map(io::Error::kind);
        if fault
            .is_some_and(|kind| !matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset))
        {
            self.kernel.borrow().shut_down();
        }
        Poll::Ready(())
    }

    /// Sending has told the kernel's word of what is wrong, which it gives once: to a reader, the end that follows
    /// would look like one in good order.
    #[cold]
    fn tell_reader(&self) -> io::Result<()> {
        match self.unsent.borrow().fault.as_ref().map(io::Error::kind) {
            None | Some(ErrorKind::BrokenPipe) => Ok(()),
            Some(kind) => Err(kind.into()),
        }
    }

    /// The other end takes nothing now.
    #[cold]
    fn rescue(self: Rc<Self>) {
        let weak = Rc::downgrade(&self);
        let rescue = spawn_local(poll_fn(move |cx| {
            // Gone with its user.
            let Some(this) = weak.upgrade() else {
                return Poll::Ready(());
            };
            ready!(this.poll_told(cx));
            this.care.take();
            Poll::Ready(())
        }));
        *self.care.borrow_mut() = Care::Rescue {
            _task: Rescue(rescue.abort_handle()),
        };
    }

    /// Sends what waits for its user. `Pending`: the user is woken when it may go on.
    fn poll_clear(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.poll_send(cx);
        let mut care = self.care.borrow_mut();
        if sent.is_pending() {
            *care = Care::User;
            return Poll::Pending;
        }
        if !matches!(*care, Care::Round) {
            // A rescue would wait for ever: the kernel has forgotten it.
            *care = Care::Nobody;
        }
        match self.unsent.borrow_mut().fault.take() {
            Some(fault) => Poll::Ready(Err(fault)),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Sends what waits. Whatever is wrong is kept for the user.
    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<()> {
        let unsent = &mut *self.unsent.borrow_mut();
        if unsent.bytes.is_empty() {
            return Poll::Ready(());
        }
        let mut kernel = self.kernel.borrow_mut();
        while !unsent.rest().is_empty() {
            match ready!(Pin::new(&mut *kernel).poll_write(cx, unsent.rest())) {
                Ok(0) => {
                    unsent.fault = Some(ErrorKind::WriteZero.into());
                    break;
                }
                Ok(count) => {
                    unsent.gone += count;
                    self.sent.set(self.sent.get() + count as u64);
                }
                Err(fault) => {
                    unsent.fault = Some(fault);
                    break;
                }
            }
        }
        unsent.gone = 0;
        round::give_back(mem::take(&mut unsent.bytes));
        Poll::Ready(())
    }
}

fn length(bufs: &[IoSlice<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

impl Drop for Plain {
    fn drop(&mut self) {
        // What still waits goes out at the end of the round, as far as the kernel takes it then, and the socket is
        // closed. Nobody waits longer.
        let before = self.0.care.take();
        if self.0.unsent.borrow().bytes.is_empty() || !round::is_attended() {
            return;
        }
        self.0.care.replace(Care::Round);
        if !matches!(before, Care::Round) {
            round::send_later(Rc::clone(&self.0));
        }
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let mut kernel = self.0.kernel.borrow_mut();
        ready!(Pin::new(&mut *kernel).poll_read(cx, buf))?;
        if buf.filled().len() == before && buf.remaining() > 0 {
            self.0.tell_reader()?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if length(bufs) <= SMALL && round::is_attended() {
            return self.poll_take(cx, bufs);
        }
        ready!(self.0.poll_clear(cx))?;
        let mut kernel = self.0.kernel.borrow_mut();
        let count = ready!(Pin::new(&mut *kernel).poll_write_vectored(cx, bufs))?;
        self.0.sent.set(self.0.sent.get() + count as u64);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What waits for the end of the round is as good as sent; what the kernel did not take then is not.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Care::Round = *self.0.care.borrow() {
            return Poll::Ready(Ok(()));
        }
        self.0.poll_clear(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_clear(cx))?;
        Pin::new(&mut *self.0.kernel.borrow_mut()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
