//! Which stores are asked, and how what they could not tell is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::explain::Secret;
use crate::cli::output::complain;
use crate::cli::source::environment;
use crate::cli::{Failure, Format};
use crate::config::{
    self, BadStoreAddress, MOST_STORE_NODES, StoreAddress, StoreNode, is_node_name,
};
use crate::store::census::Mode;
use crate::store::key::Prefix;
use crate::store::{Bounds, StoreError};

/// As much of a value is read: a header with a principal and a saved request.
const HEAD_BYTES: usize = 4096;
const LONGEST_TIMEOUT: f64 = 3600.0;
/// Not an `env` of the option: a variable would then conflict with what is typed.
const REDIS_VARIABLE: &str = "CATTAIL_REDIS";

/// Whom to ask, and how to tell.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub struct StoresArguments {
    /// A memcached, with its name in MSM's memcachedNodes if it has one there. May be given
    /// several times.
    #[arg(long, value_name = "[NAME=]HOST:PORT")]
    pub memcached: Vec<String>,
    /// A redis: `redis://[user:password@]host[:6379][/database]`. Where no store, no --config and
    /// no --context is given, the variable `CATTAIL_REDIS` of the environment is it.
    #[arg(long, value_name = "URL", conflicts_with = "memcached")]
    pub redis: Option<Secret>,
    /// The proxy's configuration file: the `stores` of its cluster, with prefix and mode.
    #[arg(
        short,
        long,
        value_name = "FILE",
        conflicts_with_all = ["memcached", "redis", "context"]
    )]
    pub config: Option<PathBuf>,
    /// Which cluster of the file; needed where several have `stores`.
    #[arg(long, value_name = "NAME", requires = "config")]
    pub cluster: Option<String>,
    /// Tomcat's context.xml or server.xml, with one `<Manager>` of MSM's.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["memcached", "redis"])]
    pub context: Option<PathBuf>,
    /// What stands before session ids in keys (MSM's storageKeyPrefix, as it is written in keys,
    /// such as `001_`); other keys are foreign. Without this option, any prefix.
    #[arg(long, value_name = "TEXT")]
    pub key_prefix: Option<String>,
    /// Seconds for each question to a store; all its keys may take 30 times as long.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    pub timeout: f64,
    /// Sessions are sticky: none has a validity or a backup. Without --sticky and --non-sticky
    /// the keys tell.
    #[arg(long, conflicts_with = "non_sticky")]
    pub sticky: bool,
    /// Sessions are not sticky: each has a validity and a backup.
    #[arg(long)]
    pub non_sticky: bool,
    /// Show session ids whole. They are secrets: whoever has one is logged in.
    #[arg(long)]
    pub full_ids: bool,
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// The same as --format json.
    #[arg(long)]
    pub json: bool,
}

/// Whom to ask, as far as files or the command line say.
#[derive(Debug)]
pub(super) struct Given {
    /// In MSM's order.
    pub(super) nodes: Vec<StoreNode>,
    prefix: Option<String>,
    pub(super) mode: Option<Mode>,
}

impl Given {
    pub(super) fn prefix(&self) -> Prefix<'_> {
        let prefix = self.prefix.as_deref();
        prefix.map_or(Prefix::Any, |prefix| Prefix::Exactly(prefix.as_bytes()))
    }
}

impl StoresArguments {
    /// Reads what the arguments name; what is typed counts before what a file says.
    pub(super) fn given(&self) -> Result<Given, Failure> {
        let found = match (&self.config, &self.context) {
            (Some(file), _) => Some(self.of_the_configuration(file)?),
            (None, Some(file)) => Some(of_tomcat(file)?),
            (None, None) => None,
        };
        let (nodes, prefix, mode) = match found {
            Some(found) => (found.nodes, found.prefix, found.mode),
            None => (self.typed()?, None, None),
        };
        let typed = if self.non_sticky {
            Some(Mode::NonSticky)
        } else {
            self.sticky.then_some(Mode::Sticky)
        };
        Ok(Given {
            nodes,
            prefix: self.key_prefix.clone().or(prefix),
            mode: typed.or(mode),
        })
    }

