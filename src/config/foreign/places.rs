//! Words that mean something else where they stand.

use super::{LISTENER_TLS, TICKETS, find};

const IN_CLUSTER: &[(&str, &str)] = &[
    (
        "ssl",
        "use tls: {} of the cluster, or tls: { ca: FILE }; ssl verify none is tls: { insecure: true }",
    ),
    ("ssl verify none", INSECURE),
    ("verify", INSECURE),
    ("verifyhost", "use tls: { name: HOST } of the cluster"),
    ("ca-file", "use tls: { ca: FILE } of the cluster"),
    ("ca", "use tls: { ca: FILE } of the cluster"),
    ("crt", SHOWN),
    ("cert", SHOWN),
    ("key", SHOWN),
    ("certificates", SHOWN),
    ("sni", "use tls: { name: HOST } of the cluster"),
    ("insecure", "use tls: { insecure: true } of the cluster"),
    ("alpn", "use protocol: h2 of the cluster for HTTP/2"),
];

const INSECURE: &str =
    "backends are verified unless tls of the cluster says so: tls: { insecure: true }";

const SHOWN: &str = "use tls: { cert: FILE, key: FILE } of the cluster";

const IN_LISTENER: &[(&str, &str)] = &[
    ("cert", LISTENER_TLS),
    ("key", LISTENER_TLS),
    ("certificates", LISTENER_TLS),
];

const IN_LISTENER_TLS: &[(&str, &str)] = &[
    ("cert", "write certificates: [{ cert: FILE, key: FILE }]"),
    ("key", "write certificates: [{ cert: FILE, key: FILE }]"),
    ("session_timeout", TICKETS),
    (
        "optional_no_ca",
        "what a client shows is always verified: write optional, with the authorities in ca",
    ),
];

/// The hint for another program's word at this place, which counts before all others.
pub(in crate::config) fn hint_at(path: &str, word: &str) -> Option<&'static str> {
    let words = if path.starts_with("clusters.") {
        // Other sections of a cluster have keys and files of their own.
        let is_other = is_within_cluster(path) && !path.ends_with(".tls") && !path.ends_with(']');
        if is_other { &[] } else { IN_CLUSTER }
    } else if is_listener_tls(path) {
        IN_LISTENER_TLS
    } else if path.starts_with("listeners[") {
        IN_LISTENER
    } else {
        return None;
    };
    find(words.iter(), word)
}

fn is_within_cluster(path: &str) -> bool {
    path.matches('.').count() > 1
}

fn is_listener_tls(path: &str) -> bool {
    path.starts_with("listeners[") && path.contains("].tls")
}

/// The hint for a switch where a section belongs.
pub(in crate::config) fn section_hint(path: &str, word: &str) -> Option<&'static str> {
    let is_on = match word.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" => true,
        "false" | "off" | "no" | "none" => false,
        _ => return None,
    };
    let is_tls = path.ends_with(".tls");
    Some(match (is_on, is_tls) {
        (true, true) if is_listener_tls(path) => {
            "write tls: { certificates: [{ cert: FILE, key: FILE }] }"
        }
        (true, true) => {
            "write tls: {}, which trusts the authorities of this system, or tls: { ca: FILE }"
        }
        (false, true) => "leave tls out",
        (true, false) if path.ends_with(".hsts") => "write hsts: { max_age: 4320h }",
        (false, false) if path.ends_with(".hsts") => "leave hsts out",
        _ => return None,
    })
}
