//! The PROXY protocol, versions 1 and 2: what a load balancer says, before everything else on a
//! connection, of the client that it connects for. The specification is HAProxy's,
//! `proxy-protocol.txt`.
//!
//! Pure: bytes in, a [`Header`] out ([`read`]), and the other way round ([`Introduction`]). Nothing is
//! copied but what is kept of a header. How a header is taken from a socket without a byte of what
//! follows it stands in `server::proxy_protocol`; [`frame`] says how far it goes.

mod crc32c;
mod introduction;
mod told;
mod v1;
mod v2;

pub use introduction::{Introduction, Who};
pub use told::{Fact, Told};

use std::net::SocketAddr;

/// Which form a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// The most bytes of a header: of version 1 as the specification has it, of version 2 our own bound.
pub const MOST_V1: usize = 107;
/// The specification allows 64 KiB behind the 16 bytes that a header of version 2 begins with. What load
/// balancers send has some hundred bytes; certificates' names make the most of it.
pub const MOST_V2: usize = v2::FIXED + (4 << 10);

/// How far a header goes that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// All of what was seen belongs to it, and something is missing.
    Open,
    /// It has this many bytes in all.
    Ends(usize),
}

/// Who a connection is from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// The connection that it speaks for. `None`: it speaks for none (a health check of the load
    /// balancer's own), or for one without IP addresses.
    pub ends: Option<Ends>,
    /// What else it says.
    pub told: Told,
}

/// Both ends of the client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

/// Why what came is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It begins like neither version.
    #[error("no PROXY header")]
    Signature,
    /// Version 2 has a number for the version that comes after it.
    #[error("an unknown version")]
    Version,
    /// Neither LOCAL nor PROXY.
    #[error("an unknown command")]
    Command,
    /// An address family or a transport that the specification does not know.
    #[error("an unknown address family")]
    Family,
    /// Longer than it may be.
    #[error("too long")]
    TooLong,
    /// A line that is not as version 1 has it, or a block that is too short for its addresses.
    #[error("malformed addresses")]
    Addresses,
    /// A field behind the addresses goes beyond the end.
    #[error("malformed fields")]
    Fields,
    /// The checksum is another.
    #[error("a wrong checksum")]
    Checksum,
}

/// How far the header goes that begins so. `begun` may be empty, and may hold what follows it.
pub fn frame(begun: &[u8]) -> Result<Frame, Broken> {
    if v1::may_begin(begun) {
        v1::frame(begun)
    } else if v2::may_begin(begun) {
        v2::frame(begun)
    } else {
        Err(Broken::Signature)
    }
}

/// Reads a header that is whole: as long as [`frame`] says.
pub fn read(header: &[u8]) -> Result<Header, Broken> {
    if v1::may_begin(header) {
        v1::read(header)
    } else {
        v2::read(header)
    }
}

#[cfg(test)]
mod tests;
