//! The keys of a cluster that are about its sessions, and which of them go ill together.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::raw::Value;
use crate::config::{Affinity, Dialect, OwnerBy, Sessions};

use super::at::At;
use super::balance::cookie_name;
use super::owner::{owner, refuse_unfit_dialect};
use super::pattern::pattern;
use super::section::Section;
use super::words::is_token;

/// How the sessions of a cluster are recognised and kept, and the file of its affinity cookie's
/// keys. `affinity` is nothing after a complaint about it.
pub(super) fn sessions(
    cluster: &Section<'_>,
    affinity: Option<Affinity>,
) -> (Sessions, Option<PathBuf>) {
    let dialect = dialect(&cluster.get("dialect"));
    let cookies = match cluster.value("session_cookies") {
        Some(at) => session_cookies(&at),
        None => vec![usual_cookie(dialect.unwrap_or(Dialect::Tomcat)).to_owned()],
    };
    let parameters = match cluster.value("session_parameters") {
        Some(at) => session_parameters(&at),
        None => usual_parameters(&cookies),
    };
    let owner = owner(cluster, &cookies);
    let (owner, key_file) = owner.unwrap_or((OwnerBy::Learn, None));
    let sessions = Sessions {
        cookies,
        parameters,
        dialect: dialect.unwrap_or(Dialect::Tomcat),
        owner,
        strict: cluster.get("strict").switch(),
        hold: cluster.get("hold").duration(),
        hold_requests: cluster.get("hold_requests").length(),
        idle: session_idle(&cluster.get("session_idle")),
        replicated: cluster.get("replicated").switch(),
        ignore: cluster.value("ignore").and_then(|at| pattern(&at)),
        ignore_drops_cookie: cluster.get("ignore_drops_cookie").switch(),
    };
    if let (OwnerBy::Append, Some(dialect)) = (&sessions.owner, dialect) {
        refuse_unfit_dialect(cluster, dialect);
    }
    if let Some(affinity) = affinity {
        compare_with_affinity(cluster, affinity, &sessions);
    }
    if sessions.ignore_drops_cookie && !cluster.has("ignore") {
        cluster.get("ignore_drops_cookie").warn(
            "ignore next to it",
            "without ignore no path is meant, and this has no effect",
        );
    }
    if sessions.hold_requests == 0 && !sessions.hold.is_zero() {
        cluster.get("hold_requests").warn(
            "at least 1, or no hold",
            "nobody waits, and hold has no effect",
        );
    }
    (sessions, key_file)
}

fn dialect(at: &At<'_>) -> Option<Dialect> {
    let words = [
        ("tomcat", Dialect::Tomcat),
        ("jetty", Dialect::Jetty),
        ("wildfly", Dialect::Wildfly),
        ("spring-session", Dialect::SpringSession),
        ("keycloak", Dialect::Keycloak),
        ("weblogic", Dialect::Weblogic),
    ];
    at.choice(&words)
}

fn usual_cookie(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Tomcat | Dialect::Jetty | Dialect::Wildfly | Dialect::Weblogic => "JSESSIONID",
        Dialect::SpringSession => "SESSION",
        Dialect::Keycloak => "AUTH_SESSION_ID",
    }
}

/// Tomcat names the parameter as the cookie, unless nobody named the cookie.
fn usual_parameters(cookies: &[String]) -> Vec<String> {
    let mut parameters: Vec<String> = Vec::new();
    for cookie in cookies {
        let parameter = match cookie.as_str() {
            "JSESSIONID" => "jsessionid",
            name => name,
        };
        if parameters.iter().all(|known| known != parameter) {
            parameters.push(parameter.to_owned());
        }
    }
    parameters
}

fn session_cookies(at: &At<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let items = at.items();
    for item in &items {
        match cookie_name(item) {
            Some(name) if names.contains(&name) => item.unlike("each cookie once", None),
            Some(name) if name == "JSESSIONIDSSO" => item.unlike(
                "the cookie of the session",
                Some("JSESSIONIDSSO is Tomcat's single sign-on; it belongs to no session".into()),
            ),
            Some(name) => names.push(name),
            None => {}
        }
    }
    // What is no list was told already.
    if items.is_empty() && !matches!(at.node.value, Value::Scalar(_) | Value::Map(_)) {
        at.unlike(
            "at least one cookie's name",
            Some("affinity: none needs none".to_owned()),
        );
    }
    names
}

fn session_parameters(at: &At<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for item in at.items() {
        let name = item.parse(|text| {
            if is_token(text) {
                return Ok(text.to_owned());
            }
            let bare = text.trim_start_matches(';').trim_end_matches('=');
            Err(is_token(bare).then(|| format!("write {bare}")))
        });
        match name {
            Some(name) if names.contains(&name) => item.unlike("each parameter once", None),
            Some(name) => names.push(name),
            None => {}
        }
    }
    names
}

/// A bare number is most likely copied from web.xml, where it counts minutes.
fn session_idle(at: &At<'_>) -> Duration {
    let hint = match at.plain_text().and_then(|text| text.parse::<i64>().ok()) {
        None => return at.duration(),
        Some(minutes) if minutes > 0 => {
            format!("write {minutes}m, if this is Tomcat's session-timeout, which counts minutes")
        }
        Some(_) => "write 720h, the longest, for sessions without an end".to_owned(),
    };
    at.wrong(Some(hint));
    Duration::ZERO
}

/// What asks more of `affinity` than it does.
fn compare_with_affinity(cluster: &Section<'_>, affinity: Affinity, sessions: &Sessions) {
    let because = |why: &str| format!("{}: {why}", cluster.says("affinity"));
    if sessions.strict && affinity != Affinity::Sticky {
        cluster.get("strict").unlike(
            "false, or affinity: sticky",
            Some(because("a session may be served by another backend")),
        );
    }
    if affinity != Affinity::None {
        return;
    }
    if sessions.owner != OwnerBy::Learn {
        cluster.get("owner").unlike(
            "learn, or affinity: sticky or prefer",
            Some(because("no session has an owner, and this has no effect")),
        );
    }
    let idle = [
        ("hold", !sessions.hold.is_zero()),
        ("replicated", sessions.replicated),
        ("ignore", sessions.ignore.is_some()),
    ];
    for (name, is_set) in idle {
        if is_set {
            cluster.get(name).warn(
                "affinity: sticky or prefer next to it",
                &because("this has no effect"),
            );
        }
    }
}
