//! Lines and counted bytes, over any stream; what is read never grows beyond its bound.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::failure::Fault;

/// The longest line of an answer.
pub(super) const MOST_LINE: usize = 8 * 1024;
/// Read at a time.
const CHUNK: usize = 16 * 1024;

/// A stream, and what was read of it and not used yet.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
    used: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            used: 0,
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(bytes).await.map_err(Fault::Io)?;
        self.stream.flush().await.map_err(Fault::Io)
    }

    /// The next line, without its end: `\r\n`, or `\n` as in memcached's dump of keys.
    pub(super) async fn line(&mut self) -> Result<&[u8], Fault> {
        let mut looked_at = 0;
        let length = loop {
            let unused = self.unused();
            let new = unused.get(looked_at..).unwrap_or_default();
            match new.iter().position(|byte| *byte == b'\n') {
                Some(place) => break looked_at + place,
                None if unused.len() > MOST_LINE => return Err(Fault::LongLine(MOST_LINE)),
                None => looked_at = unused.len(),
            }
            self.fill().await?;
        };
        if length > MOST_LINE {
            return Err(Fault::LongLine(MOST_LINE));
        }
        let from = self.used;
        self.used += length + 1;
        let line = self.buffer.get(from..from + length).unwrap_or_default();
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Reads `length` bytes and the line end behind them; keeps the first `most`.
    pub(super) async fn counted(&mut self, length: u64, most: usize) -> Result<Vec<u8>, Fault> {
        let mut kept = Vec::new();
        let mut left = length;
        while left > 0 {
            if self.unused().is_empty() {
                self.fill().await?;
            }
            let here = self.unused();
            let count = here.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let wanted = count.min(most.saturating_sub(kept.len()));
            kept.extend_from_slice(here.get(..wanted).unwrap_or_default());
            self.used += count;
            left -= count as u64;
        }
        match self.line().await? {
            [] => Ok(kept),
            // The value is longer than its length says.
            _ => Err(Fault::Strange("a value with a wrong length".to_owned())),
        }
    }

    /// Waits until the store hangs up, or says something unasked.
    pub(super) async fn ended(&mut self) {
        if self.unused().is_empty() {
            drop(self.fill().await);
        }
    }

    fn unused(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }

    async fn fill(&mut self) -> Result<(), Fault> {
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.reserve(CHUNK);
        let mut some = (&mut self.stream).take(CHUNK as u64);
        match some.read_buf(&mut self.buffer).await {
            Ok(0) => Err(Fault::Ended),
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::Io(error)),
        }
    }
}
