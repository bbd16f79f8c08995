//! `cattail sessions`: what memcached-session-manager keeps in the stores, asked there directly.
//!
//! Nothing is written, no attribute is looked at, and memcached counts nothing of it as a use.

mod ask;
mod list;
mod one;
mod rows;
mod stats;
mod stores;
mod table;
mod wanted;

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};

use crate::config::StoreNode;
use crate::store::census::{Census, Closed};
use crate::store::key::{Named, Prefix};
use crate::store::{Bounds, Entry};

use super::Failure;
use super::explain::Secret;

use stores::{Given, Missing, StoresArguments};

/// What to tell about sessions.
#[derive(Debug, Args)]
pub struct SessionsArguments {
    /// What to tell.
    #[command(subcommand)]
    pub what: What,
}

/// What to tell about sessions.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Sessions, one a line.
    List(ListArguments),
    /// All that is known of one session.
    Show(OneArguments),
    /// On which store nodes a session, its validity and its backup lie.
    Where(OneArguments),
    /// How many sessions there are, per store node and jvm route, and what is odd about them.
    Stats(StatsArguments),
}

/// Which sessions, and how.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Whom to ask.
    #[command(flatten)]
    pub stores: StoresArguments,
    /// Those of this store node alone: its name, or its address.
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Those of this jvm route alone.
    #[arg(long, value_name = "NAME")]
    pub route: Option<String>,
    /// In which order; the largest, oldest and longest idle come first.
    #[arg(long, value_enum, default_value_t = Order::Id)]
    pub sort: Order,
    /// As many at most.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub limit: usize,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// By session id.
    Id,
    /// By store node.
    Node,
    /// By jvm route.
    Route,
    /// The oldest first.
    Age,
    /// The longest unused in its store first.
    Idle,
    /// What ends first, first.
    Ttl,
    /// The largest first.
    Size,
}

/// Which session.
#[derive(Debug, Args)]
pub struct OneArguments {
    /// The session's id; its start; what `list` shows of it; or `-` to read it from standard
    /// input. Session ids are secrets: arguments are seen by other users of the machine.
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    pub id: Secret,
    /// Whom to ask.
    #[command(flatten)]
    pub stores: StoresArguments,
    /// As many sessions at most, if several have such an id.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub limit: usize,
}

/// Of what.
#[derive(Debug, Args)]
pub struct StatsArguments {
    /// Whom to ask.
    #[command(flatten)]
    pub stores: StoresArguments,
    /// Show this store node alone: its name, or its address. All are asked.
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Show this jvm route alone.
    #[arg(long, value_name = "NAME")]
    pub route: Option<String>,
}

pub(super) fn sessions(arguments: &SessionsArguments) -> Result<(), Failure> {
    match &arguments.what {
        What::List(arguments) => list::list(arguments),
        What::Show(arguments) => one::show(arguments),
        What::Where(arguments) => one::places(arguments),
        What::Stats(arguments) => stats::stats(arguments),
    }
}

/// All keys of all stores, counted.
struct Survey<'s> {
    nodes: &'s [StoreNode],
    bounds: Bounds,
    prefix: Prefix<'s>,
    missing: Missing,
    closed: Closed,
}

impl<'s> Survey<'s> {
    /// Counts all keys; `each` sees them as they come, with the number of their node.
    fn of(
        stores: &StoresArguments,
        given: &'s Given,
        mut each: impl FnMut(usize, &Entry, Named<'_>),
    ) -> Result<Self, Failure> {
        let (bounds, prefix, nodes) = (stores.bounds()?, given.prefix(), &given.nodes);
        let mut missing = Missing::of(nodes.len());
        let mut census = Census::new(nodes.iter().map(|node| node.name.clone()), now());
        ask::keys(nodes, bounds, &mut missing, |node, entry| {
            let named = census.count(node, &entry, prefix);
            each(node, &entry, named);
        })?;
        for number in (0..nodes.len()).filter(|number| missing.has(*number)) {
            census.miss(number);
        }
        Ok(Self {
            nodes,
            bounds,
            prefix,
            missing,
            closed: census.close(given.mode),
        })
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}
