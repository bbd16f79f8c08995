//! The bytes under TLS: how many of them came without one that means something.
//!
//! rustls bounds warnings and wishes to renegotiate; also new keys without data in between, and records
//! without content one after the other. Of both in turn it takes any number, since a record without
//! content counts as data there.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustls::{Error, PeerMisbehaved as Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Socket;

/// So many bytes may come without one that means something. A record has at most 16 KiB, the
/// certificates of a client at most 64 KiB.
const MOST: usize = 256 << 10;

/// Why a secured connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFault {
    /// So much came that meant nothing.
    Barren,
    /// Records without content, one after the other.
    Empty,
    /// New keys, again and again.
    Keys,
    /// Another handshake was wanted, again and again.
    Renegotiation,
    /// Warnings, again and again.
    Warnings,
    /// An alert that ends it.
    Alert,
    /// Anything else that breaks the rules of TLS.
    Malformed,
}

/// Where it is noted why a connection was closed.
pub type FaultNote = Rc<Cell<Option<RecordFault>>>;

/// A socket whose bytes TLS reads and writes.
#[derive(Debug)]
pub struct Ciphertext {
    socket: Socket,
    /// Bytes since the last one that meant something.
    barren: usize,
    fault: FaultNote,
}

/// Too much came that meant nothing.
#[derive(Debug, thiserror::Error)]
#[error("too many bytes of TLS without one of what it carries")]
struct Barren;

impl Ciphertext {
    /// That of a socket on which TLS begins.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            barren: 0,
            fault: FaultNote::default(),
        }
    }

    /// The socket.
    pub fn into_inner(self) -> Socket {
        self.socket
    }

    /// The socket, while TLS has it.
    pub(super) fn beneath(&self) -> &Socket {
        &self.socket
    }

    /// Where it is noted why it was closed.
    pub(super) fn note(&self) -> FaultNote {
        Rc::clone(&self.fault)
    }

    /// Something that means something has come.
    pub(super) fn has_borne(&mut self) {
        self.barren = 0;
    }

    /// Notes what is wrong, unless it is the connection that broke.
    pub(super) fn blame(&self, error: &io::Error) {
        if let Some(fault) = RecordFault::of(error) {
            self.fault.set(Some(fault));
        }
    }
}

impl RecordFault {
    /// What TLS is wrong by this error; `None`: none.
    pub fn of(error: &io::Error) -> Option<Self> {
        let cause = error.get_ref()?;
        if cause.is::<Barren>() {
            return Some(Self::Barren);
        }
        Some(match cause.downcast_ref::<Error>()? {
            Error::PeerMisbehaved(Peer::TooManyEmptyFragments) => Self::Empty,
            Error::PeerMisbehaved(Peer::TooManyKeyUpdateRequests) => Self::Keys,
            Error::PeerMisbehaved(Peer::TooManyRenegotiationRequests) => Self::Renegotiation,
            Error::PeerMisbehaved(Peer::TooManyWarningAlertsReceived) => Self::Warnings,
            Error::AlertReceived(_) => Self::Alert,
            _ => Self::Malformed,
        })
    }
}

impl AsyncRead for Ciphertext {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.barren > MOST {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, Barren)));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        this.barren += buf.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ciphertext {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
