//! Rules: which requests go where, and in which order they are looked at.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use crate::config::raw::Value;
use crate::config::{
    Access, Action, Cluster, HostPattern, Priority, ProxyAction, Rule, Scheme, Template,
};

use super::addresses::{is_authority, is_host};
use super::at::At;
use super::headers::header_rules;
use super::network_lists;
use super::schemes::Schemes;
use super::section::Section;
use super::templates::{Use, template};
use super::words::{is_path, near};

const PRIORITIES: [(&str, Priority); 3] = [
    ("high", Priority::High),
    ("normal", Priority::Normal),
    ("low", Priority::Low),
];

const SCHEMES: [(&str, Scheme); 2] = [("http", Scheme::Http), ("https", Scheme::Https)];

/// Every rule, the most specific first.
pub(super) fn rules(
    top: &Section<'_>,
    clusters: &[(At<'_>, Cluster)],
    schemes: Schemes,
) -> Vec<Rule> {
    let list = top.get("rules");
    let mut seen: Vec<(At<'_>, Rule)> = Vec::new();
    for item in list.items() {
        let section = item.section();
        if let Some(rule) = rule(&section, clusters) {
            refuse_twice(&section, &rule, &seen);
            schemes.warn_of_loop(&section, &rule);
            seen.push((item, rule));
        }
    }
    let mut rules: Vec<Rule> = seen.into_iter().map(|(_, rule)| rule).collect();
    lead_to_each(&mut rules, top, clusters);
    // A stable sort: the file's order counts among equals.
    rules.sort_by_key(|rule| {
        let scheme = rule.scheme.is_some();
        std::cmp::Reverse((specificity(&rule.host), rule.path.len(), scheme))
    });
    rules
}

fn specificity(host: &HostPattern) -> (u8, usize) {
    match host {
        HostPattern::Any => (0, 0),
        HostPattern::Suffix(suffix) => (1, suffix.len()),
        HostPattern::Exact(_) => (2, 0),
    }
}

/// Each cluster needs a rule. A single one that no rule names gets what the rules leave over.
fn lead_to_each(rules: &mut Vec<Rule>, top: &Section<'_>, clusters: &[(At<'_>, Cluster)]) {
    let is_led_to = |index: usize, rules: &[Rule]| {
        rules
            .iter()
            .any(|rule| matches!(&rule.action, Action::Proxy(to) if to.cluster == index))
    };
    let catches_all =
        |rule: &Rule| rule.host == HostPattern::Any && rule.path == "/" && rule.scheme.is_none();
    if clusters.len() == 1 && !is_led_to(0, rules) && !rules.iter().any(catches_all) {
        // A rule that was complained about may be the one that leads to it.
        rules.push(Rule {
            scheme: None,
            host: HostPattern::Any,
            path: "/".to_owned(),
            access: Access::default(),
            action: Action::Proxy(ProxyAction {
                cluster: 0,
                replace_prefix: None,
                priority: Priority::Normal,
                request_headers: crate::config::HeaderRules::default(),
                response_headers: crate::config::HeaderRules::default(),
            }),
        });
    }
    if top.get("rules").items().len() > rules.len() {
        return;
    }
    for (index, (name, _)) in clusters.iter().enumerate() {
        if !is_led_to(index, rules) {
            let name_text = name.plain_text().unwrap_or_default();
            let hint = format!("add rules: [{{ path: /, cluster: {name_text} }}]");
            name.unlike(
                "a cluster that a rule leads to; no rule leads to it",
                Some(hint),
            );
        }
    }
    let named = top.get("clusters");
    let is_map = matches!(named.node.value, Value::Map(_) | Value::Nothing);
    if clusters.is_empty() && rules.is_empty() && top.is_read() && is_map {
        named.unlike(
            "at least one cluster, or rules that answer by themselves",
            None,
        );
    }
}

fn rule(section: &Section<'_>, clusters: &[(At<'_>, Cluster)]) -> Option<Rule> {
    let host = host(&section.get("host"));
    let path = section.get("path").parse(path);
    let scheme = section.value("scheme").map(|at| at.choice(&SCHEMES));
    let access = network_lists::access(section);
    let action = action(section, path.as_deref().unwrap_or("/"), clusters);
    Some(Rule {
        scheme: match scheme {
            None => None,
            Some(scheme) => Some(scheme?),
        },
        host: host?,
        path: path?,
        access,
        action: action?,
    })
}

