//! What is demanded of the clients of some hosts, and how it is told from what was demanded before.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ProducesTickets;
use rustls::server::danger::ClientCertVerifier;

use crate::config::tls::{ClientMode, ClientRule};

/// What is demanded of a client, as a number that two connections share only if the same is demanded
/// of both. None is used twice in the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyId(u64);

static NEXT: AtomicU64 = AtomicU64::new(0);

impl PolicyId {
    /// One that nobody has had.
    fn new() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a connection's client showed, and of which policy it was good enough.
#[derive(Debug)]
pub struct Shown {
    pub(super) policy: Cell<PolicyId>,
    /// The host that it asked for, in lower case.
    pub server_name: Option<String>,
    /// Its certificate, then who issued it; empty: none.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

impl Shown {
    /// In a handshake under this policy.
    pub fn new(
        policy: PolicyId,
        server_name: Option<&str>,
        chain: &[CertificateDer<'static>],
    ) -> Self {
        Self {
            policy: Cell::new(policy),
            server_name: server_name.map(str::to_ascii_lowercase),
            chain: chain.to_vec(),
        }
    }
}

/// What is demanded of the clients of some hosts.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) id: PolicyId,
    /// `None`: nothing.
    demanded: Option<ClientRule>,
    /// Seals what clients bring back to resume. One per policy: what was resumed was demanded
    /// before. `None`: nobody resumes.
    tickets: Option<Tickets>,
}

#[derive(Clone)]
struct Tickets(Arc<dyn ProducesTickets>);

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets(***)")
    }
}

impl Policy {
    /// The one of a rule. The same as in `known`, if the same is demanded there.
    pub(super) fn new(
        rule: Option<ClientRule>,
        known: &[Self],
        may_resume: bool,
    ) -> Result<Self, rustls::Error> {
        let same = known.iter().find(|policy| policy.rule() == rule.as_ref());
        let id = same.map_or_else(PolicyId::new, |same| same.id);
        let tickets = match same.and_then(|same| same.tickets.clone()) {
            _ if !may_resume => None,
            Some(tickets) => Some(tickets),
            None => Some(Tickets(Ticketer::new()?)),
        };
        Ok(Self {
            id,
            demanded: rule,
            tickets,
        })
    }

    fn rule(&self) -> Option<&ClientRule> {
        self.demanded.as_ref()
    }

    /// What looks at clients' certificates.
    pub(super) fn verifier(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        self.demanded.as_ref().map(|it| Arc::clone(&it.verifier))
    }

    /// What seals what clients bring back.
    pub(super) fn ticketer(&self) -> Option<Arc<dyn ProducesTickets>> {
        self.tickets.as_ref().map(|tickets| Arc::clone(&tickets.0))
    }

    /// Whether a client with this chain is good enough now.
    pub(super) fn accepts(&self, chain: &[CertificateDer<'static>]) -> bool {
        let Some(rule) = &self.demanded else {
            return true;
        };
        match chain.split_first() {
            None => rule.mode == ClientMode::Optional,
            Some((own, above)) => rule
                .verifier
                .verify_client_cert(own, above, UnixTime::now())
                .is_ok(),
        }
    }
}

/// The place of the policy for a host. Hosts are compared as rules compare them: whatever reaches a
/// rule's host by another spelling must meet what is demanded there.
pub(super) fn place(policies: &[Policy], host: Option<&str>) -> usize {
    if policies.len() == 1 {
        return 0;
    }
    let host = without_dot(host);
    let is_for = |rule: &ClientRule| {
        let named = |name: &String| host.is_some_and(|host| is_below_or_at(name, host));
        rule.hosts.is_empty() || rule.hosts.iter().any(named)
    };
    let mut places = policies.iter();
    let found = places.position(|policy| policy.rule().is_some_and(is_for));
    found.unwrap_or(0)
}

/// A host as it is compared: a dot at its end says nothing.
pub(super) fn without_dot(host: Option<&str>) -> Option<&str> {
    host.map(|host| host.strip_suffix('.').unwrap_or(host))
}

/// Whether a host is `name`, or for `*.name` any below it, in whatever case.
pub(super) fn is_below_or_at(name: &str, host: &str) -> bool {
    let Some(suffix) = name.strip_prefix('*') else {
        return name.eq_ignore_ascii_case(host);
    };
    let start = host.len().checked_sub(suffix.len()).filter(|at| *at > 0);
    let end = start.and_then(|at| host.get(at..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_demanded_of_a_host_is_demanded_of_each_of_its_spellings() {
        for (name, host, expected) in [
            ("admin.example", "admin.example", true),
            ("admin.example", "ADMIN.Example", true),
            ("admin.example", "xadmin.example", false),
            ("*.example", "a.example", true),
            ("*.example", "a.b.EXAMPLE", true),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.example", "aexample", false),
            ("*.example", "é.example", true),
        ] {
            assert_eq!(is_below_or_at(name, host), expected, "{name} {host}");
        }
    }
}
