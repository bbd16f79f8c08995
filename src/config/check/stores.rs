//! Where memcached-session-manager keeps the sessions of a cluster.

use std::path::PathBuf;

use crate::config::raw::Value;
use crate::config::{
    Affinity, Dialect, MOST_STORE_NODES, StoreAddress, StoreNode, Stores, context_xml, is_node_name,
};

use super::at::At;
use super::context::Words;
use super::files;
use super::section::Section;

/// What the three ways of naming the stores have in common.
struct Named {
    context: Option<PathBuf>,
    nodes: Vec<StoreNode>,
    /// As Tomcat's file has them; `None`: the file does not tell, or there is none.
    key_prefix: Option<String>,
    sticky: Option<bool>,
}

/// The key `stores`; `None` where it is not there, or after a complaint.
pub(super) fn stores(
    cluster: &Section<'_>,
    affinity: Affinity,
    dialect: Dialect,
) -> Option<Stores> {
    let at = cluster.value("stores")?;
    if dialect != Dialect::Tomcat {
        let hint = format!("{}: only Tomcat has MSM", cluster.says("dialect"));
        at.unlike("this key only with dialect: tomcat", Some(hint));
    }
    let section = at.section();
    if !section.is_read() {
        return None;
    }
    let named = named(&section);
    let prefix = section
        .value("key_prefix")
        .and_then(|at| key_prefix(&at, named.as_ref()));
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
        context: named.context,
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
        context: None,
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
    if entries.is_empty() || entries.len() > MOST_STORE_NODES {
        at.unlike(format!("1 to {MOST_STORE_NODES} nodes"), None);
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

/// Messages hide the passwords of URLs; what is no URL and may hold one is not shown at all.
fn redis(at: &At<'_>) -> Option<StoreAddress> {
    let text = at.text()?;
    let hint = match StoreAddress::parse(text) {
        Ok(address @ StoreAddress::Redis { .. }) => return Some(address),
        Ok(StoreAddress::Memcached { .. }) => "write redis:// before it".to_owned(),
        Err(why) => why.to_string(),
    };
    let is_url = text.contains("://");
    // White space may be a line's end: of a secret before it, the line shows the start.
    if !text.contains('@') || (is_url && !text.contains(char::is_whitespace)) {
        at.wrong(Some(hint));
        return None;
    }
    let words = Words {
        found: if is_url {
            at.found()
        } else {
            "another text".to_owned()
        },
        expected: at.kind.expected(),
        hint: Some(hint),
    };
    let mut problem = at.context.problem(at.node.place, &at.path, words);
    problem.source = None;
    at.context.problems.borrow_mut().push(problem);
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
    let name = at.context.directory.join(at.plain_text()?);
    let file = context_xml::File {
        name: &name.display().to_string(),
        text: &text,
        field: &at.path,
    };
    match context_xml::read(file) {
        Ok(found) => {
            at.context.warnings.borrow_mut().extend(found.warnings);
            Some(Named {
                context: Some(path),
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

/// MSM looks for the name of a node behind the first dash of a key, if ids have such names.
fn key_prefix(at: &At<'_>, named: Option<&Named>) -> Option<String> {
    let is_named = named.is_some_and(|it| it.nodes.iter().all(|node| node.name.is_some()));
    at.parse(|text| {
        if is_named && text.contains(['-', '.']) {
            let hint = "MSM finds no node for a key with '-' or '.' before the id";
            return Err(Some(hint.to_owned()));
        }
        let fits = text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| text.to_owned()).ok_or(None)
    })
}
