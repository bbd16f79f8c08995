//! `cattail show-config FILE`: the configuration in force, with all defaults.

use std::path::PathBuf;

use clap::Args;

use super::output::print;
use super::{Failure, Source};

/// Which configuration to show.
#[derive(Debug, Args)]
pub struct ShowConfigArguments {
    /// The configuration file.
    #[arg(required_unless_present = "backend", conflicts_with = "backend")]
    pub file: Option<PathBuf>,
    /// Without a file: where clients are accepted.
    #[arg(long, value_name = "ADDRESS", requires = "backend")]
    pub listen: Vec<String>,
    /// Without a file: a Tomcat; its name is its jvmRoute.
    #[arg(long, value_name = "[NAME=]ADDRESS", requires = "listen")]
    pub backend: Vec<String>,
}

pub(super) fn show_config(arguments: &ShowConfigArguments) -> Result<(), Failure> {
    let source = Source {
        config: arguments.file.clone(),
        listen: arguments.listen.clone(),
        backend: arguments.backend.clone(),
    };
    Ok(print(&source.load()?.show())?)
}
