//! What can befall a request body.

use std::error::Error;
use std::io;

/// Why a request body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than allowed.
    #[error("request body too large")]
    TooLarge,
    /// The client paused for too long.
    #[error("request body timed out")]
    TimedOut,
    /// The client went away.
    #[error("request body cut off")]
    Cut,
    /// Its chunks or trailers are no chunks or trailers.
    #[error("request body malformed")]
    Malformed,
    /// The proxy needs no more of it.
    #[error("request body no longer wanted")]
    Unwanted,
}

impl BodyFault {
    /// What hyper's error within a body means.
    pub(super) fn of(error: &hyper::Error) -> Self {
        let broken = error.source().and_then(<dyn Error>::downcast_ref);
        if broken
            .is_some_and(|error: &h2::Error| error.reason() == Some(h2::Reason::PROTOCOL_ERROR))
        {
            return Self::Malformed;
        }
        let source = error.source().and_then(<dyn Error>::downcast_ref);
        match source.map(io::Error::kind) {
            Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => Self::Malformed,
            _ => Self::Cut,
        }
    }
}

/// What a connection is told of a request body that ended before its end. By HTTP/2 the backend
/// hears that the request is given up, not that something is wrong here.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct GivenUp {
    fault: BodyFault,
    #[source]
    reset: h2::Error,
}

impl From<BodyFault> for GivenUp {
    fn from(fault: BodyFault) -> Self {
        let reset = h2::Reason::CANCEL.into();
        Self { fault, reset }
    }
}
