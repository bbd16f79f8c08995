//! One socket with its read buffer, and how it comes to its end.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::request::{Refused, head_length};

/// Longest request head, as Tomcat's `maxHttpRequestHeaderSize`.
const MAX_HEAD: usize = 8 * 1024;
/// Room for one read.
const READ: usize = 16 * 1024;
/// Most bytes that are swallowed after an answer that left the body unread.
const MAX_SWALLOWED: usize = 2 * 1024 * 1024;
/// Longest wait for a client to close after such an answer.
const LINGER: Duration = Duration::from_secs(1);

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Closed in order.
    Close,
    /// Closed in order, swallowing what the client still sends: closing over unread bytes would
    /// reset the connection, and the client might never read the answer.
    Linger,
    /// Reset.
    Reset,
}

impl From<io::Error> for Ending {
    fn from(_: io::Error) -> Self {
        Self::Close
    }
}

/// A TCP or Unix stream.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Makes the coming close a reset, where the socket's kind knows resets.
    fn reset_on_close(&self);
    /// Our own address, for the page.
    fn local(&self) -> String;
}

impl Socket for TcpStream {
    fn reset_on_close(&self) {
        // Fails only on a connection that is gone already.
        drop(self.set_zero_linger());
    }

    fn local(&self) -> String {
        self.local_addr()
            .map_or_else(|_| String::new(), |address| address.to_string())
    }
}

impl Socket for UnixStream {
    fn reset_on_close(&self) {}

    fn local(&self) -> String {
        let path = self.local_addr().ok().and_then(|address| {
            address
                .as_pathname()
                .map(|path| format!("unix:{}", path.display()))
        });
        path.unwrap_or_default()
    }
}

/// A socket and the bytes read ahead.
pub(super) struct Wire<S> {
    pub(super) socket: S,
    pub(super) ahead: BytesMut,
    /// Longest silence of a client, as Tomcat's `connectionTimeout`.
    pub(super) patience: Duration,
}

/// What came instead of a complete request head.
pub(super) enum NoHead {
    /// The client closed, fell silent or was lost.
    Ended,
    /// The head is malformed or too long.
    Refused(Refused),
}

impl<S: Socket> Wire<S> {
    /// Reads more bytes; [`Ending::Close`] at the end of the stream and after too long a silence.
    pub(super) async fn fill(&mut self) -> Result<(), Ending> {
        self.ahead.reserve(READ);
        match timeout(self.patience, self.socket.read_buf(&mut self.ahead)).await {
            Ok(Ok(1..)) => Ok(()),
            _ => Err(Ending::Close),
        }
    }

    /// Returns when the client has closed; what it sends meanwhile is kept, within bounds.
    pub(super) async fn closed_by_client(&mut self) {
        loop {
            if self.ahead.len() > MAX_SWALLOWED {
                std::future::pending::<()>().await;
            }
            if !matches!(self.socket.read_buf(&mut self.ahead).await, Ok(1..)) {
                return;
            }
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        self.socket.write_all(bytes).await?;
        Ok(self.socket.flush().await?)
    }

    /// The next request's head. Empty lines before it are skipped, as Tomcat does.
    pub(super) async fn head(&mut self) -> Result<Bytes, NoHead> {
        loop {
            while matches!(self.ahead.first(), Some(b'\r' | b'\n')) {
                self.ahead.advance(1);
            }
            let length = head_length(&self.ahead).map_err(NoHead::Refused)?;
            if length.unwrap_or(self.ahead.len()) > MAX_HEAD {
                return Err(NoHead::Refused(Refused(400)));
            }
            if let Some(length) = length {
                return Ok(self.ahead.split_to(length).freeze());
            }
            self.fill().await.map_err(|_| NoHead::Ended)?;
        }
    }

    /// A line of a chunked body, without its end.
    pub(super) async fn line(&mut self) -> Result<Bytes, BadLine> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.ahead.split_to(end).freeze();
                self.ahead.advance(2);
                return Ok(line);
            }
            if self.ahead.len() > MAX_HEAD {
                return Err(BadLine::TooLong);
            }
            self.fill().await.map_err(|_| BadLine::Cut)?;
        }
    }

    /// Ends an answered connection whose client may still be sending.
    pub(super) async fn linger(&mut self) {
        if self.socket.shutdown().await.is_err() {
            return;
        }
        let mut swallowed = 0;
        let swallow = async {
            while swallowed < MAX_SWALLOWED {
                self.ahead.clear();
                self.ahead.reserve(READ);
                match self.socket.read_buf(&mut self.ahead).await {
                    Ok(count @ 1..) => swallowed += count,
                    _ => return,
                }
            }
        };
        // Whether the client closed or was given up makes no difference: the socket goes now.
        drop(timeout(LINGER, swallow).await);
    }
}

/// Why a chunked body has no next line.
pub(super) enum BadLine {
    Cut,
    TooLong,
}
