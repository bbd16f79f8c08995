//! Words of nginx.

use super::{CERTIFICATES, CLUSTER_VERIFIES, LISTENER_TLS, SOUND, TICKETS};

pub(super) const WORDS: &[(&str, &str)] = &[
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
    ("ssl_certificate", CERTIFICATES),
    ("ssl_certificate_key", CERTIFICATES),
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
        "proxy_read_timeout",
        "use timeouts: { response: 60s, body_idle: 60s }, and tunnel_idle for WebSockets",
    ),
    (
        "proxy_http_version",
        "not needed: HTTP/1.1 is spoken to backends; protocol: h2 of the cluster is HTTP/2",
    ),
    (
        "grpc_pass",
        "use protocol: h2 of the cluster, and a rule that leads to it: rules: [{ path: /, cluster: NAME }]",
    ),
    (
        "http2_max_concurrent_streams",
        "use limits: { http2: { streams: 100 } }",
    ),
    ("ssl", LISTENER_TLS),
    ("ssl_ciphers", SOUND),
    ("ssl_prefer_server_ciphers", SOUND),
    ("ssl_ecdh_curve", SOUND),
    ("ssl_dhparam", "not needed: no cipher with DHE is spoken"),
    ("ssl_session_cache", TICKETS),
    ("ssl_session_tickets", TICKETS),
    ("ssl_session_ticket_key", TICKETS),
    ("ssl_session_timeout", TICKETS),
    (
        "ssl_stapling",
        "use ocsp of an item of tls.certificates, a file with the authority's answer",
    ),
    (
        "ssl_stapling_verify",
        "use ocsp of an item of tls.certificates, a file with the authority's answer",
    ),
    (
        "ssl_trusted_certificate",
        "use tls.client_certificates of a listener: [{ ca: FILE }]; answers of OCSP are not verified",
    ),
    (
        "ssl_reject_handshake",
        "use unknown_host: refuse in tls of a listener",
    ),
    (
        "proxy_ssl_certificate",
        "use tls: { cert: FILE, key: FILE } of the cluster",
    ),
    (
        "proxy_ssl_certificate_key",
        "use tls: { cert: FILE, key: FILE } of the cluster",
    ),
    (
        "proxy_ssl_trusted_certificate",
        "use tls: { ca: FILE } of the cluster",
    ),
    ("proxy_ssl_verify", CLUSTER_VERIFIES),
    ("proxy_ssl_name", "use tls: { name: HOST } of the cluster"),
    (
        "proxy_ssl_server_name",
        "not needed: the host that is verified is asked for; tls: { name: HOST } of the cluster is another one",
    ),
    (
        "proxy_ssl_protocols",
        "use tls: { min_version: ... } of the cluster",
    ),
    ("proxy_ssl_ciphers", SOUND),
    (
        "proxy_ssl_session_reuse",
        "not needed: sessions are resumed",
    ),
];

/// The hint for a word that begins like many of nginx.
pub(super) fn family(word: &str) -> Option<&'static str> {
    let is_of_backends = word.starts_with("proxy_ssl_") || word.starts_with("grpc_ssl_");
    is_of_backends.then_some("use tls of the cluster: tls: { ca: FILE }")
}
