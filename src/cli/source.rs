//! Where a command takes its configuration from.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, Config, Report};

/// A file, or one cluster described by arguments.
#[derive(Debug, Clone, Args)]
pub struct Source {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", required_unless_present = "backend")]
    pub config: Option<PathBuf>,
    /// Without a file: where clients are accepted.
    #[arg(
        long,
        value_name = "ADDRESS",
        conflicts_with = "config",
        requires = "backend"
    )]
    pub listen: Vec<String>,
    /// Without a file: a Tomcat; its name is its jvmRoute.
    #[arg(
        long,
        value_name = "[NAME=]ADDRESS",
        conflicts_with = "config",
        requires = "listen"
    )]
    pub backend: Vec<String>,
}

impl Source {
    /// Loads the configuration, and again at each reload.
    pub fn load(&self) -> Result<Config, Report> {
        match &self.config {
            Some(file) => config::load_file(file, &environment),
            None => config::from_arguments(&self.listen, &self.backend, &environment),
        }
    }
}

/// The environment of this process, for `${NAME}`.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
