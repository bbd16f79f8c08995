//! All suites, by capability.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics; helpers are part of the tests"
)]

mod access;
mod access_log_of_requests;
mod admin;
mod architecture;
mod config_commands;
mod config_laws;
mod config_meaning;
mod config_messages;
mod diagnostics_of_requests;
mod documentation;
mod documentation_logging;
mod documentation_metrics;
mod error_pages;
mod forwarding;
mod harness;
mod harness_itself;
mod header_rules;
mod metrics_of_requests;
mod request_id;
mod reverse;
mod round_robin;
mod rules;
mod standin;
