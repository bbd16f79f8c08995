//! What is counted, and how a scrape reads it.
//!
//! On the request's way only [`PerWorker`] cells are written; names, labels and text exist at
//! scrape time alone.

mod blocks;
mod capacity;
mod cells;
mod exposition;
mod families;
mod histogram;
#[macro_use]
mod kinds;
pub mod names;
mod process;
mod scrape;
mod sessions;
mod webhook;

pub use blocks::{
    BackendCells, BackendEvents, ByClass, CertificateReloads, ClusterCells, ListenerCells,
    ProcessEvents, StoreEvents, StoreMoves, WorkerCells,
};
pub use capacity::CapacityStatus;
pub use cells::{ByKind, Counter, Gauge, PerWorker, SharedCounter, WorkerId};
pub use exposition::{CONTENT_TYPE, Exposition};
pub use families::BackendStatus;
pub use histogram::{BOUNDS_SECONDS, Histogram, HistogramTotal};
pub use kinds::{
    AgentResult, BackendState, Binding, CheckResult, ConnectionRefusal, Direction, EjectionCause,
    EntryKind, ErrorReason, EvacuationEnd, EvictedKind, Handshake, HeaderFault, Http2Error, Kind,
    LossCause, ParseError, RefusalReason, RejectedId, ReloadResult, RetryReason, RouteAlarm, Stage,
    StatusClass, StoreLook, TlsFault, TunnelEnd, Verdict,
};
pub use scrape::{Labels, Scrape};
pub use sessions::{LedgerStatus, SessionCounts, StoreStatus};
pub use webhook::{Delivery, DropReason, WebhookEvents};
