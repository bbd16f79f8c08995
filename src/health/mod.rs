//! Whether backends can serve: active checks, the way back for those that are Down, and what
//! agents say of them.
//!
//! Everything here runs on a background runtime, never on a worker, and only reports; what a
//! report means is decided by `cluster::machine`.

pub mod agent;
pub mod answer;
mod connect;
pub mod exchange;
mod failure;
mod http2;
pub mod monitor;
pub mod outliers;
mod pace;
pub mod probe;
mod question;
mod stores;

pub use connect::{Endpoint, Stream, Way, connect};
pub use failure::ProbeFailure;
pub use monitor::{Made, Outcome, SOON, Subject, watch};
pub use pace::{Mood, Pace};
pub use probe::{Network, Probe, Ways};
pub use question::Verdict;
pub use stores::watch_store;
