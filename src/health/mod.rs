//! Whether backends can serve: active checks, and the way back for those that are Down.
//!
//! Everything here runs on a background runtime, never on a worker, and only reports; what a
//! report means is decided by `cluster::machine`.

pub mod monitor;
pub mod outliers;
pub mod probe;
mod stores;

pub use monitor::{Outcome, SOON, Subject, start_offset, watch};
pub use probe::{Endpoint, Network, Probe, ProbeFailure, Target};
pub use stores::watch_store;
