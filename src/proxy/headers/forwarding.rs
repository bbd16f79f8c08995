//! What a backend is told about the client: `X-Forwarded-*`, `X-Real-IP`, `Forwarded`, `Via`.
//!
//! A stranger's own claims are replaced, also those in fields that the cluster does not use, so
//! that an application never reads a forged one. A trusted peer's lists are continued
//! (`X-Forwarded-For`, `Forwarded`) and its other claims kept.
//!
//! Before `hop::strip` or after: neither touches the other's fields.

use std::fmt::Write;

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use crate::config::Forwarded;
use crate::proxy::authority::Host;
use crate::proxy::client::{Client, Peer, Trust};
use crate::upstream::write_field;

use super::fields::{
    Field, Fields, Scan, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO,
    X_REAL_IP,
};

/// Of whom a backend is told.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The connection's other end.
    pub peer: &'a Peer,
    /// The client, perhaps behind it.
    pub client: &'a Client,
    /// The Host of the request.
    pub host: Option<&'a Host>,
    /// The version of the request.
    pub version: Version,
}

/// Tells a backend of the client. `found` is the walk over the request as it came.
pub fn apply(headers: &mut HeaderMap, found: Scan, told: Forwarded, subject: Subject<'_>) {
    if subject.peer.trust() == Trust::Untrusted {
        forget_claims(headers, found, told);
    }
    if told.x_forwarded {
        set_x_forwarded(headers, found.present, subject);
    }
    if told.x_real_ip && !is_kept(found.present, Field::XRealIp, subject) {
        set(headers, X_REAL_IP, subject.client.ip_value().cloned());
    }
    if told.rfc7239 {
        set_forwarded(headers, found.present, subject);
    }
    if told.via {
        add_via(headers, subject.version);
    }
}

/// What says something of a client, and is not believed of a stranger.
pub const CLAIMED: Fields = Fields::of(&[
    Field::XForwardedFor,
    Field::XForwardedProto,
    Field::XForwardedHost,
    Field::XForwardedPort,
    Field::XForwardedOther,
    Field::XRealIp,
    Field::Forwarded,
    Field::Via,
]);

/// Writes what [`apply`] puts into a request that has nothing of [`CLAIMED`].
pub fn write(output: &mut Vec<u8>, told: Forwarded, subject: Subject<'_>) {
    let mut field = |name: &HeaderName, value: Option<&HeaderValue>| {
        if let Some(value) = value {
            write_field(output, name, value.as_bytes());
        }
    };
    if told.x_forwarded {
        field(&X_FORWARDED_FOR, subject.peer.ip_value());
        field(&X_FORWARDED_PROTO, Some(&subject.peer.scheme().value()));
        field(&X_FORWARDED_HOST, subject.host.map(Host::value));
        field(&X_FORWARDED_PORT, subject.peer.server_port_value());
    }
    if told.x_real_ip {
        field(&X_REAL_IP, subject.client.ip_value());
    }
    if told.rfc7239 {
        let element = HeaderValue::try_from(forwarded_element(subject));
        field(&header::FORWARDED, element.ok().as_ref());
    }
    if told.via {
        field(&header::VIA, Some(&via(subject.version)));
    }
}

/// Adds us to `Via`, of a request or a response that came by `version`.
pub fn add_via(headers: &mut HeaderMap, version: Version) {
    headers.append(header::VIA, via(version));
}

fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_10 => "1.0 cattail",
        Version::HTTP_2 => "2.0 cattail",
        _ => "1.1 cattail",
    })
}

