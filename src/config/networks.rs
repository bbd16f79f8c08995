//! Lists of networks: who may come in, and who speaks for others.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

/// A list of networks; an address matches if any of them holds it. An IPv4 client that reached
/// an IPv6 socket (`::ffff:a.b.c.d`) is compared as IPv4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

impl Networks {
    /// Whether any network of the list holds `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Who may use a listener or a rule. `deny` is looked at first; a non-empty `allow` refuses
/// everybody else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Admitted networks; empty: all.
    pub allow: Networks,
    /// Refused networks.
    pub deny: Networks,
}

impl Access {
    /// Whether a client at `address` may come in. A client without an address (a Unix socket)
    /// is on this host and may, unless the list names who may.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address else {
            return self.allow.0.is_empty();
        };
        !self.deny.contains(address) && (self.allow.0.is_empty() || self.allow.contains(address))
    }
}

/// Who says in a PROXY header for whom it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Load balancers, each of whose connections must begin with a header.
    pub from: Networks,
    /// What becomes of everybody else.
    pub others: Others,
    /// Time for a whole header.
    pub timeout: Duration,
}

/// Peers who may not say for whom they connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Their connections are closed.
    Refused,
    /// They are clients like others; a header of theirs is no request.
    Served,
}
