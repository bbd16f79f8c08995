//! The keys of a cluster that are about its sessions, as they are typed.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config::units::show_duration;
use crate::config::{AffinityCookie, Dialect, OwnerBy, Sessions};

use super::shown;

/// The keys with their values; of the affinity cookie's keys only where they were read.
pub(super) fn sessions(sessions: &Sessions, key_file: Option<&Path>) -> Map<String, Value> {
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    put("session_cookies", json!(sessions.cookies));
    put("session_parameters", json!(sessions.parameters));
    put("dialect", json!(dialect(sessions.dialect)));
    let owner = match &sessions.owner {
        OwnerBy::Learn => "learn",
        OwnerBy::Append => "append",
        OwnerBy::Cookie(cookie) => {
            put("affinity_cookie", affinity_cookie(cookie, key_file));
            "cookie"
        }
    };
    put("owner", json!(owner));
    put("strict", json!(sessions.strict));
    put("hold", json!(show_duration(sessions.hold)));
    put("hold_requests", json!(sessions.hold_requests));
    put("session_idle", json!(show_duration(sessions.idle)));
    put("replicated", json!(sessions.replicated));
    if let Some(ignore) = &sessions.ignore {
        put("ignore", json!(ignore.0.as_str()));
    }
    put("ignore_drops_cookie", json!(sessions.ignore_drops_cookie));
    keys
}

fn affinity_cookie(cookie: &AffinityCookie, key_file: Option<&Path>) -> Value {
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    put("name", json!(cookie.name));
    put("max_age", json!(show_duration(cookie.max_age)));
    if let Some(path) = key_file {
        put("key_file", json!(shown(path)));
    }
    Value::Object(keys)
}

fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Tomcat => "tomcat",
        Dialect::Jetty => "jetty",
        Dialect::Wildfly => "wildfly",
        Dialect::SpringSession => "spring-session",
        Dialect::Keycloak => "keycloak",
        Dialect::Weblogic => "weblogic",
    }
}
