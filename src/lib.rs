//! Cattail: a session-affinity reverse proxy and load balancer for Tomcat clusters.
//!
//! The map, from the rim inwards; imports run downward only (`tests/suite/architecture.rs`):
//! [`server`] is the client's side, [`proxy`] is one request, [`session`] knows session ids,
//! [`config`] is what the administrator wrote, checked, [`observe`] is what is seen of us.

pub mod config;
pub mod observe;
pub mod proxy;
pub mod server;
pub mod session;
