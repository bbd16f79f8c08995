//! How backends are asked whether they can serve, and what their agents say of them.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::{Backend, Pattern};

/// Checks of a cluster's backends.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// What is asked; `None`: no active check, only re-admission by `OPTIONS *`.
    pub check: Option<Check>,
    /// The Host that is sent; `None`: the backend's address.
    pub host: Option<String>,
    /// Where checks connect; `None`: the backend's own port.
    pub port: Option<u16>,
    /// Whether checks are made by TLS; `None`: as requests are.
    pub tls: Option<bool>,
    /// Longest time between two checks.
    pub interval: Duration,
    /// The same while a backend is about to change.
    pub fast_interval: Duration,
    /// By how much of the interval checks come early, in percent, so that they spread.
    pub jitter: u32,
    /// Longest wait for a check's answer.
    pub timeout: Duration,
    /// Good checks in a row that bring a backend up.
    pub rise: u32,
    /// Bad checks in a row that take it down.
    pub fall: u32,
    /// How agents are asked.
    pub agent: AgentCheck,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// A request.
    Http(Box<HttpCheck>),
    /// A connection.
    Tcp,
    /// A handshake.
    Tls,
}

/// A request of ours and the answer that is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpCheck {
    /// GET, HEAD or OPTIONS.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Fields of its own; none of them frames the message or carries a cookie.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Statuses that pass.
    pub statuses: Statuses,
    /// Statuses that pass and mean: no new sessions.
    pub drain_on: Statuses,
    /// What the body must hold.
    pub body: Option<String>,
    /// What must be found in the body.
    pub body_regex: Option<Pattern>,
}

/// A set of statuses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Whether `status` is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

/// How a cluster's agents are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCheck {
    /// Where they listen; `None`: only backends with a port of their own have one.
    pub port: Option<u16>,
    /// The machine of all agents; `None`: each stands beside its backend.
    pub address: Option<IpAddr>,
    /// Longest time between two questions.
    pub interval: Duration,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// The line that is sent, `$backend` being the backend's name; `None`: nothing is.
    pub send: Option<String>,
}

impl Health {
    /// Whether a backend of the cluster has an agent.
    pub fn has_agent(&self, backend: &Backend) -> bool {
        self.agent_port(backend).is_some()
    }

    /// Where the agent of a backend listens, if it has one.
    pub fn agent_port(&self, backend: &Backend) -> Option<u16> {
        backend.agent_port.or(self.agent.port)
    }

    /// Where checks of a backend connect; `None`: where requests do.
    pub fn check_port(&self, backend: &Backend) -> Option<u16> {
        backend.check_port.or(self.port)
    }

    /// No active check and no agent, at these bounds: for tests of what is asked.
    #[cfg(test)]
    pub(crate) fn unchecked() -> Self {
        Self {
            check: None,
            host: None,
            port: None,
            tls: None,
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_millis(500),
            jitter: 0,
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
            agent: AgentCheck {
                port: None,
                address: None,
                interval: Duration::from_secs(2),
                timeout: Duration::from_secs(2),
                send: None,
            },
        }
    }

    /// The same with a GET of this path as its check.
    #[cfg(test)]
    pub(crate) fn of_path(path: &str) -> Self {
        Self {
            check: Some(Check::Http(Box::new(HttpCheck::get(path)))),
            ..Self::unchecked()
        }
    }
}

impl HttpCheck {
    /// A GET that 200 to 399 pass.
    #[cfg(test)]
    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            headers: Vec::new(),
            statuses: Statuses(vec![200..=399]),
            drain_on: Statuses::default(),
            body: None,
            body_regex: None,
        }
    }
}