fn host(at: &At<'_>) -> Option<HostPattern> {
    at.parse(|text| {
        let lower = text.to_ascii_lowercase();
        if lower == "*" {
            return Ok(HostPattern::Any);
        }
        if let Some(domain) = lower.strip_prefix("*.") {
            let suffix = HostPattern::Suffix(format!(".{domain}"));
            return is_host(domain).then_some(suffix).ok_or(None);
        }
        let has_port = |text: &str| text.rsplit_once(':').is_some_and(|(_, p)| !p.contains(']'));
        if is_authority(&lower) && !has_port(&lower) {
            return Ok(HostPattern::Exact(lower));
        }
        Err(host_hint(&lower))
    })
}

fn host_hint(text: &str) -> Option<String> {
    if let Some((_, rest)) = text.split_once("://") {
        return Some(format!(
            "write {}",
            rest.split(['/', ':']).next().unwrap_or_default()
        ));
    }
    if let Some(rest) = text.strip_prefix('.') {
        return Some(format!("write \"*.{rest}\""));
    }
    if text.starts_with('~') || text.contains(['^', '(', '\\']) {
        return Some("regular expressions are not available; one rule for each host".to_owned());
    }
    let (name, port) = text.rsplit_once(':')?;
    let is_port = port.parse::<u16>().is_ok();
    is_port.then(|| format!("write {name}; the port is not compared"))
}

fn path(text: &str) -> Result<String, Option<String>> {
    if text.len() > 1 && text.ends_with('/') && is_path(text) {
        let shorter = text.trim_end_matches('/');
        let shorter = if shorter.is_empty() { "/" } else { shorter };
        return Err(Some(format!(
            "write {shorter}; it matches itself and all below it"
        )));
    }
    if is_path(text) && !text.contains('*') {
        return Ok(text.to_owned());
    }
    if text.starts_with(['~', '^', '=']) {
        return Err(Some(
            "a rule's path is a prefix; there are no regular expressions".to_owned(),
        ));
    }
    if text.contains('*') {
        return Err(Some(
            "a rule's path is a prefix; it needs no '*'".to_owned(),
        ));
    }
    Err((!text.starts_with('/') && is_path(&format!("/{text}"))).then(|| format!("write /{text}")))
}

fn action(section: &Section<'_>, path: &str, clusters: &[(At<'_>, Cluster)]) -> Option<Action> {
    let told: Vec<&str> = ["cluster", "redirect", "respond"]
        .into_iter()
        .filter(|key| section.has(key))
        .collect();
    match told.as_slice() {
        ["cluster"] => proxy(section, path, clusters),
        [key @ ("redirect" | "respond")] => {
            refuse_proxy_keys(section, key);
            let action = section.get(key);
            if *key == "redirect" {
                redirect(&action)
            } else {
                respond(&action)
            }
        }
        _ => {
            let hint = (told.len() > 1).then(|| format!("this rule has {}", told.join(" and ")));
            let expected = "exactly one of cluster, redirect and respond in a rule";
            let hint = hint.or_else(|| Some("add cluster: NAME".to_owned()));
            section.at.unlike(expected, hint);
            None
        }
    }
}

fn refuse_proxy_keys(section: &Section<'_>, action: &str) {
    let keys = [
        "strip_prefix",
        "replace_prefix",
        "priority",
        "request_headers",
        "response_headers",
    ];
    for key in keys.into_iter().filter(|key| section.has(key)) {
        let expected = format!("no {key} in a rule with {action}; it is for rules with cluster");
        section.get(key).unlike(expected, None);
    }
}