    fn of_the_configuration(&self, file: &Path) -> Result<Given, Failure> {
        let config = config::load_file(file, &environment)?;
        let is_meant = |name: &str| self.cluster.as_deref().is_none_or(|meant| meant == name);
        let named = config
            .clusters
            .iter()
            .filter(|it| is_meant(it.name.as_str()));
        let mut with_stores = named.filter_map(|it| Some((it.name.as_str(), it.stores.as_ref()?)));
        let Some((_, stores)) = with_stores.next() else {
            let which = self.cluster.as_deref().unwrap_or("any cluster");
            let file = file.display();
            return Err(unusable(&format!("{file} names no stores for {which}")));
        };
        if let Some((other, _)) = with_stores.next() {
            return Err(unusable(&format!(
                "several clusters have stores, {other} among them: name one with --cluster"
            )));
        }
        Ok(Given {
            nodes: stores.nodes.clone(),
            prefix: Some(stores.key_prefix.clone()),
            mode: Some(mode(stores.non_sticky)),
        })
    }

    /// The stores, in the order of the command line.
    fn typed(&self) -> Result<Vec<StoreNode>, Failure> {
        if let Some(url) = &self.redis {
            return Ok(vec![redis("--redis", url.text())?]);
        }
        if self.memcached.is_empty() {
            let url = environment(REDIS_VARIABLE).filter(|url| !url.is_empty());
            let url = url.ok_or_else(|| {
                unusable(&format!(
                    "which stores? Expected --memcached, --redis, --config or --context, or \
                     {REDIS_VARIABLE} in the environment"
                ))
            })?;
            return Ok(vec![redis(REDIS_VARIABLE, &url)?]);
        }
        let mut nodes: Vec<StoreNode> = Vec::new();
        for text in &self.memcached {
            let node = memcached(text).map_err(|why| unusable(&format!("--memcached {why}")))?;
            if node.name.is_some() && nodes.iter().any(|other| other.name == node.name) {
                return Err(unusable("--memcached: two nodes have the same name"));
            }
            nodes.push(node);
        }
        if nodes.len() > MOST_STORE_NODES {
            return Err(unusable(&format!(
                "more than {MOST_STORE_NODES} store nodes"
            )));
        }
        Ok(nodes)
    }

    pub(super) fn bounds(&self) -> Result<Bounds, Failure> {
        if !(self.timeout > 0.0 && self.timeout <= LONGEST_TIMEOUT) {
            return Err(unusable(
                "--timeout: expected seconds, above 0 and up to 3600",
            ));
        }
        Ok(Bounds {
            head_bytes: HEAD_BYTES,
            ..Bounds::within(Duration::from_secs_f64(self.timeout))
        })
    }

    pub(super) fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

fn of_tomcat(file: &Path) -> Result<Given, Failure> {
    let found = config::read_context_xml(file)?;
    Ok(Given {
        nodes: found.nodes,
        prefix: found.key_prefix,
        mode: Some(mode(!found.sticky)),
    })
}

fn mode(non_sticky: bool) -> Mode {
    if non_sticky {
        Mode::NonSticky
    } else {
        Mode::Sticky
    }
}

/// Reads the URL that `given` names.
fn redis(given: &str, url: &str) -> Result<StoreNode, Failure> {
    match StoreAddress::parse(url) {
        Ok(address @ StoreAddress::Redis { .. }) => Ok(StoreNode {
            name: None,
            address,
        }),
        Ok(StoreAddress::Memcached { .. }) => {
            let expected = "expected redis://host[:port][/db]";
            Err(unusable(&format!("{given}: {expected}")))
        }
        Err(why) => Err(unusable(&format!("{given}: {why}"))),
    }
}

/// Reads `[name=]host:port`. What is wrong with it is said without a password in it.
fn memcached(text: &str) -> Result<StoreNode, String> {
    let (name, place) = match text.split_once('=') {
        // Of a URL it may stand in the password.
        Some((name, place)) if !text.contains("://") => (Some(name), place),
        _ => (None, text),
    };
    if name.is_some_and(|name| !is_node_name(name)) {
        return Err(format!("has {}", BadStoreAddress::Name));
    }
    match StoreAddress::parse(place) {
        Ok(address @ StoreAddress::Memcached { .. }) => Ok(StoreNode {
            name: name.map(str::to_owned),
            address,
        }),
        Ok(StoreAddress::Redis { .. }) => Err("has a redis URL: use --redis".to_owned()),
        Err(why) => Err(format!("has {why}")),
    }
}

pub(super) fn unusable(text: &str) -> Failure {
    Failure::Unusable(text.to_owned().into())
}

/// The name of a node, or else its address.
pub(super) fn label(node: &StoreNode) -> String {
    let name = node.name.clone();
    name.unwrap_or_else(|| node.address.to_string())
}

/// Whether `--node` means this one.
pub(super) fn is_meant(node: &StoreNode, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| {
        node.name.as_deref() == Some(wanted) || node.address.to_string() == wanted
    })
}

