//! How an attempt at a backend can fail.
//!
//! A failure says at which stage it happened and whether a byte of the request may have left:
//! that is all that the decision about a second attempt needs (`proxy::retry`).

use std::fmt;
use std::io;

use super::broken::Broken;
use crate::cluster::ConnectFault;
use crate::observe::metrics::Stage;

/// Why one attempt at one backend gave no usable response.
#[derive(Debug, thiserror::Error)]
#[error("{stage}: {kind}", stage = .stage.label())]
pub struct UpstreamFailure {
    /// How far the attempt had come.
    pub stage: Stage,
    /// Whether the backend may have seen the request.
    pub request: Sent,
    /// Whether the connection had carried requests before.
    pub connection: Connection,
    /// What went wrong.
    #[source]
    pub kind: FailureKind,
}

/// Whether a byte of the request may have reached the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Provably nothing.
    Nothing,
    /// Perhaps all of it.
    Perhaps,
}

/// Whose fault it is that an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The backend's, or its connection's.
    Backend,
    /// The client's.
    Client,
}

/// What kind of connection an attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Made for this attempt.
    Fresh,
    /// Kept alive from an earlier request; the backend may have closed it meanwhile.
    Reused,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum FailureKind {
    /// The backend's address refuses connections.
    #[error("connection refused")]
    Refused(#[source] io::Error),
    /// The backend's address cannot be reached.
    #[error("unreachable")]
    Unreachable(#[source] io::Error),
    /// This host cannot make a connection: no descriptor or no port left.
    #[error("no local resource for a connection")]
    Local(#[source] io::Error),
    /// The backend is no TLS server, or none that is trusted.
    #[error("no TLS session: {0}")]
    Tls(#[source] io::Error),
    /// The backend does not speak HTTP/2.
    #[error("no HTTP/2 session")]
    NoHttp2(#[source] Option<hyper::Error>),
    /// The backend gave this one request up. Where nothing of it was sent, it had not looked at it.
    #[error("reset by the backend")]
    Reset(#[source] Broken),
    /// The wait for this stage was over.
    #[error("timed out")]
    TimedOut,
    /// The connection ended before a response.
    #[error("connection closed by the backend")]
    Closed(#[source] Broken),
    /// The backend's answer is not believable HTTP.
    #[error("bad response: {0}")]
    Protocol(Reason),
    /// The backend was found to be down while the request waited for it.
    #[error("backend went down")]
    WentDown,
    /// The backend refuses connections or fails its check, and this is its farewell.
    #[error("answered {0} while down")]
    Farewell(http::StatusCode),
    /// A status that the configuration names as a failure.
    #[error("answered {0}")]
    Status(http::StatusCode),
    /// The request's own body failed: the client's fault, never the backend's.
    #[error("the client's request body failed")]
    RequestBody,
}

impl FailureKind {
    /// The same for others who waited for the connection that could not be made.
    fn of_another(&self) -> Self {
        let told = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Self::Refused(error) => Self::Refused(told(error)),
            Self::Unreachable(error) => Self::Unreachable(told(error)),
            Self::Local(error) => Self::Local(told(error)),
            Self::Tls(error) => Self::Tls(told(error)),
            Self::TimedOut => Self::TimedOut,
            Self::WentDown => Self::WentDown,
            // No connect ends in another way.
            _ => Self::NoHttp2(None),
        }
    }
}

/// Why an answer is not believed.
#[derive(Debug)]
pub enum Reason {
    /// What could not be parsed.
    Parse(Broken),
    /// The connection ended within the head.
    CutHead(Broken),
    /// More bytes than a head may have.
    HeadTooLarge,
    /// Content-Length is not one decimal number.
    ContentLength,
    /// A 101 that nobody asked for, or for another protocol.
    Unasked101,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse(error) => write!(f, "{error}"),
            Self::CutHead(error) => write!(f, "its head is cut off ({error})"),
            Self::HeadTooLarge => f.write_str("its head is too large or never ends"),
            Self::ContentLength => f.write_str("Content-Length is not one decimal number"),
            Self::Unasked101 => f.write_str("101 that nobody asked for"),
        }
    }
}

impl UpstreamFailure {
    /// Whether the backend took the request and gave no answer that can be used. One that went
    /// down, or that answered with a status, is judged by that.
    pub fn is_the_backends(&self) -> bool {
        match self.kind {
            // A kept connection ends now and then, as Tomcat's settings have it.
            FailureKind::Closed(_) => {
                self.request == Sent::Perhaps && self.connection == Connection::Fresh
            }
            FailureKind::TimedOut => self.stage != Stage::Connect,
            FailureKind::Protocol(_)
            | FailureKind::Tls(_)
            | FailureKind::NoHttp2(_)
            | FailureKind::Reset(_) => true,
            FailureKind::Refused(_)
            | FailureKind::Unreachable(_)
            | FailureKind::Local(_)
            | FailureKind::WentDown
            | FailureKind::RequestBody
            | FailureKind::Farewell(_)
            | FailureKind::Status(_) => false,
        }
    }

    /// The same for others who waited for the connection that could not be made.
    #[must_use]
    pub fn of_another(&self) -> Self {
        Self {
            kind: self.kind.of_another(),
            ..*self
        }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self.kind {
            FailureKind::RequestBody => Fault::Client,
            _ => Fault::Backend,
        }
    }

    /// A failure before a connection existed.
    pub fn connect(kind: FailureKind) -> Self {
        Self {
            stage: Stage::Connect,
            request: Sent::Nothing,
            connection: Connection::Fresh,
            kind,
        }
    }

    /// A handshake that failed.
    pub fn from_tls_error(error: io::Error) -> Self {
        Self::no_session(FailureKind::Tls(error))
    }

    /// A connection that was made and not secured.
    pub fn no_session(kind: FailureKind) -> Self {
        Self {
            stage: Stage::Tls,
            ..Self::connect(kind)
        }
    }

    /// A connection on which nobody speaks HTTP/2.
    pub fn no_http2(error: Option<hyper::Error>) -> Self {
        Self {
            stage: Stage::Http2,
            ..Self::connect(FailureKind::NoHttp2(error))
        }
    }

    /// What a failed connect says about the backend.
    pub fn from_connect_error(error: io::Error) -> Self {
        let kind = match ConnectFault::of(&error) {
            ConnectFault::Refused => FailureKind::Refused(error),
            ConnectFault::Unreachable if error.kind() == io::ErrorKind::TimedOut => {
                FailureKind::TimedOut
            }
            ConnectFault::Unreachable => FailureKind::Unreachable(error),
            ConnectFault::Inconclusive => FailureKind::Local(error),
        };
        Self::connect(kind)
    }
}
