//! Why a question found no good answer.

use std::io;
use std::time::Duration;

use crate::cluster::ConnectFault;

use super::answer::{MAX_BODY_BYTES, MAX_HEAD_BYTES};

/// Why a question found no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    /// No connection could be made.
    #[error("cannot connect to {to}: {source}")]
    Connect {
        /// The address or path.
        to: String,
        /// What it says about the backend.
        fault: ConnectFault,
        /// What the system says.
        source: io::Error,
    },
    /// No connection was made in time.
    #[error("no connection to {to} in time")]
    ConnectTimeout {
        /// The address or path.
        to: String,
    },
    /// The name has no address yet.
    #[error("no address is known")]
    NoAddress,
    /// No TLS session came about.
    #[error("no TLS session: {0}")]
    Tls(#[source] io::Error),
    /// Nor did one fail in time.
    #[error("no TLS session in time")]
    TlsTimeout,
    /// The connection broke.
    #[error("the connection broke before the answer was complete: {0}")]
    Broken(#[source] io::Error),
    /// The backend closed the connection.
    #[error("the connection ended before the answer was complete")]
    Ended,
    /// Nothing, or not enough, came in time.
    #[error("no answer within {} ms", .0.as_millis())]
    AnswerTimeout(Duration),
    /// What came is not HTTP/1.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(#[source] httparse::Error),
    /// What came is not HTTP/2, or the backend ended it.
    #[error("no answer in HTTP/2")]
    NotHttp2(#[source] h2::Error),
    /// The head is too long.
    #[error("the answer's head is longer than {MAX_HEAD_BYTES} bytes")]
    HeadTooLong,
    /// The body's framing is broken.
    #[error("the answer's body is not framed as its head says")]
    BadBody,
    /// It answered, and the status says no.
    #[error("answered with status {0}")]
    Status(u16),
    /// It answered, and the body says no.
    #[error("the answer's first {MAX_BODY_BYTES} bytes of body are not as expected")]
    Body,
}

impl ProbeFailure {
    /// Whether it proves that nobody can be reached there.
    pub(super) fn is_about_the_address(&self) -> bool {
        match self {
            Self::NoAddress => true,
            Self::Connect { fault, .. } => match fault {
                ConnectFault::Refused | ConnectFault::Unreachable => true,
                ConnectFault::Inconclusive => false,
            },
            Self::ConnectTimeout { .. }
            | Self::Tls(_)
            | Self::TlsTimeout
            | Self::Broken(_)
            | Self::Ended
            | Self::AnswerTimeout(_)
            | Self::NotHttp(_)
            | Self::NotHttp2(_)
            | Self::HeadTooLong
            | Self::BadBody
            | Self::Status(_)
            | Self::Body => false,
        }
    }

    /// Whether the connection was over before anything came on it.
    pub(super) fn is_an_end(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Ended)
    }
}
