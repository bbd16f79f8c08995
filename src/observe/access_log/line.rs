//! One line per record, in one of three forms.

use std::fmt::Display;
use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use http::Version;

use super::clock::TimeText;
use super::digits;
use super::record::Record;
use crate::observe::escape;
use crate::observe::settings::{LogField, LogFormat, LogPiece};

/// Appends the record's line, with its end.
pub(super) fn write(
    line: &mut Vec<u8>,
    time: &mut TimeText,
    format: &LogFormat,
    record: &Record<'_>,
) {
    match format {
        LogFormat::Combined => combined(line, time, record),
        LogFormat::Json => json(line, time, record),
        LogFormat::Own(pieces) => own(line, time, pieces, record),
    }
    line.push(b'\n');
}

/// `%h - - [%t] "%r" %s %b "%{Referer}i" "%{User-Agent}i"`: nginx's and Apache's combined form.
fn combined(line: &mut Vec<u8>, time: &mut TimeText, record: &Record<'_>) {
    client_ip(line, record.client_ip);
    line.extend_from_slice(b" - - [");
    time.combined(line, record.end);
    line.extend_from_slice(b"] \"");
    escape::text(line, record.method.as_str().as_bytes());
    line.push(b' ');
    escape::text(line, record.uri.as_bytes());
    line.push(b' ');
    line.extend_from_slice(protocol(record.protocol));
    line.extend_from_slice(b"\" ");
    digits::decimal(line, u64::from(record.status.as_u16()));
    line.push(b' ');
    digits::decimal(line, record.bytes_out);
    line.extend_from_slice(b" \"");
    text_or_dash(line, record.referer.as_deref());
    line.extend_from_slice(b"\" \"");
    text_or_dash(line, record.user_agent);
    line.push(b'"');
}

fn own(line: &mut Vec<u8>, time: &mut TimeText, pieces: &[LogPiece], record: &Record<'_>) {
    for piece in pieces {
        match piece {
            LogPiece::Text(text) => line.extend_from_slice(text.as_bytes()),
            LogPiece::Field(field) => match value(*field, record) {
                Value::Time => time.rfc3339(line, record.end),
                Value::Number(number) => digits::decimal(line, number),
                Value::Seconds(duration) => digits::seconds(line, duration),
                Value::Shown(shown) => display(line, shown),
                Value::Bytes(bytes) => text_or_dash(line, Some(bytes)),
                Value::Absent => line.push(b'-'),
            },
        }
    }
}

fn json(line: &mut Vec<u8>, time: &mut TimeText, record: &Record<'_>) {
    let mut mark = b'{';
    for field in LogField::ALL {
        let value = value(field, record);
        // Few clients come by way of a load balancer that tells such things.
        if matches!((field, &value), (LogField::Told(_), Value::Absent)) {
            continue;
        }
        line.extend_from_slice(&[mark, b'"']);
        line.extend_from_slice(field.name().as_bytes());
        line.extend_from_slice(b"\":");
        mark = b',';
        match value {
            Value::Time => quoted(line, |line| time.rfc3339(line, record.end)),
            Value::Number(number) => digits::decimal(line, number),
            Value::Seconds(duration) => digits::seconds(line, duration),
            Value::Shown(shown) => quoted(line, |line| display(line, shown)),
            Value::Bytes(bytes) => quoted(line, |line| escape::json(line, bytes)),
            Value::Absent => line.extend_from_slice(b"null"),
        }
    }
    line.push(b'}');
}

/// A field's value, before it is written in the way of the format.
enum Value<'a> {
    Time,
    Number(u64),
    Seconds(Duration),
    /// Holds nothing to be escaped.
    Shown(&'a dyn Display),
    /// May hold anything.
    Bytes(&'a [u8]),
    Absent,
}

fn value<'a>(field: LogField, record: &'a Record<'_>) -> Value<'a> {
    match field {
        LogField::Time => Value::Time,
        LogField::ClientIp => shown(record.client_ip.as_ref()),
        LogField::Peer => shown(record.peer.as_ref()),
        LogField::Listener => Value::Bytes(record.listener.as_bytes()),
        LogField::Method => Value::Bytes(record.method.as_str().as_bytes()),
        LogField::Host => bytes(record.host),
        LogField::Uri => Value::Bytes(record.uri.as_bytes()),
        LogField::Protocol => Value::Bytes(protocol(record.protocol)),
        LogField::Status => Value::Number(u64::from(record.status.as_u16())),
        LogField::BytesIn => Value::Number(record.bytes_in),
        LogField::BytesOut => Value::Number(record.bytes_out),
        LogField::Duration => Value::Seconds(record.duration),
        LogField::QueueDuration => record.queue_duration.map_or(Value::Absent, Value::Seconds),
        LogField::BackendDuration => record
            .backend_duration
            .map_or(Value::Absent, Value::Seconds),
        LogField::Cluster => bytes(record.cluster.map(str::as_bytes)),
        LogField::Backend => bytes(record.backend.map(str::as_bytes)),
        LogField::Attempts => Value::Number(u64::from(record.attempts)),
        LogField::Error => bytes(record.error.map(str::as_bytes)),
        LogField::Session => bytes(record.session.map(str::as_bytes)),
        LogField::RouteIn => bytes(record.route_in),
        LogField::RouteOut => bytes(record.route_out),
        LogField::Referer => bytes(record.referer.as_deref()),
        LogField::UserAgent => bytes(record.user_agent),
        LogField::RequestId => bytes(record.request_id),
        LogField::TlsVersion => bytes(record.tls.version.map(str::as_bytes)),
        LogField::TlsCipher => bytes(record.tls.cipher.map(str::as_bytes)),
        LogField::TlsServerName => bytes(record.tls.server_name.map(str::as_bytes)),
        LogField::ClientCertSubject => bytes(record.tls.client_subject.map(str::as_bytes)),
        LogField::Told(fact) => bytes(record.told.and_then(|told| told.get(fact))),
    }
}

fn shown<T: Display>(value: Option<&T>) -> Value<'_> {
    value.map_or(Value::Absent, |value| Value::Shown(value))
}

fn bytes(value: Option<&[u8]>) -> Value<'_> {
    value.map_or(Value::Absent, Value::Bytes)
}

fn text_or_dash(line: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) if !bytes.is_empty() => escape::text(line, bytes),
        _ => line.push(b'-'),
    }
}

fn quoted(line: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    line.push(b'"');
    write(line);
    line.push(b'"');
}

/// IPv4 by hand: it is on most lines.
fn client_ip(line: &mut Vec<u8>, address: Option<IpAddr>) {
    match address {
        Some(IpAddr::V4(address)) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    line.push(b'.');
                }
                digits::decimal(line, u64::from(octet));
            }
        }
        Some(address) => display(line, &address),
        None => line.push(b'-'),
    }
}

fn display(line: &mut Vec<u8>, value: &dyn Display) {
    let written = write!(line, "{value}");
    debug_assert!(written.is_ok(), "a Vec takes everything");
}

fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_09 => b"HTTP/0.9",
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2.0",
        Version::HTTP_3 => b"HTTP/3.0",
        _ => b"HTTP/1.1",
    }
}

#[cfg(test)]
mod tests;
