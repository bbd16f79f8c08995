//! Clusters and backends as they are typed.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config::units::show_duration;
use crate::config::{
    Affinity, Backend, Balance, ByteSize, Cluster, Drain, FailBack, HashKey, HostHeader, Http2Pool,
    Outliers, Pool, Queue, Retry, Rewrite, Timeouts, WantedState,
};
use crate::proxy_protocol::Version;

use super::health::health;
use super::rule::header_rules;
use super::sessions::sessions;

/// A cluster's name and keys; `key_file` is that of its affinity cookie.
pub(super) fn named(cluster: &Cluster, key_file: Option<&Path>) -> (String, Value) {
    let affinity = match cluster.affinity {
        Affinity::Sticky => "sticky",
        Affinity::Prefer => "prefer",
        Affinity::None => "none",
    };
    let pool = &cluster.pool;
    let forwarded = &cluster.forwarded;
    let mut value = json!({
        "affinity": affinity,
        "balance": balance(&cluster.balance),
        "slow_start": show_duration(cluster.slow_start),
        "max_requests": cluster.max_requests,
        "queue": queue(&cluster.queue),
        "drain": drain(&cluster.drain),
        "fail_back": fail_back(cluster.fail_back),
        "fail_back_idle": show_duration(cluster.fail_back_idle),
        "timeouts": timeouts(&cluster.timeouts),
        "pool": self::pool(pool),
        "protocol": if pool.http2.is_some() { "h2" } else { "http1" },
        "proxy_protocol": proxy_protocol(pool.proxy_protocol),
        "health": health(cluster),
        "outliers": outliers(&cluster.outliers),
        "retry": retry(&cluster.retry),
        "host": match &cluster.host {
            HostHeader::Keep => "keep",
            HostHeader::Backend => "backend",
            HostHeader::Fixed(host) => host,
        },
        "forwarded": {
            "x_forwarded": forwarded.x_forwarded,
            "x_real_ip": forwarded.x_real_ip,
            "rfc7239": forwarded.rfc7239,
            "via": forwarded.via,
        },
        "request_headers": header_rules(&cluster.request_headers),
        "response_headers": header_rules(&cluster.response_headers),
        "rewrite": rewrite(&cluster.rewrite),
        "buffers": {
            "response": cluster.buffers.response.to_string(),
            "request": cluster.buffers.request.to_string(),
        },
        "upgrades": cluster.upgrades,
        "backends": cluster.backends.iter().map(backend).collect::<Vec<_>>(),
    });
    if let Value::Object(keys) = &mut value {
        if let Some(tls) = &cluster.tls {
            keys.insert("tls".to_owned(), super::tls::cluster_tls(tls));
        }
        if let Some(own) = &pool.http2 {
            keys.insert("http2".to_owned(), http2(own));
        }
        if let Some(stores) = &cluster.stores {
            keys.insert("stores".to_owned(), super::stores::stores(stores));
        }
        keys.extend(sessions(&cluster.sessions, key_file));
    }
    (cluster.name.as_str().to_owned(), value)
}

fn timeouts(timeouts: &Timeouts) -> Value {
    json!({
        "connect": show_duration(timeouts.connect),
        "response": show_duration(timeouts.response),
        "body_idle": show_duration(timeouts.body_idle),
        "tunnel_idle": show_duration(timeouts.tunnel_idle),
        "tunnel_half_closed": show_duration(timeouts.tunnel_half_closed),
        "tunnel_lifetime": show_duration(timeouts.tunnel_lifetime),
        "tunnel_removed": show_duration(timeouts.tunnel_removed),
    })
}

fn pool(pool: &Pool) -> Value {
    json!({
        "max_idle": pool.max_idle,
        "idle": show_duration(pool.idle),
        "lifetime": show_duration(pool.lifetime),
    })
}

fn http2(own: &Http2Pool) -> Value {
    let size = |bytes: u32| ByteSize(u64::from(bytes)).to_string();
    json!({
        "streams": own.streams,
        "stream_window": size(own.stream_window),
        "send_buffer": size(own.send_buffer),
        "ping": show_duration(own.ping),
    })
}

