//! Lists of networks: who may come in, whom we believe.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::raw::Value;
use crate::config::{Access, Networks};

use super::at::At;
use super::section::Section;

/// `allow` and `deny` of a section.
pub(super) fn access(section: &Section<'_>) -> Access {
    Access {
        allow: networks(&section.get("allow")),
        deny: networks(&section.get("deny")),
    }
}

/// A list of networks.
pub(super) fn networks(list: &At<'_>) -> Networks {
    Networks(
        list.items()
            .iter()
            .filter_map(|item| item.parse(network))
            .collect(),
    )
}

/// A list of peers whose word is taken.
pub(super) fn trusted(list: &At<'_>) -> Networks {
    warn_everybody(
        list,
        "the networks of your own proxies",
        "every client can then forge its address in X-Forwarded-For",
    );
    networks(list)
}

/// A list of peers who say for whom they connect; never empty.
pub(super) fn introducing(list: &At<'_>) -> Networks {
    if list.items().is_empty() && matches!(list.node.value, Value::List(_) | Value::Nothing) {
        list.unlike("at least one network of load balancers", None);
    }
    warn_everybody(
        list,
        "the networks of your own load balancers",
        "whoever can connect is then believed whatever address it names as its own",
    );
    networks(list)
}

/// A list of clients who are told how they were served.
pub(super) fn told(list: &At<'_>) -> Networks {
    warn_everybody(
        list,
        "the networks of those who look after the backends",
        "every client then learns their names and states",
    );
    networks(list)
}

fn warn_everybody(list: &At<'_>, expected: &str, hint: &str) {
    for item in list.items() {
        if item.plain_text().is_some_and(|text| text.ends_with("/0")) {
            item.warn(expected, hint);
        }
    }
}

fn network(text: &str) -> Result<IpNet, Option<String>> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text.parse().map_err(|_| {
        let hint = match text {
            "all" | "any" | "*" => Some("write 0.0.0.0/0 and \"::/0\""),
            "localhost" => Some("write 127.0.0.0/8 and \"::1\""),
            _ => None,
        };
        hint.map(str::to_owned)
    })?;
    if network.addr() == network.network() {
        Ok(network)
    } else {
        let (whole, address) = (network.trunc(), network.addr());
        Err(Some(format!(
            "write {whole} for the network, {address} for the address alone"
        )))
    }
}
