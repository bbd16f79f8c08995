//! Version 1: `PROXY TCP4 192.0.2.1 198.51.100.1 4711 80`, and the end of the line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Broken, Ends, Frame, Header, MOST_V1, Told};

const BEGIN: &[u8] = b"PROXY ";
const END: &[u8] = b"\r\n";

/// Whether a header of this version may begin so.
pub(super) fn may_begin(begun: &[u8]) -> bool {
    let length = begun.len().min(BEGIN.len());
    begun.get(..length) == BEGIN.get(..length)
}

pub(super) fn frame(begun: &[u8]) -> Result<Frame, Broken> {
    let most = begun.get(..MOST_V1).unwrap_or(begun);
    match most.iter().position(|byte| *byte == b'\n') {
        Some(at) if most.get(..=at).is_some_and(|line| line.ends_with(END)) => {
            Ok(Frame::Ends(at + 1))
        }
        // What does not end as it must would be waited for in vain.
        Some(_) => Err(Broken::Addresses),
        None if begun.len() >= MOST_V1 => Err(Broken::TooLong),
        None => Ok(Frame::Open),
    }
}

pub(super) fn read(header: &[u8]) -> Result<Header, Broken> {
    let line = header.strip_prefix(BEGIN).ok_or(Broken::Signature)?;
    let line = line.strip_suffix(END).ok_or(Broken::Addresses)?;
    // Whatever follows this word is to be ignored.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(Header::default());
    }
    let ends = ends(line).ok_or(Broken::Addresses)?;
    Ok(Header {
        ends: Some(ends),
        told: Told::default(),
    })
}

fn ends(line: &[u8]) -> Option<Ends> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let ip: fn(&str) -> Option<IpAddr> = match words.next()? {
        "TCP4" => |text| Ipv4Addr::from_str(text).ok().map(IpAddr::V4),
        "TCP6" => |text| Ipv6Addr::from_str(text).ok().map(IpAddr::V6),
        _ => return None,
    };
    let (from, to) = (ip(words.next()?)?, ip(words.next()?)?);
    let source = SocketAddr::new(from, port(words.next()?)?);
    let destination = SocketAddr::new(to, port(words.next()?)?);
    words.next().is_none().then_some(Ends {
        source,
        destination,
    })
}

/// A decimal number without sign and leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    text.parse().ok().filter(|_| is_plain)
}

/// The header of a connection with these ends; `None`: nothing is known of them.
pub(super) fn write(ends: Option<Ends>) -> Vec<u8> {
    let Some(Ends {
        source,
        destination,
    }) = ends
    else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    let (port, at) = (source.port(), destination.port());
    format!("PROXY {family} {from} {to} {port} {at}\r\n").into_bytes()
}
