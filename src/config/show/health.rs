//! Checks and agents as they are typed.

use serde_json::{Map, Value, json};

use crate::config::units::show_duration;
use crate::config::{AgentCheck, Check, Cluster, HttpCheck, Statuses};

pub(super) fn health(cluster: &Cluster) -> Value {
    let health = &cluster.health;
    let mut keys = Map::new();
    match &health.check {
        Some(Check::Http(check)) => http(check, &mut keys),
        Some(Check::Tcp) => drop(keys.insert("type".to_owned(), json!("tcp"))),
        Some(Check::Tls) => drop(keys.insert("type".to_owned(), json!("tls"))),
        None => {}
    }
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    if let Some(host) = &health.host {
        put("host", json!(host));
    }
    if let Some(port) = health.port {
        put("port", json!(port));
    }
    if let Some(tls) = health.tls {
        put("tls", json!(tls));
    }
    put("interval", json!(show_duration(health.interval)));
    put("fast_interval", json!(show_duration(health.fast_interval)));
    put("jitter", json!(health.jitter));
    put("timeout", json!(show_duration(health.timeout)));
    put("rise", json!(health.rise));
    put("fall", json!(health.fall));
    if cluster.backends.iter().any(|it| health.has_agent(it)) {
        put("agent", agent(&health.agent));
    }
    Value::Object(keys)
}

fn http(check: &HttpCheck, keys: &mut Map<String, Value>) {
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    put("type", json!("http"));
    put("method", json!(check.method.as_str()));
    put("path", json!(check.path));
    let field = |(name, value): &(http::HeaderName, http::HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), json!(value))
    };
    let fields: Map<_, _> = check.headers.iter().map(field).collect();
    if !fields.is_empty() {
        put("headers", Value::Object(fields));
    }
    let mut expect = Map::new();
    expect.insert("statuses".to_owned(), statuses(&check.statuses));
    if let Some(body) = &check.body {
        expect.insert("body".to_owned(), json!(body));
    }
    if let Some(pattern) = &check.body_regex {
        expect.insert("body_regex".to_owned(), json!(pattern.0.as_str()));
    }
    put("expect", Value::Object(expect));
    put("drain_on", statuses(&check.drain_on));
}

fn statuses(statuses: &Statuses) -> Value {
    let ranges = statuses.0.iter().map(|range| {
        let (least, most) = (range.start(), range.end());
        if least == most {
            json!(least)
        } else {
            json!(format!("{least}-{most}"))
        }
    });
    ranges.collect()
}

fn agent(agent: &AgentCheck) -> Value {
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    if let Some(port) = agent.port {
        put("port", json!(port));
    }
    if let Some(address) = agent.address {
        put("address", json!(address.to_string()));
    }
    put("interval", json!(show_duration(agent.interval)));
    put("timeout", json!(show_duration(agent.timeout)));
    if let Some(send) = &agent.send {
        put("send", json!(send));
    }
    Value::Object(keys)
}
