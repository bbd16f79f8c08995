//! Version 2: a signature, 4 bytes, addresses, and fields of which each says its length (TLVs).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::told::{self, Told};
use super::{Broken, Ends, Frame, Header, MOST_V2};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length of the rest.
pub(super) const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP_OVER_V4: u8 = 0x11;
const TCP_OVER_V6: u8 = 0x21;

/// Bytes of both addresses and ports.
const V4: usize = 12;
const V6: usize = 36;
/// Of both paths.
const UNIX: usize = 216;

/// Whether a header of this version may begin so.
pub(super) fn may_begin(begun: &[u8]) -> bool {
    let length = begun.len().min(SIGNATURE.len());
    begun.get(..length) == SIGNATURE.get(..length)
}

pub(super) fn frame(begun: &[u8]) -> Result<Frame, Broken> {
    if let Some(byte) = begun.get(12) {
        match (byte >> 4, *byte) {
            (2, LOCAL | PROXY) => {}
            (2, _) => return Err(Broken::Command),
            _ => return Err(Broken::Version),
        }
    }
    // A connection of the load balancer's own may have any family.
    if let (Some(&PROXY), Some(family)) = (begun.get(12), begun.get(13)) {
        addresses(*family)?;
    }
    let Some([high, low]) = begun.get(14..FIXED) else {
        return Ok(Frame::Open);
    };
    let total = FIXED + usize::from(u16::from_be_bytes([*high, *low]));
    if total > MOST_V2 {
        return Err(Broken::TooLong);
    }
    Ok(Frame::Ends(total))
}

/// Bytes of the addresses of a family, behind which the fields begin. Datagrams are taken for
/// streams: a client of HTTP/3 has an address, too.
fn addresses(family: u8) -> Result<usize, Broken> {
    if family & 0x0f > 2 {
        return Err(Broken::Family);
    }
    match family >> 4 {
        0 => Ok(0),
        1 => Ok(V4),
        2 => Ok(V6),
        3 => Ok(UNIX),
        _ => Err(Broken::Family),
    }
}

pub(super) fn read(header: &[u8]) -> Result<Header, Broken> {
    if !header.starts_with(SIGNATURE) {
        return Err(Broken::Signature);
    }
    if frame(header)? != Frame::Ends(header.len()) {
        return Err(Broken::Addresses);
    }
    let (command, family) = (header.get(12), header.get(13).copied().unwrap_or_default());
    if command == Some(&LOCAL) {
        return Ok(Header::default());
    }
    let rest = header.get(FIXED..).unwrap_or_default();
    let length = addresses(family)?;
    let (block, fields) = rest.split_at_checked(length).ok_or(Broken::Addresses)?;
    told::verify(header, fields)?;
    Ok(Header {
        ends: ends(block),
        told: Told::of(fields),
    })
}

/// `None`: the family has no addresses that we could use.
fn ends(block: &[u8]) -> Option<Ends> {
    let (from, to, ports) = match block.len() {
        V4 => {
            let (from, rest) = block.split_first_chunk::<4>()?;
            let (to, ports) = rest.split_first_chunk::<4>()?;
            let ip = |octets: &[u8; 4]| IpAddr::V4(Ipv4Addr::from(*octets));
            (ip(from), ip(to), ports)
        }
        V6 => {
            let (from, rest) = block.split_first_chunk::<16>()?;
            let (to, ports) = rest.split_first_chunk::<16>()?;
            let ip = |octets: &[u8; 16]| IpAddr::V6(Ipv6Addr::from(*octets));
            (ip(from), ip(to), ports)
        }
        _ => return None,
    };
    let [a, b, c, d] = ports.first_chunk::<4>()?;
    Some(Ends {
        source: SocketAddr::new(from, u16::from_be_bytes([*a, *b])),
        destination: SocketAddr::new(to, u16::from_be_bytes([*c, *d])),
    })
}

/// The header of a connection of our own.
pub(super) fn write_local() -> Vec<u8> {
    whole(LOCAL, 0, &[])
}

/// The header of a connection with these ends; `None`: nothing is known of them.
///
/// What more there may be to tell (`PP2_TYPE_SSL`, where TLS of clients ends here) is a list of fields
/// behind the addresses, and a part of the [`Introduction`](super::Introduction), by which
/// connections are told apart.
pub(super) fn write(ends: Option<Ends>) -> Vec<u8> {
    let Some(Ends {
        source,
        destination,
    }) = ends
    else {
        return whole(PROXY, 0, &[]);
    };
    let mut block = Vec::with_capacity(V6);
    for ip in [source.ip(), destination.ip()] {
        match ip {
            IpAddr::V4(ip) => block.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => block.extend_from_slice(&ip.octets()),
        }
    }
    block.extend_from_slice(&source.port().to_be_bytes());
    block.extend_from_slice(&destination.port().to_be_bytes());
    let family = if source.is_ipv4() {
        TCP_OVER_V4
    } else {
        TCP_OVER_V6
    };
    whole(PROXY, family, &block)
}

fn whole(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(FIXED + block.len());
    header.extend_from_slice(SIGNATURE);
    header.extend_from_slice(&[command, family]);
    let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(block);
    header
}
