//! Why a request was not answered by a backend, and what its client is told.
//!
//! One table ([`ProxyError::answer`]) says status, label, log level and what becomes of the
//! connection, without a catch-all arm: a new error does not compile until it has its row.
//! Addresses of backends and causes go to the log, never to a client.

mod accept;
mod grpc;
mod page;

use http::StatusCode;

use crate::observe::LogLevel;
use crate::observe::metrics::ErrorReason;

use super::refuse::Refusal;
use crate::observe::metrics::Stage;
use crate::upstream::{BodyFault, FailureKind, UpstreamFailure};

pub use accept::Format;
pub use grpc::GRPC_STATUS;
pub use page::{Asked, ErrorPages};

/// Why the proxy answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProxyError {
    /// The request is not one that may go on.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// No rule fits host and path.
    #[error("no rule for this host and path")]
    NoRule,
    /// The rule does not admit this client.
    #[error("the client's address may not use this rule")]
    AccessDenied,
    /// No backend of the cluster can serve.
    #[error("no backend of the cluster is usable")]
    NoBackend,
    /// Every usable backend has as many requests as it takes.
    #[error("every usable backend is full")]
    BackendsFull,
    /// The same, and as many requests wait as may.
    #[error("every usable backend is full, and so is the queue")]
    QueueFull,
    /// The same, and so many wait that requests that matter less are refused.
    #[error("every usable backend is full, and the queue is kept for more important requests")]
    Shed,
    /// No place came free within `queue.time`.
    #[error("no backend had a place in time")]
    QueueTime,
    /// The session's owner cannot serve, and `strict: true` lets no other.
    #[error("the session's owner cannot serve, and the session may not move")]
    OwnerUnavailable,
    /// The session's owner cannot serve, and the store with its copy cannot be reached.
    #[error("the session's owner cannot serve, and its store cannot be reached")]
    StoreUnreachable,
    /// No backend could be connected to.
    #[error("no connection to a backend: {0}")]
    UpstreamConnect(ConnectFailure),
    /// No response within `timeouts.response`.
    #[error("the backend did not answer in time")]
    UpstreamTimeout,
    /// The backend's answer is not well-framed HTTP, or an unasked 101.
    #[error("the backend's answer is not well formed")]
    UpstreamProtocol,
    /// The backend's connection ended before a response head.
    #[error("the backend closed the connection without an answer")]
    UpstreamClosed,
    /// A body without a length grew beyond `limits.body_bytes`.
    #[error("the request body is too large")]
    BodyTooLarge,
    /// The client's body paused for longer than `limits.body_idle`.
    #[error("the request body did not come in time")]
    BodyTimeout,
    /// The body's chunks or trailers are malformed.
    #[error("the request body is malformed")]
    BodyMalformed,
    /// The client went away; nobody reads the answer.
    #[error("the client is gone")]
    ClientGone,
    /// An upgrade to a protocol that the cluster does not offer.
    #[error("the cluster does not offer this upgrade")]
    UpgradeRefused,
    /// The process ends and takes no new requests.
    #[error("shutting down")]
    ShuttingDown,
}

/// How a connection attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ConnectFailure {
    /// No answer within `timeouts.connect`.
    #[error("timed out")]
    Timeout,
    /// Refused, unreachable, or its name has no address.
    #[error("refused or unreachable")]
    Refused,
    /// No TLS session: its certificate is not trusted, or it speaks none.
    #[error("no TLS session")]
    Tls,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What the client is told. 499 for a client that is gone stands in the log only.
    pub status: StatusCode,
    /// Metric label and `$error` of the access log.
    pub reason: &'static str,
    /// How important it is to whom reads the log.
    pub level: LogLevel,
    /// Whether trying again later is worth it.
    pub retry_after: RetryAfter,
    /// What becomes of the client's connection.
    pub connection: Connection,
}

/// Whether an answer carries `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// It does, with `errors.retry_after`.
    Told,
    /// It does not.
    Untold,
}

/// What becomes of the client's connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// It may carry the next request, if this one's body was read to its end.
    Keep,
    /// It ends: what would come next on it cannot be trusted or is not wanted.
    Close,
}

/// nginx's status for a client that closed its connection.
const CLIENT_CLOSED_REQUEST: u16 = 499;

