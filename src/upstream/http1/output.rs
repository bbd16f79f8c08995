//! What is to be written to a backend: heads and framing in a buffer, at most one piece of a body
//! behind it.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderMap, request};
use tokio::io::AsyncWrite;

use super::head;

/// Pieces up to here are copied behind what is in the buffer: cheaper than to write them apart.
const COPIED: usize = 1 << 10;
/// What an idle connection keeps of its buffer.
const KEPT: usize = 4 << 10;

#[derive(Debug, Default)]
pub(super) struct Output {
    buffer: Vec<u8>,
    /// What of the buffer was written.
    written: usize,
    piece: Bytes,
    /// Whether `piece` is a chunk whose end is still to be put behind it.
    is_chunk: bool,
    is_flushed: bool,
    /// Whether a byte has gone out since the last head.
    has_begun: bool,
}

impl Output {
    /// Begins a request.
    pub(super) fn begin(&mut self, head: &request::Parts) {
        self.has_begun = false;
        head::write(self.buffer(), head);
    }

    /// The buffer, about to get more.
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.is_flushed = false;
        &mut self.buffer
    }

    /// Whether another piece may be put in.
    pub(super) fn has_room(&self) -> bool {
        self.piece.is_empty() && self.buffer.len() < 2 * COPIED
    }

    /// Puts a piece in, as it is.
    pub(super) fn push(&mut self, data: Bytes) {
        if data.len() <= COPIED {
            self.buffer().extend_from_slice(&data);
        } else {
            self.is_flushed = false;
            self.piece = data;
        }
    }

    /// Puts a piece in as a chunk.
    pub(super) fn push_chunk(&mut self, data: Bytes) {
        // An empty chunk would be the end.
        if data.is_empty() {
            return;
        }
        // Nothing is wrong with a Vec.
        drop(write!(self.buffer(), "{:x}\r\n", data.len()));
        self.push(data);
        if self.piece.is_empty() {
            self.buffer.extend_from_slice(b"\r\n");
        } else {
            self.is_chunk = true;
        }
    }

    /// Puts the end of a body in chunks in. Only right while there is room.
    pub(super) fn end_chunks(&mut self, trailers: Option<&HeaderMap>) {
        let buffer = self.buffer();
        buffer.extend_from_slice(b"0\r\n");
        match trailers {
            Some(trailers) => head::write_fields(buffer, trailers),
            None => buffer.extend_from_slice(b"\r\n"),
        }
    }

    /// Gives up what was not written.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.written = 0;
        self.piece = Bytes::new();
        self.is_chunk = false;
        self.is_flushed = true;
    }

    /// Whether a byte of the request has gone out.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Perhaps one has, and nobody says so.
    pub(super) fn may_have_begun(&mut self) {
        self.has_begun = true;
    }

    /// Whether nothing is left to write.
    pub(super) fn is_done(&self) -> bool {
        self.is_flushed
    }

    /// Writes all there is.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        if self.is_flushed {
            return Poll::Ready(Ok(()));
        }
        loop {
            let buffered = self.buffer.get(self.written..).unwrap_or_default();
            let socket = Pin::new(&mut *socket);
            let outcome = match (buffered.is_empty(), self.piece.is_empty()) {
                (true, true) => break,
                (false, true) => ready!(socket.poll_write(cx, buffered)),
                (true, false) => ready!(socket.poll_write(cx, &self.piece)),
                (false, false) => {
                    let both = [io::IoSlice::new(buffered), io::IoSlice::new(&self.piece)];
                    ready!(socket.poll_write_vectored(cx, &both))
                }
            };
            let written = outcome?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.went_out(written);
        }
        ready!(Pin::new(socket).poll_flush(cx))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn went_out(&mut self, written: usize) {
        self.has_begun = true;
        let of_buffer = written.min(self.buffer.len() - self.written);
        self.written += of_buffer;
        self.piece.advance(written - of_buffer);
        if self.written == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(KEPT);
            self.written = 0;
        }
        if self.piece.is_empty() {
            // It may be the last of a large buffer.
            self.piece = Bytes::new();
            if std::mem::take(&mut self.is_chunk) {
                self.buffer.extend_from_slice(b"\r\n");
            }
        }
    }
}