/// Fails if `--node` means none of them.
pub(super) fn expect_meant(nodes: &[StoreNode], wanted: Option<&str>) -> Result<(), Failure> {
    if nodes.iter().any(|node| is_meant(node, wanted)) {
        return Ok(());
    }
    Err(unusable("--node: no store node has this name or address"))
}

/// What the stores could not tell.
#[derive(Debug)]
pub(super) struct Missing {
    /// By the number of the node.
    errors: Vec<Option<StoreError>>,
}

impl Missing {
    pub(super) fn of(count: usize) -> Self {
        Self {
            errors: (0..count).map(|_| None).collect(),
        }
    }

    /// Keeps the first error of each node.
    pub(super) fn note(&mut self, node: usize, error: StoreError) {
        if let Some(place) = self.errors.get_mut(node) {
            place.get_or_insert(error);
        }
    }

    pub(super) fn has(&self, node: usize) -> bool {
        self.errors.get(node).is_some_and(Option::is_some)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.iter().all(Option::is_none)
    }

    /// Whether no node told everything.
    pub(super) fn is_everything(&self) -> bool {
        self.errors.iter().all(Option::is_some)
    }

    pub(super) fn to_json(&self, nodes: &[StoreNode]) -> Vec<Value> {
        let errors = self.errors.iter();
        let both = nodes.iter().zip(errors);
        both.map(|(node, error)| {
            json!({
                "node": node.name,
                "address": node.address.to_string(),
                "error": error.as_ref().map(ToString::to_string),
            })
        })
        .collect()
    }

    /// Says on standard error which nodes failed; the result is that of the command.
    pub(super) fn tell(&self, nodes: &[StoreNode]) -> Result<(), Failure> {
        for (node, error) in nodes.iter().zip(&self.errors) {
            if let Some(error) = error {
                let name = node.name.as_deref();
                let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
                complain(&format!("cattail: {name}{error}"));
            }
        }
        if self.is_empty() {
            Ok(())
        } else if self.is_everything() {
            Err("no store could tell everything".to_owned().into())
        } else {
            Err(Failure::Incomplete)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memcacheds_are_read_with_and_without_a_name() {
        for (text, expected) in [
            ("n1=host:1", Ok((Some("n1"), "host:1"))),
            ("host:1", Ok((None, "host:1"))),
            ("n-1=host:1", Err("has a node name with other characters")),
            ("=host:1", Err("has a node name with other characters")),
            ("n1:host:1", Err("has a host name")),
            ("redis://:sesame@host", Err("has a redis URL")),
            ("redis://:sesame=x@host", Err("has a redis URL")),
            ("rdis://:sesame=x@host", Err("has an unknown kind of URL")),
            ("redis:/:sesame=x@host", Err("has a node name with other")),
        ] {
            match (memcached(text), expected) {
                (Ok(node), Ok((name, address))) => {
                    assert_eq!(node.name.as_deref(), name);
                    assert_eq!(node.address.to_string(), address);
                }
                (Err(why), Err(start)) => {
                    assert!(
                        why.starts_with(start) && !why.contains("sesame"),
                        "{text}: {why}"
                    );
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
