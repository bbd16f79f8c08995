//! What memcached-session-manager keeps in memcached or redis: how to ask for it, and how to read it.
//!
//! [`Connection`] asks one store, bounded in time and size whatever it answers; [`key`] and
//! [`value`] read what MSM writes there, without Java. Serialized attributes are never looked at.

pub mod asker;
mod connection;
mod failure;
pub mod key;
mod memcached;
mod redis;
pub mod value;
mod wire;

pub use connection::{Connection, FoundKey, Head, Most};
pub use failure::{Fault, Stage, StoreFailure};

#[cfg(test)]
mod tests;
