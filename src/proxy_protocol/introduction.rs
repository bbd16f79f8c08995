//! What is said to a backend, before everything else on a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Ends, Version, v1, v2};

/// A header of ours. Two that are equal are the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Introduction {
    /// In which form.
    pub version: Version,
    /// Whom the connection is for.
    pub who: Who,
}

/// Whom a connection to a backend is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// For ourselves: a health check.
    Ourselves,
    /// For a client that has no address.
    Unknown,
    /// For this one.
    Client(Ends),
}

impl Who {
    /// A client, and where it connected to, as far as that is known. Both are IPv4 or both IPv6 in a
    /// header; where they are not, it is the client that counts.
    pub fn client(source: Option<SocketAddr>, destination: Option<SocketAddr>) -> Self {
        let Some(source) = source.map(canonical) else {
            return Self::Unknown;
        };
        let destination = destination.map(canonical);
        let port = destination.map_or(0, |address| address.port());
        let destination = destination
            .filter(|address| address.is_ipv4() == source.is_ipv4())
            .unwrap_or_else(|| SocketAddr::new(nowhere(source), port));
        Self::Client(Ends {
            source,
            destination,
        })
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn nowhere(like: SocketAddr) -> IpAddr {
    match like {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

impl Introduction {
    /// The bytes.
    pub fn header(&self) -> Vec<u8> {
        match (self.version, self.who) {
            (Version::V1, Who::Client(ends)) => v1::write(Some(ends)),
            (Version::V1, Who::Ourselves | Who::Unknown) => v1::write(None),
            (Version::V2, Who::Client(ends)) => v2::write(Some(ends)),
            (Version::V2, Who::Unknown) => v2::write(None),
            (Version::V2, Who::Ourselves) => v2::write_local(),
        }
    }
}
