//! What is counted for whom: blocks of cells to be kept per worker.
//!
//! The owner of a cluster, backend or listener holds a `PerWorker<…Cells>`; each worker writes
//! its own. What the numbers are called outside stands in [`super::names`].

use http::StatusCode;

use super::cells::{ByKind, Counter, Gauge, SharedCounter};
use super::histogram::Histogram;
use super::kinds::{
    AgentResult, BackendState, Binding, CheckResult, ConnectionRefusal, Direction, EjectionCause,
    ErrorReason, EvacuationEnd, Handshake, HeaderFault, Http2Error, LossCause, ParseError,
    RefusalReason, RejectedId, ReloadResult, RetryReason, RouteAlarm, Stage, StatusClass,
    StoreLook, TlsFault, TunnelEnd, Verdict,
};

/// Answers by the first digit of their status.
pub type ByClass = ByKind<StatusClass, { StatusClass::COUNT }>;

/// One backend, one worker.
#[derive(Debug, Default)]
pub struct BackendCells {
    /// Attempts begun.
    pub attempts: Counter,
    /// Response heads received.
    pub responses: ByClass,
    /// From the start of the attempt to the response head.
    pub response_time: Histogram,
    /// Bytes sent, heads and framing included.
    pub bytes_sent: Counter,
    /// Bytes received, heads and framing included.
    pub bytes_received: Counter,
    /// Connections made.
    pub connects: Counter,
    /// Connections that could not be made.
    pub connect_failures: Counter,
    /// Connections open, idle or in use.
    pub connections_open: Gauge,
    /// Connections kept for the next request.
    pub connections_idle: Gauge,
    /// Attempts that found a kept connection.
    pub reuses: Counter,
    /// Attempts that failed.
    pub failures: ByKind<Stage, { Stage::COUNT }>,
    /// What its responses said about sessions.
    pub verdicts: ByKind<Verdict, { Verdict::COUNT }>,
    /// Sessions lost, counted where the new one was made.
    pub losses: ByKind<LossCause, { LossCause::COUNT }>,
}

impl BackendCells {
    /// Counts a response head.
    #[inline]
    pub fn response(&self, status: StatusCode) {
        self.responses.inc(status.into());
    }
}

/// One cluster, one worker.
#[derive(Debug, Default)]
pub struct ClusterCells {
    /// Requests by the answer the client got.
    pub requests: ByClass,
    /// From the request's head to the last byte handed out.
    pub duration: Histogram,
    /// How long requests waited for a place, those included that got none.
    pub queued: Histogram,
    /// Bytes of request bodies.
    pub bytes_in: Counter,
    /// Bytes of response bodies.
    pub bytes_out: Counter,
    /// Attempts after the first.
    pub retries: ByKind<RetryReason, { RetryReason::COUNT }>,
    /// Requests that the proxy answered by itself, or whose response it cut off.
    pub errors: ByKind<ErrorReason, { ErrorReason::COUNT }>,
    /// Upgraded connections.
    pub tunnels: Gauge,
    /// Those that have ended.
    pub tunnels_ended: ByKind<TunnelEnd, { TunnelEnd::COUNT }>,
    /// Requests by how their session decided where they went.
    pub bindings: ByKind<Binding, { Binding::COUNT }>,
    /// Ids and cookies that were not believed.
    pub rejected_ids: ByKind<RejectedId, { RejectedId::COUNT }>,
    /// What was seen to be wrong with jvm routes.
    pub route_alarms: ByKind<RouteAlarm, { RouteAlarm::COUNT }>,
}

impl ClusterCells {
    /// Counts the answer to a request.
    #[inline]
    pub fn answer(&self, status: StatusCode) {
        self.requests.inc(status.into());
    }
}

