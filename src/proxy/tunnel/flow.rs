//! One direction of a tunnel.
//!
//! All tunnels of a worker read into one buffer. What could not be written at once is kept, and
//! nothing more is read before it has left: an idle tunnel holds no buffer, a blocked one a piece.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read at a time, as much as a record of TLS holds.
pub(super) const PIECE: usize = 16 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
}

/// What has come from one side and where it stands.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Read and not written yet.
    rest: Vec<u8>,
    /// How much of `rest` is written.
    done: usize,
    is_flushed: bool,
    stage: Stage,
    read: u64,
    written: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// More may come.
    #[default]
    Open,
    /// No more comes: the other side is to be told.
    Ending,
    /// It was told, or has gone.
    Over,
}

/// Where a direction broke.
#[derive(Debug)]
pub(super) enum Broken {
    /// Its source.
    Source(io::Error),
    /// Its sink, which takes nothing any more.
    Sink(io::Error),
}

impl Flow {
    /// Bytes that have left.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Rises with each byte that came or left.
    pub(super) fn moved(&self) -> u64 {
        self.read + self.written
    }

    /// Whether no more comes.
    pub(super) fn has_ended(&self) -> bool {
        self.stage != Stage::Open
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Passes on what there is. Ready when the source has ended and the sink was told, or when one
    /// of them broke.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Broken>> {
        let outcome = ready!(self.pass(cx, source, sink));
        self.stage = Stage::Over;
        self.rest = Vec::new();
        Poll::Ready(outcome)
    }

    fn pass(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Broken>> {
        loop {
            if self.stage == Stage::Over {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_rest(cx, sink)).map_err(Broken::Sink)?;
            if self.stage == Stage::Ending {
                return Pin::new(sink).poll_shutdown(cx).map_err(Broken::Sink);
            }
            ready!(self.poll_piece(cx, source, sink))?;
        }
    }

    /// Writes what is left, and has it leave: a secured sink keeps what it was given.
    fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.rest.get(self.done..).filter(|rest| !rest.is_empty()) {
            let count = ready!(Pin::new(&mut *sink).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.wrote(count);
            self.done += count;
        }
        if self.done > 0 {
            self.rest = Vec::new();
            self.done = 0;
        }
        if !self.is_flushed {
            ready!(Pin::new(sink).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, count: usize) {
        self.written += count as u64;
        self.is_flushed = false;
    }

    /// Reads a piece and writes what is taken of it at once.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Broken>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut piece = ReadBuf::new(scratch);
            ready!(Pin::new(source).poll_read(cx, &mut piece)).map_err(Broken::Source)?;
            let piece = piece.filled();
            if piece.is_empty() {
                self.stage = Stage::Ending;
                return Poll::Ready(Ok(()));
            }
            self.read += piece.len() as u64;
            let count = match Pin::new(sink).poll_write(cx, piece) {
                Poll::Ready(outcome) => outcome.map_err(Broken::Sink)?,
                Poll::Pending => 0,
            };
            if count > 0 {
                self.wrote(count);
            }
            self.rest = piece.get(count..).unwrap_or_default().to_vec();
            Poll::Ready(Ok(()))
        })
    }
}

#[cfg(test)]
mod tests;
