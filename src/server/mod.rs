//! The client's side: sockets to accept on, connections, their limits.

pub mod admission;
mod arrival;
mod connection;
pub mod door;
mod handshake;
mod http1;
mod http2;
mod linger;
mod listener;
mod proxy_protocol;
pub mod rates;
mod seldom;
pub mod sockets;
mod under_way;

pub use connection::Crowd;
pub use door::Door;
pub use http1::protocol;
pub use listener::accept;
pub use seldom::Seldom;
