//! Connections of ours to backends, beside those of requests.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::cluster::ConnectFault;
use crate::config::BackendAddr;
use crate::config::tls::ClusterTls;
use crate::tls::secure;

use super::failure::ProbeFailure;

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Addresses of one backend, tried in order.
    Tcp(Arc<[SocketAddr]>),
    /// A Unix-domain socket.
    Unix(Arc<Path>),
}

impl Endpoint {
    /// The same machine at another port. That of a Unix-domain socket is this one.
    #[must_use]
    pub fn at_port(&self, port: u16) -> Self {
        let addresses = match self {
            Self::Tcp(addresses) => addresses
                .iter()
                .map(|address| SocketAddr::new(address.ip(), port))
                .collect(),
            Self::Unix(_) => Arc::new([SocketAddr::from((Ipv4Addr::LOCALHOST, port))]) as Arc<[_]>,
        };
        Self::Tcp(addresses)
    }

    /// One address.
    pub fn of(address: IpAddr, port: u16) -> Self {
        Self::Tcp([SocketAddr::new(address, port)].into())
    }
}

/// A stream of bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A connection of any kind.
pub type Stream = Box<dyn Duplex>;

/// Connects, at `deadline` at the latest.
pub async fn connect(endpoint: &Endpoint, deadline: Instant) -> Result<Stream, ProbeFailure> {
    match endpoint {
        Endpoint::Tcp(addresses) => Ok(Box::new(connect_tcp(addresses, deadline).await?)),
        Endpoint::Unix(path) => {
            let to = || path.display().to_string();
            let outcome = timeout_at(deadline, UnixStream::connect(path)).await;
            Ok(Box::new(connected(outcome, to)?))
        }
    }
}

/// How a connection is secured, and who must be at its other end.
#[derive(Debug, Clone)]
pub struct Way {
    /// How.
    pub tls: Arc<ClusterTls>,
    /// Who.
    pub to: BackendAddr,
}

impl Way {
    /// Shakes hands, at `deadline` at the latest. `spoken`: what both ends must agree upon.
    pub async fn secured(
        &self,
        stream: Stream,
        spoken: Option<&[u8]>,
        deadline: Instant,
    ) -> Result<Stream, ProbeFailure> {
        let shaken = timeout_at(deadline, secure(stream, &self.tls, &self.to)).await;
        match shaken {
            Ok(Ok(stream)) if spoken.is_some() && stream.get_ref().1.alpn_protocol() != spoken => {
                Err(ProbeFailure::Tls(io::Error::other("no HTTP/2 agreed upon")))
            }
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(ProbeFailure::Tls(error)),
            Err(_) => Err(ProbeFailure::TlsTimeout),
        }
    }
}

/// Tries the addresses in order; each gets an equal part of the time that is left.
async fn connect_tcp(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, ProbeFailure> {
    let mut failure = ProbeFailure::NoAddress;
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = (deadline - Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
        let to = || address.to_string();
        match connected(timeout(share, TcpStream::connect(address)).await, to) {
            Ok(stream) => return Ok(stream),
            // One address that says nothing for sure is not outweighed by others that refuse.
            Err(next) if failure.is_about_the_address() => failure = next,
            Err(_) => {}
        }
    }
    Err(failure)
}

fn connected<S>(
    outcome: Result<io::Result<S>, tokio::time::error::Elapsed>,
    to: impl Fn() -> String,
) -> Result<S, ProbeFailure> {
    match outcome {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(ProbeFailure::Connect {
            to: to(),
            fault: ConnectFault::of(&source),
            source,
        }),
        Err(_) => Err(ProbeFailure::ConnectTimeout { to: to() }),
    }
}