/// One listener, one worker.
#[derive(Debug, Default)]
pub struct ListenerCells {
    /// Connections accepted.
    pub connections: Counter,
    /// Connections open.
    pub open: Gauge,
    /// Connections closed as soon as they were accepted.
    pub refused: ByKind<ConnectionRefusal, { ConnectionRefusal::COUNT }>,
    /// PROXY headers given up.
    pub header_faults: ByKind<HeaderFault, { HeaderFault::COUNT }>,
    /// Request heads given up.
    pub parse_errors: ByKind<ParseError, { ParseError::COUNT }>,
    /// TLS handshakes under way.
    pub handshakes_under_way: Gauge,
    /// TLS handshakes.
    pub handshakes: ByKind<Handshake, { Handshake::COUNT }>,
    /// Connections closed after their handshake, for what came below HTTP.
    pub tls_faults: ByKind<TlsFault, { TlsFault::COUNT }>,
    /// `accept` failed: out of file descriptors or memory.
    pub accept_errors: Counter,
    /// Connections that speak HTTP/2.
    pub http2_connections: Counter,
    /// Requests by HTTP/2.
    pub http2_requests: Counter,
    /// Connections that speak HTTP/2 closed for something that was wrong.
    pub http2_errors: ByKind<Http2Error, { Http2Error::COUNT }>,
    /// Requests by HTTP/2 given up since their client took nothing of the response.
    pub http2_streams_stuck: Counter,
}

/// Changes of a listener's certificates, counted from any thread.
pub type CertificateReloads = ByKind<ReloadResult, { ReloadResult::COUNT }, SharedCounter>;

/// One worker.
#[derive(Debug, Default)]
pub struct WorkerCells {
    /// Client connections open.
    pub connections_open: Gauge,
    /// Requests refused before any rule was asked.
    pub refusals: ByKind<RefusalReason, { RefusalReason::COUNT }>,
    /// Answers that no cluster gave: rules that answer by themselves, no rule, refusals.
    pub unrouted: ByClass,
    /// Connections or requests that ended in a panic of ours.
    pub panics: Counter,
}

impl WorkerCells {
    /// Counts an answer that no cluster gave.
    #[inline]
    pub fn answer(&self, status: StatusCode) {
        self.unrouted.inc(status.into());
    }
}

/// One backend, all workers: rare events, counted from any thread.
#[derive(Debug, Default)]
pub struct BackendEvents {
    /// Times it went down.
    pub ejections: ByKind<EjectionCause, { EjectionCause::COUNT }, SharedCounter>,
    /// Active checks.
    pub checks: ByKind<CheckResult, { CheckResult::COUNT }, SharedCounter>,
    /// Active checks whose answer made a session.
    pub check_sessions: SharedCounter,
    /// Questions to its agent.
    pub agent_answers: ByKind<AgentResult, { AgentResult::COUNT }, SharedCounter>,
    /// Words of its agent that are not known.
    pub agent_unknown: SharedCounter,
    /// Changes of its state, by the new one.
    pub flips: ByKind<BackendState, { BackendState::COUNT }, SharedCounter>,
    /// Evacuations that have ended.
    pub evacuations: ByKind<EvacuationEnd, { EvacuationEnd::COUNT }, SharedCounter>,
}

/// Sessions that left a store node for another one, and those that came from another one.
pub type StoreMoves = ByKind<Direction, { Direction::COUNT }, SharedCounter>;

/// One store node, all workers: rare events, counted from any thread.
#[derive(Debug, Default)]
pub struct StoreEvents {
    /// Questions that it did not answer.
    pub failures: SharedCounter,
    /// What requests were told about the copy of their session.
    pub looks: ByKind<StoreLook, { StoreLook::COUNT }, SharedCounter>,
    /// Sessions that moved.
    pub moves: StoreMoves,
}

/// The whole process: rare events, counted from any thread.
#[derive(Debug, Default)]
pub struct ProcessEvents {
    /// Reloads of the configuration.
    pub reloads: ByKind<ReloadResult, { ReloadResult::COUNT }, SharedCounter>,
}
