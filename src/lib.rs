//! Cattail: a session-affinity reverse proxy and load balancer for Tomcat clusters.
//!
//! The map, from the rim inwards; imports run downward only (`tests/suite/architecture.rs`):
//! [`config`] is what the administrator wrote, checked. [`standin`] stands beside the map: built-in Tomcats for
//! the demo and the tests, which import nothing of the rest.

pub mod config;
pub mod observe;
pub mod standin;
