//! The header that a load balancer sends before everything else: taken from the socket to its last
//! byte, and not a byte further. Whatever comes next (TLS, HTTP) finds its beginning.
//!
//! Looked at first, then taken: of what has come, everything is taken as long as the header goes on,
//! and in the end what is left of it. So each arrival costs two system calls, and a connection
//! from which no header is awaited none.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::clock::Deadline;
use crate::config::{Others, ProxyProtocol};
use crate::observe::metrics::HeaderFault;
use crate::proxy_protocol::{Frame, Header, MOST_V1, frame, read};
use crate::socket::Socket;

/// Bytes looked at before it is known how long the header is: all of it, as a rule.
const LOOK: usize = 256;
const _: () = assert!(LOOK > MOST_V1, "a line is seen whole");

/// What a listener awaits of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// Its first request.
    Request,
    /// A header, within this time.
    Header(Duration),
    /// Nothing: it is closed.
    Nothing,
}

/// What is awaited of the peer at `address`; that of a Unix socket counts as 127.0.0.1.
pub(super) fn awaited(expected: Option<&ProxyProtocol>, address: Option<SocketAddr>) -> Awaited {
    let Some(expected) = expected else {
        return Awaited::Request;
    };
    let ip = address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
    if expected.from.contains(ip) {
        return Awaited::Header(expected.timeout);
    }
    match expected.others {
        Others::Refused => Awaited::Nothing,
        Others::Served => Awaited::Request,
    }
}

/// Why there is no header.
#[derive(Debug)]
pub(super) enum Unheard {
    /// What came in its place.
    Faulty(HeaderFault),
    /// Nothing: the peer only looked whether somebody listens.
    Silent,
}

impl From<HeaderFault> for Unheard {
    fn from(fault: HeaderFault) -> Self {
        Self::Faulty(fault)
    }
}

/// Awaits a header.
pub(super) async fn await_header(
    socket: &mut Socket,
    timeout: Duration,
    deadline: &Deadline,
) -> Result<Header, Unheard> {
    deadline.arm(timeout);
    let mut taking = pin!(take_header(socket));
    poll_fn(|cx| match taking.as_mut().poll(cx) {
        Poll::Pending if deadline.is_over(cx) => Poll::Ready(Err(HeaderFault::Timeout.into())),
        taken => taken,
    })
    .await
}

async fn take_header(socket: &mut Socket) -> Result<Header, Unheard> {
    let mut bytes = vec![0; LOOK];
    let mut taken = 0;
    loop {
        let seen = {
            let room = bytes.get_mut(taken..).unwrap_or_default();
            let looked = poll_fn(|cx| socket.poll_peek(cx, room)).await;
            looked.map_err(|_| gone(taken))?
        };
        if seen == 0 {
            return Err(gone(taken));
        }
        let known = bytes.get(..taken + seen).unwrap_or_default();
        let end = match frame(known).map_err(HeaderFault::from)? {
            Frame::Open => None,
            Frame::Ends(end) => Some(end),
        };
        let upto = end.map_or(taken + seen, |end| end.min(taken + seen));
        let mine = bytes.get_mut(taken..upto).unwrap_or_default();
        let read_it: io::Result<usize> = socket.read_exact(mine).await;
        read_it.map_err(|_| gone(taken))?;
        taken = upto;
        if let Some(end) = end {
            if taken == end {
                let header = bytes.get(..end).unwrap_or_default();
                return Ok(read(header).map_err(HeaderFault::from)?);
            }
            // Bounded by `frame`.
            bytes.resize(end, 0);
        }
    }
}

