//! The backends of a cluster.

use crate::config::raw::Value;
use crate::config::{Backend, BackendAddr, BackendName, JvmRoute, WantedState};

use super::addresses;
use super::at::At;
use super::section::Section;
use super::words::{is_name, is_visible};

/// The backends of a cluster, each checked against those before it.
pub(super) fn backends<'a>(cluster: &Section<'a>) -> Vec<Typed<'a>> {
    let Some(list) = cluster.required("backends") else {
        return Vec::new();
    };
    let items = list.items();
    if items.is_empty() && matches!(list.node.value, Value::List(_) | Value::Nothing) {
        list.unlike("at least one backend", None);
    }
    let mut seen: Vec<Typed<'_>> = Vec::new();
    for item in items {
        let Some(typed) = backend(item) else { continue };
        refuse_twice(&typed, &seen);
        seen.push(typed);
    }
    let usable = |typed: &Typed<'_>| typed.backend.state == WantedState::Up;
    if !seen.is_empty() && !seen.iter().any(usable) {
        list.warn(
            "at least one backend with state: up",
            "no new session can be served",
        );
    }
    seen
}

/// A backend with the places of what must be unique.
pub(super) struct Typed<'a> {
    pub(super) backend: Backend,
    pub(super) at: At<'a>,
    address: At<'a>,
    name: Option<At<'a>>,
    pub(super) jvm_route: Option<At<'a>>,
}

impl<'a> Typed<'a> {
    /// What gives the backend its name.
    pub(super) fn named_by(&self) -> &At<'a> {
        let route = self.jvm_route.as_ref();
        self.name.as_ref().or(route).unwrap_or(&self.address)
    }
}

fn backend(at: At<'_>) -> Option<Typed<'_>> {
    if at.plain_text().is_some() {
        return short(at);
    }
    let section = at.section();
    let name = section.value("name");
    let jvm_route = section.value("jvm_route");
    let wanted_name = name
        .as_ref()
        .and_then(|at| at.parse(|text| is_visible(text, 128).then(|| text.to_owned()).ok_or(None)));
    let route = jvm_route.as_ref().and_then(|at| at.parse(route));
    let weight = section.get("weight");
    if weight.plain_text() == Some("0") {
        weight.wrong(Some(
            "state: draining keeps sessions and takes no new ones".to_owned(),
        ));
    }
    let weight = if weight.plain_text() == Some("0") {
        1
    } else {
        weight.small()
    };
    let backup = section.get("backup").switch();
    let state = state(&section.get("state"));
    let max_requests = section.get("max_requests").length();
    let port = |key| {
        let port = section.value(key).map(|at| at.count());
        port.and_then(|port| u16::try_from(port).ok())
    };
    let (check_port, agent_port) = (port("check_port"), port("agent_port"));
    let address_at = section.required("address").unwrap_or_else(|| at.clone());
    let address = section
        .has("address")
        .then(|| address(&address_at))
        .flatten();
    let written = address_at.plain_text().unwrap_or_default();
    let default_name = route.as_ref().map_or(written, |route| route.as_str());
    let backend = Backend {
        name: BackendName::new(wanted_name.as_deref().unwrap_or(default_name)),
        // After a complaint: equal to no other address, and thrown away in the end.
        address: address.unwrap_or_else(|| BackendAddr::Unix(at.path.clone().into())),
        jvm_route: route,
        weight,
        backup,
        state,
        max_requests,
        check_port,
        agent_port,
    };
    Some(Typed {
        backend,
        at,
        address: address_at,
        name,
        jvm_route,
    })
}

/// `- 10.0.0.32:8080`
fn short(at: At<'_>) -> Option<Typed<'_>> {
    let parsed = address(&at)?;
    let backend = Backend {
        name: BackendName::new(at.text().unwrap_or_default()),
        address: parsed,
        jvm_route: None,
        weight: 1,
        backup: false,
        state: WantedState::Up,
        max_requests: 0,
        check_port: None,
        agent_port: None,
    };
    let address = at.clone();
    Some(Typed {
        backend,
        at,
        address,
        name: None,
        jvm_route: None,
    })
}

fn address(at: &At<'_>) -> Option<BackendAddr> {
    let address = at.parse(addresses::backend)?;
    let port = match &address {
        BackendAddr::Ip(address) => Some(address.port()),
        BackendAddr::Host { port, .. } => Some(*port),
        BackendAddr::Unix(_) => None,
    };
    if port == Some(8009) {
        at.warn(
            "the port of Tomcat's HTTP connector, such as 8080",
            "8009 is the usual port of AJP, which is not spoken",
        );
    }
    Some(address)
}

fn route(text: &str) -> Result<JvmRoute, Option<String>> {
    if is_name(text, 64, "-_") {
        return Ok(JvmRoute::new(text));
    }
    let hint = "Tomcat splits the session id at the first '.', so a route may not contain one";
    Err(text.contains('.').then(|| hint.to_owned()))
}

fn state(at: &At<'_>) -> WantedState {
    let words = [
        ("up", WantedState::Up),
        ("draining", WantedState::Draining),
        ("disabled", WantedState::Disabled),
    ];
    at.choice(&words).unwrap_or(WantedState::Up)
}

/// Address, jvm route and name are each unique; one complaint about a backend is enough.
fn refuse_twice(later: &Typed<'_>, seen: &[Typed<'_>]) {
    let hint = |earlier: &Typed<'_>| {
        let (path, line) = (&earlier.at.path, earlier.at.node.place.line);
        Some(format!("{path} in line {line} has it"))
    };
    let route = |typed: &Typed<'_>| typed.backend.jvm_route.clone();
    let is_same = |what: fn(&Typed<'_>, &Typed<'_>) -> bool| {
        seen.iter().find(move |earlier| what(later, earlier))
    };
    if let Some(earlier) = is_same(|a, b| a.backend.address == b.backend.address) {
        let expected = "an address that no other backend of the cluster has";
        later.address.unlike(expected, hint(earlier));
    }
    let twin = seen
        .iter()
        .find(|earlier| route(earlier).is_some() && route(earlier) == route(later));
    if let Some((at, earlier)) = later.jvm_route.as_ref().zip(twin) {
        at.unlike(
            "a jvm route that no other backend of the cluster has",
            hint(earlier),
        );
        return;
    }
    if let Some(earlier) = is_same(|a, b| a.backend.name == b.backend.name) {
        later.named_by().unlike(
            "a name that no other backend of the cluster has",
            hint(earlier),
        );
    }
}
