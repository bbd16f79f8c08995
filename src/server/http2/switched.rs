//! A stream of HTTP/2 that carries bytes: the client's side of a tunnel.
//!
//! hyper splits such a stream in two: what is read, and a task that sends what was written. Here
//! both are one thing: dropped before its end, it resets the stream, so that what is cut off looks
//! cut off.
//!
//! The end must not be said before there is room for all that comes before it: dropped after that,
//! `h2` would not reset the stream but wait for that room, for as long as the connection lives. hyper
//! passes a piece on as soon as there is room for one byte of it. So the last byte of what is
//! written is a piece of its own: when it has gone, all has.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Sends what was written.
pub(super) type Writer = Pin<Box<dyn Future<Output = ()>>>;

/// The stream.
pub(super) struct SwitchedStream {
    io: TokioIo<Upgraded>,
    /// `None`: it has ended.
    writer: Option<Writer>,
    /// The last byte of what was written, if it has not gone on.
    last: Option<u8>,
    is_shut: bool,
}

impl SwitchedStream {
    pub(super) fn new(upgraded: Upgraded, writer: Writer) -> Self {
        Self {
            io: TokioIo::new(upgraded),
            writer: Some(writer),
            last: None,
            is_shut: false,
        }
    }

    /// Has what was written sent. It ends early only if the client has reset the stream, or gone.
    fn drive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(writer) = &mut self.writer
            && writer.as_mut().poll(cx).is_ready()
        {
            self.writer = None;
        }
        if self.writer.is_none() && !self.is_shut {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for SwitchedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Before it is read: to hyper a stream that was cancelled has just ended.
        this.drive(cx)?;
        Pin::new(&mut this.io).poll_read(cx, buf)
    }
}

impl SwitchedStream {
    /// Passes on the last byte of what was written.
    fn poll_last(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(last) = self.last {
            ready!(Pin::new(&mut self.io).poll_write(cx, &[last]))?;
            self.last = None;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes all of `buf`, once there is room for it.
    fn poll_take(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_last(cx))?;
        let Some((last, rest)) = buf.split_last() else {
            return Poll::Ready(Ok(0));
        };
        if !rest.is_empty() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, rest))?;
            if count < rest.len() {
                return Poll::Ready(Ok(count));
            }
        }
        self.last = Some(*last);
        // If not now, with what comes next.
        if let Poll::Ready(outcome) = self.poll_last(cx) {
            outcome?;
        }
        Poll::Ready(Ok(buf.len()))
    }
}

impl AsyncWrite for SwitchedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = this.poll_take(cx, buf);
        this.drive(cx)?;
        outcome
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = this.poll_last(cx);
        this.drive(cx)?;
        ready!(outcome)?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.last.is_some() {
            let outcome = this.poll_last(cx);
            this.drive(cx)?;
            ready!(outcome)?;
        }
        this.is_shut = true;
        let outcome = Pin::new(&mut this.io).poll_shutdown(cx);
        if outcome.is_ready() {
            return outcome;
        }
        this.drive(cx)?;
        match this.writer {
            None => Poll::Ready(Ok(())),
            Some(_) => Poll::Pending,
        }
    }
}