/// The peer has ended the connection.
fn gone(taken: usize) -> Unheard {
    if taken == 0 {
        Unheard::Silent
    } else {
        HeaderFault::Incomplete.into()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    use super::*;
    use crate::clock::Clock;
    use crate::config::Networks;
    use crate::proxy_protocol::{Introduction, Version, Who};

    fn headers() -> Vec<Vec<u8>> {
        let address = |text: &str| Some(text.parse().unwrap());
        let client = Who::client(address("192.0.2.1:4711"), address("198.51.100.1:443"));
        let mut headers = Vec::new();
        for version in [Version::V1, Version::V2] {
            for who in [client, Who::Unknown, Who::Ourselves] {
                headers.push(Introduction { version, who }.header());
            }
        }
        // Longer than what is looked at first.
        let mut long = b"\r\n\r\n\0\r\nQUIT\n\x21\0\x03\xeb\x04\x03\xe8".to_vec();
        long.resize(16 + 1003, b'x');
        headers.push(long);
        headers
    }

    #[tokio::test]
    async fn a_header_is_taken_to_its_last_byte_however_it_comes() {
        for header in headers() {
            for piece in [1, 2, 7, 16, 17, 100, 5000] {
                let (writing, reading) = UnixStream::pair().unwrap();
                let mut socket = Socket::from(reading);
                let sent = [&header[..], b"\r\nPROXY "].concat();
                let sending = send_in_pieces(writing, &sent, piece);
                let (heard, ()) = tokio::join!(take_header(&mut socket), sending);
                let expected = read(&header).unwrap();
                assert_eq!(heard.unwrap(), expected, "{header:?} in {piece}");
                let mut rest = Vec::new();
                socket.read_to_end(&mut rest).await.unwrap();
                assert_eq!(rest, b"\r\nPROXY ", "{header:?} in {piece}");
            }
        }
    }

    async fn send_in_pieces(mut socket: UnixStream, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece) {
            socket.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_peer_that_goes_before_its_header_is_whole() {
        let header = &headers()[0];
        for length in [0, 1, 10, header.len() - 1] {
            let (mut writing, reading) = UnixStream::pair().unwrap();
            writing.write_all(&header[..length]).await.unwrap();
            drop(writing);
            let heard = take_header(&mut Socket::from(reading)).await.unwrap_err();
            match heard {
                Unheard::Silent => assert_eq!(length, 0),
                Unheard::Faulty(fault) => {
                    assert!(length > 0);
                    assert_eq!(fault, HeaderFault::Incomplete);
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_has_its_time() {
        let (mut writing, reading) = UnixStream::pair().unwrap();
        writing.write_all(b"PROXY TCP4 ").await.unwrap();
        let clock = Clock::new();
        let mut socket = Socket::from(reading);
        let deadline = clock.deadline();
        let mut heard = pin!(await_header(&mut socket, Duration::from_secs(5), &deadline));
        let mut poll = async || poll_fn(|cx| Poll::Ready(heard.as_mut().poll(cx))).await;
        assert!(poll().await.is_pending());
        tokio::time::advance(Duration::from_millis(4_900)).await;
        clock.tick();
        assert!(poll().await.is_pending());
        tokio::time::advance(Duration::from_millis(200)).await;
        clock.tick();
        let fault = Unheard::Faulty(HeaderFault::Timeout);
        assert!(
            matches!(poll().await, Poll::Ready(Err(it)) if format!("{it:?}") == format!("{fault:?}"))
        );
    }

    #[test]
    fn only_load_balancers_are_asked_for_a_header() {
        let expected = |others| ProxyProtocol {
            from: Networks(vec![
                "10.0.0.0/8".parse().unwrap(),
                "127.0.0.1/32".parse().unwrap(),
            ]),
            others,
            timeout: Duration::from_secs(5),
        };
        let (refusing, serving) = (expected(Others::Refused), expected(Others::Served));
        let header = Awaited::Header(Duration::from_secs(5));
        let address = |text: &str| Some(text.parse().unwrap());
        for (from, refused, served) in [
            (address("10.1.2.3:1"), header, header),
            (address("[::ffff:10.1.2.3]:1"), header, header),
            (address("11.1.2.3:1"), Awaited::Nothing, Awaited::Request),
            (
                address("[2001:db8::1]:1"),
                Awaited::Nothing,
                Awaited::Request,
            ),
            // A Unix socket's.
            (None, header, header),
        ] {
            assert_eq!(awaited(Some(&refusing), from), refused, "{from:?}");
            assert_eq!(awaited(Some(&serving), from), served, "{from:?}");
            assert_eq!(awaited(None, from), Awaited::Request);
        }
    }
}
