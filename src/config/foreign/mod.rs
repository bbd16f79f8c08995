//! Words of nginx, HAProxy, Apache and `mod_jk`, and what they are called here.

/// The hint for a key or value that is another program's word.
pub(super) fn hint(word: &str) -> Option<&'static str> {
    let first = word.split_whitespace().next()?;
    let known = |wanted: &str| {
        WORDS
            .iter()
            .find(|(theirs, _)| theirs.eq_ignore_ascii_case(wanted))
    };
    known(word).or_else(|| known(first)).map(|(_, ours)| *ours)
}

const SESSION_TIMEOUT: &str = "use session_idle: 30m; Tomcat counts minutes";

const ACCEPT_PROXY: &str = "use proxy_protocol: { from: [NETWORK] } of the listener";

const WORDS: &[(&str, &str)] = &[
    // nginx
    (
        "upstream",
        "nginx's upstream block is a cluster: clusters: { NAME: { backends: [...] } }",
    ),
    (
        "upstreams",
        "nginx's upstream blocks are clusters: clusters: { NAME: { backends: [...] } }",
    ),
    (
        "server",
        "nginx's and HAProxy's server is a backend: backends: [{ address: HOST:PORT }]",
    ),
    (
        "servers",
        "servers are backends: clusters: { NAME: { backends: [...] } }",
    ),
    ("listen", "use listeners: [{ address: 0.0.0.0:80 }]"),
    (
        "server_name",
        "use host in a rule: rules: [{ host: NAME, cluster: NAME }]",
    ),
    (
        "location",
        "use path in a rule: rules: [{ path: /shop, cluster: NAME }]",
    ),
    (
        "proxy_pass",
        "use a rule: rules: [{ path: /, cluster: NAME }]",
    ),
    (
        "proxy_set_header",
        "use request_headers: { set: { NAME: VALUE } }",
    ),
    (
        "add_header",
        "use response_headers: { add: { NAME: VALUE } }",
    ),
    (
        "proxy_hide_header",
        "use response_headers: { remove: [NAME] }",
    ),
    (
        "ip_hash",
        "use balance: { hash: client_address }; sessions are kept by affinity: sticky",
    ),
    ("least_conn", "use balance: least_requests"),
    ("random", "use balance: two_choices"),
    (
        "max_fails",
        "use health: { fall: 3 }; a refused connection takes a backend down at once",
    ),
    (
        "fail_timeout",
        "use health: { interval: 2s, rise: 2 }, which bring a backend back",
    ),
    ("max_conns", "use max_requests of the backend"),
    ("down", "use state: disabled"),
    (
        "sticky",
        "use affinity: sticky; nginx's sticky route is jvm_route, its sticky learn and sticky cookie are owner: learn and cookie",
    ),
    (
        "sticky_cookie",
        "use owner: cookie and affinity_cookie: { name: NAME, key_file: PATH }",
    ),
    (
        "sticky_route",
        "use jvm_route of the backends; affinity: sticky is the default",
    ),
    ("session_sticky", "use affinity: sticky"),
    ("slow_start", "use slow_start of the cluster"),
    ("keepalive", "use pool: { max_idle: 64 }"),
    (
        "keepalive_timeout",
        "use limits: { idle: 60s } for clients, pool: { idle: 15s } for backends",
    ),
    (
        "keepalive_requests",
        "use limits: { requests_per_connection: 10000 }",
    ),
    ("worker_processes", "use workers"),
    ("worker_connections", "use limits: { connections: 20000 }"),
    ("client_max_body_size", "use limits: { body: 1GiB }"),
    ("client_body_timeout", "use limits: { body_idle: 60s }"),
    ("client_header_timeout", "use limits: { head_time: 10s }"),
    ("large_client_header_buffers", "use limits: { head: 32KiB }"),
    ("send_timeout", "use limits: { send_idle: 60s }"),
    ("limit_conn", "use limits: { connections_per_client: 1000 }"),
    ("proxy_connect_timeout", "use timeouts: { connect: 2s }"),
    (
        "proxy_read_timeout",
        "use timeouts: { response: 60s, body_idle: 60s }",
    ),
    ("proxy_send_timeout", "use timeouts: { body_idle: 60s }"),
    (
        "proxy_next_upstream",
        "use retry: { on: [timeout, 502, 503, 504] }",
    ),
    ("proxy_next_upstream_timeout", "use retry: { time: 10s }"),
    (
        "proxy_redirect",
        "use rewrite: { location: true }; without it Location is left alone",
    ),
    (
        "proxy_cookie_path",
        "use rewrite: { cookie_path: { /app: / } }",
    ),
    (
        "proxy_cookie_domain",
        "use rewrite: { cookie_domain: { internal: public } }",
    ),
    ("proxy_buffering", "use buffers: { response: 64KiB }"),
    ("proxy_request_buffering", "use buffers: { request: 64KiB }"),
    ("charset", "use rewrite: { charset: utf-8 } in the cluster"),
    (
        "set_real_ip_from",
        "use trusted_proxies: [NETWORK]; for the PROXY protocol, proxy_protocol: { from: [NETWORK] } of the listener",
    ),
    (
        "real_ip_header",
        "use trusted_proxies: [NETWORK] for X-Forwarded-For, proxy_protocol: { from: [NETWORK] } of the listener for the PROXY protocol",
    ),
    (
        "proxy_protocol_timeout",
        "use proxy_protocol: { from: [NETWORK], timeout: 5s } of the listener",
    ),
    (
        "error_page",
        "use errors: { pages: { 503: /path/503.html } }",
    ),
    (
        "error_log",
        "use log: { level: info }; diagnostics go to stderr",
    ),
    ("log_format", "use access_log: { format: '...' }"),
    (
        "return",
        "use redirect: { to: URL } or respond: { status: 200, body: TEXT } in a rule",
    ),
    (
        "rewrite",
        "use strip_prefix or replace_prefix in a rule; rewrite is a key of clusters",
    ),
    // HAProxy
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
    ("proxyProtocol", ACCEPT_PROXY),
    ("trustedIPs", ACCEPT_PROXY),
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
    // Apache, mod_jk
    (
        "BalancerMember",
        "use backends: [{ address: HOST:PORT, jvm_route: ROUTE }]",
    ),
    (
        "ProxyPass",
        "use a rule: rules: [{ path: /, cluster: NAME }]",
    ),
    ("ProxyPassReverse", "use rewrite: { location: true }"),
    ("ProxyPreserveHost", "use host: keep, which is the default"),
    ("ProxyVia", "use forwarded: { via: true }"),
    (
        "ProxyRequests",
        "not needed: cattail is never a forward proxy",
    ),
    ("ProxySet", "the keys of the cluster take its place"),
    (
        "stickysession",
        "use session_cookies: [JSESSIONID] and affinity: sticky",
    ),
    ("route", "use jvm_route"),
    ("loadfactor", "use weight"),
    ("lbfactor", "use weight"),
    ("lbset", "use backup: true for the second choice"),
    ("distance", "use backup: true for the second choice"),
    ("activation", "use state: draining or disabled"),
    (
        "status",
        "use state: draining or disabled; Apache's status=+H is backup: true",
    ),
    (
        "redirect",
        "a rule has redirect: { to: URL }; a fixed deputy is not needed, each session has its survivor",
    ),
    ("lbmethod", "use balance"),
    ("byrequests", "use round_robin"),
    ("bybusyness", "use least_requests"),
    ("bytraffic", "use least_requests"),
    ("nofailover", "use strict: true"),
    (
        "stickysessionsep",
        "not needed: the dialect knows where the route begins; weblogic has '!'",
    ),
    (
        "scolonpathdelim",
        "not needed: ids behind ';' in paths are found by session_parameters",
    ),
    ("sticky_session", "use affinity: sticky, or none for false"),
    ("sticky_session_force", "use strict: true"),
    ("session_path", "use session_parameters: [jsessionid]"),
    // Tomcat, memcached-session-manager
    ("session-timeout", SESSION_TIMEOUT),
    ("session_timeout", SESSION_TIMEOUT),
    ("sessionTimeout", SESSION_TIMEOUT),
    ("sessionCookieName", "use session_cookies: [NAME]"),
    (
        "requestUriIgnorePattern",
        "use ignore, which is searched in the path and need not fit all of it",
    ),
    (
        "memcachedNodes",
        "use memcached: { n1: HOST:PORT }, or context: PATH for Tomcat's own file",
    ),
    (
        "failoverNodes",
        "not needed here; context: PATH reads it in Tomcat's own file",
    ),
    ("storageKeyPrefix", "use key_prefix, with what it comes to"),
    ("jboss", "use wildfly"),
    ("undertow", "use wildfly"),
    (
        "msm",
        "use tomcat, which knows memcached-session-manager's ids too",
    ),
    ("ServerName", "use host in a rule"),
    ("AllowOverride", "use allow and deny"),
    ("Listen", "use listeners: [{ address: 0.0.0.0:80 }]"),
    (
        "ssl",
        "use tls of a listener: tls: { certificates: [{ cert: FILE, key: FILE }] }",
    ),
    (
        "ssl_certificate",
        "use tls.certificates of a listener, each with cert and key",
    ),
    (
        "ssl_certificate_key",
        "use tls.certificates of a listener, each with cert and key",
    ),
    ("ssl_protocols", "use tls.min_version of a listener"),
    (
        "ssl_client_certificate",
        "use tls.client_certificates of a listener: [{ ca: FILE }]",
    ),
    (
        "ssl_verify_client",
        "use tls.client_certificates of a listener: [{ ca: FILE, mode: optional }]",
    ),
    ("ssl_crl", "use crl of an item of tls.client_certificates"),
    (
        "ssl_stapling_file",
        "use ocsp of an item of tls.certificates",
    ),
    (
        "SSLCertificateFile",
        "use tls.certificates of a listener, each with cert and key",
    ),
    (
        "SSLCertificateKeyFile",
        "use tls.certificates of a listener, each with cert and key",
    ),
    (
        "SSLVerifyClient",
        "use tls.client_certificates of a listener: [{ ca: FILE }]",
    ),
    (
        "crt",
        "use tls.certificates of a listener, each with cert and key",
    ),
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
];
