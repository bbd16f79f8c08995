//! What the outside sees of us: metrics, access log, diagnostics.
//!
//! The lowest layer: it knows no cluster and no backend, only the labels it is given.

mod settings;

pub use settings::{AccessLog, Diagnostics, LogField, LogFormat, LogLevel, LogPath, LogPiece};
