//! The keys of a cluster and its backends.

use super::{HEADERS, HOUR, Key, Kind, MINUTE, SECOND};

/// One cluster.
pub(in crate::config) const CLUSTER: &[Key] = &[
    Key::new(
        "affinity",
        Kind::Choice(&["sticky", "prefer", "none"]),
        "Whether sessions stay with their Tomcat.",
    )
    .or("sticky"),
    Key::new(
        "session_cookies",
        Kind::List(&Kind::Text("a cookie's name")),
        "Names of the session cookie, in order of trust.",
    )
    .or("[JSESSIONID]"),
    Key::new(
        "balance",
        Kind::Either(&[
            Kind::Choice(&["round_robin", "least_requests", "two_choices"]),
            Kind::Section(BALANCE),
        ]),
        "Who gets a request that no session binds.",
    )
    .or("round_robin"),
    Key::new(
        "timeouts",
        Kind::Section(TIMEOUTS),
        "Longest waits for a backend.",
    )
    .or("{}"),
    Key::new(
        "pool",
        Kind::Section(POOL),
        "Kept-alive connections to one backend.",
    )
    .or("{}"),
    Key::new("health", Kind::Section(HEALTH), "Checks of the backends.").or("{}"),
    Key::new(
        "retry",
        Kind::Section(RETRY),
        "When a request is tried again beyond what is always safe.",
    )
    .or("{}"),
    Key::new(
        "host",
        Kind::Text("\"keep\", \"backend\" or a host name"),
        "Which Host the backend sees: the client's, its own address, or this one.",
    )
    .or("keep"),
    Key::new(
        "forwarded",
        Kind::Section(FORWARDED),
        "What the backend is told about the client.",
    )
    .or("{}"),
    Key::new(
        "request_headers",
        Kind::Section(HEADERS),
        "Changes to the request's headers.",
    )
    .or("{}"),
    Key::new(
        "response_headers",
        Kind::Section(HEADERS),
        "Changes to the response's headers.",
    )
    .or("{}"),
    Key::new(
        "rewrite",
        Kind::Section(REWRITE),
        "What is rewritten in responses so that clients see the public address.",
    )
    .or("{}"),
    Key::new("buffers", Kind::Section(BUFFERS), "Bodies held in memory.").or("{}"),
    Key::new(
        "upgrades",
        Kind::List(&Kind::Text("a protocol, such as websocket")),
        "Protocols that a client may switch to.",
    )
    .or("[websocket]"),
    Key::needed(
        "backends",
        Kind::List(&Kind::Either(&[
            Kind::Text("an address, such as 10.0.0.32:8080"),
            Kind::Section(BACKEND),
        ])),
        "The Tomcats; at least one. An address alone stands for a backend with defaults.",
    ),
];

const BALANCE: &[Key] = &[Key::needed(
    "hash",
    Kind::Either(&[
        Kind::Choice(&["client_address", "uri"]),
        Kind::Section(HASH),
    ]),
    "Weighted rendezvous hash of this.",
)];

const HASH: &[Key] = &[
    Key::new(
        "header",
        Kind::Text("a header's name"),
        "Hash of this header's first value.",
    ),
    Key::new(
        "cookie",
        Kind::Text("a cookie's name"),
        "Hash of this cookie's first value.",
    ),
];

const TIMEOUTS: &[Key] = &[
    Key::new(
        "connect",
        Kind::Duration(1, 10 * MINUTE),
        "For a connection.",
    )
    .or("2s"),
    Key::new(
        "response",
        Kind::Duration(1, 24 * HOUR),
        "For the response head, from the last byte of the request sent.",
    )
    .or("60s"),
    Key::new(
        "body_idle",
        Kind::Duration(1, 24 * HOUR),
        "Between two pieces of the response body, and of the request body sent.",
    )
    .or("60s"),
];

const POOL: &[Key] = &[
    Key::new(
        "max_idle",
        Kind::Count(0, 65_536),
        "Idle connections kept per worker and backend.",
    )
    .or("64"),
    Key::new(
        "idle",
        Kind::Duration(1, 24 * HOUR),
        "How long one may be idle; shorter than Tomcat's keepAliveTimeout (20s).",
    )
    .or("15s"),
    Key::new(
        "lifetime",
        Kind::Duration(SECOND, 24 * HOUR),
        "How long one may be used in all.",
    )
    .or("10m"),
];

