//! What is logged, where and how: the checked settings of the logs.

use std::path::PathBuf;

use crate::proxy_protocol::Fact;

/// The access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where to.
    pub path: LogPath,
    /// One line's form.
    pub format: LogFormat,
}

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPath {
    /// Standard output.
    Stdout,
    /// A file, reopened on SIGUSR1.
    File(PathBuf),
}

impl std::fmt::Display for LogPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One line's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFormat {
    /// Apache's and nginx's combined format.
    Combined,
    /// One JSON object a line.
    Json,
    /// Fields by name in an own text.
    Own(Vec<LogPiece>),
}

/// One piece of an own log format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPiece {
    /// Literal text.
    Text(String),
    /// A field by name; the names are those of the JSON format.
    Field(LogField),
}

/// A field of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogField {
    /// `$time`: local time of the end, RFC 3339, UTC.
    Time,
    /// `$client_ip`
    ClientIp,
    /// `$peer`: address and port of the connected peer.
    Peer,
    /// `$listener`
    Listener,
    /// `$method`
    Method,
    /// `$host`
    Host,
    /// `$uri`: raw path and query, session ids shortened.
    Uri,
    /// `$protocol`
    Protocol,
    /// `$status`
    Status,
    /// `$bytes_in`: of the request body.
    BytesIn,
    /// `$bytes_out`: of the response body.
    BytesOut,
    /// `$duration`: seconds from the head read to the last byte handed out.
    Duration,
    /// `$queue_duration`: seconds that the request waited for a place at a full backend.
    QueueDuration,
    /// `$backend_duration`: seconds to the response head, less those in the queue.
    BackendDuration,
    /// `$cluster`
    Cluster,
    /// `$backend`: the one that answered.
    Backend,
    /// `$attempts`
    Attempts,
    /// `$error`: why the proxy answered by itself, or cut the response off.
    Error,
    /// `$session`: what the response says about the session of the request.
    Session,
    /// `$route_in`: the jvm route that the client showed.
    RouteIn,
    /// `$route_out`: the jvm route in the response's session cookie.
    RouteOut,
    /// `$referer`, session ids shortened.
    Referer,
    /// `$user_agent`
    UserAgent,
    /// `$request_id`
    RequestId,
    /// `$tls_version`
    TlsVersion,
    /// `$tls_cipher`
    TlsCipher,
    /// `$tls_server_name`: the host that the client asked for in its handshake.
    TlsServerName,
    /// `$client_cert_subject`: whom the client's certificate names.
    ClientCertSubject,
    /// What a load balancer told in its PROXY header. In JSON only where it did.
    Told(Fact),
}

/// Diagnostics on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diagnostics {
    /// The least important level that is written.
    pub level: LogLevel,
    /// Whether lines are JSON.
    pub json: bool,
}

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Our own bug.
    Error,
    /// The operator must look.
    Warn,
    /// What changed.
    Info,
    /// Client faults too.
    Debug,
}
