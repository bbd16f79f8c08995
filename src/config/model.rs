//! The checked configuration.
//!
//! Made by `check` alone: [`Config`] cannot be constructed elsewhere. Keys and defaults are named
//! in `keys`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, StatusCode};

use crate::observe::{AccessLog, Diagnostics};
use crate::proxy_protocol::Version;

use super::limits::Limits;
use super::scheme::Scheme;
use super::secret::Secret;
use super::tls::{ClusterTls, ListenerTls};
use super::{
    Access, BackendAddr, BackendName, ByteSize, ClusterName, Drain, FailBack, Health, JvmRoute,
    Networks, Outliers, Priority, Problem, ProxyProtocol, Queue, Sessions, Stores, Template,
    Webhook,
};

/// A whole configuration that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Threads that serve requests; at least one.
    pub workers: usize,
    /// Where the admin side listens; `None`: nowhere.
    pub admin: Option<Admin>,
    /// Where clients are accepted; never empty.
    pub listeners: Vec<Listener>,
    /// Who may say on whose behalf it asks (`X-Forwarded-*`).
    pub trusted_proxies: Networks,
    /// Bounds on what clients may ask for.
    pub limits: Limits,
    /// In order of match: the most specific first, the file's order among equals.
    pub rules: Vec<Rule>,
    /// In the order of the file; never empty unless every rule answers by itself.
    pub clusters: Vec<Cluster>,
    /// Where requests are logged; `None`: nowhere.
    pub access_log: Option<AccessLog>,
    /// The header that carries the request id to the backend and to the client, if any.
    pub request_id: Option<HeaderName>,
    /// Clients who are told in a response header how their backend was chosen.
    pub decision_header: Networks,
    /// Who is told of events; `None`: nobody.
    pub webhook: Option<Webhook>,
    /// What an error answer looks like.
    pub errors: Errors,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// Diagnostics on stderr.
    pub log: Diagnostics,
    pub(super) checked: Checked,
}

/// Proof that the checks ran, and what is known from them; only this module's family can make one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Checked {
    /// Where the admin token was read.
    pub(super) token_file: Option<PathBuf>,
    /// Where the token of the webhook was read.
    pub(super) webhook_token_file: Option<PathBuf>,
    /// Where the error pages were read.
    pub(super) pages: BTreeMap<u16, PathBuf>,
    /// Where the keys of the clusters' affinity cookies were read.
    pub(super) key_files: BTreeMap<ClusterName, PathBuf>,
    pub(super) warnings: Warnings,
}

/// What is risky. Where something was typed makes no configuration different from another.
#[derive(Debug, Clone, Default)]
pub(super) struct Warnings(pub(super) Vec<Problem>);

impl PartialEq for Warnings {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Config {
    /// What was accepted, but is risky.
    pub fn warnings(&self) -> &[Problem] {
        &self.checked.warnings.0
    }
}

/// The admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Loopback unless the file says otherwise.
    pub address: SocketAddr,
    /// The token that changes and explanations need, read from `token_file`. `None`: they are
    /// refused.
    pub token: Option<Secret>,
    /// Where orders of administrators are kept over a restart; `None`: nowhere.
    pub state_file: Option<PathBuf>,
}

/// One place where clients are accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Metric label; the address as written unless the file names it.
    pub name: String,
    /// Where to bind.
    pub address: ListenAddr,
    /// Who may connect.
    pub access: Access,
    /// How it speaks TLS; `None`: not at all.
    pub tls: Option<Box<ListenerTls>>,
    /// Whether connections begin with a PROXY header; `None`: they do not.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Whether clients may speak HTTP/2.
    pub http2: bool,
}

/// Where a listener binds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddr {
    /// An IPv4 or IPv6 address and port.
    Ip(SocketAddr),
    /// A Unix-domain socket.
    Unix(PathBuf),
}

impl std::fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Host and path to what is done with the request.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Whether clients must see this scheme; `None`: they may see either.
    pub scheme: Option<Scheme>,
    /// Which hosts.
    pub host: HostPattern,
    /// Which paths: a prefix, compared byte for byte on the raw path and ending at a segment's
    /// end (`/`, `;` or the end). `/` matches all.
    pub path: String,
    /// Who may ask.
    pub access: Access,
    /// What is done.
    pub action: Action,
}

/// Which hosts a rule is for; compared without port and case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Any host, also none.
    Any,
    /// `*.example.com`: every name below it; stored with its leading dot, in lower case.
    Suffix(String),
    /// This name, in lower case.
    Exact(String),
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Pass to a cluster: index into [`Config::clusters`].
    Proxy(ProxyAction),
    /// Send the client elsewhere.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: StatusCode,
        /// The new address.
        to: Template,
    },
    /// Answer with a fixed text.
    Respond {
        /// Any final status.
        status: StatusCode,
        /// The body's type.
        content_type: String,
        /// The body.
        body: Bytes,
    },
}

