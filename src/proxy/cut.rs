//! Why a response is cut off, and what its client is told of that.

use std::error::Error;
use std::fmt;

use crate::observe::metrics::ErrorReason;
use crate::upstream::{BodyFault, Broken, Fault};

/// Why a response is cut off. It must look cut off to the client too.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// The backend's connection ended or broke within the body.
    #[error("the backend cut its response off")]
    Backend(#[source] CutOff),
    /// The backend gave its response up, without an error.
    #[error("the backend reset its response")]
    Reset,
    /// The backend sent a body where there is none.
    #[error("the backend sent a body with a status that has none")]
    Surplus,
    /// The backend paused for too long.
    #[error("the backend's response timed out")]
    TimedOut,
    /// The client takes nothing of what comes in very many small pieces.
    #[error("the client leaves too much of the response")]
    Left,
    /// The client's request body failed, and the response with it.
    #[error("the client's request body failed")]
    Request(#[source] BodyFault),
    /// An earlier poll has already said why.
    #[error("the response was cut off")]
    Before,
}

impl Cut {
    pub(super) fn reason(&self) -> ErrorReason {
        match self {
            Self::Backend(_) | Self::Reset | Self::Surplus | Self::Before => ErrorReason::Closed,
            Self::TimedOut => ErrorReason::ResponseTimeout,
            Self::Request(BodyFault::TooLarge) => ErrorReason::BodyTooLarge,
            Self::Request(BodyFault::TimedOut) => ErrorReason::BodyTimeout,
            Self::Request(BodyFault::Malformed) => ErrorReason::BodyMalformed,
            Self::Request(BodyFault::Cut | BodyFault::Unwanted) | Self::Left => {
                ErrorReason::ClientGone
            }
        }
    }

    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Backend(_) | Self::Reset | Self::Surplus | Self::TimedOut | Self::Before => {
                Fault::Backend
            }
            Self::Request(_) | Self::Left => Fault::Client,
        }
    }
}

/// How a backend's connection broke, or its stream.
#[derive(Debug)]
pub struct CutOff(pub(super) Broken);

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0.source() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl Error for CutOff {
    /// hyper tells a client of HTTP/2 the reason that it finds here. What the backend says to us is
    /// not for the client, who would try again what was refused after a head; but for a call that the
    /// backend has given up.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let reset = self.0.http2()?;
        (reset.reason() == Some(h2::Reason::CANCEL)).then_some(reset)
    }
}
