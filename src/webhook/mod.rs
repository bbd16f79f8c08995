//! Tells a receiver of events: each is a POST to the URL that the configuration names.
//!
//! [`Courier`] runs on the background thread. It reads the log of events, keeps those that wait in a
//! bounded outbox and sends them one after the other, in order; whoever makes events never waits
//! for it. A receiver that does not answer, or answers badly, is asked again after growing pauses; it
//! can cost events, which are counted, and nothing else. Redirects are not followed.

mod courier;
mod message;
mod outbox;
mod receiver;

pub use courier::{Courier, Settings};
pub use receiver::{Connector, Plain};
