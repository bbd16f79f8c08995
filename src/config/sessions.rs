//! The checked settings of a cluster's sessions.

use std::time::Duration;

use regex::Regex;

/// How a cluster's sessions are recognised and kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Sessions {
    /// Names of the session cookie, in order of trust.
    pub cookies: Vec<String>,
    /// Names of the path parameter (`;jsessionid=`), in order of trust.
    pub parameters: Vec<String>,
    /// How ids are written.
    pub dialect: Dialect,
    /// How an id without a jvm route finds its owner.
    pub owner: OwnerBy,
    /// Whether a session whose owner cannot serve is refused instead of moved.
    pub strict: bool,
    /// How long a request waits for an owner that is down.
    pub hold: Duration,
    /// Requests that may wait so at a time; as many again for their turn.
    pub hold_requests: usize,
    /// How long a session lives without a request: Tomcat's `session-timeout`.
    pub idle: Duration,
    /// Whether every Tomcat can go on with every session, whoever served it last.
    pub replicated: bool,
    /// Paths that touch no session (MSM's `requestUriIgnorePattern`).
    pub ignore: Option<Pattern>,
    /// Whether a session cookie is taken off an answer from such a path, where the client has a
    /// session already.
    pub ignore_drops_cookie: bool,
}

/// How session ids are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `base[-store node][.jvm route]`, with or without memcached-session-manager.
    Tomcat,
    /// `base.route`.
    Jetty,
    /// `base.route1.route2.route3`, in order of preference.
    Wildfly,
    /// `base[.route]` in base64.
    SpringSession,
    /// `base.route`.
    Keycloak,
    /// `base!primary!secondary`, in order of preference.
    Weblogic,
}

impl Dialect {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Tomcat,
        Self::Jetty,
        Self::Wildfly,
        Self::SpringSession,
        Self::Keycloak,
        Self::Weblogic,
    ];
}

/// How an id without a jvm route finds its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerBy {
    /// By what the proxy remembers.
    Learn,
    /// The proxy appends a route of its own to the id.
    Append,
    /// A sealed cookie of the proxy's own.
    Cookie(AffinityCookie),
}

/// The proxy's own cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffinityCookie {
    /// Its name.
    pub name: String,
    /// How long it is believed, by the wall clock.
    pub max_age: Duration,
    /// What it is sealed with: the first key seals, every key opens. Empty: a key of this
    /// process alone.
    pub keys: Vec<SealKey>,
}

/// A key of the key ring; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey(pub [u8; 32]);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(***)")
    }
}

/// A regular expression, compared by its text.
#[derive(Debug, Clone)]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}
