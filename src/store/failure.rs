//! Why a store gave no answer.

use std::fmt;
use std::io;

use crate::config::StoreAddress;

/// Bytes of a strange answer that are shown: it may be anything, and a secret among it.
const SHOWN: usize = 40;

/// A question to a store that was not answered.
#[derive(Debug, thiserror::Error)]
#[error("store {store}: {stage}: {fault}")]
pub struct StoreFailure {
    /// Which one.
    pub store: StoreAddress,
    /// How far it went.
    pub stage: Stage,
    /// What happened.
    pub fault: Fault,
}

impl StoreFailure {
    /// Without the store, where that is named beside it.
    pub fn in_short(&self) -> String {
        format!("{}: {}", self.stage, self.fault)
    }
}

/// How far a question went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// To be connected.
    Connect,
    /// To be let in: a password, a database.
    Authenticate,
    /// To be answered.
    Answer,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Authenticate => "signing in",
            Self::Answer => "asking",
        })
    }
}

/// What happened instead of an answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// What the system says.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The time is over.
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended in the middle.
    #[error("the connection ended before the answer did")]
    Ended,
    /// More than anybody needs.
    #[error("the answer is too long")]
    TooLong,
    /// The store said no, in its own words.
    #[error("it says \"{0}\"")]
    Refused(String),
    /// It speaks another protocol.
    #[error("it does not speak {protocol}: it says \"{said}\"")]
    Strange {
        /// What it should speak.
        protocol: &'static str,
        /// The beginning of what it said.
        said: String,
    },
}

/// The beginning of what a store said, fit for a log.
pub(super) fn shown(said: &[u8]) -> String {
    let (beginning, more) = match said.get(..SHOWN) {
        Some(beginning) if said.len() > SHOWN => (beginning, "…"),
        _ => (said, ""),
    };
    format!("{}{more}", beginning.escape_ascii())
}
