//! Words of Tomcat and memcached-session-manager.

use super::{CERTIFICATES, LISTENER_TLS};

const KEYSTORE: &str = "use tls.certificates of a listener, with PEM files: openssl pkcs12 -in KEYSTORE -nodes -out FILE writes one that is both cert and key";

const SESSION_TIMEOUT: &str = "use session_idle: 30m; Tomcat counts minutes";

pub(super) const WORDS: &[(&str, &str)] = &[
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
    ("SSLEnabled", LISTENER_TLS),
    ("SSLHostConfig", LISTENER_TLS),
    ("keystoreFile", KEYSTORE),
    ("keystorePass", KEYSTORE),
    ("certificateKeystoreFile", KEYSTORE),
    ("certificateKeystorePassword", KEYSTORE),
    ("certificateFile", CERTIFICATES),
    ("certificateKeyFile", CERTIFICATES),
    (
        "certificateChainFile",
        "use cert of an item of tls.certificates: one file with the whole chain",
    ),
    (
        "certificateVerification",
        "use tls.client_certificates of a listener: [{ ca: FILE }]",
    ),
    (
        "caCertificateFile",
        "use tls.client_certificates of a listener: [{ ca: FILE }]",
    ),
    (
        "clientAuth",
        "use tls.client_certificates of a listener: [{ ca: FILE }]",
    ),
    (
        "sslEnabledProtocols",
        "use tls: { min_version: ... } of a listener",
    ),
];
