//! Where a stand-in listens: a TCP address or a Unix socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::str::FromStr;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted, as Tomcat's `acceptCount`.
const BACKLOG: i32 = 100;

/// An address to listen on, written `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/tomcat.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A TCP address; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix-domain socket (Tomcat's `unixDomainSocketPath`).
    Unix(PathBuf),
}

impl Address {
    /// The TCP address, if it is one.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}

/// Why a text is no address.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is neither ADDRESS:PORT nor unix:PATH")]
pub struct NotAnAddress(String);

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        text.parse()
            .map(Self::Tcp)
            .map_err(|_| NotAnAddress(text.to_owned()))
    }
}

/// Keeps an address from others while its stand-in is down: a TCP socket that is bound but does
/// not listen, so that connections to it are refused.
#[derive(Debug)]
pub(super) struct Reservation {
    address: Address,
    _socket: Option<Socket>,
}

impl Reservation {
    /// Takes the address; port 0 becomes a real port here.
    pub(super) fn take(address: &Address) -> io::Result<Self> {
        let Address::Tcp(wanted) = address else {
            return Ok(Self {
                address: address.clone(),
                _socket: None,
            });
        };
        let socket = bound(*wanted)?;
        let address = socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("a TCP socket without a TCP address"))?;
        Ok(Self {
            address: Address::Tcp(address),
            _socket: Some(socket),
        })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// A listening socket at the address.
    pub(super) fn listen(&self) -> io::Result<Listening> {
        match &self.address {
            Address::Tcp(address) => {
                let socket = bound(*address)?;
                socket.listen(BACKLOG)?;
                Ok(Listening::Tcp(socket.into()))
            }
            Address::Unix(path) => {
                // A killed process leaves its socket file behind.
                match std::fs::remove_file(path) {
                    Err(failure) if failure.kind() != io::ErrorKind::NotFound => {
                        return Err(failure);
                    }
                    _ => {}
                }
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                Ok(Listening::Unix(listener))
            }
        }
    }
}

/// A listening socket that no runtime has taken yet.
#[derive(Debug)]
pub(super) enum Listening {
    Tcp(std::net::TcpListener),
    Unix(UnixListener),
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Both the reservation and the listener need it, and so does a restart over old connections.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_as_it_parses() {
        for text in ["127.0.0.1:8080", "[::1]:0", "unix:/run/tomcat.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert!("tomcat".parse::<Address>().is_err());
    }

    #[test]
    fn a_reserved_port_can_be_listened_on_again_and_again() {
        let reservation = Reservation::take(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let first = reservation.listen().unwrap();
        assert!(
            reservation.listen().is_err(),
            "while one listens, another must not"
        );
        drop(first);
        reservation.listen().unwrap();
    }
}
