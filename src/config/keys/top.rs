//! The keys of the file itself, and of the sections that are not about clusters.

use super::events::EVENTS;
use super::tls::{HANDSHAKES, LISTENER_TLS};
use super::{CLUSTER, HOUR, Key, Kind, MINUTE, NETWORKS, RULE, SECOND};

const GIB: u64 = 1 << 30;
const OFF: Kind = Kind::Choice(&["off"]);

/// The file.
pub(in crate::config) const TOP: &[Key] = &[
    Key::new(
        "workers",
        Kind::Either(&[Kind::Choice(&["auto"]), Kind::Count(1, 256)]),
        "Threads that serve requests; `auto`: one per available core.",
    )
    .or("auto"),
    Key::new(
        "admin",
        Kind::Either(&[OFF, Kind::Section(ADMIN)]),
        "Metrics and health, on a listener of their own; `off`: nowhere.",
    )
    .or("{}"),
    Key::new(
        "trusted_proxies",
        NETWORKS,
        "Whose `X-Forwarded-*` headers and request ids are believed.",
    )
    .or("[]"),
    Key::new(
        "request_id",
        Kind::Text("a header's name"),
        "The header that carries a request id to the backend and to the client. None that says something else, such as `Host` or `Cookie`.",
    ),
    Key::new(
        "decision_header",
        NETWORKS,
        "Clients who are told in X-Cattail-Decision how their backend was chosen.",
    )
    .or("[]"),
    Key::needed(
        "listeners",
        Kind::List(&Kind::Section(LISTENER)),
        "Where clients are accepted; at least one.",
    ),
    Key::new(
        "limits",
        Kind::Section(LIMITS),
        "Bounds on what clients may ask for.",
    )
    .or("{}"),
    Key::new(
        "rules",
        Kind::List(&Kind::Section(RULE)),
        "Which requests go where; none is needed with one cluster.",
    )
    .or("[]"),
    Key::new(
        "clusters",
        Kind::Map("a cluster's name", &Kind::Section(CLUSTER)),
        "Groups of Tomcats that serve the same applications.",
    )
    .or("{}"),
    Key::new(
        "access_log",
        Kind::Either(&[OFF, Kind::Section(ACCESS_LOG)]),
        "Where requests are logged; absent or `off`: nowhere.",
    ),
    Key::new(
        "events",
        Kind::Section(EVENTS),
        "Who is told when a backend's state changes, and of orders.",
    )
    .or("{}"),
    Key::new(
        "errors",
        Kind::Section(ERRORS),
        "What an error answer looks like.",
    )
    .or("{}"),
    Key::new("shutdown", Kind::Section(SHUTDOWN), "How the process ends.").or("{}"),
    Key::new("log", Kind::Section(LOG), "Diagnostics on stderr.").or("{}"),
];

const ADMIN: &[Key] = &[
    Key::new("address", Kind::Text(ADDRESS), "Where it listens.").or("127.0.0.1:9180"),
    Key::new(
        "token_file",
        Kind::Text("the path of a file"),
        "File with the token that changes and explanations need; absent: they are refused.",
    ),
    Key::new(
        "state_file",
        Kind::Text("the path of a file"),
        "File in which orders of administrators outlive a restart; absent: they end with the process.",
    ),
];

const ADDRESS: &str = "an IP address and a port, such as 127.0.0.1:9180 or \"[::1]:9180\"";

const LISTENER: &[Key] = &[
    Key::needed(
        "address",
        Kind::Text(
            "an IP address and a port, such as 0.0.0.0:80 or \"[::]:80\", or unix:/path/of.sock",
        ),
        "Where clients are accepted. Port 0: any free one.",
    ),
    Key::new(
        "name",
        Kind::Text("1 to 128 visible ASCII characters"),
        "Its name in metrics and logs; absent: the address as written.",
    ),
    Key::new("allow", NETWORKS, "Who may connect; empty: everybody.").or("[]"),
    Key::new(
        "deny",
        NETWORKS,
        "Who may not connect; looked at before `allow`.",
    )
    .or("[]"),
    Key::new(
        "http2",
        Kind::Switch,
        "Whether clients may speak HTTP/2, beside HTTP/1.1.",
    )
    .or("true"),
    Key::new(
        "tls",
        Kind::Section(LISTENER_TLS),
        "How it speaks TLS; absent: it does not.",
    ),
    Key::new(
        "proxy_protocol",
        Kind::Section(PROXY_PROTOCOL),
        "Load balancers that say in a PROXY header for whom they connect; absent: none.",
    ),
];

const PROXY_PROTOCOL: &[Key] = &[
    Key::needed(
        "from",
        NETWORKS,
        "Who must begin each connection with a PROXY header, version 1 or 2, and is believed.",
    ),
    Key::new(
        "others",
        Kind::Choice(&["refuse", "serve"]),
        "What becomes of everybody else: closed at once, or served as clients without a header.",
    )
    .or("refuse"),
    Key::new(
        "timeout",
        Kind::Duration(10, MINUTE),
        "Time for a whole header, from the connection on.",
    )
    .or("5s"),
];

