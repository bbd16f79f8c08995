//! All suites, by capability.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics; helpers are part of the tests"
)]

mod admin;
mod bad_answers;
mod bodies;
mod buffering;
mod config_commands;
mod config_laws;
mod config_messages;
mod continues;
mod documentation;
mod documentation_logging;
mod documentation_metrics;
mod harness;
mod harness_itself;
mod keep_alive;
mod limits;
mod listeners;
mod pass_through;
mod round_robin;
mod smuggling;
mod standin;
mod upgrade;
