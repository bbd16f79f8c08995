//! What is demanded of the clients of some hosts, and how it is told from what was demanded before.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ProducesTickets;
use rustls::server::danger::ClientCertVerifier;

use crate::config::tls::{ClientMode, ClientRule, fits};

/// What is demanded of a client, as numbers that two connections share only if the same is demanded
/// of both. None is used twice in the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyId {
    /// By what is configured.
    pub(super) rule: u64,
    /// By what its files held.
    files: u64,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl PolicyId {
    /// One that nobody has had.
    pub(super) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            rule: number,
            files: number,
        }
    }

    /// The same, of files that hold something else.
    fn of_other_files(self) -> Self {
        Self {
            rule: self.rule,
            ..Self::new()
        }
    }
}

/// What a connection's client showed, and of which policy it was good enough.
#[derive(Debug)]
pub struct Shown {
    pub(super) policy: Cell<PolicyId>,
    /// Its certificate, then who issued it; empty: none.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

impl Shown {
    /// In a handshake under this policy.
    pub fn new(policy: PolicyId, chain: &[CertificateDer<'static>]) -> Self {
        Self {
            policy: Cell::new(policy),
            chain: chain.to_vec(),
        }
    }
}

/// What is demanded of the clients of some hosts.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) id: PolicyId,
    /// `None`: nothing.
    demanded: Option<Demanded>,
    /// Seals what clients bring back to resume. One per policy: what was resumed was demanded
    /// before. `None`: nobody resumes.
    tickets: Option<Tickets>,
}

#[derive(Debug)]
struct Demanded {
    rule: ClientRule,
    verifier: Arc<dyn ClientCertVerifier>,
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
        let alike = || {
            let rule = rule.as_ref()?;
            known.iter().find(|policy| policy.is_configured_as(rule))
        };
        let id = match (same, alike()) {
            (Some(same), _) => same.id,
            (None, Some(alike)) => alike.id.of_other_files(),
            (None, None) => PolicyId::new(),
        };
        let tickets = match same.and_then(|same| same.tickets.clone()) {
            _ if !may_resume => None,
            Some(tickets) => Some(tickets),
            None => Some(Tickets(Ticketer::new()?)),
        };
        let demanded = rule.map(|rule| {
            let verifier = rule.verifier().map_err(rustls::Error::General)?;
            Ok::<_, rustls::Error>(Demanded { rule, verifier })
        });
        Ok(Self {
            id,
            demanded: demanded.transpose()?,
            tickets,
        })
    }

    fn rule(&self) -> Option<&ClientRule> {
        self.demanded.as_ref().map(|demanded| &demanded.rule)
    }

    fn is_configured_as(&self, rule: &ClientRule) -> bool {
        self.rule().is_some_and(|it| it.is_configured_as(rule))
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
        let Some(Demanded { rule, verifier }) = &self.demanded else {
            return true;
        };
        match chain.split_first() {
            None => rule.mode == ClientMode::Optional,
            Some((own, above)) => verifier
                .verify_client_cert(own, above, UnixTime::now())
                .is_ok(),
        }
    }
}

/// The place of the policy for a host.
pub(super) fn place(policies: &[Policy], host: Option<&str>) -> usize {
    if policies.len() == 1 {
        return 0;
    }
    let host = host.map(str::to_ascii_lowercase);
    let is_for = |rule: &ClientRule| {
        let named = |name: &String| host.as_ref().is_some_and(|it| fits(name, it).is_some());
        rule.hosts.is_empty() || rule.hosts.iter().any(named)
    };
    let mut places = policies.iter();
    let found = places.position(|policy| policy.rule().is_some_and(is_for));
    found.unwrap_or(0)
}
