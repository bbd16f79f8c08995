//! The client's side: sockets to accept on, connections, their limits.

pub mod admission;
mod arrival;
mod connection;
pub mod door;
mod handshake;
mod listener;
mod proxy_protocol;
pub mod sockets;
mod stream;

pub use connection::protocol;
pub use door::Door;
pub use listener::accept;
