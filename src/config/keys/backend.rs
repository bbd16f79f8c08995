//! The keys of a backend.

use super::{Key, Kind};

/// One backend.
pub(super) const BACKEND: &[Key] = &[
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
    Key::new(
        "check_port",
        Kind::Count(1, 65_535),
        "Where its check connects; absent: as `health.port` says.",
    ),
    Key::new(
        "agent_port",
        Kind::Count(1, 65_535),
        "Where its agent listens; absent: as `health.agent.port` says.",
    ),
];
