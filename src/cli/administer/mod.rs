//! `status`, `drain`, `evacuate`, `disable`, `enable`, `weight`, `wait`, `events`, `roll`: what
//! administrators ask and order of a running cattail.

mod client;
mod roll;
mod show;
mod wait;

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::output::print;
use super::{Failure, Format};
use crate::admin::api::model::{BackendStatus, Events, StateOrder, WeightOrder};
use crate::config::parse_duration;

use client::Admin;
pub(super) use client::Client;
pub use roll::RollArguments;
use wait::{Awaited, wait_for};

/// Of which cattail.
#[derive(Debug, Args)]
pub struct StatusArguments {
    #[command(flatten)]
    admin: Admin,
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Which backend is to be emptied, and how.
#[derive(Debug, Args)]
pub struct DrainArguments {
    /// The backend: its name, or CLUSTER/NAME.
    backend: String,
    #[command(flatten)]
    admin: Admin,
    #[command(flatten)]
    waiting: Waiting,
    /// Also if no other backend takes new sessions.
    #[arg(long)]
    force: bool,
}

/// Which backend is to be emptied at once, and how.
#[derive(Debug, Args)]
pub struct EvacuateArguments {
    /// The backend: its name, or CLUSTER/NAME.
    backend: String,
    #[command(flatten)]
    admin: Admin,
    /// Sessions that begin to move each second, such as 50 or 50/s; absent: as configured.
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<u32>,
    #[command(flatten)]
    waiting: Waiting,
    /// Also if no other backend takes new sessions.
    #[arg(long)]
    force: bool,
}

/// Whether to wait, and how long.
#[derive(Debug, Args, Clone, Copy)]
pub(super) struct Waiting {
    /// Wait until it is empty; exit code 3 if the deadline came first.
    #[arg(long)]
    wait: bool,
    /// How long it may take, such as 30m. An evacuation ends then, whatever is still there.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    deadline: Option<Duration>,
}

/// Which backend.
#[derive(Debug, Args)]
pub struct BackendArguments {
    /// The backend: its name, or CLUSTER/NAME.
    backend: String,
    #[command(flatten)]
    admin: Admin,
    /// Also if no other backend takes new sessions.
    #[arg(long)]
    force: bool,
}

/// Which backend.
#[derive(Debug, Args)]
pub struct EnableArguments {
    /// The backend: its name, or CLUSTER/NAME.
    backend: String,
    #[command(flatten)]
    admin: Admin,
    /// It was restarted since it served last: old copies of sessions in its memory are gone.
    #[arg(long)]
    restarted: bool,
}

/// Which backend, and its weight.
#[derive(Debug, Args)]
pub struct WeightArguments {
    /// The backend: its name, or CLUSTER/NAME.
    backend: String,
    /// From 1 to 65535; `file`: as the configuration says.
    #[arg(value_name = "WEIGHT", value_parser = weight_of)]
    weight: Weight,
    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, Clone, Copy)]
enum Weight {
    File,
    Is(u32),
}