const LIMITS: &[Key] = &[
    Key::new(
        "connections",
        Kind::Count(1, 10_000_000),
        "Client connections in all.",
    )
    .or("20000"),
    Key::new(
        "connections_per_client",
        Kind::Count(0, 10_000_000),
        "Client connections of one address; 0: no bound. Trusted proxies are exempt.",
    )
    .or("1000"),
    Key::new(
        "requests_per_connection",
        Kind::Count(1, 1_000_000_000),
        "Requests on one connection before it is closed in good order.",
    )
    .or("10000"),
    Key::new(
        "target",
        Kind::Size(256, 1 << 20),
        "Size of the request line's target.",
    )
    .or("16KiB"),
    Key::new("head", Kind::Size(8192, 1 << 20), "Size of a request head.").or("32KiB"),
    Key::new(
        "fields",
        Kind::Count(10, 1000),
        "Header fields of a request.",
    )
    .or("100"),
    Key::new(
        "head_time",
        Kind::Duration(10, HOUR),
        "Time for a whole request head, from its first byte.",
    )
    .or("10s"),
    Key::new("body", Kind::Size(1, 1024 * GIB), "Size of a request body.").or("1GiB"),
    Key::new(
        "body_idle",
        Kind::Duration(10, 24 * HOUR),
        "Longest pause within a request body.",
    )
    .or("60s"),
    Key::new(
        "send_idle",
        Kind::Duration(10, 24 * HOUR),
        "Longest pause of a client that does not take its response.",
    )
    .or("60s"),
    Key::new(
        "idle",
        Kind::Duration(10, 24 * HOUR),
        "How long a connection without a request stays open.",
    )
    .or("60s"),
    Key::new(
        "handshakes",
        Kind::Section(HANDSHAKES),
        "Bounds on TLS handshakes.",
    )
    .or("{}"),
    Key::new(
        "http2",
        Kind::Section(HTTP2),
        "Bounds on one connection that speaks HTTP/2.",
    )
    .or("{}"),
    Key::new(
        "ledger",
        Kind::Count(1000, 100_000_000),
        "Sessions that are remembered, over all clusters; about 63 bytes each.",
    )
    .or("1000000"),
];

const HTTP2: &[Key] = &[
    Key::new(
        "streams",
        Kind::Count(1, 10_000),
        "Requests at a time; further ones are refused, and the client may send them again.",
    )
    .or("100"),
    Key::new(
        "stream_window",
        Kind::Size(16 << 10, 16 << 20),
        "How much of one request body may come before a backend takes it.",
    )
    .or("256KiB"),
    Key::new(
        "connection_window",
        Kind::Size(64 << 10, 64 << 20),
        "The same for all request bodies together.",
    )
    .or("1MiB"),
    Key::new(
        "send_buffer",
        Kind::Size(16 << 10, 4 << 20),
        "How much of one response is held for a client that does not take it.",
    )
    .or("64KiB"),
    Key::new(
        "resets",
        Kind::Count(1, 1_000_000),
        "Requests that a client may cancel in a row; a tenth of it comes back each second.",
    )
    .or("200"),
    Key::new(
        "errors",
        Kind::Count(1, 1_000_000),
        "Requests that break the protocol, or are too many, before the connection is closed.",
    )
    .or("500"),
    Key::new(
        "control_frames",
        Kind::Count(10, 10_000_000),
        "Frames that carry nothing, such as PING, in a row; a tenth of it comes back each second.",
    )
    .or("1000"),
];

const ACCESS_LOG: &[Key] = &[
    Key::new(
        "path",
        Kind::Text("\"stdout\" or an absolute path"),
        "Where lines go; a file is reopened on SIGUSR1.",
    )
    .or("stdout"),
    Key::new(
        "format",
        Kind::Text("\"combined\", \"json\", or a text with fields such as $client_ip"),
        "The form of a line.",
    )
    .or("combined"),
];

const ERRORS: &[Key] = &[
    Key::new(
        "pages",
        Kind::Map(
            "a status from 400 to 599",
            &Kind::Text("the path of an HTML file"),
        ),
        "Own error pages by status; read when the file is loaded.",
    )
    .or("{}"),
    Key::new(
        "retry_after",
        Kind::Duration(0, 24 * HOUR),
        "`Retry-After` of a 503; 0s: none.",
    )
    .or("5s"),
];

const SHUTDOWN: &[Key] = &[
    Key::new(
        "delay",
        Kind::Duration(0, 10 * MINUTE),
        "How long `/readyz` answers 503 before the listeners close.",
    )
    .or("0s"),
    Key::new(
        "deadline",
        Kind::Duration(SECOND, 24 * HOUR),
        "Longest wait for requests in flight.",
    )
    .or("30s"),
    Key::new(
        "tunnel_deadline",
        Kind::Duration(0, 24 * HOUR),
        "Longest wait for tunnels (WebSocket); absent: `deadline`, which bounds it in any case.",
    ),
];

const LOG: &[Key] = &[
    Key::new(
        "level",
        Kind::Choice(&["error", "warn", "info", "debug"]),
        "The least important level that is written.",
    )
    .or("info"),
    Key::new(
        "format",
        Kind::Choice(&["text", "json"]),
        "The form of a line.",
    )
    .or("text"),
];
