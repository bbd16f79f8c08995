//! `cattail demo`: two Tomcat stand-ins and the proxy in front of them.

use clap::Args;

use super::Failure;

/// How the demo is started.
#[derive(Debug, Args)]
pub struct DemoArguments {}

/// Starts the stand-ins and the proxy, prints what to try, runs until Ctrl-C.
pub(super) fn demo(_arguments: &DemoArguments) -> Result<(), Failure> {
    Err(Failure::not_built_yet("demo"))
}