/// Which backend, and what for.
#[derive(Debug, Args)]
pub struct WaitArguments {
    /// The backend: its name, or CLUSTER/NAME.
    backend: String,
    /// What for.
    #[arg(value_enum, long, default_value_t = For::Empty)]
    until: For,
    /// How long it may take, such as 30m; exit code 3 then.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    deadline: Option<Duration>,
    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum For {
    /// It has neither sessions nor requests.
    Empty,
    /// It takes new sessions.
    Up,
    /// It serves nothing.
    Down,
}

/// Which events.
#[derive(Debug, Args)]
pub struct EventsArguments {
    #[command(flatten)]
    admin: Admin,
    /// How many of the last ones.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    last: usize,
    /// Go on with those to come.
    #[arg(long, short)]
    follow: bool,
    /// For people or for programs: one JSON object a line.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn status(arguments: &StatusArguments) -> Result<(), Failure> {
    let status = arguments.admin.client()?.status()?;
    match arguments.format {
        Format::Text => print(show::status(&status).trim_end())?,
        Format::Json => {
            print(&serde_json::to_string_pretty(&status).map_err(std::io::Error::other)?)?;
        }
    }
    Ok(())
}

pub(super) fn drain(arguments: &DrainArguments) -> Result<(), Failure> {
    let order = StateOrder {
        state: "draining".to_owned(),
        force: arguments.force,
        ..StateOrder::default()
    };
    let (client, name) = (arguments.admin.client()?, &arguments.backend);
    ordered(&client, name, &order, arguments.waiting)
}

pub(super) fn evacuate(arguments: &EvacuateArguments) -> Result<(), Failure> {
    let deadline = arguments.waiting.deadline;
    let order = StateOrder {
        state: "evacuating".to_owned(),
        force: arguments.force,
        rate: arguments.rate,
        deadline_s: deadline.map(|deadline| deadline.as_secs().max(1)),
        ..StateOrder::default()
    };
    let (client, name) = (arguments.admin.client()?, &arguments.backend);
    ordered(&client, name, &order, arguments.waiting)
}

fn ordered(
    client: &Client,
    name: &str,
    order: &StateOrder,
    waiting: Waiting,
) -> Result<(), Failure> {
    let named = client.find(name)?;
    let now = client.put(&named, "/state", order)?;
    if !waiting.wait {
        return tell(&now);
    }
    let awaited = if order.state == "evacuating" {
        Awaited::Evacuated
    } else {
        Awaited::Empty
    };
    wait_for(client, &named, awaited, waiting.deadline)
}

pub(super) fn disable(arguments: &BackendArguments) -> Result<(), Failure> {
    let client = arguments.admin.client()?;
    let order = StateOrder {
        state: "disabled".to_owned(),
        force: arguments.force,
        ..StateOrder::default()
    };
    tell(&client.put(&client.find(&arguments.backend)?, "/state", &order)?)
}

pub(super) fn enable(arguments: &EnableArguments) -> Result<(), Failure> {
    let client = arguments.admin.client()?;
    let order = StateOrder {
        state: "up".to_owned(),
        restarted: arguments.restarted,
        ..StateOrder::default()
    };
    tell(&client.put(&client.find(&arguments.backend)?, "/state", &order)?)
}

pub(super) fn weight(arguments: &WeightArguments) -> Result<(), Failure> {
    let client = arguments.admin.client()?;
    let named = client.find(&arguments.backend)?;
    let now = match arguments.weight {
        Weight::File => client.delete(&named, "/weight")?,
        Weight::Is(weight) => client.put(&named, "/weight", &WeightOrder { weight })?,
    };
    tell(&now)
}

pub(super) fn wait(arguments: &WaitArguments) -> Result<(), Failure> {
    let client = arguments.admin.client()?;
    let named = client.find(&arguments.backend)?;
    let awaited = match arguments.until {
        For::Empty => Awaited::Empty,
        For::Up => Awaited::Up,
        For::Down => Awaited::Down,
    };
    wait_for(&client, &named, awaited, arguments.deadline)
}

pub(super) fn events(arguments: &EventsArguments) -> Result<(), Failure> {
    let client = arguments.admin.client()?;
    let first = format!("/api/v1/events?most={}", arguments.last);
    let mut known: Events = client.get(&first, Duration::ZERO)?;
    loop {
        for event in &known.events {
            match arguments.format {
                Format::Text => {
                    let (time, news) = (&event.time, &event.news);
                    let by = match news.by.as_str() {
                        "" => String::new(),
                        by => format!(" (by {by})"),
                    };
                    let (cluster, backend) = (&news.cluster, &news.backend);
                    print(&format!("{time} {cluster}/{backend}: {}{by}", news.text))?;
                }
                Format::Json => {
                    print(&serde_json::to_string(event).map_err(std::io::Error::other)?)?;
                }
            }
        }
        if !arguments.follow {
            return Ok(());
        }
        let next = format!("/api/v1/events?after={}&most=1000&wait_s=30", known.last);
        known = client.get(&next, Duration::from_secs(30))?;
    }
}

pub(super) use roll::roll;

fn tell(now: &BackendStatus) -> Result<(), Failure> {
    print(&format!(
        "{}/{} {}",
        now.cluster,
        now.name,
        show::progress(now)
    ))?;
    Ok(())
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .ok_or_else(|| "a duration has a number and a unit, such as 30s or 10m".to_owned())
}

fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let rate = number.parse().ok().filter(|rate| *rate > 0);
    rate.ok_or_else(|| "a rate is a number of sessions a second, such as 50 or 50/s".to_owned())
}

fn weight_of(text: &str) -> Result<Weight, String> {
    if text == "file" {
        return Ok(Weight::File);
    }
    let weight = text
        .parse()
        .ok()
        .filter(|weight| (1..=65_535).contains(weight));
    weight
        .map(Weight::Is)
        .ok_or_else(|| "a weight is from 1 to 65535, or `file`".to_owned())
}
