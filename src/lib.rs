//! Cattail: a session-affinity reverse proxy and load balancer for Tomcat clusters.
//!
//! The map, from the rim inwards; imports run downward only (`tests/suite/architecture.rs`):
//!
//! - [`cli`] is the command line.
//! - [`app`] wires everything: workers, signals, reload, the orderly end.
//! - [`server`] is the client's side: sockets, connections, their limits.
//! - [`admin`] is the operator's side: metrics and health answers.
//! - [`proxy`] is one request, from its head to the last byte of the answer.
//! - [`webhook`] tells a receiver of events.
//! - [`health`] asks backends how they are.
//! - [`upstream`] is one worker's connections to backends, and HTTP/1.1 on them.
//! - [`cluster`] is what all workers share of backends.
//! - [`store`] asks memcached and redis what is kept there.
//! - [`balance`] decides, without any I/O, who is next.
//! - [`session`] knows what is secret about a session id.
//! - [`tls`] chooses certificates and tells what a handshake said.
//! - [`config`] is what the administrator wrote, checked.
//! - [`observe`] is what the outside sees of us.
//!
//! [`clock`], [`socket`], [`frames`], [`proxy_protocol`] and [`spare`] (maps of fields for the next request) stand below all of
//! them; [`standin`] is a Tomcat for demonstrations and tests that imports nothing of the rest.

pub mod admin;
pub mod app;
pub mod balance;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod frames;
pub mod health;
pub mod observe;
pub mod proxy;
pub mod proxy_protocol;
pub mod server;
pub mod session;
pub mod socket;
pub mod spare;
pub mod standin;
pub mod store;
pub mod tls;
pub mod upstream;
pub mod webhook;
