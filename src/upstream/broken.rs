//! How an exchange broke, whichever way a backend is spoken to.

use std::error::Error;
use std::io;

use super::body_fault::GivenUp;
use super::http1::BadAnswer;

/// Why an exchange did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// What hyper says of one by HTTP/2.
    #[error(transparent)]
    Http2(hyper::Error),
    /// What came is no answer.
    #[error("{0}")]
    Bad(BadAnswer),
    /// The connection ended too early.
    #[error("connection ended too early")]
    Ended,
    /// The connection broke.
    #[error("connection broke: {0}")]
    Io(#[source] io::Error),
    /// The request's body did not come to its end.
    #[error("{0}")]
    Upload(#[source] GivenUp),
}

impl Broken {
    /// What HTTP/2 says of it.
    pub fn http2(&self) -> Option<&h2::Error> {
        match self {
            Self::Http2(error) => error.source()?.downcast_ref(),
            _ => None,
        }
    }
}
