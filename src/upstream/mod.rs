//! The backend's side: dialling, kept-alive connections, bodies on their way up, failures.
//!
//! Everything here belongs to one worker. It decides nothing about which backend is asked or
//! whether a request is tried again; `proxy::attempt` does.

mod ask;
mod body;
mod body_fault;
mod broken;
mod connection;
mod dial;
mod failure;
pub mod http1;
mod oldest;
mod pool;
mod reach;
mod share;
mod shared;
mod stream;
mod upload;

pub use ask::Ask;
pub use body::{BodyLimits, BodySource, CONTINUE_WAIT, Framing, RequestBody, UnfitTrailers};
pub use body_fault::{BodyFault, GivenUp};
pub use broken::Broken;
pub use connection::{BackendBody, Carrier, Heard, SendFailure};
pub use failure::{Connection, FailureKind, Fault, Reason, Sent, UpstreamFailure};
pub use http1::{write_field, write_head, write_line};
pub use pool::{Introduced, Lease, TunnelLease, Upstream};
pub use share::NotShared;
pub use stream::Seat;
