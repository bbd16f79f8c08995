//! Where memcached-session-manager keeps the sessions of a cluster.

use std::path::Path;

use crate::config::raw::Value;
use crate::config::{Affinity, StoreAddress, StoreNode, Stores, context_xml, is_node_name};

use super::at::At;
use super::context::Words;
use super::files;
use super::section::Section;

/// Store nodes of one cluster.
const MOST_NODES: usize = 64;

/// What the three ways of naming the stores have in common.
struct Named {
    nodes: Vec<StoreNode>,
    /// As Tomcat's file has them; `None`: the file does not tell, or there is none.
    key_prefix: Option<String>,
    sticky: Option<bool>,
}

/// The key `stores`; `None` where it is not there, or after a complaint.
pub(super) fn stores(cluster: &Section<'_>, affinity: Affinity) -> Option<Stores> {
    let at = cluster.value("stores")?;
    let section = at.section();
    let named = named(&section);
    let prefix = section.value("key_prefix").and_then(|at| key_prefix(&at));
    let look_before_failover = section.get("look_before_failover").switch();
    if look_before_failover && affinity != Affinity::Sticky {
        let hint = format!(
            "{}: the copy is in no danger there",
            cluster.says("affinity")
        );
        section
            .get("look_before_failover")
            .unlike("this key only with affinity: sticky", Some(hint));
    }
    if affinity == Affinity::None {
        at.warn(
            "affinity: sticky or prefer next to it",
            "with affinity: none no session is looked at, only whether the stores answer",
        );
    }
    let named = named?;
    if prefix.is_none() && named.key_prefix.is_none() {
        section.get("context").unlike(
            "a file whose storageKeyPrefix is static:… or webappVersion, or key_prefix next to it",
            Some("what hosts and contexts come to in keys is not known here".to_owned()),
        );
    }
    match (named.sticky, affinity) {
        (Some(false), Affinity::Sticky) => section.get("context").warn(
            "sticky=\"true\" there, or affinity: prefer here",
            "non-sticky MSM lets every Tomcat serve every session: no session has to wait for its owner",
        ),
        (Some(true), Affinity::Prefer | Affinity::None) => section.get("context").warn(
            "sticky=\"false\" there, or affinity: sticky here",
            "sticky MSM trusts the copy in a Tomcat's memory: a session that two serve falls apart",
        ),
        _ => {}
    }
    Some(Stores {
        nodes: named.nodes,
        key_prefix: prefix.or(named.key_prefix).unwrap_or_default(),
        non_sticky: named
            .sticky
            .map_or(affinity != Affinity::Sticky, |sticky| !sticky),
        interval: section.get("interval").duration(),
        timeout: section.get("timeout").duration(),
        look_before_failover,
    })
}

fn named(section: &Section<'_>) -> Option<Named> {
    let ways = ["memcached", "redis", "context"];
    let mut typed = ways.iter().filter(|way| section.has(way));
    let Some(first) = typed.next() else {
        section
            .at
            .unlike("one of the keys memcached, redis or context", None);
        return None;
    };
    if let Some(second) = typed.next() {
        let hint = format!("{first} stands there already");
        section.get(second).unlike(
            "only one of the keys memcached, redis and context",
            Some(hint),
        );
        return None;
    }
    let at = section.value(first)?;
    let nodes = match *first {
        "memcached" => memcached(&at)?,
        "redis" => vec![StoreNode {
            name: None,
            address: redis(&at)?,
        }],
        _ => return context(&at),
    };
    Some(Named {
        nodes,
        key_prefix: Some(String::new()),
        sticky: None,
    })
}

fn memcached(at: &At<'_>) -> Option<Vec<StoreNode>> {
    let address = |at: &At<'_>| at.parse(of_memcached);
    if !matches!(at.node.value, Value::Map(_)) {
        let address = address(at)?;
        return Some(vec![StoreNode {
            name: None,
            address,
        }]);
    }
    let entries = at.as_map().entries();
    if entries.is_empty() || entries.len() > MOST_NODES {
        at.unlike(format!("1 to {MOST_NODES} nodes"), None);
        return None;
    }
    let mut nodes = Vec::new();
    for (key, value) in &entries {
        let name = key.text()?;
        if !is_node_name(name) {
            let hint = "MSM takes letters, digits and '_' alone";
            key.unlike("the name of a node, such as n1", Some(hint.to_owned()));
        }
        let address = address(value);
        nodes.extend(address.map(|address| StoreNode {
            name: Some(name.to_owned()),
            address,
        }));
    }
    Some(nodes)
}

/// What is wrong with it is told without its text, which may hold a password.
fn redis(at: &At<'_>) -> Option<StoreAddress> {
    let hint = match StoreAddress::parse(at.text()?) {
        Ok(address @ StoreAddress::Redis { .. }) => return Some(address),
        Ok(StoreAddress::Memcached { .. }) => "write redis:// before it".to_owned(),
        Err(why) => why.to_string(),
    };
    let words = Words {
        found: "another text".to_owned(),
        expected: at.kind.expected(),
        hint: Some(hint),
    };
    at.context.complain(at.node.place, &at.path, words);
    None
}

fn of_memcached(text: &str) -> Result<StoreAddress, Option<String>> {
    match StoreAddress::parse(text) {
        Ok(address @ StoreAddress::Memcached { .. }) => Ok(address),
        Ok(StoreAddress::Redis { .. }) => {
            Err(Some("write redis: in place of memcached:".to_owned()))
        }
        Err(why) => Err(Some(why.to_string())),
    }
}

fn context(at: &At<'_>) -> Option<Named> {
    let (path, text) = files::text(at)?;
    match context_xml::read(Path::new(&path), &text) {
        Ok(found) => {
            at.context.warnings.borrow_mut().extend(found.warnings);
            Some(Named {
                nodes: found.nodes,
                key_prefix: found.key_prefix,
                sticky: Some(found.sticky),
            })
        }
        Err(problems) => {
            at.context.problems.borrow_mut().extend(problems);
            None
        }
    }
}

fn key_prefix(at: &At<'_>) -> Option<String> {
    at.parse(|text| {
        let fits = text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_graphic());
        match text.contains(['-', '.']) {
            true => Err(Some("MSM itself finds no node for such a key".to_owned())),
            false if fits => Ok(text.to_owned()),
            false => Err(None),
        }
    })
}
