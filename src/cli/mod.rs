//! The command line: what may be typed, and which function does it.
//!
//! One file per command. A command returns a [`Failure`] or nothing; only `main` knows exit codes.

mod administer;
mod check;
mod demo;
mod explain;
mod health;
mod output;
mod run;
mod schema;
mod sessions;
mod show_config;
mod source;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Report;

pub use administer::{
    BackendArguments, DrainArguments, EnableArguments, EvacuateArguments, EventsArguments,
    RollArguments, StatusArguments, WaitArguments, WeightArguments,
};
pub use check::{CheckArguments, Format};
pub use demo::DemoArguments;
pub use explain::ExplainArguments;
pub use health::HealthArguments;
pub use output::complain;
pub use sessions::SessionsArguments;
pub use show_config::ShowConfigArguments;
pub use source::Source;

/// A session-affinity reverse proxy and load balancer for Tomcat clusters.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy.
    Run(Source),
    /// Check a configuration file; exit code 0 if it can be run, 2 if not.
    Check(CheckArguments),
    /// Print the configuration in force, with all defaults.
    ShowConfig(ShowConfigArguments),
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
    /// Start two Tomcat stand-ins and the proxy in front of them, to try it out.
    Demo(DemoArguments),
    /// Ask a running cattail whether it is healthy; exit code 0 if it is.
    Health(HealthArguments),
    /// Say where a request would go, and why, without sending it.
    Explain(ExplainArguments),
    /// List and count the sessions in memcached or redis, asked there directly; exit code 3 if
    /// some of the stores could not be read.
    Sessions(SessionsArguments),
    /// Show how the backends of a running cattail stand.
    Status(StatusArguments),
    /// Send a backend no new sessions, and wait until it is empty.
    Drain(DrainArguments),
    /// Move the sessions of a backend to the others, and wait until it may be stopped.
    Evacuate(EvacuateArguments),
    /// Send a backend nothing at all.
    Disable(BackendArguments),
    /// Let a backend serve again; it gets requests once it has answered a check.
    Enable(EnableArguments),
    /// Change the share of a backend.
    Weight(WeightArguments),
    /// Wait until a backend is empty, up, or down.
    Wait(WaitArguments),
    /// Show what happened to backends.
    Events(EventsArguments),
    /// Restart the backends of a cluster one after the other, without losing a session.
    Roll(RollArguments),
}

/// Why a command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be used.
    #[error("{0}")]
    Configuration(#[from] Report),
    /// The same, and the problems are already printed.
    #[error("the configuration cannot be used")]
    AlreadyTold,
    /// Part of it was done, and what is missing is already told.
    #[error("part of it is missing")]
    Incomplete,
    /// What the configuration asks for cannot be had.
    #[error(transparent)]
    Unusable(Box<dyn Error + Send + Sync>),
    /// It went wrong while it ran.
    #[error(transparent)]
    Runtime(#[from] Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// 2: the configuration or the command line must be changed. 3: part of it was done. 1:
    /// anything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) | Self::AlreadyTold | Self::Unusable(_) => ExitCode::from(2),
            Self::Incomplete => ExitCode::from(3),
            Self::Runtime(_) => ExitCode::from(1),
        }
    }

    /// What is still to be printed, causes included.
    pub fn to_tell(&self) -> Option<String> {
        match self {
            Self::Configuration(report) => Some(report.to_string()),
            Self::AlreadyTold | Self::Incomplete => None,
            Self::Runtime(error) | Self::Unusable(error) => {
                let mut told = format!("cattail: {error}");
                let mut cause = error.source();
                while let Some(error) = cause {
                    let text = error.to_string();
                    // Some failures name their cause in their own sentence.
                    if !told.contains(&text) {
                        told.push_str(": ");
                        told.push_str(&text);
                    }
                    cause = error.source();
                }
                Some(told)
            }
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Runtime(Box::new(error))
    }
}

/// Does what the command line says.
pub fn execute(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Run(source) => run::run(&source),
        Command::Check(arguments) => check::check(&arguments),
        Command::ShowConfig(arguments) => show_config::show_config(&arguments),
        Command::Schema => schema::schema(),
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Health(arguments) => health::health(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Sessions(arguments) => sessions::sessions(&arguments),
        Command::Status(arguments) => administer::status(&arguments),
        Command::Drain(arguments) => administer::drain(&arguments),
        Command::Evacuate(arguments) => administer::evacuate(&arguments),
        Command::Disable(arguments) => administer::disable(&arguments),
        Command::Enable(arguments) => administer::enable(&arguments),
        Command::Weight(arguments) => administer::weight(&arguments),
        Command::Wait(arguments) => administer::wait(&arguments),
        Command::Events(arguments) => administer::events(&arguments),
        Command::Roll(arguments) => administer::roll(&arguments),
    }
}
