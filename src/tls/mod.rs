//! TLS as it is spoken: which certificate and which policy a client gets, and what a handshake
//! told of it. Ciphers, records and trust are rustls's.

mod client;
mod elsewhere;
mod hosts;
mod policy;
mod secured;
mod server;

pub use client::secure;
pub use elsewhere::Elsewhere;
pub use hosts::Hosts;
pub use policy::{PolicyId, Shown};
pub use secured::{ClientCertificate, Secured};
pub use server::{Chosen, ServerSide};
