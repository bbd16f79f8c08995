//! Where clients are accepted, and the admin listener.

use std::path::PathBuf;

use crate::config::raw::Value;
use crate::config::{Admin, ListenAddr, Listener, Others, ProxyProtocol};

use super::at::At;
use super::section::Section;
use super::words::{is_visible, near};
use super::{addresses, files, network_lists, tls};

/// The admin listener, and the file of its token.
pub(super) fn admin(at: &At<'_>, listeners: &[Listener]) -> Option<(Admin, Option<PathBuf>)> {
    if let Some(text) = at.plain_text() {
        if text != "off" {
            at.wrong(near(text, ["off"]));
        }
        return None;
    }
    let section = at.section();
    let token = section
        .value("token_file")
        .and_then(|at| files::secret(&at));
    let (path, token) = token.unzip();
    let address_at = section.get("address");
    let address = address_at.parse(addresses::socket)?;
    let state_file = section
        .value("state_file")
        .and_then(|at| at.parse(|text| (!text.is_empty()).then(|| text.into()).ok_or(None)));
    let admin = Admin {
        address,
        token,
        state_file,
    };
    refuse_among(&address_at, &admin, listeners);
    Some((admin, path))
}

/// Every listener.
pub(super) fn listeners(top: &Section<'_>) -> Vec<Listener> {
    let Some(list) = top.required("listeners") else {
        return Vec::new();
    };
    let items = list.items();
    if items.is_empty() && matches!(list.node.value, Value::List(_) | Value::Nothing) {
        list.unlike("at least one listener", None);
    }
    let mut seen: Vec<(At<'_>, Listener)> = Vec::new();
    for item in items {
        let section = item.section();
        if let Some(listener) = listener(&section) {
            refuse_twice(&section, &listener, &seen);
            seen.push((item, listener));
        }
    }
    seen.into_iter().map(|(_, listener)| listener).collect()
}

fn listener(section: &Section<'_>) -> Option<Listener> {
    let access = network_lists::access(section);
    let name = section
        .value("name")
        .and_then(|at| at.parse(|text| is_visible(text, 128).then(|| text.to_owned()).ok_or(None)));
    let http2 = section.get("http2").switch();
    let tls = section.value("tls");
    let tls = tls.map(|at| tls::listener_tls(&at, http2));
    let at = section.required("address")?;
    let address = at.parse(addresses::listen)?;
    let written = at.text().unwrap_or_default().to_owned();
    Some(Listener {
        name: name.unwrap_or(written),
        address,
        access,
        tls: tls.map(Box::new),
        http2,
        proxy_protocol: section
            .value("proxy_protocol")
            .and_then(|at| proxy_protocol(&at)),
    })
}

fn proxy_protocol(at: &At<'_>) -> Option<ProxyProtocol> {
    if at.plain_text().is_some() {
        at.wrong(Some("write { from: [NETWORK] }".to_owned()));
        return None;
    }
    let section = at.section();
    let from = section.required("from");
    let from = from.map(|list| network_lists::introducing(&list));
    let words = [("refuse", Others::Refused), ("serve", Others::Served)];
    let others = section.get("others").choice(&words);
    let timeout = section.get("timeout").duration();
    Some(ProxyProtocol {
        from: from?,
        others: others?,
        timeout,
    })
}

fn refuse_twice(section: &Section<'_>, listener: &Listener, seen: &[(At<'_>, Listener)]) {
    let is_any_port = matches!(&listener.address, ListenAddr::Ip(ip) if ip.port() == 0);
    for (earlier_at, earlier) in seen {
        let line = earlier_at.node.place.line;
        if earlier.address == listener.address && !is_any_port {
            section.get("address").unlike(
                "an address that no other listener has",
                Some(format!("{} in line {line} has it", earlier_at.path)),
            );
        } else if earlier.name == listener.name && (!is_any_port || section.has("name")) {
            section
                .get(if section.has("name") {
                    "name"
                } else {
                    "address"
                })
                .unlike(
                    "a name that no other listener has",
                    Some(format!("{} in line {line} has it", earlier_at.path)),
                );
        }
    }
}

/// The admin listener may not stand where clients are accepted.
fn refuse_among(address_at: &At<'_>, admin: &Admin, listeners: &[Listener]) {
    let same = |listener: &Listener| match &listener.address {
        ListenAddr::Ip(address) => {
            let same_family = address.is_ipv4() == admin.address.is_ipv4();
            address.port() == admin.address.port()
                && address.port() != 0
                && same_family
                && (address.ip() == admin.address.ip() || address.ip().is_unspecified())
        }
        ListenAddr::Unix(_) => false,
    };
    if let Some(listener) = listeners.iter().find(|listener| same(listener)) {
        address_at.unlike(
            "an address that no listener takes",
            Some(format!("the listener {} has it", listener.name)),
        );
    }
    if !admin.address.ip().is_loopback() && admin.token.is_none() {
        address_at.warn(
            "a token_file, or an address of this host alone such as 127.0.0.1:9180",
            "everybody who can connect reads the metrics; changes stay refused without a token",
        );
    }
}
