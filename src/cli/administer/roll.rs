//! `cattail roll`: restarts the backends of a cluster one after the other, each emptied before and
//! well again after.

use std::process::Command;
use std::time::Duration;

use clap::Args;

use super::client::{Admin, Client, Named};
use super::wait::{Awaited, wait_for};
use super::{duration, rate};
use crate::admin::api::model::{ClusterStatus, StateOrder};
use crate::cli::Failure;
use crate::cli::output::print;

/// Which cluster, and how its backends are restarted.
#[derive(Debug, Args)]
pub struct RollArguments {
    /// The cluster; may be left out where there is one.
    cluster: Option<String>,
    #[command(flatten)]
    admin: Admin,
    /// The shell command that restarts a backend and returns when that is done. It finds
    /// `CATTAIL_CLUSTER`, `CATTAIL_BACKEND`, `CATTAIL_ADDRESS` and `CATTAIL_ROUTE` in its
    /// environment.
    #[arg(long, value_name = "COMMAND")]
    restart_command: String,
    /// Only these backends, in this order; absent: all, in the order of the file.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    backends: Vec<String>,
    /// Sessions that begin to move each second; absent: as configured.
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<u32>,
    /// Drain: wait until the sessions of a backend have ended, where they cannot be moved.
    #[arg(long)]
    drain: bool,
    /// How long a backend may take to become empty; then nothing more is done.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30m")]
    deadline: Duration,
    /// How long a restarted backend may take to be well.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    health_deadline: Duration,
}

pub(in crate::cli) fn roll(arguments: &RollArguments) -> Result<(), Failure> {
    let client = arguments.admin.client()?;
    let status = client.status()?;
    let cluster = which(&status.clusters, arguments.cluster.as_deref())?;
    if !cluster.sessions_can_move && !arguments.drain {
        let text = format!(
            "the sessions of {} cannot be moved (neither `stores` nor `replicated: true`); --drain waits \
             until they have ended",
            cluster.name
        );
        return Err(Failure::Unusable(text.into()));
    }
    let named = backends(cluster, &arguments.backends)?;
    for (place, named) in named.iter().enumerate() {
        let count = cluster.backends.len();
        print(&format!(
            "{named}: {} of {}",
            place + 1,
            count.min(arguments_len(arguments, count))
        ))?;
        one(&client, named, arguments)?;
    }
    Ok(())
}

fn arguments_len(arguments: &RollArguments, all: usize) -> usize {
    match arguments.backends.len() {
        0 => all,
        some => some,
    }
}

fn one(client: &Client, named: &Named, arguments: &RollArguments) -> Result<(), Failure> {
    let before = client.backend(named)?;
    let (state, awaited) = if arguments.drain {
        ("draining", Awaited::Empty)
    } else {
        ("evacuating", Awaited::Evacuated)
    };
    let order = StateOrder {
        state: state.to_owned(),
        rate: arguments.rate,
        ..StateOrder::default()
    };
    client.put(named, "/state", &order)?;
    wait_for(client, named, awaited, Some(arguments.deadline))?;
    if arguments.drain {
        let order = StateOrder {
            state: "disabled".to_owned(),
            ..StateOrder::default()
        };
        client.put(named, "/state", &order)?;
    }
    let route = before.jvm_route.as_deref().unwrap_or_default();
    let ended = Command::new("/bin/sh")
        .args(["-c", &arguments.restart_command])
        .env("CATTAIL_CLUSTER", &named.cluster)
        .env("CATTAIL_BACKEND", &named.backend)
        .env("CATTAIL_ADDRESS", &before.address)
        .env("CATTAIL_ROUTE", route)
        .status()?;
    if !ended.success() {
        let text = format!(
            "{named}: the restart command failed ({ended}); it is still disabled: \
             `cattail enable {named}` when it is well"
        );
        return Err(Failure::Runtime(text.into()));
    }
    let order = StateOrder {
        state: "up".to_owned(),
        restarted: true,
        ..StateOrder::default()
    };
    client.put(named, "/state", &order)?;
    wait_for(client, named, Awaited::Up, Some(arguments.health_deadline))
}

fn which<'a>(
    clusters: &'a [ClusterStatus],
    name: Option<&str>,
) -> Result<&'a ClusterStatus, Failure> {
    let names = || {
        let names = clusters.iter().map(|cluster| cluster.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let unusable = |text: String| Failure::Unusable(text.into());
    match (name, clusters) {
        (None, [one]) => Ok(one),
        (None, _) => Err(unusable(format!("which cluster? There is {}", names()))),
        (Some(name), _) => clusters
            .iter()
            .find(|cluster| cluster.name == name)
            .ok_or_else(|| {
                unusable(format!(
                    "no cluster is called {name:?}; there is {}",
                    names()
                ))
            }),
    }
}

fn backends(cluster: &ClusterStatus, only: &[String]) -> Result<Vec<Named>, Failure> {
    let named = |backend: &str| Named {
        cluster: cluster.name.clone(),
        backend: backend.to_owned(),
    };
    let known: Vec<&str> = cluster.backends.iter().map(|it| it.name.as_str()).collect();
    if let Some(strange) = only.iter().find(|name| !known.contains(&name.as_str())) {
        let text = format!(
            "no backend is called {strange:?}; there is {}",
            known.join(", ")
        );
        return Err(Failure::Unusable(text.into()));
    }
    if only.is_empty() {
        return Ok(known.into_iter().map(named).collect());
    }
    Ok(only.iter().map(|name| named(name)).collect())
}
