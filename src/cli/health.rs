//! `cattail health`: asks a running cattail's admin listener; made for a container's
//! `HEALTHCHECK`.

use std::net::SocketAddr;

use clap::Args;

use super::Failure;

/// Whom to ask.
#[derive(Debug, Args)]
pub struct HealthArguments {
    /// The admin listener's address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9180")]
    pub address: SocketAddr,
}

/// Succeeds if `/healthz` answers 200 in time.
pub(super) fn health(_arguments: &HealthArguments) -> Result<(), Failure> {
    Err(Failure::not_built_yet("health"))
}
