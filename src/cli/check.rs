//! `cattail check FILE`: every problem and warning of a file, without starting anything.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::config::{self, Config, Problem, Report};

use super::output::{complain, print};
use super::{Failure, source};

/// What to check, and how to tell about it.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The configuration file.
    pub file: PathBuf,
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

pub(super) fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let result = config::load_file(&arguments.file, &source::environment);
    match arguments.format {
        Format::Json => {
            print(&format!("{:#}", as_json(&arguments.file, &result)))?;
            result.map(|_| ()).map_err(|_| Failure::AlreadyTold)
        }
        Format::Text => {
            let config = result?;
            for warning in config.warnings() {
                complain(&format!("warning: {warning}"));
            }
            Ok(print(&summary(&arguments.file, &config))?)
        }
    }
}

fn as_json(file: &Path, result: &Result<Config, Report>) -> Value {
    let (problems, warnings): (&[Problem], &[Problem]) = match result {
        Ok(config) => (&[], config.warnings()),
        Err(report) => (&report.problems, &report.warnings),
    };
    let list = |problems: &[Problem]| problems.iter().map(Problem::to_json).collect::<Vec<_>>();
    json!({
        "file": file.display().to_string(),
        "ok": problems.is_empty(),
        "problems": list(problems),
        "warnings": list(warnings),
    })
}

fn summary(file: &Path, config: &Config) -> String {
    let backends = config
        .clusters
        .iter()
        .map(|cluster| cluster.backends.len())
        .sum();
    let counts = [
        (config.listeners.len(), "listener"),
        (config.rules.len(), "rule"),
        (config.clusters.len(), "cluster"),
        (backends, "backend"),
    ];
    let words = counts.map(|(count, word)| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    });
    format!("{}: ok ({})", file.display(), words.join(", "))
}