// What is set below replaces what is there; this takes away what is not set.
fn forget_claims(headers: &mut HeaderMap, found: Scan, told: Forwarded) {
    const CLAIMS: [(Field, HeaderName); 6] = [
        (Field::XForwardedFor, X_FORWARDED_FOR),
        (Field::XForwardedProto, X_FORWARDED_PROTO),
        (Field::XForwardedHost, X_FORWARDED_HOST),
        (Field::XForwardedPort, X_FORWARDED_PORT),
        (Field::XRealIp, X_REAL_IP),
        (Field::Forwarded, header::FORWARDED),
    ];
    const ANY_X_FORWARDED: Fields = Fields::of(&[
        Field::XForwardedFor,
        Field::XForwardedProto,
        Field::XForwardedHost,
        Field::XForwardedPort,
    ]);
    for (field, name) in &CLAIMS {
        let is_set_anew = match field {
            Field::XRealIp => told.x_real_ip,
            Field::Forwarded => told.rfc7239,
            _ => told.x_forwarded && Fields::of(&[*field]).has_any(ANY_X_FORWARDED),
        };
        if found.present.has(*field) && !is_set_anew {
            headers.remove(name);
        }
    }
    if found.present.has(Field::XForwardedOther) {
        forget_other(headers);
    }
}

// `X-Forwarded-Prefix`, `-Ssl`, `-Server` …: frameworks believe them too.
fn forget_other(headers: &mut HeaderMap) {
    let others: Vec<HeaderName> = headers
        .keys()
        .filter(|name| Field::of(name) == Some(Field::XForwardedOther))
        .cloned()
        .collect();
    for name in others {
        headers.remove(name);
    }
}

fn is_kept(present: Fields, field: Field, subject: Subject<'_>) -> bool {
    subject.peer.trust() == Trust::Trusted && present.has(field)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => {
            headers.insert(name, value);
        }
        // A client of a Unix socket has no address, HTTP/1.0 may have no Host.
        None => {
            headers.remove(name);
        }
    }
}

fn set_x_forwarded(headers: &mut HeaderMap, present: Fields, subject: Subject<'_>) {
    let ours = subject.peer.ip_value();
    if is_kept(present, Field::XForwardedFor, subject) {
        if let Some(ours) = ours {
            continue_list(headers, &X_FORWARDED_FOR, ours.as_bytes());
        }
    } else {
        set(headers, X_FORWARDED_FOR, ours.cloned());
    }
    if !is_kept(present, Field::XForwardedProto, subject) {
        headers.insert(X_FORWARDED_PROTO, subject.peer.scheme().value());
    }
    if !is_kept(present, Field::XForwardedHost, subject) {
        let host = subject.host.map(|host| host.value().clone());
        set(headers, X_FORWARDED_HOST, host);
    }
    if !is_kept(present, Field::XForwardedPort, subject) {
        let port = subject.peer.server_port_value().cloned();
        set(headers, X_FORWARDED_PORT, port);
    }
}

/// Joins the lines of a list into one and adds an element: some readers see only one line.
fn continue_list(headers: &mut HeaderMap, name: &HeaderName, element: &[u8]) {
    let mut list = Vec::new();
    for line in headers.get_all(name) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(element);
    set(headers, name.clone(), HeaderValue::try_from(list).ok());
}

fn set_forwarded(headers: &mut HeaderMap, present: Fields, subject: Subject<'_>) {
    let element = forwarded_element(subject);
    if is_kept(present, Field::Forwarded, subject) {
        continue_list(headers, &header::FORWARDED, element.as_bytes());
    } else {
        set(
            headers,
            header::FORWARDED,
            HeaderValue::try_from(element).ok(),
        );
    }
}

/// `for=192.0.2.1;host=example.com;proto=http`, quoted where RFC 7239 wants it.
fn forwarded_element(subject: Subject<'_>) -> String {
    let mut element = String::with_capacity(80);
    let written = match subject.peer.ip() {
        Some(ip) if ip.is_ipv6() => write!(element, "for=\"[{ip}]\""),
        Some(ip) => write!(element, "for={ip}"),
        None => write!(element, "for=unknown"),
    };
    debug_assert!(written.is_ok(), "a String takes everything");
    if let Some(host) = subject.host.map(Host::as_str) {
        // A checked host holds no quote and no backslash; `:` and brackets are no token.
        let quote = if host.contains([':', '[']) { "\"" } else { "" };
        for part in [";host=", quote, host, quote] {
            element.push_str(part);
        }
    }
    element.push_str(";proto=");
    element.push_str(subject.peer.scheme().as_str());
    element
}

#[cfg(test)]
mod tests;
