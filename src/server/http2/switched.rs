//! A stream of HTTP/2 that carries bytes: the client's side of a tunnel.
//!
//! hyper splits such a stream in two: what is read, and a task that sends what was written. Here
//! both are one thing: dropped before its end, it resets the stream, so that what is cut off looks
//! cut off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

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
    is_shut: bool,
}

impl SwitchedStream {
    pub(super) fn new(upgraded: Upgraded, writer: Writer) -> Self {
        Self {
            io: TokioIo::new(upgraded),
            writer: Some(writer),
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

impl AsyncWrite for SwitchedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write(cx, buf);
        this.drive(cx)?;
        outcome
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.drive(cx)?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
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
