//! The client's side: sockets to accept on, connections, their limits.

pub mod admission;
mod connection;
pub mod door;
mod handshake;
mod listener;
pub mod sockets;
mod stream;

pub use connection::protocol;
pub use door::Door;
pub use listener::accept;
