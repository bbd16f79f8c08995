//! The effective configuration as a file: every key with the value in force. Loading it again
//! gives an equal [`Config`].

mod cluster;
mod events;
mod health;
mod rule;
mod sessions;
mod stores;
mod tls;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::observe::{AccessLog, Diagnostics, LogLevel, LogPath};

use super::units::show_duration;
use super::{
    Access, ByteSize, Cluster, Config, Errors, Http2Limits, Limits, ListenAddr, Listener, Networks,
    Others, ProxyProtocol, Shutdown, env, load,
};

impl Config {
    /// The configuration as YAML, with all defaults.
    pub fn show(&self) -> String {
        let mut file = json!({
            "workers": self.workers,
            "admin": self.show_admin(),
            "trusted_proxies": networks(&self.trusted_proxies),
            "decision_header": networks(&self.decision_header),
            "listeners": self.listeners.iter().map(listener).collect::<Vec<_>>(),
            "limits": limits(&self.limits),
            "rules": self.rules.iter().map(|r| rule::rule(r, &self.clusters)).collect::<Vec<_>>(),
            "clusters": self.show_clusters(),
            "events": events::events(
                self.webhook.as_ref(),
                self.checked.webhook_token_file.as_deref(),
            ),
            "errors": self.show_errors(&self.errors),
            "shutdown": shutdown(self.shutdown),
            "log": diagnostics(self.log),
        });
        if let Value::Object(keys) = &mut file {
            let access_log = self.access_log.as_ref().map_or(json!("off"), access_log);
            keys.insert("access_log".to_owned(), access_log);
            if let Some(name) = &self.request_id {
                keys.insert("request_id".to_owned(), json!(name.as_str()));
            }
        }
        escape(&mut file);
        load::write(&file)
    }

    fn show_admin(&self) -> Value {
        let Some(admin) = &self.admin else {
            return json!("off");
        };
        let mut value = json!({ "address": admin.address.to_string() });
        if let Value::Object(keys) = &mut value {
            let token_file = self.checked.token_file.as_deref();
            for (key, path) in [
                ("token_file", token_file),
                ("state_file", admin.state_file.as_deref()),
            ] {
                if let Some(path) = path {
                    keys.insert(key.to_owned(), json!(shown(path)));
                }
            }
        }
        value
    }

    fn show_clusters(&self) -> Value {
        let named = |cluster: &Cluster| {
            let key_file = self.checked.key_files.get(&cluster.name);
            cluster::named(cluster, key_file.map(PathBuf::as_path))
        };
        Value::Object(self.clusters.iter().map(named).collect())
    }

    fn show_errors(&self, errors: &Errors) -> Value {
        let page = |(status, path): (&u16, &PathBuf)| (status.to_string(), json!(shown(path)));
        let pages: serde_json::Map<_, _> = self.checked.pages.iter().map(page).collect();
        json!({ "pages": pages, "retry_after": show_duration(errors.retry_after) })
    }
}

/// Texts that would be taken for variables of the environment.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) => *text = env::escape(text),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(entries) => entries.values_mut().for_each(escape),
        _ => {}
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn networks(networks: &Networks) -> Vec<String> {
    networks.0.iter().map(ToString::to_string).collect()
}

fn access(access: &Access) -> (Vec<String>, Vec<String>) {
    (networks(&access.allow), networks(&access.deny))
}

fn listener(listener: &Listener) -> Value {
    let address = match &listener.address {
        ListenAddr::Ip(address) => address.to_string(),
        ListenAddr::Unix(path) => format!("unix:{}", shown(path)),
    };
    let (allow, deny) = access(&listener.access);
    let mut value = json!({
        "address": address,
        "name": listener.name,
        "allow": allow,
        "deny": deny,
        "http2": listener.http2,
    });
    if let (Value::Object(keys), Some(tls)) = (&mut value, &listener.tls) {
        keys.insert("tls".to_owned(), tls::listener_tls(tls));
    }
    if let (Value::Object(keys), Some(expected)) = (&mut value, &listener.proxy_protocol) {
        keys.insert("proxy_protocol".to_owned(), proxy_protocol(expected));
    }
    value
}

fn proxy_protocol(expected: &ProxyProtocol) -> Value {
    json!({
        "from": networks(&expected.from),
        "others": match expected.others {
            Others::Refused => "refuse",
            Others::Served => "serve",
        },
        "timeout": show_duration(expected.timeout),
    })
}

fn limits(limits: &Limits) -> Value {
    json!({
        "connections": limits.connections,
        "connections_per_client": limits.connections_per_client,
        "requests_per_connection": limits.requests_per_connection,
        "target": limits.target_bytes.to_string(),
        "head": limits.head_bytes.to_string(),
        "fields": limits.head_fields,
        "head_time": show_duration(limits.head_time),
        "body": limits.body_bytes.to_string(),
        "body_idle": show_duration(limits.body_idle),
        "send_idle": show_duration(limits.send_idle),
        "idle": show_duration(limits.idle_time),
        "handshakes": {
            "per_client": limits.handshakes.per_client,
            "in_all": limits.handshakes.in_all,
            "under_way": limits.handshakes.under_way,
        },
        "http2": http2(&limits.http2),
        "ledger": limits.ledger,
    })
}

fn http2(limits: &Http2Limits) -> Value {
    let size = |bytes: u32| ByteSize(u64::from(bytes)).to_string();
    json!({
        "streams": limits.streams,
        "stream_window": size(limits.stream_window),
        "connection_window": size(limits.connection_window),
        "send_buffer": size(limits.send_buffer),
        "resets": limits.resets,
        "errors": limits.errors,
        "control_frames": limits.control_frames,
    })
}

fn access_log(log: &AccessLog) -> Value {
    let path = match &log.path {
        LogPath::Stdout => "stdout".to_owned(),
        LogPath::File(path) => shown(path),
    };
    json!({ "path": path, "format": log.format.to_string() })
}

fn shutdown(shutdown: Shutdown) -> Value {
    json!({
        "delay": show_duration(shutdown.delay),
        "deadline": show_duration(shutdown.deadline),
        "tunnel_deadline": show_duration(shutdown.tunnel_deadline),
    })
}

fn diagnostics(log: Diagnostics) -> Value {
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    };
    json!({ "level": level, "format": if log.json { "json" } else { "text" } })
}