/// A rule's way to a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyAction {
    /// Index into [`Config::clusters`].
    pub cluster: usize,
    /// What takes the place of the matched prefix; `None`: the path stays as it is. The empty
    /// text strips the prefix.
    pub replace_prefix: Option<String>,
    /// How much its requests matter where not all can wait.
    pub priority: Priority,
    /// Changes to the request's headers, after the cluster's.
    pub request_headers: HeaderRules,
    /// Changes to the response's headers, after the cluster's.
    pub response_headers: HeaderRules,
}

/// Changes to headers, done in the order remove, set, add.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderRules {
    /// Taken away.
    pub remove: Vec<HeaderName>,
    /// Put in place of whatever is there. An empty value takes the header away.
    pub set: Vec<(HeaderName, Template)>,
    /// Added to what is there.
    pub add: Vec<(HeaderName, Template)>,
}

impl HeaderRules {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// Tomcats that serve the same applications interchangeably.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// How its backends are spoken to by TLS; `None`: not at all.
    pub tls: Option<Arc<ClusterTls>>,
    /// Its key in the file.
    pub name: ClusterName,
    /// In the order of the file; never empty; names are unique.
    pub backends: Vec<Backend>,
    /// Whether sessions stay with their Tomcat.
    pub affinity: Affinity,
    /// How sessions are recognised and kept.
    pub sessions: Sessions,
    /// Where memcached-session-manager keeps them.
    pub stores: Option<Stores>,
    /// Who gets a request that no session binds.
    pub balance: Balance,
    /// Requests in flight at all its backends together; zero: unlimited.
    pub max_requests: usize,
    /// Who waits where all is full.
    pub queue: Queue,
    /// Longest waits for a backend.
    pub timeouts: Timeouts,
    /// Kept-alive connections to backends.
    pub pool: Pool,
    /// Checks of the backends.
    pub health: Health,
    /// When a backend's answers speak against it.
    pub outliers: Outliers,
    /// When a request is tried again.
    pub retry: Retry,
    /// Which Host the backend sees.
    pub host: HostHeader,
    /// What the backend is told about the client.
    pub forwarded: Forwarded,
    /// Changes to the request's headers.
    pub request_headers: HeaderRules,
    /// Changes to the response's headers.
    pub response_headers: HeaderRules,
    /// What is rewritten in responses so that clients see the public address.
    pub rewrite: Rewrite,
    /// Bodies held in memory.
    pub buffers: Buffers,
    /// Protocols that a client may switch to, in lower case.
    pub upgrades: Vec<String>,
    /// How long a backend that came back gets a growing share of what no session binds; zero: its
    /// whole share at once.
    pub slow_start: Duration,
    /// How backends are emptied.
    pub drain: Drain,
    /// What goes to a backend that has come back.
    pub fail_back: FailBack,
    /// With `when_idle`: how long nobody has used a session that goes back to its backend.
    pub fail_back_idle: Duration,
}

/// One Tomcat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Defaults to the jvm route, else to the address as written.
    pub name: BackendName,
    /// Where it listens.
    pub address: BackendAddr,
    /// Its Tomcat's `jvmRoute`.
    pub jvm_route: Option<JvmRoute>,
    /// Its share: 1 to 65535.
    pub weight: u32,
    /// Only used when no other backend is usable.
    pub backup: bool,
    /// What the administrator wants of it.
    pub state: WantedState,
    /// Requests in flight over all workers; zero: unlimited.
    pub max_requests: usize,
    /// Where checks connect instead of [`Health::port`].
    pub check_port: Option<u16>,
    /// Where its agent listens instead of [`super::AgentCheck::port`].
    pub agent_port: Option<u16>,
}

/// What the administrator wants of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedState {
    /// Serve.
    Up,
    /// Serve the sessions it has, take no new ones.
    Draining,
    /// Serve nothing.
    Disabled,
}

/// Whether sessions stay with their Tomcat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// A session's requests go to its owner.
    Sticky,
    /// The same, but the owner is only a hint.
    Prefer,
    /// Balancing only.
    None,
}

/// Who gets a request that no session binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balance {
    /// Smooth weighted round robin, exact across workers.
    RoundRobin,
    /// Fewest requests in flight per weight.
    LeastRequests,
    /// The less busy of two picked at random.
    TwoChoices,
    /// Fewest live sessions per weight.
    LeastSessions,
    /// Weighted rendezvous hash.
    Hash(HashKey),
}