impl ProxyError {
    /// The table. What strikes every request for a while (no backend left) is no warning each
    /// time: the change of the backend's state was one.
    pub fn answer(self) -> Answer {
        use LogLevel::{Debug, Warn};
        match self {
            Self::Refused(refusal) => {
                let mut answer = row(refusal.status(), refusal.reason(), Debug);
                answer.connection = Connection::Close;
                answer
            }
            Self::NoRule => row(StatusCode::NOT_FOUND, "no_rule", Debug),
            Self::AccessDenied => row(StatusCode::FORBIDDEN, "access_denied", Debug),
            Self::NoBackend => later("no_backend", Debug),
            Self::BackendsFull => later("backends_full", Debug),
            Self::QueueFull => later("queue_full", Debug),
            Self::Shed => later("shed", Debug),
            Self::QueueTime => later("queue_time", Debug),
            Self::OwnerUnavailable => later("owner_unavailable", Debug),
            Self::StoreUnreachable => later("store_unreachable", Debug),
            Self::UpstreamConnect(ConnectFailure::Timeout) => {
                row(StatusCode::GATEWAY_TIMEOUT, "connect_timeout", Warn)
            }
            Self::UpstreamConnect(ConnectFailure::Refused) => {
                row(StatusCode::BAD_GATEWAY, "connect", Warn)
            }
            Self::UpstreamConnect(ConnectFailure::Tls) => row(StatusCode::BAD_GATEWAY, "tls", Warn),
            Self::UpstreamTimeout => row(StatusCode::GATEWAY_TIMEOUT, "response_timeout", Warn),
            Self::UpstreamProtocol => row(StatusCode::BAD_GATEWAY, "protocol", Warn),
            Self::UpstreamClosed => row(StatusCode::BAD_GATEWAY, "closed", Warn),
            Self::BodyTooLarge => {
                let mut answer = row(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", Debug);
                answer.connection = Connection::Close;
                answer
            }
            Self::BodyTimeout => {
                let mut answer = row(StatusCode::REQUEST_TIMEOUT, "body_timeout", Debug);
                answer.connection = Connection::Close;
                answer
            }
            Self::BodyMalformed => {
                let mut answer = row(StatusCode::BAD_REQUEST, "body_malformed", Debug);
                answer.connection = Connection::Close;
                answer
            }
            Self::ClientGone => {
                let status = StatusCode::from_u16(CLIENT_CLOSED_REQUEST);
                let mut answer = row(
                    status.unwrap_or(StatusCode::BAD_REQUEST),
                    "client_gone",
                    Debug,
                );
                answer.connection = Connection::Close;
                answer
            }
            Self::UpgradeRefused => row(StatusCode::FORBIDDEN, "upgrade_refused", Debug),
            Self::ShuttingDown => {
                let mut answer = later("shutting_down", Debug);
                answer.connection = Connection::Close;
                answer
            }
        }
    }

    /// The answer's status, as it is logged and counted.
    pub fn status(self) -> StatusCode {
        self.answer().status
    }

    /// The status on the wire, where 499 would be a status that HTTP does not know.
    pub fn told(self) -> StatusCode {
        match self {
            Self::ClientGone => StatusCode::BAD_REQUEST,
            _ => self.status(),
        }
    }

    /// Metric label and `$error` of the access log.
    pub fn reason(self) -> &'static str {
        self.answer().reason
    }

    /// As it is counted for the cluster; `None`: no cluster was reached.
    pub fn kind(self) -> Option<ErrorReason> {
        Some(match self {
            Self::Refused(_) | Self::NoRule | Self::ShuttingDown => return None,
            Self::AccessDenied => ErrorReason::AccessDenied,
            Self::NoBackend => ErrorReason::NoBackend,
            Self::BackendsFull => ErrorReason::BackendsFull,
            Self::QueueFull => ErrorReason::QueueFull,
            Self::Shed => ErrorReason::Shed,
            Self::QueueTime => ErrorReason::QueueTime,
            Self::OwnerUnavailable => ErrorReason::OwnerUnavailable,
            Self::StoreUnreachable => ErrorReason::StoreUnreachable,
            Self::UpstreamConnect(ConnectFailure::Timeout) => ErrorReason::ConnectTimeout,
            Self::UpstreamConnect(ConnectFailure::Refused) => ErrorReason::Connect,
            Self::UpstreamConnect(ConnectFailure::Tls) => ErrorReason::Tls,
            Self::UpstreamTimeout => ErrorReason::ResponseTimeout,
            Self::UpstreamProtocol => ErrorReason::Protocol,
            Self::UpstreamClosed => ErrorReason::Closed,
            Self::BodyTooLarge => ErrorReason::BodyTooLarge,
            Self::BodyTimeout => ErrorReason::BodyTimeout,
            Self::BodyMalformed => ErrorReason::BodyMalformed,
            Self::ClientGone => ErrorReason::ClientGone,
            Self::UpgradeRefused => ErrorReason::UpgradeRefused,
        })
    }

