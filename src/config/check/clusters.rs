//! Clusters: their own keys. Their backends have a file of their own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;

use crate::config::{
    Affinity, Balance, Buffers, Cluster, ClusterName, Drain, Forwarded, HostHeader, Http2Pool,
    OwnerBy, Pool, Retry, Rewrite, Timeouts,
};
use crate::proxy_protocol::Version;

use super::addresses::{is_authority, is_host};
use super::at::At;
use super::backends::backends;
use super::balance::balance;
use super::capacity::capacity;
use super::cluster_tls::cluster_tls;
use super::fail_back::fail_back;
use super::headers::{changeable, header_rules};
use super::health::health;
use super::outliers::outliers;
use super::owner::refuse_unfit_names;
use super::pattern::any_pattern;
use super::section::Section;
use super::sessions::sessions;
use super::spoken::spoken;
use super::stores::stores;
use super::templates::Use;
use super::upgrades::upgrades;
use super::words::{is_name, is_path};

const TOMCAT_KEEPS_ALIVE: Duration = Duration::from_secs(20);

/// Every cluster with the place of its name, and the key files of their affinity cookies.
pub(super) fn clusters<'a>(
    top: &Section<'a>,
) -> (Vec<(At<'a>, Cluster)>, BTreeMap<ClusterName, PathBuf>) {
    let mut key_files = BTreeMap::new();
    let mut clusters = Vec::new();
    for (key, value) in top.get("clusters").entries() {
        let (cluster, key_file) = cluster(&key, &value);
        key_files.extend(key_file.map(|path| (cluster.name.clone(), path)));
        clusters.push((key, cluster));
    }
    (clusters, key_files)
}

fn cluster(key: &At<'_>, at: &At<'_>) -> (Cluster, Option<PathBuf>) {
    let name = key.plain_text().unwrap_or_default();
    if !is_name(name, 64, "-_.") {
        key.unlike("a name of 1 to 64 letters, digits, '-', '_' or '.'", None);
    }
    let section = at.section();
    let affinity = affinity(&section.get("affinity"));
    let (sessions, key_file) = sessions(&section, affinity);
    let balance = balance(&section.get("balance"));
    if affinity == Some(Affinity::None) && balance == Balance::LeastSessions {
        let hint = format!(
            "{}: no sessions are counted there",
            section.says("affinity")
        );
        section
            .get("balance")
            .unlike("another balance, or affinity: sticky or prefer", Some(hint));
    }
    let backends = backends(&section);
    if sessions.owner == OwnerBy::Append {
        refuse_unfit_names(&section, &backends);
    }
    let affinity = affinity.unwrap_or(Affinity::Sticky);
    let fail_back = fail_back(&section, affinity, &sessions, &backends);
    let (max_requests, queue) = capacity(&section, affinity, &sessions, &backends);
    let http2 = spoken(&section);
    let cluster = Cluster {
        name: ClusterName::new(name),
        affinity,
        stores: stores(&section, affinity, sessions.dialect),
        sessions,
        balance,
        max_requests,
        queue,
        timeouts: timeouts(&section.get("timeouts").section()),
        tls: section
            .value("tls")
            .and_then(|at| cluster_tls(&at, &backends, http2.is_some())),
        pool: pool(&section, http2),
        health: health(&section.get("health").section(), &backends),
        outliers: outliers(&section.get("outliers").section()),
        retry: retry(&section.get("retry").section()),
        host: host(&section.get("host")),
        forwarded: forwarded(&section.get("forwarded").section()),
        request_headers: header_rules(&section.get("request_headers"), Use::RequestHeader),
        response_headers: header_rules(&section.get("response_headers"), Use::ResponseHeader),
        rewrite: rewrite(&section.get("rewrite").section()),
        buffers: buffers(&section.get("buffers").section()),
        upgrades: upgrades(&section, http2.is_some()),
        slow_start: slow_start(section.value("slow_start").as_ref(), affinity),
        drain: drain(&section.get("drain").section()),
        fail_back,
        fail_back_idle: section.get("fail_back_idle").duration(),
        backends: backends.into_iter().map(|typed| typed.backend).collect(),
    };
    (cluster, key_file)
}

fn affinity(at: &At<'_>) -> Option<Affinity> {
    let words = [
        ("sticky", Affinity::Sticky),
        ("prefer", Affinity::Prefer),
        ("none", Affinity::None),
    ];
    at.choice(&words)
}

/// Where sessions stay, new visitors alone fill a backend that came back, and all of them would
/// go to it at once.
fn slow_start(at: Option<&At<'_>>, affinity: Affinity) -> Duration {
    match (at, affinity) {
        (Some(at), _) => at.duration(),
        (None, Affinity::Sticky | Affinity::Prefer) => Duration::from_secs(30),
        (None, Affinity::None) => Duration::ZERO,
    }
}

fn drain(section: &Section<'_>) -> Drain {
    let state_header = section.value("state_header");
    Drain {
        rate: section.get("rate").small(),
        backup_delay: section.get("backup_delay").duration(),
        replay_dead: section.value("replay_dead").and_then(|at| any_pattern(&at)),
        state_header: state_header.and_then(|at| changeable(&at, Use::RequestHeader)),
    }
}

fn timeouts(section: &Section<'_>) -> Timeouts {
    Timeouts {
        connect: section.get("connect").duration(),
        response: section.get("response").duration(),
        body_idle: section.get("body_idle").duration(),
        tunnel_idle: section.get("tunnel_idle").duration(),
        tunnel_half_closed: section.get("tunnel_half_closed").duration(),
        tunnel_lifetime: section.get("tunnel_lifetime").duration(),
        tunnel_removed: section.get("tunnel_removed").duration(),
    }
}

fn proxy_protocol(at: &At<'_>) -> Option<Version> {
    let words = [
        ("off", None),
        ("v1", Some(Version::V1)),
        ("v2", Some(Version::V2)),
    ];
    at.choice(&words).flatten()
}

fn pool(cluster: &Section<'_>, http2: Option<Http2Pool>) -> Pool {
    let section = cluster.get("pool").section();
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
        proxy_protocol: proxy_protocol(&cluster.get("proxy_protocol")),
        http2,
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
