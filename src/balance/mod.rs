//! Who gets a request that no session binds.
//!
//! Pure: every picker is a function of what is published ([`Schedule`], [`Rendezvous`]), of a
//! number passed in (cursor, random numbers, key) and of a closure that answers for the moment
//! (is it free, how many requests has it in flight). Who is usable, where cursors and counts live
//! and when a schedule is laid out anew is the cluster's affair; called by `proxy::select`.

pub mod least_requests;
mod load;
mod log2;
mod rendezvous;
pub mod round_robin;
mod schedule;
pub mod two_choices;
mod xxh64;

pub use rendezvous::{Candidate, KeyHash, Rank, Rendezvous};
pub use schedule::{MAX_ENTRIES, Member, Schedule, Slot};
pub use xxh64::xxh64;
