//! The client's socket, which tells the conversation what it sees.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::conversation::Conversation;
use crate::socket::Socket;

/// How long a client may go on sending what nobody reads, after it was answered.
const LINGER: Duration = Duration::from_secs(2);
/// How much of it is taken and thrown away.
const LINGER_BYTES: usize = 4 << 20;

/// A client's socket.
#[derive(Debug)]
pub(super) struct ClientStream {
    socket: Socket,
    talk: Rc<Conversation>,
    /// Bytes that may still be thrown away, once the writing side is shut.
    lingering: Option<usize>,
}

impl ClientStream {
    pub(super) fn new(socket: Socket, talk: Rc<Conversation>) -> Self {
        Self {
            socket,
            talk,
            lingering: None,
        }
    }

    /// Reads what the client still sends until it stops, so that closing does not reset the
    /// connection while our answer is on its way.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sink = [0_u8; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut sink);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf))?;
            let read = buf.filled().len();
            let left = self.lingering.unwrap_or(0).saturating_sub(read);
            self.lingering = Some(left);
            if read == 0 || left == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.talk.bytes_arrived();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.note(|socket| socket.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.note(|socket| socket.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_flush(cx);
        // A secured socket takes what is written, and may keep it.
        match &outcome {
            Poll::Ready(_) => this.talk.write_went_on(),
            Poll::Pending => this.talk.write_blocked(),
        }
        outcome
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
            if !this.talk.owes_lingering() {
                return Poll::Ready(Ok(()));
            }
            this.talk.linger(LINGER);
            this.lingering = Some(LINGER_BYTES);
        }
        this.poll_linger(cx)
    }
}

impl ClientStream {
    fn note(
        &mut self,
        write: impl FnOnce(Pin<&mut Socket>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let outcome = write(Pin::new(&mut self.socket));
        match &outcome {
            Poll::Ready(_) => self.talk.write_went_on(),
            Poll::Pending => self.talk.write_blocked(),
        }
        outcome
    }
}
