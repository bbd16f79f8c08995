//! The client's socket, which tells the conversation what it sees.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::conversation::Conversation;
use crate::server::linger::{LINGER, Linger};
use crate::socket::Socket;

/// As much of HTTP/2's preface as tells it from every request: no other method begins so.
const TELLING: &[u8] = b"PRI ";

/// A client's socket.
#[derive(Debug)]
pub(super) struct ClientStream {
    socket: Socket,
    talk: Rc<Conversation>,
    lingering: Option<Linger>,
    lookout: Lookout,
}

/// The watch for a client that begins as HTTP/2 does.
#[derive(Debug)]
pub(super) enum Lookout {
    /// It speaks HTTP/1, or is to be told that it must.
    Over,
    /// So much of what it sent is as HTTP/2 begins.
    Alike(usize),
    /// It speaks HTTP/2; the bytes were kept back.
    Found(Box<[u8]>),
}

impl ClientStream {
    pub(super) fn new(socket: Socket, talk: Rc<Conversation>, lookout: Lookout) -> Self {
        Self {
            socket,
            talk,
            lingering: None,
            lookout,
        }
    }

    /// What was kept back, if the client speaks HTTP/2.
    pub(super) fn kept(&self) -> Option<&[u8]> {
        match &self.lookout {
            Lookout::Found(kept) => Some(kept),
            Lookout::Over | Lookout::Alike(_) => None,
        }
    }

    /// The socket.
    pub(super) fn into_inner(self) -> Socket {
        self.socket
    }

    /// Looks at the first bytes of a connection. What is kept back from hyper ends its part of it.
    #[cold]
    fn look(&mut self, alike: usize, before: usize, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let read = buf.filled().get(before..).unwrap_or_default();
        let wanted = TELLING.get(alike..).unwrap_or_default();
        let count = wanted.len().min(read.len());
        if read.get(..count) != wanted.get(..count) {
            self.lookout = Lookout::Over;
        } else if count < wanted.len() {
            self.lookout = Lookout::Alike(alike + count);
        } else {
            self.lookout = Lookout::Found(read.into());
            buf.set_filled(before);
            return Err(io::ErrorKind::Other.into());
        }
        Ok(())
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
            if let Lookout::Alike(alike) = this.lookout {
                return Poll::Ready(this.look(alike, before, buf));
            }
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
        this.talk.say_end();
        if matches!(this.lookout, Lookout::Found(_)) {
            // Only hyper's part of it ends.
            return Poll::Ready(Ok(()));
        }
        if this.lingering.is_none() {
            let Poll::Ready(outcome) = Pin::new(&mut this.socket).poll_shutdown(cx) else {
                this.talk.write_blocked();
                return Poll::Pending;
            };
            outcome?;
            if !this.talk.owes_lingering() {
                return Poll::Ready(Ok(()));
            }
            this.talk.linger(LINGER);
        }
        let linger = this.lingering.get_or_insert_with(Linger::new);
        linger.poll(&mut this.socket, cx)
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
