//! Rules and header changes as they are typed.

use serde_json::{Map, Value, json};

use crate::config::check::VARIABLES;
use crate::config::{
    Action, Cluster, HeaderRules, HostPattern, Piece, Priority, ProxyAction, Rule, Template,
};

use super::access;

pub(super) fn rule(rule: &Rule, clusters: &[Cluster]) -> Value {
    let host = match &rule.host {
        HostPattern::Any => "*".to_owned(),
        HostPattern::Suffix(suffix) => format!("*{suffix}"),
        HostPattern::Exact(name) => name.clone(),
    };
    let (allow, deny) = access(&rule.access);
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    put("host", json!(host));
    put("path", json!(rule.path));
    if let Some(scheme) = rule.scheme {
        put("scheme", json!(scheme.as_str()));
    }
    put("allow", json!(allow));
    put("deny", json!(deny));
    match &rule.action {
        Action::Proxy(action) => proxy(&mut keys, action, clusters),
        Action::Redirect { status, to } => {
            put(
                "redirect",
                json!({ "to": template(to), "status": status.as_u16() }),
            );
        }
        Action::Respond {
            status,
            content_type,
            body,
        } => {
            let body = String::from_utf8_lossy(body);
            let answer = json!({
                "status": status.as_u16(), "content_type": content_type, "body": body,
            });
            put("respond", answer);
        }
    }
    Value::Object(keys)
}

fn proxy(keys: &mut Map<String, Value>, action: &ProxyAction, clusters: &[Cluster]) {
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    let cluster = clusters
        .get(action.cluster)
        .map(|cluster| cluster.name.as_str());
    put("cluster", json!(cluster.unwrap_or_default()));
    match action.replace_prefix.as_deref() {
        None => {}
        Some("") => {
            put("strip_prefix", json!(true));
        }
        Some(prefix) => {
            put("replace_prefix", json!(prefix));
        }
    }
    let priority = match action.priority {
        Priority::High => "high",
        Priority::Normal => "normal",
        Priority::Low => "low",
    };
    put("priority", json!(priority));
    put("request_headers", header_rules(&action.request_headers));
    put("response_headers", header_rules(&action.response_headers));
}

pub(super) fn header_rules(rules: &HeaderRules) -> Value {
    let remove: Vec<&str> = rules.remove.iter().map(http::HeaderName::as_str).collect();
    let values = |values: &[(http::HeaderName, Template)]| {
        let entry = |(name, value): &(http::HeaderName, Template)| {
            (name.as_str().to_owned(), json!(template(value)))
        };
        values.iter().map(entry).collect::<Map<_, _>>()
    };
    json!({ "remove": remove, "set": values(&rules.set), "add": values(&rules.add) })
}

fn template(template: &Template) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.replace('$', "$$"),
        Piece::Variable(variable) => {
            let named = VARIABLES.iter().find(|(_, known)| known == variable);
            format!("${}", named.map(|(name, _)| *name).unwrap_or_default())
        }
        Piece::RequestHeader(name) => format!("$http_{}", name.as_str().replace('-', "_")),
    };
    template.0.iter().map(piece).collect()
}
