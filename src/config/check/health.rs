//! Checks of backends and questions to their agents.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use crate::config::{AgentCheck, Check, Health, HttpCheck, Pattern, Statuses};

use super::addresses::is_authority;
use super::at::At;
use super::backends::Typed;
use super::headers::is_ours;
use super::pattern::compiled;
use super::section::Section;
use super::words::is_path;

/// Longest default of `fast_interval`.
const FAST: Duration = Duration::from_millis(500);
/// Bytes of what is sent to an agent.
const MOST_SENT: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Http,
    Tcp,
    Tls,
}

pub(super) fn health(section: &Section<'_>, backends: &[Typed<'_>]) -> Health {
    let interval = section.get("interval").duration();
    Health {
        check: check(section),
        host: section.value("host").and_then(|at| authority(&at)),
        port: port(section),
        tls: section.value("tls").map(|at| at.switch()),
        interval,
        fast_interval: fast_interval(section, interval),
        jitter: section.get("jitter").small(),
        timeout: section.get("timeout").duration(),
        rise: section.get("rise").small(),
        fall: section.get("fall").small(),
        agent: agent(section, backends),
    }
}

fn check(section: &Section<'_>) -> Option<Check> {
    let words = [("http", Type::Http), ("tcp", Type::Tcp), ("tls", Type::Tls)];
    let wanted = section.value("type").and_then(|at| at.choice(&words));
    // Read in any case, so that every problem is found.
    let (path, http) = http(section);
    let has_path = section.has("path");
    match wanted {
        Some(Type::Tls) => {
            warn_of_http_keys(section, "type: http", "a check by tls only shakes hands");
            Some(Check::Tls)
        }
        Some(Type::Tcp) => {
            warn_of_http_keys(
                section,
                "type: http",
                "a check by tcp only makes a connection",
            );
            Some(Check::Tcp)
        }
        Some(Type::Http) if !has_path => {
            section.get("type").warn(
                "a path next to it",
                "/ is asked for, where many applications make a session for each check",
            );
            let path = "/".to_owned();
            Some(Check::Http(Box::new(HttpCheck { path, ..http })))
        }
        None if !has_path => {
            warn_of_http_keys(section, "a path", "without a path nothing is asked for");
            if section.has("port") {
                let at = section.get("port");
                at.warn("a path or type: tcp next to it", "nothing is asked for");
            }
            None
        }
        Some(Type::Http) | None => {
            let path = path?;
            Some(Check::Http(Box::new(HttpCheck { path, ..http })))
        }
    }
}

/// Keys that only a check by HTTP has.
fn warn_of_http_keys(section: &Section<'_>, needed: &str, hint: &str) {
    let http_alone = ["path", "host", "method", "headers", "expect", "drain_on"];
    for key in http_alone.into_iter().filter(|key| section.has(key)) {
        section.get(key).warn(&format!("{needed} next to it"), hint);
    }
}

/// The path, and the rest without it.
fn http(section: &Section<'_>) -> (Option<String>, HttpCheck) {
    let methods = [
        ("GET", Method::GET),
        ("HEAD", Method::HEAD),
        ("OPTIONS", Method::OPTIONS),
    ];
    let method = section.get("method").choice(&methods);
    let method = method.unwrap_or(Method::GET);
    let path = section.value("path");
    let path = path.and_then(|at| {
        at.parse(|text| {
            let path = text.split_once('?').map_or(text, |(path, _)| path);
            let is_of_the_server = method == Method::OPTIONS && text == "*";
            let fits = is_path(path) || is_of_the_server;
            fits.then(|| text.to_owned()).ok_or(None)
        })
    });
    let expect = section.get("expect").section();
    let at = expect.get("statuses");
    let passing = statuses(&at);
    if expect.has("statuses") && at.items().is_empty() {
        at.unlike("at least one status", None);
    }
    for key in ["body", "body_regex"] {
        if method == Method::HEAD && expect.has(key) {
            let hint = format!("{}: its answer has no body", section.says("method"));
            expect.get(key).unlike("nothing here", Some(hint));
        }
    }
    let body = expect
        .value("body")
        .and_then(|at| at.parse(|text| (!text.is_empty()).then(|| text.to_owned()).ok_or(None)));
    let regex = expect.value("body_regex").and_then(|at| at.parse(compiled));
    let check = HttpCheck {
        method,
        path: String::new(),
        headers: headers(&section.get("headers")),
        drain_on: Statuses(drains(&section.get("drain_on"), &passing)),
        statuses: Statuses(passing),
        body,
        body_regex: regex.map(Pattern),
    };
    (path, check)
}

