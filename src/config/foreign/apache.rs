//! Words of Apache and `mod_jk`.

use super::{CERTIFICATES, CLUSTER_VERIFIES, LISTENER_TLS, SOUND, TICKETS};

pub(super) const WORDS: &[(&str, &str)] = &[
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
    ("ServerName", "use host in a rule"),
    ("AllowOverride", "use allow and deny"),
    ("Listen", "use listeners: [{ address: 0.0.0.0:80 }]"),
    ("SSLCertificateFile", CERTIFICATES),
    ("SSLCertificateKeyFile", CERTIFICATES),
    (
        "SSLVerifyClient",
        "use tls.client_certificates of a listener: [{ ca: FILE }]",
    ),
    ("SSLEngine", LISTENER_TLS),
    ("SSLProtocol", "use tls: { min_version: ... } of a listener"),
    ("SSLCipherSuite", SOUND),
    ("SSLHonorCipherOrder", SOUND),
    (
        "SSLCertificateChainFile",
        "use cert of an item of tls.certificates: one file with the whole chain",
    ),
    (
        "SSLCACertificateFile",
        "use tls.client_certificates of a listener: [{ ca: FILE }]",
    ),
    (
        "SSLCARevocationFile",
        "use crl of an item of tls.client_certificates",
    ),
    (
        "SSLUseStapling",
        "use ocsp of an item of tls.certificates, a file with the authority's answer",
    ),
    ("SSLSessionCache", TICKETS),
    ("SSLProxyEngine", "use tls: {} of the cluster"),
    ("SSLProxyVerify", CLUSTER_VERIFIES),
    (
        "SSLProxyCACertificateFile",
        "use tls: { ca: FILE } of the cluster",
    ),
    (
        "SSLProxyMachineCertificateFile",
        "use tls: { cert: FILE, key: FILE } of the cluster",
    ),
    (
        "SSLProxyProtocol",
        "use tls: { min_version: ... } of the cluster",
    ),
    (
        "Protocols",
        "not needed: HTTP/2 is on; http2: false of a listener turns it off",
    ),
];
