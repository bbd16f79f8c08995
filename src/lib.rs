//! Cattail: a session-affinity reverse proxy and load balancer for Tomcat clusters.
//!
//! The map, from the rim inwards; imports run downward only (`tests/suite/architecture.rs`):
//! [`config`] is what the administrator wrote, checked.

pub mod admin;
pub mod config;
pub mod observe;
