//! The keys of a cluster.

use super::backend::BACKEND;
use super::health::HEALTH;
use super::stores::STORES;
use super::tls::CLUSTER_TLS;
use super::upstream::{HTTP2, OUTLIERS, POOL, QUEUE, RETRY, TIMEOUTS};
use super::{HEADERS, HOUR, Key, Kind, MINUTE, SECOND};

const DAY: u64 = 24 * HOUR;

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
        "Names of the session cookie, in order of trust; absent: by `dialect`, JSESSIONID, SESSION (spring-session) or AUTH_SESSION_ID (keycloak).",
    ),
    Key::new(
        "session_parameters",
        Kind::List(&Kind::Text("a path parameter's name, without ';' and '='")),
        "Names of the path parameter, in order of trust; absent: jsessionid for the cookie JSESSIONID, else the cookie's name. `[]`: ids are never looked for in paths.",
    ),
    Key::new(
        "dialect",
        Kind::Choice(&[
            "tomcat",
            "jetty",
            "wildfly",
            "spring-session",
            "keycloak",
            "weblogic",
        ]),
        "How session ids are written.",
    )
    .or("tomcat"),
    Key::new(
        "owner",
        Kind::Choice(&["learn", "append", "cookie"]),
        "How an id without a jvm route finds its owner.",
    )
    .or("learn"),
    Key::new(
        "affinity_cookie",
        Kind::Section(AFFINITY_COOKIE),
        "The proxy's own cookie; only with `owner: cookie`.",
    )
    .or("{}"),
    Key::new(
        "strict",
        Kind::Switch,
        "Answer 503 where a session's owner cannot serve it; else the session moves to its survivor.",
    )
    .or("false"),
    Key::new(
        "hold",
        Kind::Duration(0, 10 * MINUTE),
        "How long a request waits for an owner that is down.",
    )
    .or("0s"),
    Key::new(
        "hold_requests",
        Kind::Count(0, 1_000_000),
        "Requests that may wait so at a time; as many again for their turn.",
    )
    .or("1000"),
    Key::new(
        "session_idle",
        Kind::Duration(SECOND, 30 * DAY),
        "How long a session lives without a request: the `session-timeout` of the applications.",
    )
    .or("30m"),
    Key::new(
        "replicated",
        Kind::Switch,
        "Every Tomcat can go on with every session, whoever served it last.",
    )
    .or("false"),
    Key::new(
        "ignore",
        Kind::Text("a regular expression, such as \\.(css|js|png)$"),
        "Paths that touch no session. Searched in the raw path, without its query and parameters.",
    ),
    Key::new(
        "ignore_drops_cookie",
        Kind::Switch,
        "Take a session cookie off the answer for such a path, where the client has a session already.",
    )
    .or("false"),
    Key::new(
        "stores",
        Kind::Section(STORES),
        "Where memcached-session-manager keeps the sessions; absent: nobody looks after that.",
    ),
    Key::new(
        "balance",
        Kind::Either(&[
            Kind::Choice(&[
                "round_robin",
                "least_requests",
                "two_choices",
                "least_sessions",
            ]),
            Kind::Section(BALANCE),
        ]),
        "Who gets a request that no session binds.",
    )
    .or("round_robin"),
    Key::new(
        "slow_start",
        Kind::Duration(0, HOUR),
        "How long a backend that came back gets a growing share of what no session binds; absent: 30s, with `affinity: none` 0s.",
    ),
    Key::new(
        "max_requests",
        Kind::Count(0, 10_000_000),
        "Requests in flight at all backends together, over all workers; 0: no bound.",
    )
    .or("0"),
    Key::new(
        "queue",
        Kind::Section(QUEUE),
        "Requests that wait while their backends are full.",
    )
    .or("{}"),
    Key::new(
        "drain",
        Kind::Section(DRAIN),
        "How backends are emptied.",
    )
    .or("{}"),
    Key::new(
        "fail_back",
        Kind::Choice(&["new_sessions", "never", "when_idle", "at_once"]),
        "What goes to a backend that was down and is back: new sessions and ids that name it; nothing until it is enabled by hand; or also the sessions it had, each when nobody has used it for a while, or with its next request.",
    )
    .or("new_sessions"),
    Key::new(
        "fail_back_idle",
        Kind::Duration(SECOND, DAY),
        "With `fail_back: when_idle`: how long nobody has used a session that goes back. At least `drain.backup_delay`.",
    )
    .or("10s"),
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
    Key::new(
        "protocol",
        Kind::Choice(&["http1", "h2"]),
        "What backends are spoken to in: HTTP/1.1, or HTTP/2, by TLS (ALPN) or without it (prior knowledge), as gRPC needs it.",
    )
    .or("http1"),
    Key::new(
        "http2",
        Kind::Section(HTTP2),
        "Connections to backends that speak HTTP/2; only with `protocol: h2`.",
    )
    .or("{}"),
    Key::new(
        "tls",
        Kind::Section(CLUSTER_TLS),
        "How backends are spoken to by TLS; `{}`: with the system's authorities; absent: without TLS.",
    ),
    Key::new(
        "proxy_protocol",
        Kind::Choice(&["off", "v1", "v2"]),
        "The PROXY header with which each connection to a backend begins; it names the client.",
    )
    .or("off"),
    Key::new("health", Kind::Section(HEALTH), "Checks of the backends.").or("{}"),
    Key::new(
        "outliers",
        Kind::Section(OUTLIERS),
        "When a backend's answers cost it its new sessions for a while.",
    )
    .or("{}"),
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
        "Protocols that a client may switch to; none with `protocol: h2`.",
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

const DRAIN: &[Key] = &[
    Key::new(
        "rate",
        Kind::Count(1, 1_000_000),
        "Sessions that an evacuation marks each second, unless the order says otherwise.",
    )
    .or("50"),
    Key::new(
        "backup_delay",
        Kind::Duration(0, MINUTE),
        "After an answer, until the backup of its session is surely in the store: no session is moved sooner.",
    )
    .or("1s"),
    Key::new(
        "replay_dead",
        Kind::Text("a regular expression, such as ^/shop/(catalog|help)/"),
        "Paths for which a GET or HEAD with a dead session is sent to another backend while its own is being emptied; absent: none.",
    ),
    Key::new(
        "state_header",
        Kind::Text("a header's name"),
        "The request header that tells a backend the state it is in; absent: it is not told.",
    ),
];

const AFFINITY_COOKIE: &[Key] = &[
    Key::new("name", Kind::Text("a cookie's name"), "Its name.").or("CATTAIL"),
    Key::new(
        "max_age",
        Kind::Duration(MINUTE, 30 * DAY),
        "How long it is believed.",
    )
    .or("12h"),
    Key::new(
        "key_file",
        Kind::Text("the path of a file"),
        "File with 1 to 16 keys of 64 hex digits, one a line: the first seals, each opens; absent: a key of this process alone.",
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
