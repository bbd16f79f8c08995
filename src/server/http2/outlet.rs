//! What is sent to a client, gathered until the protocol machine has come to rest.
//!
//! `h2` writes and flushes after each piece of a body. Sent like that, every answer costs a system
//! call and a record of TLS of its own; gathered, all that are ready share one.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::socket::Socket;

/// What is gathered at most: a record of TLS. What is as large by itself is not copied.
const MOST: usize = 16 << 10;

thread_local! {
    /// The room of a connection that has nothing to send, for the next one that has.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A client's socket, with what is to be sent on it.
#[derive(Debug)]
pub(super) struct Outlet {
    socket: RefCell<Option<Socket>>,
    gathered: RefCell<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    /// How many of them have been sent.
    sent: usize,
    /// Whether the socket may hold back some of what it took.
    is_unflushed: bool,
}

impl Outlet {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket: RefCell::new(Some(socket)),
            gathered: RefCell::default(),
        }
    }

    /// Asks the socket, while it is there.
    pub(super) fn ask<T>(
        &self,
        what: impl FnOnce(&mut Socket) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.socket.borrow_mut() {
            Some(socket) => what(socket),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Closes the socket, whoever still knows of it.
    pub(super) fn close(&self) {
        self.socket.take();
    }

    /// Whether there is something to send, as far as is known here.
    pub(super) fn has_some(&self) -> bool {
        let gathered = self.gathered.borrow();
        !gathered.bytes.is_empty() || gathered.is_unflushed
    }

    /// Takes what is to be sent; how much of it. `Pending`: there is no room, and the socket takes
    /// nothing. `sent` hears of what the socket took.
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        mut sent: impl FnMut(usize),
    ) -> Poll<io::Result<usize>> {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        let there = self.gathered.borrow().bytes.len();
        if there + total > MOST {
            ready!(self.poll_send(cx, &mut sent))?;
            if total >= MOST {
                let write = |socket: &mut Socket| Pin::new(socket).poll_write_vectored(cx, bufs);
                let count = ready!(self.ask(write))?;
                self.gathered.borrow_mut().is_unflushed = true;
                sent(count);
                return Poll::Ready(Ok(count));
            }
        }
        let mut gathered = self.gathered.borrow_mut();
        if gathered.bytes.capacity() == 0 {
            gathered.bytes = SPARE.take();
            gathered.bytes.reserve_exact(MOST);
        }
        for buf in bufs {
            gathered.bytes.extend_from_slice(buf);
        }
        Poll::Ready(Ok(total))
    }

    /// Sends all that was gathered. `Pending`: the socket does not take it; the task is woken when it
    /// does.
    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        mut sent: impl FnMut(usize),
    ) -> Poll<io::Result<()>> {
        if !self.has_some() {
            return Poll::Ready(Ok(()));
        }
        let gathered = &mut *self.gathered.borrow_mut();
        // One that is secured takes what is written, and may keep it: no more than it has.
        if gathered.is_unflushed {
            ready!(self.ask(|socket| Pin::new(socket).poll_flush(cx)))?;
            gathered.is_unflushed = false;
        }
        while let Some(rest) = gathered.bytes.get(gathered.sent..)
            && !rest.is_empty()
        {
            let count = ready!(self.ask(|socket| Pin::new(socket).poll_write(cx, rest)))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            gathered.sent += count;
            gathered.is_unflushed = true;
            sent(count);
        }
        if !gathered.bytes.is_empty() {
            let mut room = std::mem::take(&mut gathered.bytes);
            gathered.sent = 0;
            room.clear();
            SPARE.set(room);
        }
        ready!(self.ask(|socket| Pin::new(socket).poll_flush(cx)))?;
        gathered.is_unflushed = false;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    use super::*;

    fn pair() -> (UnixStream, Outlet) {
        let (client, server) = UnixStream::pair().unwrap();
        (client, Outlet::new(server.into()))
    }

    async fn take(outlet: &Outlet, pieces: &[&[u8]]) -> usize {
        let bufs: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        poll_fn(|cx| outlet.poll_take(cx, &bufs, |_| ()))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_was_gathered_goes_in_one_piece() {
        let (mut client, outlet) = pair();
        for _ in 0..3 {
            assert_eq!(take(&outlet, &[b"head", b"body"]).await, 8);
        }
        assert!(client.try_read(&mut [0; 64]).is_err(), "nothing was sent");
        let mut sent = Vec::new();
        poll_fn(|cx| outlet.poll_send(cx, |count| sent.push(count)))
            .await
            .unwrap();
        assert_eq!(sent, [24]);
        let mut received = [0; 24];
        client.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"headbodyheadbodyheadbody");
    }

    #[tokio::test]
    async fn no_more_is_gathered_than_there_is_room_for() {
        let (mut client, outlet) = pair();
        let piece = vec![7; MOST / 2 + 1];
        let (mut taken, mut sent) = (0, 0);
        // Until the socket takes no more either.
        loop {
            let bufs = [IoSlice::new(&piece)];
            let outcome =
                poll_fn(|cx| Poll::Ready(outlet.poll_take(cx, &bufs, |count| sent += count))).await;
            match outcome {
                Poll::Ready(count) => taken += count.unwrap(),
                Poll::Pending => break,
            }
        }
        assert!(taken - sent <= MOST, "{taken} taken, {sent} sent");
        let mut received = vec![0; taken];
        let reading = client.read_exact(&mut received);
        let sending = poll_fn(|cx| outlet.poll_send(cx, |_| ()));
        let (read, outcome) = tokio::join!(reading, sending);
        read.unwrap();
        outcome.unwrap();
        assert!(received.iter().all(|byte| *byte == 7));
    }

    #[tokio::test]
    async fn what_is_large_follows_what_came_before_it() {
        let (mut client, outlet) = pair();
        let large = vec![b'x'; MOST];
        take(&outlet, &[b"before"]).await;
        assert_eq!(take(&outlet, &[&large]).await, MOST);
        let mut received = vec![0; 6 + MOST];
        client.read_exact(&mut received).await.unwrap();
        assert!(received.starts_with(b"beforexx"));
    }
}
