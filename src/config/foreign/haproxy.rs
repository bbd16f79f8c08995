//! Words of HAProxy.

use super::{ACCEPT_PROXY, CERTIFICATES, SOUND};

pub(super) const WORDS: &[(&str, &str)] = &[
    ("frontend", "use listeners and rules"),
    ("frontends", "use listeners and rules"),
    (
        "backend",
        "HAProxy's backend is a cluster; its servers are backends",
    ),
    ("bind", "use listeners: [{ address: 0.0.0.0:80 }]"),
    (
        "maxconn",
        "use max_requests of a backend, or limits: { connections: 20000 }",
    ),
    ("maxqueue", "use queue: { length: 1000 } of the cluster"),
    ("fullconn", "max_requests does not grow with the load"),
    ("timeout_queue", "use queue: { time: 5s } of the cluster"),
    ("roundrobin", "use round_robin"),
    ("static-rr", "use round_robin"),
    ("leastconn", "use least_requests"),
    ("source", "use balance: { hash: client_address }"),
    (
        "option",
        "HAProxy's option httpchk is health: { path: /ping }, forwardfor is on by default",
    ),
    ("httpchk", "use health: { path: /ping }"),
    ("inter", "use health: { interval: 2s }"),
    ("fastinter", "use health: { fast_interval: 500ms }"),
    (
        "downinter",
        "not needed: health: { interval: 2s } holds for backends that are down too",
    ),
    ("spread-checks", "use health: { jitter: 10 }"),
    (
        "http-check",
        "use health: { path: /ping, expect: { statuses: [200] } }; disable-on-404 is drain_on: [404]",
    ),
    ("disable-on-404", "use health: { drain_on: [404] }"),
    ("agent-check", "use health: { agent: { port: 9999 } }"),
    ("agent-port", "use health: { agent: { port: 9999 } }"),
    ("agent-addr", "use health: { agent: { address: 10.0.0.5 } }"),
    ("agent-inter", "use health: { agent: { interval: 2s } }"),
    ("agent-send", "use health: { agent: { send: TEXT } }"),
    (
        "cookie",
        "use session_cookies: [JSESSIONID] and affinity: sticky; HAProxy's cookie NAME insert is owner: cookie",
    ),
    (
        "appsession",
        "use session_cookies: [JSESSIONID] and session_idle: 30m; owner: learn is the default",
    ),
    (
        "stick-table",
        "not needed: sessions are kept by affinity: sticky; limits: { ledger: 1000000 } bounds their number",
    ),
    ("stick", "not needed: sessions are kept by affinity: sticky"),
    ("slowstart", "use slow_start of the cluster"),
    (
        "option redispatch",
        "not needed: a session moves when its Tomcat is down; strict: true forbids it",
    ),
    ("accept-proxy", ACCEPT_PROXY),
    ("accept_proxy", ACCEPT_PROXY),
    (
        "expect-proxy",
        "use proxy_protocol: { from: [NETWORK], others: serve } of the listener",
    ),
    ("send-proxy", "use proxy_protocol: v1 of the cluster"),
    ("send-proxy-v2", "use proxy_protocol: v2 of the cluster"),
    (
        "send-proxy-v2-ssl",
        "use proxy_protocol: v2 of the cluster; it tells addresses alone",
    ),
    (
        "check-send-proxy",
        "not needed: checks at the backend's own port begin with a PROXY header where requests do",
    ),
    ("nbthread", "use workers"),
    ("nbproc", "use workers"),
    (
        "timeout",
        "use timeouts: { connect: 2s, response: 60s, body_idle: 60s }",
    ),
    ("retries", "use retry: { on: [...], time: 10s }"),
    ("acl", "use host and path in a rule"),
    ("use_backend", "use cluster in a rule"),
    (
        "default_backend",
        "use a rule without host and path: rules: [{ cluster: NAME }]",
    ),
    ("stats", "use admin: { address: 127.0.0.1:9180 }"),
    ("crt", CERTIFICATES),
    (
        "timeout tunnel",
        "use timeouts: { tunnel_idle: 1h } of the cluster",
    ),
    (
        "timeout client-fin",
        "use timeouts: { tunnel_half_closed: 60s } of the cluster",
    ),
    (
        "timeout server-fin",
        "use timeouts: { tunnel_half_closed: 60s } of the cluster",
    ),
    (
        "ca-file",
        "use tls.client_certificates of a listener: [{ ca: FILE }], or tls: { ca: FILE } of a cluster",
    ),
    ("crl-file", "use crl of an item of tls.client_certificates"),
    (
        "crt-list",
        "use tls.certificates of a listener: [{ cert: FILE, key: FILE, hosts: [HOST] }]",
    ),
    (
        "verify",
        "use tls.client_certificates of a listener: [{ ca: FILE, mode: optional }]; backends are verified unless tls of the cluster says insecure: true",
    ),
    (
        "alpn",
        "not needed: HTTP/2 and HTTP/1.1 are offered to clients; protocol: h2 of a cluster is HTTP/2 to backends",
    ),
    (
        "sni",
        "not needed: a listener picks the certificate by it; tls: { name: HOST } of a cluster is what backends are asked for",
    ),
    ("ssl-min-ver", "use min_version in tls"),
    ("ciphers", SOUND),
    ("ciphersuites", SOUND),
    (
        "strict-sni",
        "use unknown_host: refuse in tls of a listener",
    ),
];
