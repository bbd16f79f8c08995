//! The parts of a store's address.

use super::{BadStoreAddress, REDIS_PORT, StoreAddress};

/// Reads what stands behind `redis://`.
pub(super) fn redis(rest: &str) -> Result<StoreAddress, BadStoreAddress> {
    let (place, path) = match rest.split_once('/') {
        Some((place, path)) => (place, path),
        None => (rest, ""),
    };
    // A password may hold an @ of its own: the last one ends it.
    let (sign_in, place) = match place.rsplit_once('@') {
        Some((sign_in, place)) => (Some(sign_in), place),
        None => (None, place),
    };
    let (user, password) = match sign_in.map(|it| it.split_once(':').unwrap_or((it, ""))) {
        Some((user, password)) => (filled(user)?, filled(password)?),
        None => (None, None),
    };
    let (host, port) = host_and_port(place, Some(REDIS_PORT))?;
    let database = match path {
        "" => 0,
        path if path.bytes().all(|byte| byte.is_ascii_digit()) => {
            path.parse().map_err(|_| BadStoreAddress::Database)?
        }
        _ => return Err(BadStoreAddress::Database),
    };
    Ok(StoreAddress::Redis {
        host,
        port,
        database,
        user,
        password,
    })
}

/// Splits `host:port` or `[address]:port`.
pub(in crate::config) fn host_and_port(
    text: &str,
    default_port: Option<u16>,
) -> Result<(String, u16), BadStoreAddress> {
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, ""))) => (host, None),
        Some(Some((host, rest))) => {
            let port = rest.strip_prefix(':').ok_or(BadStoreAddress::Host)?;
            (host, Some(port))
        }
        Some(None) => return Err(BadStoreAddress::Host),
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_address = text.starts_with('[');
    let is_good = if is_address {
        host.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    if host.is_empty() {
        return Err(BadStoreAddress::NoHost);
    }
    if !is_good {
        return Err(BadStoreAddress::Host);
    }
    let port = match port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().map_err(|_| BadStoreAddress::Port)?
        }
        Some(_) => return Err(BadStoreAddress::Port),
        None => default_port.ok_or(BadStoreAddress::NoPort)?,
    };
    if port == 0 {
        return Err(BadStoreAddress::Port);
    }
    Ok((host.to_owned(), port))
}

/// Undoes the percent-encoding; `None`: nothing stands there.
fn filled(text: &str) -> Result<Option<String>, BadStoreAddress> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2).ok_or(BadStoreAddress::Escape)?;
        bytes.push(byte_of(digits).ok_or(BadStoreAddress::Escape)?);
        rest = behind;
    }
    let text = String::from_utf8(bytes).map_err(|_| BadStoreAddress::Escape)?;
    Ok(Some(text))
}

/// The byte that two hexadecimal digits stand for.
fn byte_of(digits: &[u8]) -> Option<u8> {
    let digits = str::from_utf8(digits).ok()?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}
