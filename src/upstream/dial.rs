//! Connecting to a backend: its addresses in order, each within the connect time-out. Where it wants to
//! be told in a PROXY header for whom, that is said at once.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

use super::failure::{FailureKind, UpstreamFailure};
use crate::clock::Deadline;
use crate::cluster::{Addresses, Backend};
use crate::config::tls::ClusterTls;
use crate::socket::{Ciphertext, Socket};
use crate::tls::secure;

/// A connected socket, or why none of the addresses gave one.
pub(super) async fn dial(
    addresses: &Addresses,
    timeout: Duration,
    deadline: &Deadline,
    header: &[u8],
) -> Result<Socket, UpstreamFailure> {
    match addresses {
        Addresses::Unix(path) => within(timeout, deadline, unix(path, header)).await,
        Addresses::Ip(addresses) => {
            let mut failure = None;
            for address in addresses {
                match within(timeout, deadline, tcp(*address, header)).await {
                    Ok(socket) => return Ok(socket),
                    Err(error) => failure = Some(error),
                }
            }
            Err(failure.unwrap_or_else(|| {
                let error = io::Error::new(io::ErrorKind::HostUnreachable, "no address known");
                UpstreamFailure::from_connect_error(error)
            }))
        }
    }
}

async fn tcp(address: SocketAddr, header: &[u8]) -> io::Result<Socket> {
    let stream = TcpStream::connect(address).await?;
    // Heads and bodies are written whole; Nagle would only wait for nothing.
    stream.set_nodelay(true)?;
    Ok(introduced(Socket::Tcp(stream), header).await)
}

async fn unix(path: &Path, header: &[u8]) -> io::Result<Socket> {
    let stream = UnixStream::connect(path).await?;
    Ok(introduced(Socket::Unix(stream), header).await)
}

async fn introduced(mut socket: Socket, header: &[u8]) -> Socket {
    if !header.is_empty() {
        // A backend that closes what it has just taken is no backend that cannot be connected to:
        // the exchange finds out, as it would without a header.
        drop(socket.write_all(header).await);
    }
    socket
}

/// The connection, secured. Given up when its backend goes down: one that hangs still takes
/// connections.
pub(super) async fn secured(
    socket: Socket,
    tls: &ClusterTls,
    backend: &Backend,
    (timeout, deadline): (Duration, &Deadline),
) -> Result<Socket, UpstreamFailure> {
    let was_down = backend.is_down();
    let mut handshake = pin!(async {
        let stream = secure(Ciphertext::new(socket), tls, &backend.address).await?;
        Ok(Socket::Tls(Box::new(stream.into())))
    });
    deadline.arm(timeout);
    let outcome = poll_fn(|cx| {
        if let Poll::Ready(outcome) = handshake.as_mut().poll(cx) {
            return Poll::Ready(outcome.map_err(UpstreamFailure::from_tls_error));
        }
        if !was_down && backend.is_down() {
            return Poll::Ready(Err(UpstreamFailure::no_session(FailureKind::WentDown)));
        }
        if deadline.is_over(cx) {
            return Poll::Ready(Err(UpstreamFailure::no_session(FailureKind::TimedOut)));
        }
        Poll::Pending
    })
    .await;
    deadline.disarm();
    outcome
}

async fn within(
    timeout: Duration,
    deadline: &Deadline,
    connect: impl Future<Output = io::Result<Socket>>,
) -> Result<Socket, UpstreamFailure> {
    in_time(timeout, deadline, connect)
        .await
        .map_err(UpstreamFailure::from_connect_error)
}

/// What `connect` comes to, or that it took too long.
pub(super) async fn in_time<T>(
    timeout: Duration,
    deadline: &Deadline,
    connect: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let mut connect = pin!(connect);
    deadline.arm(timeout);
    let outcome = poll_fn(|cx| {
        if let Poll::Ready(outcome) = connect.as_mut().poll(cx) {
            return Poll::Ready(outcome);
        }
        if deadline.is_over(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    })
    .await;
    deadline.disarm();
    outcome
}