const HEALTH: &[Key] = &[
    Key::new(
        "path",
        Kind::Text("a path that starts with '/'"),
        "What is asked for; absent: no check by HTTP, a dead backend returns once it accepts a connection.",
    ),
    Key::new(
        "host",
        Kind::Text("a host name"),
        "The Host that the check sends; absent: the backend's address.",
    ),
    Key::new(
        "interval",
        Kind::Duration(10, HOUR),
        "Time between two checks.",
    )
    .or("2s"),
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
];

const RETRY: &[Key] = &[
    Key::new(
        "on",
        Kind::List(&Kind::Text("\"timeout\" or a status from 400 to 599")),
        "What else counts as a failed attempt of an idempotent request.",
    )
    .or("[]"),
    Key::new(
        "time",
        Kind::Duration(1, HOUR),
        "No new attempt after this long since the first.",
    )
    .or("10s"),
    Key::new(
        "buffer",
        Kind::Size(0, 64 << 20),
        "Request bodies up to this size can be sent again.",
    )
    .or("64KiB"),
    Key::new(
        "budget",
        Kind::Section(BUDGET),
        "How much of the traffic may be retries for `on`.",
    )
    .or("{}"),
];

const BUDGET: &[Key] = &[
    Key::new(
        "percent",
        Kind::Count(0, 100),
        "Share of the requests in flight.",
    )
    .or("20"),
    Key::new(
        "min",
        Kind::Count(0, 100_000),
        "Retries that are always allowed at a time.",
    )
    .or("10"),
];

const FORWARDED: &[Key] = &[
    Key::new(
        "x_forwarded",
        Kind::Switch,
        "Send X-Forwarded-For, -Proto, -Host and -Port.",
    )
    .or("true"),
    Key::new("x_real_ip", Kind::Switch, "Send X-Real-IP.").or("true"),
    Key::new("rfc7239", Kind::Switch, "Send Forwarded (RFC 7239).").or("false"),
    Key::new("via", Kind::Switch, "Send Via, to backends and clients.").or("false"),
];

const REWRITE: &[Key] = &[
    Key::new(
        "location",
        Kind::Switch,
        "As Apache's ProxyPassReverse: the backend's own address in Location, Content-Location, Refresh and Link becomes the public one.",
    )
    .or("false"),
    Key::new(
        "cookie_path",
        Kind::Map("a path prefix of the backend", &Kind::Text("the public path prefix")),
        "Path prefixes in Set-Cookie.",
    )
    .or("{}"),
    Key::new(
        "cookie_domain",
        Kind::Map("a domain of the backend", &Kind::Text("the public domain, or nothing")),
        "Domains in Set-Cookie; an empty public domain takes the attribute away.",
    )
    .or("{}"),
    Key::new(
        "charset",
        Kind::Text("a charset, such as utf-8"),
        "The charset named in text answers that name none.",
    ),
];

const BUFFERS: &[Key] = &[
    Key::new(
        "response",
        Kind::Size(0, 64 << 20),
        "How much of a response is read ahead of a slow client.",
    )
    .or("64KiB"),
    Key::new(
        "request",
        Kind::Size(0, 64 << 20),
        "How much of a request body is collected before a backend is chosen.",
    )
    .or("0B"),
];

/// One backend.
const BACKEND: &[Key] = &[
    Key::new(
        "name",
        Kind::Text("1 to 128 visible ASCII characters"),
        "Its name in metrics and commands; absent: the jvm route, else the address as written.",
    ),
    Key::needed(
        "address",
        Kind::Text("a host and a port, such as 10.0.0.32:8080, or unix:/path/of.sock"),
        "Where the Tomcat listens.",
    ),
    Key::new(
        "jvm_route",
        Kind::Text("1 to 64 letters, digits, '-' or '_'"),
        "The Tomcat's `jvmRoute`, unique in the cluster.",
    ),
    Key::new(
        "weight",
        Kind::Count(1, 65_535),
        "Its share of the requests.",
    )
    .or("1"),
    Key::new(
        "backup",
        Kind::Switch,
        "Only used when no other backend is usable.",
    )
    .or("false"),
    Key::new(
        "state",
        Kind::Choice(&["up", "draining", "disabled"]),
        "Serve; serve known sessions only; serve nothing.",
    )
    .or("up"),
    Key::new(
        "max_requests",
        Kind::Count(0, 1_000_000),
        "Requests in flight over all workers; 0: no bound.",
    )
    .or("0"),
];
