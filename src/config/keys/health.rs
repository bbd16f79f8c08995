//! The keys about checks of backends and about their agents.

use super::{HOUR, Key, Kind, SECOND};

pub(super) const HEALTH: &[Key] = &[
    Key::new(
        "type",
        Kind::Choice(&["http", "tcp", "tls"]),
        "How backends are checked: by a request, by a connection, or by a TLS handshake; absent: http if there is a path, else not at all.",
    ),
    Key::new(
        "method",
        Kind::Choice(&["GET", "HEAD", "OPTIONS"]),
        "The request's method.",
    )
    .or("GET"),
    Key::new(
        "path",
        Kind::Text("a path that starts with '/'"),
        "What is asked for; absent: no check by HTTP, a dead backend returns once it answers `OPTIONS *`.",
    ),
    Key::new(
        "host",
        Kind::Text("a host name"),
        "The Host that the check sends; absent: the backend's address.",
    ),
    Key::new(
        "headers",
        Kind::Map("a header's name", &Kind::Text("a text")),
        "Further headers that the check sends. Never a cookie: checks would live in sessions.",
    ),
    Key::new(
        "port",
        Kind::Count(1, 65_535),
        "Where the check connects; absent: the backend's own port.",
    ),
    Key::new(
        "tls",
        Kind::Switch,
        "Whether checks are made by TLS; absent: as requests are. Certificates are verified where the cluster has `tls`.",
    ),
    Key::new(
        "expect",
        Kind::Section(EXPECT),
        "Which answer passes; only with `path`.",
    )
    .or("{}"),
    Key::new(
        "drain_on",
        Kind::List(&STATUSES),
        "Statuses of a backend that is to get no new sessions and keeps those it has; only with `path`.",
    )
    .or("[]"),
    Key::new(
        "interval",
        Kind::Duration(10, HOUR),
        "Longest time between two checks.",
    )
    .or("2s"),
    Key::new(
        "fast_interval",
        Kind::Duration(10, HOUR),
        "The same while a backend is about to change: some, but not yet `fall` checks failed or `rise` passed; absent: `interval`, at most 500ms.",
    ),
    Key::new(
        "jitter",
        Kind::Count(0, 50),
        "By how much of the interval checks come early, in percent, so that they spread.",
    )
    .or("10"),
    Key::new(
        "timeout",
        Kind::Duration(1, HOUR),
        "Longest wait for a check's answer.",
    )
    .or("2s"),
    Key::new(
        "rise",
        Kind::Count(1, 1000),
        "Good checks in a row that bring a backend up.",
    )
    .or("2"),
    Key::new(
        "fall",
        Kind::Count(1, 1000),
        "Bad checks in a row that take it down.",
    )
    .or("3"),
    Key::new(
        "agent",
        Kind::Section(AGENT),
        "A program beside each backend that says how it is, in HAProxy's words.",
    )
    .or("{}"),
];

const STATUSES: Kind = Kind::Text("a status or a range of them, such as 404 or 200-399");

const EXPECT: &[Key] = &[
    Key::new("statuses", Kind::List(&STATUSES), "Statuses that pass.").or("[200-399]"),
    Key::new(
        "body",
        Kind::Text("a text"),
        "What the first 64 KiB of the body must hold.",
    ),
    Key::new(
        "body_regex",
        Kind::Text("a regular expression"),
        "What must be found in the first 64 KiB of the body.",
    ),
];

const AGENT: &[Key] = &[
    Key::new(
        "port",
        Kind::Count(1, 65_535),
        "Where agents listen; absent: only backends with `agent_port` have one.",
    ),
    Key::new(
        "address",
        Kind::Text("an IP address"),
        "The machine of all agents; absent: each stands beside its backend.",
    ),
    Key::new(
        "interval",
        Kind::Duration(100, HOUR),
        "Longest time between two questions.",
    )
    .or("2s"),
    Key::new(
        "timeout",
        Kind::Duration(1, 60 * SECOND),
        "Longest wait for an answer.",
    )
    .or("2s"),
    Key::new(
        "send",
        Kind::Text("a line, in which $backend stands for the backend's name"),
        "What is sent to the agent, with a line's end; absent: nothing.",
    ),
];
