//! The bytes to and from a store: lines and counted pieces, none longer than is allowed.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::failure::Fault;

/// Longest line of an answer: a key of memcached has at most 250 bytes, thrice as many when it is
/// encoded.
const LINE: usize = 8 * 1024;
/// Read at once.
const PIECE: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where in the buffer the unread begins.
    at: usize,
}

impl Wire {
    pub(super) async fn connect(host: &str, port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            at: 0,
        })
    }

    pub(super) async fn send(&mut self, question: &[u8]) -> Result<(), Fault> {
        Ok(self.stream.write_all(question).await?)
    }

    /// The next line, without its end. Both protocols end it with CR LF.
    pub(super) async fn line(&mut self) -> Result<Vec<u8>, Fault> {
        let mut looked = 0;
        loop {
            let unread = self.unread();
            let fresh = unread.get(looked..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let whole = unread.get(..looked + end).unwrap_or_default();
                let line = whole.strip_suffix(b"\r").unwrap_or(whole).to_vec();
                self.at += looked + end + 1;
                return Ok(line);
            }
            looked = unread.len();
            if looked > LINE {
                return Err(Fault::TooLong);
            }
            self.fill().await?;
        }
    }

    /// A piece of `length` bytes; the first `kept` of them are returned, the rest is read and dropped.
    pub(super) async fn piece(&mut self, length: u64, kept: usize) -> Result<Vec<u8>, Fault> {
        let mut piece = Vec::new();
        let mut left = length;
        while left > 0 {
            if self.unread().is_empty() {
                self.fill().await?;
            }
            let unread = self.unread();
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let taken = unread.get(..most).unwrap_or(unread);
            let wanted = kept.saturating_sub(piece.len()).min(taken.len());
            piece.extend_from_slice(taken.get(..wanted).unwrap_or_default());
            let count = taken.len();
            self.at += count;
            left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(piece)
    }

    /// What came and was not asked for: an answer to nobody's question.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread().is_empty()
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    async fn fill(&mut self) -> Result<(), Fault> {
        self.buffer.drain(..self.at.min(self.buffer.len()));
        self.at = 0;
        self.buffer.reserve(PIECE);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(Fault::Ended),
            _ => Ok(()),
        }
    }
}
