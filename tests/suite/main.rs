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
mod administer_stage;
mod affinity;
mod affinity_append;
mod affinity_bad_input;
mod affinity_cookie;
mod affinity_failover;
mod affinity_late;
mod affinity_policy;
mod affinity_stage;
mod architecture;
mod bad_answers;
mod balance;
mod bodies;
mod buffering;
mod capacity;
mod config_commands;
mod config_laws;
mod config_meaning;
mod config_messages;
mod continues;
mod decision_header;
mod diagnostics_of_requests;
mod documentation;
mod documentation_errors;
mod documentation_logging;
mod documentation_metrics;
mod documentation_readme;
mod draining;
mod error_pages;
mod evacuation;
mod exchange;
mod explain;
mod explain_over_admin;
mod explain_truth;
mod fail_back;
mod fail_back_survive;
mod failover;
mod forwarding;
mod grpc;
mod hang;
mod harness;
mod harness_itself;
mod header_rules;
mod health;
mod health_agent;
mod health_checks;
mod http2;
mod http2_backends;
mod http2_backends_broken;
mod http2_bounds;
mod http2_ends;
mod http2_tls;
mod keep_alive;
mod layers;
mod limits;
mod listeners;
mod metrics_of_requests;
mod names;
mod orders;
mod outliers;
mod pass_through;
mod process;
mod properties;
mod proxy_protocol;
mod proxy_protocol_broken;
mod proxy_protocol_out;
mod reload;
mod request_id;
mod resolve;
mod retry;
mod reverse;
mod round_robin;
mod rules;
mod scenarios;
mod session_counts;
mod session_verdicts;
mod sessions_command;
mod sessions_survive;
mod smuggling;
mod standin;
mod stop;
mod stores;
mod stores_look;
mod stores_told;
mod stores_turns;
mod tls;
mod tls_backends;
mod tls_choices;
mod tls_clients;
mod tls_files;
mod tls_process;
mod tls_redirect;
mod upgrade;
mod webhook;
