//! The keys of a cluster.

use super::backend::BACKEND;
use super::upstream::{HEALTH, POOL, RETRY, TIMEOUTS};
use super::{HEADERS, Key, Kind};

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
