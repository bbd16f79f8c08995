//! Words of Traefik and others.

use super::ACCEPT_PROXY;

const WEBSOCKET: &str = "not needed: upgrades: [websocket] is the default";

pub(super) const WORDS: &[(&str, &str)] = &[
    ("proxyProtocol", ACCEPT_PROXY),
    ("trustedIPs", ACCEPT_PROXY),
    (
        "routes",
        "routes are rules: rules: [{ path: /, cluster: NAME }]",
    ),
    ("nodes", "nodes are backends"),
    ("members", "members are backends"),
    ("url", "use address: HOST:PORT"),
    (
        "metrics",
        "metrics are served by admin: { address: 127.0.0.1:9180 }",
    ),
    ("websocket", WEBSOCKET),
    ("websockets", WEBSOCKET),
    (
        "acme",
        "not there: let certbot or the like fetch certificates; changed files are read by themselves",
    ),
    (
        "max_concurrent_streams",
        "use limits: { http2: { streams: 100 } }, or http2: { streams: 100 } of a cluster",
    ),
];
