//! All suites, by capability.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics; helpers are part of the tests"
)]

mod admin;
mod balance;
mod config_commands;
mod config_laws;
mod config_meaning;
mod config_messages;
mod documentation;
mod documentation_logging;
mod documentation_metrics;
mod exchange;
mod failover;
mod hang;
mod harness;
mod harness_itself;
mod health;
mod process;
mod reload;
mod resolve;
mod retry;
mod round_robin;
mod scenarios;
mod standin;
mod stop;