fn proxy(section: &Section<'_>, path: &str, clusters: &[(At<'_>, Cluster)]) -> Option<Action> {
    let request_headers = header_rules(&section.get("request_headers"), Use::RequestHeader);
    let response_headers = header_rules(&section.get("response_headers"), Use::ResponseHeader);
    let replace_prefix = replace_prefix(section, path);
    let priority = section.get("priority").choice(&PRIORITIES);
    let names = || clusters.iter().map(|(_, cluster)| cluster.name.as_str());
    let cluster = section.get("cluster").parse(|text| {
        names().position(|name| name == text).ok_or_else(|| {
            let all = names().collect::<Vec<_>>().join(", ");
            near(text, names()).or_else(|| Some(format!("there are: {all}")))
        })
    })?;
    Some(Action::Proxy(ProxyAction {
        cluster,
        replace_prefix,
        priority: priority.unwrap_or(Priority::Normal),
        request_headers,
        response_headers,
    }))
}

fn replace_prefix(section: &Section<'_>, path: &str) -> Option<String> {
    let strip = section.get("strip_prefix").switch();
    let Some(replace) = section.value("replace_prefix") else {
        // Below `/` there is nothing to strip.
        return (strip && path != "/").then(String::new);
    };
    if strip {
        replace.unlike("one of strip_prefix and replace_prefix", None);
    }
    let replaced = replace.parse(|text| match text {
        "/" => Ok(String::new()),
        _ if is_path(text) && !text.ends_with('/') => Ok(text.to_owned()),
        _ => Err(None),
    });
    replaced.filter(|prefix| !(prefix.is_empty() && path == "/"))
}

fn redirect(at: &At<'_>) -> Option<Action> {
    let section = at.section();
    let words = [301, 302, 303, 307, 308].map(StatusCode::from_u16);
    let words: Vec<(String, StatusCode)> = words
        .into_iter()
        .flatten()
        .map(|status| (status.as_str().to_owned(), status))
        .collect();
    let words: Vec<(&str, StatusCode)> = words.iter().map(|(w, s)| (w.as_str(), *s)).collect();
    let status = section.get("status").choice(&words);
    let to = section.required("to")?;
    let starts_well = |text: &str| {
        ["http://", "https://", "/", "$scheme://"]
            .iter()
            .any(|start| text.starts_with(start))
    };
    if !to.text().is_some_and(starts_well) {
        to.unlike("an address that starts with http://, https:// or '/'", None);
        return None;
    }
    let to: Template = template(&to, Use::Redirect)?;
    Some(Action::Redirect {
        status: status?,
        to,
    })
}

fn respond(at: &At<'_>) -> Option<Action> {
    let section = at.section();
    let status = u16::try_from(section.get("status").count()).ok();
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let content_type = section.get("content_type").parse(|text| {
        let fits = HeaderValue::from_str(text).is_ok() && text.contains('/');
        fits.then(|| text.to_owned()).ok_or(None)
    });
    let body_at = section.get("body");
    let body = match &body_at.node.value {
        Value::Nothing => Bytes::new(),
        _ => Bytes::from(body_at.text()?.to_owned()),
    };
    let status = status?;
    let is_bodiless = matches!(status.as_u16(), 204 | 304);
    if is_bodiless && !body.is_empty() {
        body_at.unlike(format!("no body with the status {}", status.as_u16()), None);
    }
    Some(Action::Respond {
        status,
        content_type: content_type?,
        body,
    })
}

fn refuse_twice(section: &Section<'_>, rule: &Rule, seen: &[(At<'_>, Rule)]) {
    let same = |earlier: &Rule| {
        let matches = |of: &Rule| (of.scheme, of.host.clone(), of.path.clone());
        matches(earlier) == matches(rule)
    };
    if let Some((earlier, _)) = seen.iter().find(|(_, earlier)| same(earlier)) {
        let key = ["path", "host"].into_iter().find(|key| section.has(key));
        let at = key.map_or_else(|| section.at.clone(), |key| section.get(key));
        let (what, all) = match rule.scheme {
            None => ("host", "both"),
            Some(_) => ("scheme, host", "them"),
        };
        let (path, line) = (&earlier.path, earlier.node.place.line);
        let hint = format!("{path} in line {line} has {all}");
        at.unlike(
            format!("a {what} and path that no other rule has"),
            Some(hint),
        );
    }
}
