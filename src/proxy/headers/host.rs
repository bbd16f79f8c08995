//! Which `Host` a backend sees.

use http::HeaderValue;

use crate::config::{BackendAddr, HostHeader};
use crate::proxy::authority::Host;

/// The `Host` for one backend, decided when the configuration is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamHost {
    /// The client's; for HTTP/1.0 without one, the backend's address.
    Keep(HeaderValue),
    /// Always this one.
    Fixed(HeaderValue),
}

impl UpstreamHost {
    /// What `host:` of a cluster means for the backend at `address`. `None`: a text that is no
    /// header's value, which the configuration's checks refuse.
    pub fn new(wanted: &HostHeader, address: &BackendAddr) -> Option<Self> {
        let own = || HeaderValue::try_from(own_host(address)).ok();
        Some(match wanted {
            HostHeader::Keep => Self::Keep(own()?),
            HostHeader::Backend => Self::Fixed(own()?),
            HostHeader::Fixed(host) => Self::Fixed(HeaderValue::from_str(host).ok()?),
        })
    }

    /// The value for a request that asked for `host`.
    pub fn value<'a>(&'a self, host: Option<&'a Host>) -> &'a HeaderValue {
        match (self, host) {
            (Self::Keep(_), Some(host)) => host.value(),
            (Self::Keep(own), None) => own,
            (Self::Fixed(fixed), _) => fixed,
        }
    }
}

/// A backend's address as `Host`: without the port that http implies, and `localhost` for a Unix
/// socket.
pub fn own_host(address: &BackendAddr) -> String {
    match address {
        BackendAddr::Ip(address) if address.port() == 80 && address.is_ipv6() => {
            format!("[{}]", address.ip())
        }
        BackendAddr::Ip(address) if address.port() == 80 => address.ip().to_string(),
        BackendAddr::Host { host, port: 80 } => host.clone(),
        BackendAddr::Unix(_) => "localhost".to_owned(),
        BackendAddr::Ip(_) | BackendAddr::Host { .. } => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_sees_the_host_that_the_cluster_wants() {
        let ip = |text: &str| BackendAddr::Ip(text.parse().unwrap());
        let name = |host: &str, port| BackendAddr::Host {
            host: host.to_owned(),
            port,
        };
        let fixed = HostHeader::Fixed("app.internal".to_owned());
        let client = Host::parse(&HeaderValue::from_static("Www.Example:81"));
        let cases = [
            (
                &HostHeader::Keep,
                ip("10.0.0.1:8080"),
                client.as_ref(),
                "Www.Example:81",
            ),
            (
                &HostHeader::Keep,
                ip("10.0.0.1:8080"),
                None,
                "10.0.0.1:8080",
            ),
            (
                &HostHeader::Backend,
                ip("10.0.0.1:80"),
                client.as_ref(),
                "10.0.0.1",
            ),
            (&HostHeader::Backend, ip("[::1]:80"), None, "[::1]"),
            (&HostHeader::Backend, ip("[::1]:81"), None, "[::1]:81"),
            (&HostHeader::Backend, name("tomcat", 80), None, "tomcat"),
            (
                &HostHeader::Backend,
                name("tomcat", 8080),
                None,
                "tomcat:8080",
            ),
            (
                &HostHeader::Backend,
                BackendAddr::Unix("/run/t".into()),
                None,
                "localhost",
            ),
            (&fixed, ip("10.0.0.1:8080"), client.as_ref(), "app.internal"),
        ];
        for (wanted, address, host, expected) in cases {
            let upstream = UpstreamHost::new(wanted, &address).unwrap();
            assert_eq!(upstream.value(host), expected);
        }
    }
}
