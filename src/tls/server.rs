//! A listener's side of TLS: made from its configuration, put in force anew when its certificates
//! change, asked once per handshake.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::version::TLS13;
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::hosts::Hosts;
use crate::config::tls::{ClientRule, Hsts, ListenerTls, TlsVersion, fits};

/// What is demanded of a client, as a number that two connections share only if the same is
/// demanded of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyId(usize);

/// TLS of one listener, shared by all workers.
#[derive(Debug)]
pub struct ServerSide {
    /// As configured, with the certificates of the last load.
    pub config: ListenerTls,
    in_force: ArcSwap<InForce>,
    /// By policy; the first one is for hosts that no rule names.
    policies: Vec<Policy>,
    /// What browsers are told.
    hsts: Option<HeaderValue>,
}

#[derive(Debug)]
struct InForce {
    hosts: Arc<Hosts>,
    /// In the order of the policies.
    configs: Vec<Arc<ServerConfig>>,
}

/// What is demanded of the clients of some hosts.
#[derive(Debug)]
struct Policy {
    id: PolicyId,
    rule: Option<ClientRule>,
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

/// What a client gets.
#[derive(Debug)]
pub struct Chosen {
    /// How its handshake goes on.
    pub config: Arc<ServerConfig>,
    /// What is demanded of it.
    pub policy: PolicyId,
}

impl ServerSide {
    /// Makes it. What clients may resume stays in force from `before`, where the same is demanded
    /// of them.
    pub fn new(config: ListenerTls, before: Option<&Self>) -> Result<Self, rustls::Error> {
        let rules = std::iter::once(None).chain(config.clients.iter().cloned().map(Some));
        let known = || before.into_iter().flat_map(|before| &before.policies);
        let mut next = known().map(|policy| policy.id.0 + 1).max().unwrap_or(0);
        let mut policies = Vec::new();
        for rule in rules {
            let same = known().find(|policy| policy.rule == rule);
            let id = same.map_or(PolicyId(next), |same| same.id);
            next = next.max(id.0 + 1);
            let tickets = match same.and_then(|same| same.tickets.clone()) {
                _ if !config.resumption => None,
                Some(tickets) => Some(tickets),
                None => Some(Tickets(Ticketer::new()?)),
            };
            policies.push(Policy { id, rule, tickets });
        }
        let in_force = InForce::new(&config, &policies)?;
        let hsts = config.hsts.map(Hsts::value);
        Ok(Self {
            hsts: hsts.and_then(|value| HeaderValue::try_from(value).ok()),
            in_force: ArcSwap::from_pointee(in_force),
            policies,
            config,
        })
    }

    /// Puts other certificates in force, for handshakes that begin from now on.
    pub fn change_certificates(&self, config: &ListenerTls) -> Result<(), rustls::Error> {
        let in_force = InForce::new(config, &self.policies)?;
        self.in_force.store(Arc::new(in_force));
        Ok(())
    }

    /// What a client gets that asks for this host; `None`: it is refused.
    pub fn choose(&self, host: Option<&str>) -> Option<Chosen> {
        let in_force = self.in_force.load();
        if !in_force.hosts.serves(host) {
            return None;
        }
        let place = self.place(host);
        Some(Chosen {
            config: Arc::clone(in_force.configs.get(place)?),
            policy: self.policies.get(place)?.id,
        })
    }

    /// What is demanded of the clients of a host.
    pub fn policy(&self, host: Option<&str>) -> Option<PolicyId> {
        self.policies.get(self.place(host)).map(|policy| policy.id)
    }

    /// Whether something is demanded of some clients.
    pub fn has_rules(&self) -> bool {
        self.policies.len() > 1
    }

    /// What browsers are told about coming back without TLS.
    pub fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.as_ref()
    }

    /// The place of the policy for a host.
    fn place(&self, host: Option<&str>) -> usize {
        if !self.has_rules() {
            return 0;
        }
        let host = host.map(str::to_ascii_lowercase);
        let is_for = |rule: &ClientRule| {
            let named = |name: &String| host.as_ref().is_some_and(|it| fits(name, it).is_some());
            rule.hosts.is_empty() || rule.hosts.iter().any(named)
        };
        let found = self
            .policies
            .iter()
            .position(|policy| policy.rule.as_ref().is_some_and(is_for));
        found.unwrap_or(0)
    }
}

impl InForce {
    fn new(config: &ListenerTls, policies: &[Policy]) -> Result<Self, rustls::Error> {
        let hosts = Arc::new(Hosts::new(&config.certificates, config.unknown_host));
        let provider = Arc::new(default_provider());
        let configs = policies
            .iter()
            .map(|policy| made(config, policy, &hosts, &provider).map(Arc::new));
        Ok(Self {
            configs: configs.collect::<Result<_, _>>()?,
            hosts,
        })
    }
}

fn made(
    config: &ListenerTls,
    policy: &Policy,
    hosts: &Arc<Hosts>,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions(config.least_version))?;
    let builder = match &policy.rule {
        None => builder.with_no_client_auth(),
        Some(rule) => {
            let verifier = rule.verifier().map_err(rustls::Error::General)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut made = builder.with_cert_resolver(Arc::<Hosts>::clone(hosts));
    // In the order of our preference.
    made.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if !config.http2 {
        made.alpn_protocols.remove(0);
    }
    // What is resumed is sealed and with the client: nothing is kept here per client.
    made.session_storage = Arc::new(NoServerSessionStorage {});
    match &policy.tickets {
        Some(tickets) => made.ticketer = Arc::clone(&tickets.0),
        None => made.send_tls13_tickets = 0,
    }
    Ok(made)
}

static ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

fn versions(least: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match least {
        TlsVersion::V12 => rustls::ALL_VERSIONS,
        TlsVersion::V13 => ONLY_13,
    }
}
