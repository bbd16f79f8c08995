//! Who asks: what one connection tells, and what one request adds.
//!
//! Made by the server's side (`server::client_address`), read by rules, headers and the access
//! log. Whatever is sent to backends as text is rendered once per connection and shared from
//! then on.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use http::HeaderValue;

pub use crate::config::Scheme;
use crate::proxy_protocol::Told;
use crate::tls::Secured;

/// Whether forwarding fields of a peer are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// One of `trusted_proxies`.
    Trusted,
    /// A stranger: what it says about others is replaced.
    Untrusted,
}

/// The other end of one connection. Behind a load balancer that speaks the PROXY protocol, the client
/// that it named: all is as if that one had connected itself.
#[derive(Debug, Clone)]
pub struct Peer {
    address: Option<SocketAddr>,
    ip_value: Option<HeaderValue>,
    /// Who is connected in truth, if it is somebody else.
    introducer: Option<Box<Introducer>>,
    /// The address of ours, or of the load balancer, that it connected to, as far as it is known.
    reached: Option<SocketAddr>,
    trust: Trust,
    scheme: Scheme,
    server_port: Option<u16>,
    server_port_value: Option<HeaderValue>,
    secured: Option<Rc<Secured>>,
}

/// A load balancer that said for whom it connects.
#[derive(Debug, Clone)]
struct Introducer {
    address: Option<SocketAddr>,
    ip_value: Option<HeaderValue>,
    told: Told,
}

/// Where a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entrance {
    /// The listener's scheme.
    pub scheme: Scheme,
    /// The listener's port; `None`: a Unix socket.
    pub port: Option<u16>,
}

impl Peer {
    /// A peer at `address` (`None`: a Unix socket). An IPv4 peer of an IPv6 socket counts as
    /// IPv4.
    pub fn new(address: Option<SocketAddr>, entrance: Entrance, trust: Trust) -> Self {
        let address = address.map(canonical);
        Self {
            address,
            ip_value: address.and_then(|address| ip_value(address.ip())),
            introducer: None,
            reached: None,
            trust,
            scheme: entrance.scheme,
            server_port: entrance.port,
            server_port_value: entrance.port.map(HeaderValue::from),
            secured: None,
        }
    }

    /// The same peer, after its handshake.
    #[must_use]
    pub fn by_tls(self, secured: Secured) -> Self {
        Self {
            scheme: Scheme::Https,
            secured: Some(Rc::new(secured)),
            ..self
        }
    }

    /// The same, named by a load balancer at `address`, which has `told` more.
    #[must_use]
    pub fn introduced_by(self, address: Option<SocketAddr>, told: Told) -> Self {
        let address = address.map(canonical);
        let introducer = Introducer {
            address,
            ip_value: address.and_then(|address| ip_value(address.ip())),
            told,
        };
        Self {
            introducer: Some(Box::new(introducer)),
            ..self
        }
    }

    /// What the handshake told; `None`: the connection is not secured.
    pub fn secured(&self) -> Option<&Secured> {
        self.secured.as_deref()
    }

    /// The same, which connected to `address`.
    #[must_use]
    pub fn at(self, address: Option<SocketAddr>) -> Self {
        Self {
            reached: address,
            ..self
        }
    }

    /// The address that it connected to, if somebody wanted to know. Where it is not known, its
    /// port may be: [`Peer::server_port`].
    pub fn reached(&self) -> Option<SocketAddr> {
        self.reached
    }

    /// Who is connected in truth: the load balancer, where there is one; `None`: a Unix socket.
    pub fn connected(&self) -> Option<SocketAddr> {
        let introducer = self.introducer.as_ref();
        introducer.map_or(self.address, |introducer| introducer.address)
    }

    /// The address of that one as text.
    pub fn connected_ip_value(&self) -> Option<&HeaderValue> {
        match &self.introducer {
            Some(introducer) => introducer.ip_value.as_ref(),
            None => self.ip_value(),
        }
    }

    /// What a load balancer told of the connection.
    pub fn told(&self) -> Option<&Told> {
        self.introducer.as_ref().map(|introducer| &introducer.told)
    }

    /// Address and port; `None`: a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The address; `None`: a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip())
    }

    /// The address as text.
    pub fn ip_value(&self) -> Option<&HeaderValue> {
        self.ip_value.as_ref()
    }

    /// Whether its forwarding fields are believed.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// The scheme of the connection itself.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The port it connected to; `None`: a Unix socket.
    pub fn server_port(&self) -> Option<u16> {
        self.server_port
    }

    /// The port it connected to, as text.
    pub fn server_port_value(&self) -> Option<&HeaderValue> {
        self.server_port_value.as_ref()
    }

    /// The client of a request that says nothing (believable) about another one.
    pub fn as_client(&self) -> Client {
        Client {
            ip: self.ip(),
            ip_value: self.ip_value.clone(),
            scheme: self.scheme,
        }
    }
}

/// The client of one request, after trusted hops were taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    ip: Option<IpAddr>,
    ip_value: Option<HeaderValue>,
    scheme: Scheme,
}

impl Client {
    /// A client that a trusted peer speaks for.
    pub fn behind(ip: IpAddr, scheme: Scheme) -> Self {
        let ip = ip.to_canonical();
        Self {
            ip: Some(ip),
            ip_value: ip_value(ip),
            scheme,
        }
    }

    /// The same client, by another scheme.
    #[must_use]
    pub fn by(self, scheme: Scheme) -> Self {
        Self { scheme, ..self }
    }

    /// Its address; `None`: it came by a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// Its address as text.
    pub fn ip_value(&self) -> Option<&HeaderValue> {
        self.ip_value.as_ref()
    }

    /// The scheme it used.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn ip_value(ip: IpAddr) -> Option<HeaderValue> {
    HeaderValue::try_from(ip.to_string()).ok()
}
