//! Addresses to listen on and to connect to, and host names.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::{BackendAddr, ListenAddr};

use super::words::is_name;

/// Longest path that a Unix socket may have.
const UNIX_PATH_BYTES: usize = 107;

/// Where a listener binds.
pub(super) fn listen(text: &str) -> Result<ListenAddr, Option<String>> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path).map(ListenAddr::Unix);
    }
    socket(text).map(ListenAddr::Ip)
}

/// An IP address and a port.
pub(super) fn socket(text: &str) -> Result<SocketAddr, Option<String>> {
    text.parse().map_err(|_| listen_hint(text))
}

fn listen_hint(text: &str) -> Option<String> {
    if text.parse::<u16>().is_ok() {
        return Some(format!(
            "write 0.0.0.0:{text}, or \"[::]:{text}\" for IPv6 too"
        ));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(match text.rsplit_once(':') {
            Some((host, port)) if host.parse::<IpAddr>().is_ok() => {
                format!("write \"[{host}]:{port}\" for port {port}")
            }
            _ => format!("add the port: {}", SocketAddr::new(address, 80)),
        });
    }
    let (host, port) = text.rsplit_once(':')?;
    if port.parse::<u16>().is_err() {
        return Some("a port is a number from 0 to 65535".to_owned());
    }
    match host {
        "" | "*" => Some(format!(
            "write 0.0.0.0:{port}, or \"[::]:{port}\" for IPv6 too"
        )),
        "localhost" => Some(format!("write 127.0.0.1:{port}")),
        _ if host.parse::<IpAddr>().is_ok() => Some(format!("write \"[{host}]:{port}\"")),
        _ => Some("a listener needs an address, not a name".to_owned()),
    }
}

/// Where a backend listens.
pub(super) fn backend(text: &str) -> Result<BackendAddr, Option<String>> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path).map(BackendAddr::Unix);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return match address.port() {
            0 => Err(Some("port 0 is no port to connect to".to_owned())),
            _ => Ok(BackendAddr::Ip(address)),
        };
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(backend_hint(text));
    };
    match port.parse::<u16>() {
        Ok(port) if port > 0 && is_host(host) => Ok(BackendAddr::Host {
            host: host.to_owned(),
            port,
        }),
        _ => Err(backend_hint(text)),
    }
}

fn backend_hint(text: &str) -> Option<String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let rest = rest.split('/').next().unwrap_or_default();
        return Some(match scheme {
            "ajp" => "AJP is not spoken; name the port of Tomcat's HTTP connector".to_owned(),
            "https" => "write the address alone, and tls: {} in the cluster".to_owned(),
            _ if backend(rest).is_ok() => format!("write {rest}"),
            _ => "write host:port, without scheme and path".to_owned(),
        });
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(format!("add the port: {}", SocketAddr::new(address, 8080)));
    }
    if is_host(text) {
        return Some(format!("add the port: {text}:8080"));
    }
    let (_, port) = text.rsplit_once(':')?;
    match port.parse::<u64>() {
        Ok(1..=65_535) => None,
        _ => Some("a port is a number from 1 to 65535".to_owned()),
    }
}

fn unix(path: &str) -> Result<PathBuf, Option<String>> {
    let hint = if !path.starts_with('/') {
        "the path of a socket begins with '/'"
    } else if path.len() > UNIX_PATH_BYTES {
        "the path of a socket has at most 107 bytes"
    } else {
        return Ok(Path::new(path).to_owned());
    };
    Err(Some(hint.to_owned()))
}

/// Whether `text` is a host name as DNS and hosts files have it.
pub(super) fn is_host(text: &str) -> bool {
    let label =
        |label: &str| is_name(label, 63, "-_") && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

/// Whether `text` is a host, a name or an address, with or without a port.
pub(super) fn is_authority(text: &str) -> bool {
    let is_host_or_ip = |host: &str| match host.strip_prefix('[') {
        Some(v6) => v6
            .strip_suffix(']')
            .is_some_and(|v6| v6.parse::<IpAddr>().is_ok()),
        None => is_host(host),
    };
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            is_host_or_ip(host) && port.parse::<u16>().is_ok()
        }
        _ => is_host_or_ip(text),
    }
}
