//! `cattail explain`: where a request would go, and why; by a file alone, or by what a running
//! cattail knows.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::administer::Client;
use super::output::print;
use super::{Failure, Format, source};
use crate::cluster::machine::Event;
use crate::cluster::{Changes, Common};
use crate::config;
use crate::proxy::Snapshot;
use crate::proxy::explain::{Explanation, Question, explain as ask};

/// Which request, and whom to ask.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["config", "admin"])))]
pub struct ExplainArguments {
    /// By this configuration file alone: without any network; backends are up unless the file or
    /// --down says otherwise.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// By a running cattail: the address of its admin listener, with --token-file.
    #[arg(long, value_name = "ADDRESS", requires = "token_file")]
    pub admin: Option<SocketAddr>,
    /// The file with the admin listener's token.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub token_file: Option<PathBuf>,
    /// The request's URL, or its path alone.
    #[arg(long, value_name = "URL")]
    pub url: Secret,
    /// The value of its Cookie header; `-` reads it from standard input. Session ids are secrets:
    /// arguments are seen by other users of the machine and kept in the shell's history.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub cookie: Option<Secret>,
    /// Its Host, if it is another than the URL's.
    #[arg(long)]
    pub host: Option<String>,
    /// The client's address; without it, no allow and deny are looked at.
    #[arg(long, value_name = "IP")]
    pub client: Option<IpAddr>,
    /// What if this backend were down? May be given several times.
    #[arg(long, value_name = "NAME", conflicts_with = "admin")]
    pub down: Vec<String>,
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// An argument that is never shown again.
#[derive(Clone)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Secret {
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// No `Cookie` field that a server takes is longer.
const MOST_COOKIE_BYTES: u64 = 64 * 1024;

pub(super) fn explain(arguments: &ExplainArguments) -> Result<(), Failure> {
    let question = Question {
        url: arguments.url.0.clone(),
        cookie: cookie(arguments.cookie.as_ref())?,
        host: arguments.host.clone(),
        client: arguments.client,
    };
    let explanation = match (&arguments.config, arguments.admin, &arguments.token_file) {
        (Some(file), _, _) => by_file(file, &arguments.down, &question)?,
        (None, Some(address), Some(token)) => Client::of(address, token)?.explain(&question)?,
        (None, ..) => {
            return Err(unusable(
                "--config, or --admin with --token-file".to_owned(),
            ));
        }
    };
    match arguments.format {
        Format::Text => print(&explanation.to_string())?,
        Format::Json => {
            let json = serde_json::to_string_pretty(&explanation).map_err(io::Error::other)?;
            print(&json)?;
        }
    }
    Ok(())
}

fn unusable(text: String) -> Failure {
    Failure::Unusable(text.into())
}

fn cookie(argument: Option<&Secret>) -> Result<Option<String>, Failure> {
    match argument {
        Some(Secret(text)) if text == "-" => {
            let mut text = String::new();
            let read = io::stdin()
                .take(MOST_COOKIE_BYTES)
                .read_to_string(&mut text);
            read.map_err(|error| format!("standard input cannot be read: {error}"))?;
            Ok(Some(text))
        }
        other => Ok(other.map(|text| text.0.clone())),
    }
}

fn by_file(file: &Path, down: &[String], question: &Question) -> Result<Explanation, Failure> {
    let mut config = config::load_file(file, &source::environment)?;
    for cluster in &mut config.clusters {
        // Nothing warms up that was never cold.
        cluster.slow_start = Duration::ZERO;
    }
    let changes = Arc::new(Changes::default());
    let common = Common::new(&changes, 0, config.workers);
    let snapshot =
        Snapshot::new(config, None, None, &common).map_err(|error| unusable(error.to_string()))?;
    for name in down {
        let mut is_known = false;
        for cluster in &snapshot.clusters {
            if let Some(slot) = cluster.slot_named(name) {
                cluster.report(slot, Event::Refused);
                is_known = true;
            }
        }
        if !is_known {
            return Err(unusable(format!("--down {name}: no backend has this name")));
        }
    }
    ask(&snapshot, question).map_err(|unclear| Failure::Unusable(Box::new(unclear)))
}
