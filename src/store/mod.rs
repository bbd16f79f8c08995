//! The session store: asks memcached and redis, bounded, and reads what
//! memcached-session-manager keeps there.
//!
//! A [`Connection`] asks one store; whatever that does, the answer comes within the time-out and
//! within the [`Bounds`], or a [`StoreError`] says how far it got. [`key`] and [`value`] are pure:
//! bytes in, meaning out. Java objects are never deserialised. Called by `proxy` and `cli`.

pub mod asker;
mod bounds;
pub mod census;
mod connection;
mod failure;
pub mod key;
mod memcached;
mod redis;
pub mod value;
mod wire;

pub use bounds::Bounds;
pub use connection::{Connection, Entry, Expiry, Head, Keys};
pub use failure::{Fault, Stage, StoreError};
