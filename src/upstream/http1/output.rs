//! What is to be written to a backend: heads and framing in a buffer, at most one piece of a body
//! behind it.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
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
    /// How much of the buffer is a head, behind which there is room.
    head: usize,
    piece: Bytes,
    /// What ends `piece`, if it is a chunk.
    tail: &'static [u8],
    is_flushed: bool,
}

impl Output {
    /// Begins a request with the head that `write` puts into the buffer.
    pub(super) fn begin<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let written = write(self.buffer());
        self.head = self.buffer.len();
        written
    }

    /// The buffer, about to get more.
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.is_flushed = false;
        &mut self.buffer
    }

    /// Whether another piece may be put in.
    pub(super) fn has_room(&self) -> bool {
        self.piece.is_empty() && self.tail.is_empty() && self.buffer.len() < self.head + 2 * COPIED
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
            self.tail = b"\r\n";
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
        self.head = 0;
        self.piece = Bytes::new();
        self.tail = b"";
        self.is_flushed = true;
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
            let outcome = match (buffered, self.piece.is_empty()) {
                ([], true) if self.tail.is_empty() => break,
                (_, true) if self.tail.is_empty() => ready!(socket.poll_write(cx, buffered)),
                _ => {
                    let all = [buffered, &self.piece, self.tail].map(io::IoSlice::new);
                    ready!(socket.poll_write_vectored(cx, &all))
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
        let of_buffer = written.min(self.buffer.len() - self.written);
        let of_piece = (written - of_buffer).min(self.piece.len());
        self.written += of_buffer;
        self.piece.advance(of_piece);
        let of_tail = written - of_buffer - of_piece;
        self.tail = self.tail.get(of_tail..).unwrap_or_default();
        if self.written == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(KEPT);
            self.written = 0;
            self.head = 0;
        }
        if self.piece.is_empty() {
            // It may be the last of a large buffer.
            self.piece = Bytes::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;
    use std::task::Waker;

    use super::*;

    /// A socket that takes now more, now less.
    struct Slow {
        took: Vec<u8>,
        takes: Vec<usize>,
        flushes: usize,
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let this = self.get_mut();
            this.takes.rotate_left(1);
            match this.takes.last().copied().unwrap_or(1) {
                0 => Poll::Pending,
                most => {
                    let taken = &bytes[..most.min(bytes.len())];
                    this.took.extend_from_slice(taken);
                    Poll::Ready(Ok(taken.len()))
                }
            }
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            self.poll_write(cx, &all)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.get_mut().flushes += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn write(output: &mut Output, socket: &mut Slow) {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(outcome) = output.poll_write(&mut cx, socket) {
            outcome.unwrap();
        }
    }

    proptest! {
        #[test]
        fn all_goes_out_in_its_order_however_little_the_socket_takes(
            lengths in prop::collection::vec(prop_oneof![0_usize..40, 1000..3000_usize], 0..8),
            is_chunked: bool,
            mut takes in prop::collection::vec(0_usize..2500, 1..6),
        ) {
            takes.push(7);
            let mut socket = Slow { took: Vec::new(), takes, flushes: 0 };
            let (head, ()) = Request::get("/a?b").header("x", "y").body(()).unwrap().into_parts();
            let mut output = Output::default();
            output.begin(|buffer| head::write(buffer, &head));
            let mut expected = b"GET /a?b HTTP/1.1\r\nx: y\r\n\r\n".to_vec();
            for (number, length) in (0_u8..).zip(&lengths) {
                while !output.has_room() {
                    write(&mut output, &mut socket);
                }
                let data = vec![number; *length];
                if is_chunked {
                    if *length > 0 {
                        expected.extend_from_slice(format!("{length:x}\r\n").as_bytes());
                        expected.extend_from_slice(&data);
                        expected.extend_from_slice(b"\r\n");
                    }
                    output.push_chunk(data.into());
                } else {
                    expected.extend_from_slice(&data);
                    output.push(data.into());
                }
            }
            while is_chunked && !output.has_room() {
                write(&mut output, &mut socket);
            }
            if is_chunked {
                output.end_chunks(None);
                expected.extend_from_slice(b"0\r\n\r\n");
            }
            prop_assert!(!output.is_done());
            while !output.is_done() {
                write(&mut output, &mut socket);
            }
            prop_assert!(socket.took == expected);
            prop_assert!(socket.flushes > 0);
        }
    }
}
