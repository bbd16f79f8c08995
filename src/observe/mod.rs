//! What the outside sees of us: metrics, access log, diagnostics.
//!
//! The lowest layer: it knows no cluster and no backend, only the labels it is given.

pub mod access_log;
mod diagnostics;
mod escape;
pub mod events;
mod log_format;
pub mod metrics;
mod settings;

pub use diagnostics::{DiagnosticsFailure, DiagnosticsHandle};
pub use log_format::LogFormatProblem;
pub use settings::{AccessLog, Diagnostics, LogField, LogFormat, LogLevel, LogPath, LogPiece};
