//! What is known of one request when it has ended.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode, Version};

use super::clock::TimeText;
use super::line;
use crate::observe::settings::LogFormat;
use crate::proxy_protocol::Told;

/// One request, ended. Everything is borrowed: writing a line allocates nothing.
///
/// Session ids in `uri` and `referer` are shortened by the caller; what is here is written.
/// Bytes of a client may be anything; the formats escape them.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// When it ended.
    pub end: SystemTime,
    /// The client, after trusted hops were taken off; `None` on a Unix-domain socket.
    pub client_ip: Option<IpAddr>,
    /// The connected peer; `None` on a Unix-domain socket.
    pub peer: Option<SocketAddr>,
    /// The listener's name.
    pub listener: &'a str,
    /// The request's method.
    pub method: &'a Method,
    /// The request's Host, as sent.
    pub host: Option<&'a [u8]>,
    /// The raw path and query, session ids shortened.
    pub uri: Cow<'a, str>,
    /// The request's HTTP version.
    pub protocol: Version,
    /// The status sent to the client.
    pub status: StatusCode,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
    /// From the head read to the last byte handed out.
    pub duration: Duration,
    /// In the queue for a place at a full backend; `None`: it did not wait.
    pub queue_duration: Option<Duration>,
    /// To the response head, less the time in the queue.
    pub backend_duration: Option<Duration>,
    /// The cluster, where a rule named one.
    pub cluster: Option<&'a str>,
    /// The backend that answered.
    pub backend: Option<&'a str>,
    /// How many attempts there were.
    pub attempts: u32,
    /// Why the proxy answered by itself, or cut the response off.
    pub error: Option<&'static str>,
    /// What the response says about the session of the request: a verdict's word.
    pub session: Option<&'static str>,
    /// The jvm route that the client showed. The caller cuts it to 64 bytes: no jvm route that is
    /// configured is longer, and what a client calls one may be anything.
    pub route_in: Option<&'a [u8]>,
    /// The jvm route in the response's session cookie, cut as well.
    pub route_out: Option<&'a [u8]>,
    /// The Referer, session ids shortened.
    pub referer: Option<Cow<'a, [u8]>>,
    /// The User-Agent.
    pub user_agent: Option<&'a [u8]>,
    /// The request's id.
    pub request_id: Option<&'a [u8]>,
    /// What the connection's handshake told.
    pub tls: TlsRecord<'a>,
    /// What a load balancer told in its PROXY header.
    pub told: Option<&'a Told>,
}

/// What a handshake told; nothing of a connection without.
#[derive(Debug, Clone, Copy, Default)]
pub struct TlsRecord<'a> {
    /// The version.
    pub version: Option<&'a str>,
    /// The cipher suite.
    pub cipher: Option<&'a str>,
    /// The host that the client asked for.
    pub server_name: Option<&'a str>,
    /// Whom the client's certificate names.
    pub client_subject: Option<&'a str>,
}

impl Record<'_> {
    /// The line that a log of this format gets, with its end. Workers write into buffers of
    /// theirs instead.
    pub fn line(&self, format: &LogFormat) -> Vec<u8> {
        let mut line = Vec::new();
        line::write(&mut line, &mut TimeText::default(), format, self);
        line
    }
}