fn fast_interval(section: &Section<'_>, interval: Duration) -> Duration {
    let Some(at) = section.value("fast_interval") else {
        return interval.min(FAST);
    };
    let fast = at.duration();
    if fast > interval {
        let hint = section.says("interval");
        at.unlike("a duration no longer than the interval", Some(hint));
    }
    fast
}

fn statuses(at: &At<'_>) -> Vec<RangeInclusive<u16>> {
    let items = at.items();
    items.iter().filter_map(|item| item.parse(range)).collect()
}

fn range(text: &str) -> Result<RangeInclusive<u16>, Option<String>> {
    let number = |text: &str| {
        let is_status = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_status.then(|| text.parse::<u16>().ok()).flatten();
        number.filter(|number| (200..600).contains(number))
    };
    if let Some(digit) = text.strip_suffix("xx").filter(|it| it.len() == 1) {
        return Err(Some(format!("write {digit}00-{digit}99")));
    }
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    match (number(least), number(most)) {
        (Some(least), Some(most)) if least <= most => Ok(least..=most),
        _ => Err(None),
    }
}

/// Statuses that drain; one that also passes could mean only one of both.
fn drains(at: &At<'_>, passing: &[RangeInclusive<u16>]) -> Vec<RangeInclusive<u16>> {
    let mut draining = Vec::new();
    for item in at.items() {
        let Some(range) = item.parse(range) else {
            continue;
        };
        let overlaps = |other: &RangeInclusive<u16>| {
            range.start() <= other.end() && other.start() <= range.end()
        };
        if passing.iter().any(overlaps) {
            item.unlike("statuses that expect.statuses does not name", None);
        } else {
            draining.push(range);
        }
    }
    draining
}

fn headers(at: &At<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (key, value) in at.entries() {
        let Some((name, text)) = key.text().zip(value.text()) else {
            continue;
        };
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            key.unlike("a header's name", None);
            continue;
        };
        let hint = if name == http::header::HOST {
            "use health.host"
        } else if name == http::header::COOKIE {
            "a check that shows a session would keep it alive"
        } else if is_ours(&name) {
            "this header belongs to the connection or frames the body; the proxy sets it itself"
        } else if headers.iter().any(|(known, _)| *known == name) {
            "each header once; case does not matter in header names"
        } else {
            match HeaderValue::from_str(text) {
                Ok(value) => headers.push((name, value)),
                Err(_) => value.unlike("visible ASCII characters", None),
            }
            continue;
        };
        key.unlike("a header that a check may send", Some(hint.to_owned()));
    }
    headers
}

fn agent(health: &Section<'_>, backends: &[Typed<'_>]) -> AgentCheck {
    let at = health.get("agent");
    let section = at.section();
    let port = port(&section);
    let keys = ["address", "interval", "timeout", "send"];
    let is_asked = port.is_some() || backends.iter().any(|it| it.backend.agent_port.is_some());
    if !is_asked && !section.has("port") && keys.into_iter().any(|key| section.has(key)) {
        at.warn("a port, or agent_port of a backend", "nobody is asked");
    }
    let address = section.value("address");
    let address = address.and_then(|at| at.parse(|text| text.parse().map_err(|_| None)));
    let send = section.value("send").and_then(|at| {
        at.parse(|text| {
            let text = text.trim_end_matches(['\r', '\n']);
            let fits =
                !text.is_empty() && text.len() <= MOST_SENT && !text.chars().any(char::is_control);
            fits.then(|| text.to_owned()).ok_or(None)
        })
    });
    AgentCheck {
        port,
        address,
        interval: section.get("interval").duration(),
        timeout: section.get("timeout").duration(),
        send,
    }
}

fn port(section: &Section<'_>) -> Option<u16> {
    let port = section.value("port")?.count();
    u16::try_from(port).ok()
}

fn authority(at: &At<'_>) -> Option<String> {
    at.parse(|text| is_authority(text).then(|| text.to_owned()).ok_or(None))
}
