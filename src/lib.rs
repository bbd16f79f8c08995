//! Cattail: a session-affinity reverse proxy and load balancer for Tomcat clusters.
//!
//! The map, from the rim inwards; imports run downward only (`tests/suite/architecture.rs`):
//! [`admin`] shows metrics and health to operators; [`config`] is what the administrator wrote,
//! checked; [`observe`] is what the outside sees of us.

pub mod admin;
pub mod config;
pub mod observe;
