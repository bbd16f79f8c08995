//! A connected socket, TCP or Unix, secured or not: the one place that tells them apart.

mod ciphertext;
mod kernel;
mod plain;
mod round;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use kernel::Kernel;
use plain::Plain;

pub use ciphertext::{Ciphertext, FaultNote, RecordFault};
pub use round::attend;

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// As the kernel gives it.
    Plain(Plain),
    /// One that is secured.
    Tls(Box<TlsStream<Ciphertext>>),
}

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Self {
        Self::Plain(Plain::new(Kernel::Tcp(tcp)))
    }
}

impl From<UnixStream> for Socket {
    fn from(unix: UnixStream) -> Self {
        Self::Plain(Plain::new(Kernel::Unix(unix)))
    }
}

impl Socket {
    /// Looks at what has come, and leaves it there. Of a secured socket nothing can be seen so.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(plain) => plain.ask(|kernel| kernel.poll_peek(cx, buf)),
            Self::Tls(_) => Poll::Ready(Ok(0)),
        }
    }

    /// Whether the other end has said nothing and has not gone, by what is known now. What it has said is
    /// lost.
    pub fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        match self {
            Self::Plain(plain) => plain
                .ask(|kernel| kernel.try_read(&mut byte))
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock),
            Self::Tls(tls) => {
                let mut tls = Pin::new(tls);
                let read = poll_fn(|cx| tls.as_mut().poll_read(cx, &mut ReadBuf::new(&mut byte)));
                // Whoever looks at many must see each.
                let read = pin!(tokio::task::unconstrained(read));
                read.poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            }
        }
    }

    /// Whether both ends have agreed upon HTTP/2 when it was secured.
    pub fn speaks_http2(&self) -> bool {
        let Self::Tls(tls) = self else { return false };
        tls.get_ref().1.alpn_protocol() == Some(b"h2")
    }

    /// Where it is noted why it was closed, if it is secured.
    pub fn fault_note(&self) -> Option<FaultNote> {
        let Self::Tls(tls) = self else { return None };
        Some(tls.get_ref().0.note())
    }

    /// Its own end; `None`: a Unix socket, or a secured one.
    pub fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(plain) => plain.local(),
            Self::Tls(_) => None,
        }
    }

    /// How many bytes have been written, records of TLS in place of what they carry, and were not given up.
    pub fn written(&self) -> u64 {
        self.plain().written()
    }

    /// How many written bytes the kernel has taken. Others have not been sent.
    pub fn sent(&self) -> u64 {
        self.plain().sent()
    }

    /// Whether the kernel did not take all of them when it was asked last.
    pub fn is_refused(&self) -> bool {
        self.plain().is_refused()
    }

    /// Gives up what was written and not sent. By TLS nothing that makes sense can be sent then.
    pub fn give_up(&self) {
        self.plain().give_up();
    }

    /// What is beneath all that secures it.
    fn plain(&self) -> &Plain {
        match self {
            Self::Plain(plain) => plain,
            Self::Tls(tls) => tls.get_ref().0.beneath().plain(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_read(cx, buf),
            Self::Tls(tls) => read_secured(tls, cx, buf),
        }
    }
}

fn read_secured(
    tls: &mut TlsStream<Ciphertext>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let before = buf.filled().len();
    let outcome = ready!(Pin::new(&mut *tls).poll_read(cx, buf));
    let (ciphertext, _) = tls.get_mut();
    match &outcome {
        Ok(()) if buf.filled().len() > before => ciphertext.has_borne(),
        Ok(()) => {}
        Err(error) => ciphertext.blame(error),
    }
    Poll::Ready(outcome)
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_write_vectored(cx, bufs),
            // It gathers by itself into a record, and asks us again below.
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// A stream of which some bytes were read already: they come first.
#[derive(Debug)]
pub struct Rewound<S> {
    read: Bytes,
    stream: S,
}

impl<S> Rewound<S> {
    /// `read` was taken from `stream` too early.
    pub fn new(read: Bytes, stream: S) -> Self {
        // An empty piece may be the last of a buffer.
        let read = if read.is_empty() { Bytes::new() } else { read };
        Self { read, stream }
    }

    /// The stream alone.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let count = this.read.len().min(buf.remaining());
        buf.put_slice(&this.read.split_to(count));
        if this.read.is_empty() {
            this.read = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn what_was_looked_at_is_there_still() {
        let (mut writing, reading) = UnixStream::pair().unwrap();
        let mut socket = Socket::from(reading);
        let mut buf = [0; 8];
        {
            let peeked = poll_fn(|cx| Poll::Ready(socket.poll_peek(cx, &mut buf).is_pending()));
            assert!(peeked.await, "nothing has come");
        }
        tokio::io::AsyncWriteExt::write_all(&mut writing, b"abc")
            .await
            .unwrap();
        for _ in 0..2 {
            let seen = poll_fn(|cx| socket.poll_peek(cx, &mut buf)).await.unwrap();
            assert_eq!(&buf[..seen], b"abc");
        }
        socket.read_exact(&mut buf[..3]).await.unwrap();
        drop(writing);
        assert_eq!(
            poll_fn(|cx| socket.poll_peek(cx, &mut buf)).await.unwrap(),
            0
        );
    }

    #[tokio::test]
    async fn bytes_read_too_early_come_first() {
        let mut rewound = Rewound::new(Bytes::from_static(b"abc"), &b"def"[..]);
        let mut two = [0; 2];
        rewound.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"ab");
        let mut rest = Vec::new();
        rewound.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"cdef");
    }
}
