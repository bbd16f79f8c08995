//! Cattail: a session-affinity reverse proxy and load balancer for Tomcat clusters.
//!
//! The map, from the rim inwards; imports run downward only (`tests/suite/architecture.rs`):
//! [`config`] is what the administrator wrote, checked.

pub mod balance;
pub mod cluster;
pub mod config;
pub mod health;
pub mod observe;
