//! The keys of a rule.

use super::{HEADERS, Key, Kind, NETWORKS};

/// One rule.
pub(in crate::config) const RULE: &[Key] = &[
    Key::new(
        "host",
        Kind::Text("a host name, \"*.\" and a domain, or \"*\""),
        "Which hosts; compared without port and case.",
    )
    .or("\"*\""),
    Key::new(
        "path",
        Kind::Text("a path that starts with '/' and does not end with it"),
        "Which paths: this one and all below it; compared byte for byte.",
    )
    .or("/"),
    Key::new(
        "scheme",
        Kind::Choice(&["http", "https"]),
        "Which scheme, as the client sees it; absent: both.",
    ),
    Key::new("allow", NETWORKS, "Who may ask; empty: everybody.").or("[]"),
    Key::new(
        "deny",
        NETWORKS,
        "Who may not ask; looked at before `allow`.",
    )
    .or("[]"),
    Key::new(
        "cluster",
        Kind::Text("the name of a cluster"),
        "Pass the request to this cluster.",
    ),
    Key::new(
        "redirect",
        Kind::Section(REDIRECT),
        "Send the client elsewhere.",
    ),
    Key::new(
        "respond",
        Kind::Section(RESPOND),
        "Answer with a fixed text.",
    ),
    Key::new(
        "strip_prefix",
        Kind::Switch,
        "Take the rule's path off before the request is passed on.",
    )
    .or("false"),
    Key::new(
        "replace_prefix",
        Kind::Text("a path that starts with '/'"),
        "Put this in place of the rule's path before the request is passed on.",
    ),
    Key::new(
        "priority",
        Kind::Choice(&["high", "normal", "low"]),
        "How much its requests matter where not all can wait for a full backend.",
    )
    .or("normal"),
    Key::new(
        "request_headers",
        Kind::Section(HEADERS),
        "Changes to the request's headers, after the cluster's.",
    )
    .or("{}"),
    Key::new(
        "response_headers",
        Kind::Section(HEADERS),
        "Changes to the response's headers, after the cluster's.",
    )
    .or("{}"),
];

const REDIRECT: &[Key] = &[
    Key::needed(
        "to",
        Kind::Text("an address, such as https://$host$request_uri"),
        "The new address; variables are replaced.",
    ),
    Key::new(
        "status",
        Kind::Choice(&["301", "302", "303", "307", "308"]),
        "The status.",
    )
    .or("302"),
];

const RESPOND: &[Key] = &[
    Key::new("status", Kind::Count(200, 599), "The status.").or("200"),
    Key::new(
        "content_type",
        Kind::Text("a media type, such as text/plain"),
        "The body's type.",
    )
    .or("text/plain; charset=utf-8"),
    Key::new("body", Kind::Text("a text"), "The body.").or("\"\""),
];
