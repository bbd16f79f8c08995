//! The client's side: who is connected.

pub mod client_address;
