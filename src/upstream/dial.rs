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
use tokio::time::Instant;

use super::failure::{FailureKind, UpstreamFailure};
use crate::clock::Deadline;
use crate::cluster::{Addresses, Backend};
use crate::config::tls::ClusterTls;
use crate::observe::metrics::Stage;
use crate::socket::{Ciphertext, Socket};
use crate::tls::secure;

/// A connected socket, and since when its address was tried; or why none of the addresses gave one.
pub(super) async fn dial(
    addresses: &Addresses,
    timeout: Duration,
    deadline: &Deadline,
    header: &[u8],
) -> Result<(Socket, Instant), UpstreamFailure> {
    match addresses {
        Addresses::Unix(path) => {
            let began = Instant::now();
            let socket = within(timeout, deadline, unix(path, header)).await?;
            Ok((socket, began))
        }
        Addresses::Ip(addresses) => {
            let mut failure = None;
            for address in addresses {
                let began = Instant::now();
                match within(timeout, deadline, tcp(*address, header)).await {
                    Ok(socket) => return Ok((socket, began)),
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
    Ok(introduced(stream.into(), header).await)
}

async fn unix(path: &Path, header: &[u8]) -> io::Result<Socket> {
    let stream = UnixStream::connect(path).await?;
    Ok(introduced(stream.into(), header).await)
}

async fn introduced(mut socket: Socket, header: &[u8]) -> Socket {
    if !header.is_empty() {
        // A backend that closes what it has just taken is no backend that cannot be connected to:
        // the exchange finds out, as it would without a header.
        drop(socket.write_all(header).await);
    }
    socket
}

/// The connection, secured.
pub(super) async fn secured(
    socket: Socket,
    tls: &ClusterTls,
    backend: &Backend,
    bounds: (Duration, &Deadline),
) -> Result<Socket, UpstreamFailure> {
    let handshake = async {
        let stream = secure(Ciphertext::new(socket), tls, &backend.address).await;
        let stream = stream.map_err(UpstreamFailure::from_tls_error)?;
        Ok(Socket::Tls(Box::new(stream.into())))
    };
    while_up(handshake, backend, bounds, Stage::Tls).await
}

/// What follows a connect. Given up when it takes too long, or when the backend goes down: one that
/// hangs still takes connections.
pub(super) async fn while_up<T>(
    what: impl Future<Output = Result<T, UpstreamFailure>>,
    backend: &Backend,
    (timeout, deadline): (Duration, &Deadline),
    stage: Stage,
) -> Result<T, UpstreamFailure> {
    let was_down = backend.is_down();
    let mut what = pin!(what);
    let failure = |kind| UpstreamFailure {
        stage,
        ..UpstreamFailure::connect(kind)
    };
    deadline.arm(timeout);
    let outcome = poll_fn(|cx| {
        if let Poll::Ready(outcome) = what.as_mut().poll(cx) {
            return Poll::Ready(outcome);
        }
        if !was_down && backend.is_down() {
            return Poll::Ready(Err(failure(FailureKind::WentDown)));
        }
        if deadline.is_over(cx) {
            return Poll::Ready(Err(failure(FailureKind::TimedOut)));
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
    let mut connect = pin!(connect);
    deadline.arm(timeout);
    let outcome = poll_fn(|cx| {
        if let Poll::Ready(outcome) = connect.as_mut().poll(cx) {
            return Poll::Ready(outcome);
        }
        if deadline.is_over(cx) {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)));
        }
        Poll::Pending
    })
    .await;
    deadline.disarm();
    outcome.map_err(UpstreamFailure::from_connect_error)
}