fn proxy_protocol(version: Option<Version>) -> &'static str {
    match version {
        None => "off",
        Some(Version::V1) => "v1",
        Some(Version::V2) => "v2",
    }
}

fn balance(balance: &Balance) -> Value {
    match balance {
        Balance::RoundRobin => json!("round_robin"),
        Balance::LeastRequests => json!("least_requests"),
        Balance::TwoChoices => json!("two_choices"),
        Balance::LeastSessions => json!("least_sessions"),
        Balance::Hash(HashKey::ClientAddress) => json!({ "hash": "client_address" }),
        Balance::Hash(HashKey::Uri) => json!({ "hash": "uri" }),
        Balance::Hash(HashKey::Header(name)) => json!({ "hash": { "header": name.as_str() } }),
        Balance::Hash(HashKey::Cookie(name)) => json!({ "hash": { "cookie": name } }),
    }
}

fn queue(queue: &Queue) -> Value {
    let mut value = json!({ "length": queue.length, "time": show_duration(queue.time) });
    if let (Value::Object(keys), Some(after)) = (&mut value, queue.spill_after) {
        keys.insert("spill_after".to_owned(), json!(after));
    }
    value
}

fn drain(drain: &Drain) -> Value {
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    put("rate", json!(drain.rate));
    put("backup_delay", json!(show_duration(drain.backup_delay)));
    if let Some(pattern) = &drain.replay_dead {
        put("replay_dead", json!(pattern.0.as_str()));
    }
    if let Some(header) = &drain.state_header {
        put("state_header", json!(header.as_str()));
    }
    Value::Object(keys)
}

fn fail_back(wanted: FailBack) -> &'static str {
    let words = FailBack::WORDS.into_iter();
    let mut fits = words.filter(|(_, policy)| *policy == wanted);
    fits.next().map_or("", |(word, _)| word)
}

fn outliers(outliers: &Outliers) -> Value {
    let statuses = outliers.statuses.iter().map(http::StatusCode::as_u16);
    json!({
        "consecutive": outliers.consecutive,
        "statuses": statuses.collect::<Vec<_>>(),
        "bad_percent": outliers.bad_percent,
        "slow_factor": outliers.slow_factor,
        "slow_time": show_duration(outliers.slow_time),
        "window": show_duration(outliers.window),
        "requests": outliers.requests,
        "time": show_duration(outliers.time),
        "longest": show_duration(outliers.longest),
    })
}

fn retry(retry: &Retry) -> Value {
    let timeout = retry.timeouts.then(|| json!("timeout"));
    let statuses = retry.statuses.iter().map(|status| json!(status.as_u16()));
    json!({
        "on": timeout.into_iter().chain(statuses).collect::<Vec<_>>(),
        "time": show_duration(retry.time),
        "buffer": retry.buffer.to_string(),
        "budget": { "percent": retry.budget_percent, "min": retry.budget_min },
    })
}

fn rewrite(rewrite: &Rewrite) -> Value {
    let pairs = |pairs: &[(String, String)]| {
        let entry = |(ours, public): &(String, String)| (ours.clone(), json!(public));
        pairs.iter().map(entry).collect::<Map<_, _>>()
    };
    let mut value = json!({
        "location": rewrite.location,
        "cookie_path": pairs(&rewrite.cookie_path),
        "cookie_domain": pairs(&rewrite.cookie_domain),
    });
    if let (Value::Object(keys), Some(charset)) = (&mut value, &rewrite.charset) {
        keys.insert("charset".to_owned(), json!(charset));
    }
    value
}

fn backend(backend: &Backend) -> Value {
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    put("name", json!(backend.name.as_str()));
    put("address", json!(backend.address.to_string()));
    if let Some(route) = &backend.jvm_route {
        put("jvm_route", json!(route.as_str()));
    }
    put("weight", json!(backend.weight));
    put("backup", json!(backend.backup));
    let state = match backend.state {
        WantedState::Up => "up",
        WantedState::Draining => "draining",
        WantedState::Disabled => "disabled",
    };
    put("state", json!(state));
    put("max_requests", json!(backend.max_requests));
    if let Some(port) = backend.check_port {
        put("check_port", json!(port));
    }
    if let Some(port) = backend.agent_port {
        put("agent_port", json!(port));
    }
    Value::Object(keys)
}