    /// Whether it comes of a failed attempt, which is logged where it failed.
    pub fn is_of_an_attempt(self) -> bool {
        match self {
            Self::Refused(_)
            | Self::NoRule
            | Self::AccessDenied
            | Self::NoBackend
            | Self::BackendsFull
            | Self::QueueFull
            | Self::Shed
            | Self::QueueTime
            | Self::OwnerUnavailable
            | Self::StoreUnreachable
            | Self::UpgradeRefused
            | Self::ShuttingDown => false,
            Self::UpstreamConnect(_)
            | Self::UpstreamTimeout
            | Self::UpstreamProtocol
            | Self::UpstreamClosed
            | Self::BodyTooLarge
            | Self::BodyTimeout
            | Self::BodyMalformed
            | Self::ClientGone => true,
        }
    }

    /// What a visitor is told: true of the error, and silent about what stands behind us.
    fn advice(self) -> &'static str {
        match self {
            Self::Refused(_) | Self::UpgradeRefused | Self::BodyMalformed => {
                "The request could not be understood or is not supported."
            }
            Self::NoRule => "Nothing is to be found at this address.",
            Self::AccessDenied => "Access from your network is not allowed.",
            Self::NoBackend
            | Self::BackendsFull
            | Self::QueueFull
            | Self::Shed
            | Self::QueueTime
            | Self::OwnerUnavailable
            | Self::StoreUnreachable
            | Self::ShuttingDown => {
                "The service is not available at the moment. Please try again shortly."
            }
            Self::UpstreamConnect(_) | Self::UpstreamProtocol | Self::UpstreamClosed => {
                "The application did not answer properly. Please try again shortly."
            }
            Self::UpstreamTimeout => {
                "The application took too long to answer. Your request may still be worked on."
            }
            Self::BodyTooLarge => "What you sent is larger than this service accepts.",
            Self::BodyTimeout | Self::ClientGone => "Your request did not arrive in time.",
        }
    }
}

impl From<Refusal> for ProxyError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl ProxyError {
    /// What the client is told of its own body.
    pub fn of_body(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge => Self::BodyTooLarge,
            BodyFault::TimedOut => Self::BodyTimeout,
            BodyFault::Malformed => Self::BodyMalformed,
            BodyFault::Cut | BodyFault::Unwanted => Self::ClientGone,
        }
    }

    /// What the client is told of a failed attempt that was not tried again. `body` is what
    /// befell the request's own body.
    pub fn of(failure: &UpstreamFailure, body: Option<BodyFault>) -> Self {
        match (&failure.kind, failure.stage) {
            (FailureKind::RequestBody, _) => body.map_or(Self::ClientGone, Self::of_body),
            (FailureKind::TimedOut, Stage::Connect | Stage::Tls | Stage::Http2) => {
                Self::UpstreamConnect(ConnectFailure::Timeout)
            }
            (FailureKind::TimedOut, _) => Self::UpstreamTimeout,
            (FailureKind::Refused(_) | FailureKind::Unreachable(_) | FailureKind::Local(_), _) => {
                Self::UpstreamConnect(ConnectFailure::Refused)
            }
            (FailureKind::Tls(_), _) => Self::UpstreamConnect(ConnectFailure::Tls),
            (FailureKind::Protocol(_) | FailureKind::NoHttp2(_), _) => Self::UpstreamProtocol,
            (
                FailureKind::Closed(_)
                | FailureKind::Reset(_)
                | FailureKind::WentDown
                | FailureKind::Farewell(_)
                | FailureKind::Status(_),
                _,
            ) => Self::UpstreamClosed,
        }
    }
}

fn row(status: StatusCode, reason: &'static str, level: LogLevel) -> Answer {
    Answer {
        status,
        reason,
        level,
        retry_after: RetryAfter::Untold,
        connection: Connection::Keep,
    }
}

fn later(reason: &'static str, level: LogLevel) -> Answer {
    Answer {
        retry_after: RetryAfter::Told,
        ..row(StatusCode::SERVICE_UNAVAILABLE, reason, level)
    }
}

#[cfg(test)]
mod tests;