/// What a hash is taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    ClientAddress,
    /// The raw path and query.
    Uri,
    /// A header's first value.
    Header(HeaderName),
    /// A cookie's first value.
    Cookie(String),
}

/// Longest waits for a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the response head, from the last byte of the request sent.
    pub response: Duration,
    /// Between two pieces of the response body, and of the request body sent.
    pub body_idle: Duration,
    /// Silence of both sides of a tunnel; zero: unlimited.
    pub tunnel_idle: Duration,
    /// The same once one side has ended its half.
    pub tunnel_half_closed: Duration,
    /// Of a tunnel in all; zero: unlimited.
    pub tunnel_lifetime: Duration,
    /// Of a tunnel whose backend has left the configuration.
    pub tunnel_removed: Duration,
}

/// Kept-alive connections to one backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Idle connections kept per worker and backend.
    pub max_idle: usize,
    /// How long one may be idle. Shorter than Tomcat's `keepAliveTimeout` (20 s).
    pub idle: Duration,
    /// How long one may be used in all.
    pub lifetime: Duration,
    /// The PROXY header that each begins with; `None`: none. The file has it as a key of the cluster.
    pub proxy_protocol: Option<Version>,
    /// How HTTP/2 is spoken on them; `None`: HTTP/1.1 is. The file has it as keys of the cluster.
    pub http2: Option<Http2Pool>,
}

/// Connections to backends that speak HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Pool {
    /// Requests at a time on one.
    pub streams: u32,
    /// Bytes of one response that come unasked.
    pub stream_window: u32,
    /// Bytes of one request body held for the backend.
    pub send_buffer: u32,
    /// How long it may be silent before it is asked whether it lives; zero: it is not asked.
    pub ping: Duration,
}

impl Http2Pool {
    /// More bytes than the windows of all streams let come: a client that takes nothing keeps nobody
    /// else waiting, and half of it is `h2`'s bound on what unread small pieces cost.
    pub fn connection_window(&self) -> u32 {
        const TIMES: u32 = 4;
        // The largest that HTTP/2 knows.
        self.streams
            .saturating_mul(self.stream_window)
            .saturating_mul(TIMES)
            .min((1 << 31) - 1)
    }
}

/// When a request is tried again beyond what is always safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Statuses that count as a failed attempt.
    pub statuses: Vec<StatusCode>,
    /// Whether a response time-out counts as a failed attempt that is tried again.
    pub timeouts: bool,
    /// No new attempt after this long since the first.
    pub time: Duration,
    /// Bodies up to this size can be sent again.
    pub buffer: ByteSize,
    /// Share of the requests in flight, in percent, that may be retries for `on`.
    pub budget_percent: u32,
    /// Retries for `on` that are always allowed at a time.
    pub budget_min: usize,
}

/// Which Host the backend sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's.
    Keep,
    /// The backend's address.
    Backend,
    /// This one.
    Fixed(String),
}

/// What the backend is told about the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent switches of the file"
)]
pub struct Forwarded {
    /// `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`.
    pub x_forwarded: bool,
    /// `X-Real-IP`.
    pub x_real_ip: bool,
    /// `Forwarded` (RFC 7239).
    pub rfc7239: bool,
    /// `Via`, on requests and responses.
    pub via: bool,
}

/// What is rewritten in responses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewrite {
    /// Apache's `ProxyPassReverse`: the backend's own address in Location, Content-Location,
    /// Refresh and Link becomes the public one.
    pub location: bool,
    /// Path prefixes in Set-Cookie: (of the backend, public).
    pub cookie_path: Vec<(String, String)>,
    /// Domains in Set-Cookie: (of the backend, public); an empty public domain takes the
    /// attribute away.
    pub cookie_domain: Vec<(String, String)>,
    /// The charset named in text answers that name none.
    pub charset: Option<String>,
}

/// Bodies held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffers {
    /// How much of a response is read ahead of a slow client.
    pub response: ByteSize,
    /// How much of a request body is collected before a backend is chosen; zero: nothing.
    pub request: ByteSize,
}

/// What an error answer looks like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Errors {
    /// Own HTML pages by status, read when the file is loaded.
    pub pages: BTreeMap<u16, Bytes>,
    /// `Retry-After` of a 503.
    pub retry_after: Duration,
}

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// How long `/readyz` answers 503 before the listeners close.
    pub delay: Duration,
    /// Longest wait for requests in flight.
    pub deadline: Duration,
    /// Longest wait for tunnels; no longer than `deadline` in any case.
    pub tunnel_deadline: Duration,
}
