//! Cattail: a session-affinity reverse proxy and load balancer for Tomcat clusters.
//!
//! The map, from the rim inwards; imports run downward only (`tests/suite/architecture.rs`):
//! [`cli`] is the command line; [`config`] is what the administrator wrote, checked; [`observe`]
//! is what the outside sees of us.

pub mod cli;
pub mod config;
pub mod observe;
