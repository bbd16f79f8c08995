//! Clusters: their own keys. Their backends have a file of their own.

use http::StatusCode;

use crate::config::{
    Affinity, Buffers, Cluster, ClusterName, Dialect, Forwarded, Health, HostHeader, OwnerBy, Pool,
    Retry, Rewrite, Sessions, Timeouts,
};

use super::addresses::{is_authority, is_host};
use super::at::At;
use super::backends::backends;
use super::balance::{balance, cookie_name};
use super::headers::header_rules;
use super::section::Section;
use super::templates::Use;
use super::words::{is_name, is_path, is_token};

const TOMCAT_KEEPS_ALIVE: std::time::Duration = std::time::Duration::from_secs(20);

/// Every cluster with the place of its name.
pub(super) fn clusters<'a>(top: &Section<'a>) -> Vec<(At<'a>, Cluster)> {
    let entries = top.get("clusters").entries();
    entries
        .into_iter()
        .map(|(key, value)| {
            let cluster = cluster(&key, &value);
            (key, cluster)
        })
        .collect()
}

fn cluster(key: &At<'_>, at: &At<'_>) -> Cluster {
    let name = key.plain_text().unwrap_or_default();
    if !is_name(name, 64, "-_.") {
        key.unlike("a name of 1 to 64 letters, digits, '-', '_' or '.'", None);
    }
    let section = at.section();
    Cluster {
        name: ClusterName::new(name),
        affinity: affinity(&section.get("affinity")),
        sessions: Sessions {
            cookies: session_cookies(&section.get("session_cookies")),
            parameters: vec!["jsessionid".to_owned()],
            dialect: Dialect::Tomcat,
            owner: OwnerBy::Learn,
            strict: false,
            hold: std::time::Duration::ZERO,
            hold_requests: 1000,
            idle: std::time::Duration::from_mins(30),
            replicated: false,
            ignore: None,
            ignore_drops_cookie: false,
        },
        balance: balance(&section.get("balance")),
        timeouts: timeouts(&section.get("timeouts").section()),
        pool: pool(&section.get("pool").section()),
        health: health(&section.get("health").section()),
        retry: retry(&section.get("retry").section()),
        host: host(&section.get("host")),
        forwarded: forwarded(&section.get("forwarded").section()),
        request_headers: header_rules(&section.get("request_headers"), Use::RequestHeader),
        response_headers: header_rules(&section.get("response_headers"), Use::ResponseHeader),
        rewrite: rewrite(&section.get("rewrite").section()),
        buffers: buffers(&section.get("buffers").section()),
        upgrades: upgrades(&section.get("upgrades")),
        slow_start: std::time::Duration::ZERO,
        backends: backends(&section),
    }
}

fn affinity(at: &At<'_>) -> Affinity {
    let words = [
        ("sticky", Affinity::Sticky),
        ("prefer", Affinity::Prefer),
        ("none", Affinity::None),
    ];
    at.choice(&words).unwrap_or(Affinity::Sticky)
}

fn session_cookies(at: &At<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for item in at.items() {
        match cookie_name(&item) {
            Some(name) if names.contains(&name) => item.unlike("each cookie once", None),
            Some(name) if name == "JSESSIONIDSSO" => item.unlike(
                "the cookie of the session",
                Some("JSESSIONIDSSO is Tomcat's single sign-on; it belongs to no session".into()),
            ),
            Some(name) => names.push(name),
            None => {}
        }
    }
    if at.items().is_empty() {
        at.unlike(
            "at least one cookie's name",
            Some("affinity: none needs none".to_owned()),
        );
    }
    names
}

fn timeouts(section: &Section<'_>) -> Timeouts {
    Timeouts {
        connect: section.get("connect").duration(),
        response: section.get("response").duration(),
        body_idle: section.get("body_idle").duration(),
    }
}

fn pool(section: &Section<'_>) -> Pool {
    let idle = section.get("idle");
    if idle.duration() >= TOMCAT_KEEPS_ALIVE {
        idle.warn(
            "less than Tomcat's keepAliveTimeout, which is 20s",
            "Tomcat may close a connection at the moment a request is sent on it",
        );
    }
    Pool {
        max_idle: section.get("max_idle").length(),
        idle: idle.duration(),
        lifetime: section.get("lifetime").duration(),
    }
}

fn health(section: &Section<'_>) -> Health {
    let path = section.value("path");
    let path = path.and_then(|at| {
        at.parse(|text| {
            let path = text.split_once('?').map_or(text, |(path, _)| path);
            is_path(path).then(|| text.to_owned()).ok_or(None)
        })
    });
    let host = section.value("host").and_then(|at| authority(&at));
    if host.is_some() && path.is_none() && !section.has("path") {
        section
            .get("host")
            .warn("a path next to it", "without a path nothing is asked for");
    }
    Health {
        path,
        host,
        interval: section.get("interval").duration(),
        timeout: section.get("timeout").duration(),
        rise: section.get("rise").small(),
        fall: section.get("fall").small(),
    }
}

fn retry(section: &Section<'_>) -> Retry {
    let mut statuses: Vec<StatusCode> = Vec::new();
    let mut timeouts = false;
    for item in section.get("on").items() {
        let Some(text) = item.text() else { continue };
        let status = text
            .parse()
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok());
        match status {
            _ if text == "timeout" => timeouts = true,
            Some(status) if (400..600).contains(&status.as_u16()) => {
                if !statuses.contains(&status) {
                    statuses.push(status);
                }
            }
            _ => item.wrong(retry_hint(text)),
        }
    }
    let budget = section.get("budget").section();
    Retry {
        statuses,
        timeouts,
        time: section.get("time").duration(),
        buffer: section.get("buffer").size(),
        budget_percent: budget.get("percent").small(),
        budget_min: budget.get("min").length(),
    }
}

fn retry_hint(text: &str) -> Option<String> {
    let hint = match text {
        "error" | "connect" | "conn-failure" | "refused" => {
            "a request that surely did not reach the backend is always tried again"
        }
        "non_idempotent" => "a request that is not idempotent is never sent twice",
        "http_502" => "write 502",
        "http_503" => "write 503",
        "http_504" => "write 504",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn host(at: &At<'_>) -> HostHeader {
    match at.text() {
        Some("backend") => HostHeader::Backend,
        Some("keep") | None => HostHeader::Keep,
        Some(text) => {
            if !is_authority(text) {
                let hint = text
                    .starts_with('$')
                    .then(|| "write keep for the client's".to_owned());
                at.wrong(hint);
            }
            HostHeader::Fixed(text.to_owned())
        }
    }
}

fn authority(at: &At<'_>) -> Option<String> {
    at.parse(|text| is_authority(text).then(|| text.to_owned()).ok_or(None))
}

fn forwarded(section: &Section<'_>) -> Forwarded {
    Forwarded {
        x_forwarded: section.get("x_forwarded").switch(),
        x_real_ip: section.get("x_real_ip").switch(),
        rfc7239: section.get("rfc7239").switch(),
        via: section.get("via").switch(),
    }
}

fn rewrite(section: &Section<'_>) -> Rewrite {
    let charset = section.value("charset").and_then(|at| {
        at.parse(|text| {
            is_name(text, 40, "-_.:+")
                .then(|| text.to_owned())
                .ok_or(None)
        })
    });
    Rewrite {
        location: section.get("location").switch(),
        cookie_path: pairs(
            &section.get("cookie_path"),
            "a path that starts with '/'",
            is_path,
        ),
        cookie_domain: pairs(&section.get("cookie_domain"), "a domain", |text| {
            text.is_empty() || is_host(text.trim_start_matches('.'))
        }),
        charset,
    }
}

fn pairs(at: &At<'_>, expected: &str, fits: fn(&str) -> bool) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (key, value) in at.entries() {
        let Some((ours, public)) = key.text().zip(value.text()) else {
            continue;
        };
        if !fits(ours) || ours.is_empty() {
            key.unlike(expected, None);
        } else if !fits(public) {
            value.unlike(expected, None);
        } else {
            pairs.push((ours.to_owned(), public.to_owned()));
        }
    }
    pairs
}

fn buffers(section: &Section<'_>) -> Buffers {
    Buffers {
        response: section.get("response").size(),
        request: section.get("request").size(),
    }
}

fn upgrades(at: &At<'_>) -> Vec<String> {
    let mut protocols = Vec::new();
    for item in at.items() {
        let protocol = item.parse(|text| match text.to_ascii_lowercase() {
            protocol if matches!(protocol.as_str(), "h2c" | "h2" | "http/2" | "http/2.0") => Err(
                Some("a change to HTTP/2 would lead past the rules".to_owned()),
            ),
            protocol if protocol.split('/').all(is_token) => Ok(protocol),
            _ => Err(None),
        });
        protocols.extend(protocol.filter(|protocol| !protocols.contains(protocol)));
    }
    protocols
}
