//! A listener's side of TLS: made from its configuration, put in force anew when its files change,
//! asked once per handshake.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::hosts::Hosts;
use super::policy::{Policy, PolicyId, Shown, place};
use crate::config::tls::{Hsts, ListenerTls, TlsVersion};

/// TLS of one listener, shared by all workers.
#[derive(Debug)]
pub struct ServerSide {
    /// As configured. What its files hold meanwhile stands in [`ServerSide::current`].
    pub config: ListenerTls,
    in_force: ArcSwap<InForce>,
    /// What browsers are told.
    hsts: Option<HeaderValue>,
}

#[derive(Debug)]
struct InForce {
    /// With what its files held when they were read last.
    config: Arc<ListenerTls>,
    hosts: Arc<Hosts>,
    /// In the order of the policies.
    configs: Vec<Arc<ServerConfig>>,
    /// The first one is for hosts that no rule names.
    policies: Vec<Policy>,
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
        let before = before.map(|before| before.in_force.load_full());
        let known = before.as_ref().map_or(&[][..], |it| &it.policies);
        let in_force = InForce::new(config.clone(), known)?;
        let hsts = config.hsts.map(Hsts::value);
        Ok(Self {
            hsts: hsts.and_then(|value| HeaderValue::try_from(value).ok()),
            in_force: ArcSwap::from_pointee(in_force),
            config,
        })
    }

    /// The configuration with what its files held when they were read last.
    pub fn current(&self) -> Arc<ListenerTls> {
        Arc::clone(&self.in_force.load().config)
    }

    /// Puts other content of the same files in force, for handshakes that begin from now on. What
    /// clients may resume stays in force where the same is demanded of them.
    pub fn change_files(&self, config: ListenerTls) -> Result<(), rustls::Error> {
        let in_force = InForce::new(config, &self.in_force.load().policies)?;
        self.in_force.store(Arc::new(in_force));
        Ok(())
    }

    /// What a client gets that asks for this host; `None`: it is refused.
    pub fn choose(&self, host: Option<&str>) -> Option<Chosen> {
        let in_force = self.in_force.load();
        if !in_force.hosts.serves(host) {
            return None;
        }
        let place = place(&in_force.policies, host);
        Some(Chosen {
            config: Arc::clone(in_force.configs.get(place)?),
            policy: in_force.policies.get(place)?.id,
        })
    }

    /// Whether a connection may carry a request for a host, which was made under the policy in
    /// `shown` (`None`: without TLS). Where something else is demanded since, the certificate that it
    /// showed is checked anew, once; a connection that was made for another host is not.
    pub fn admits(&self, host: Option<&str>, shown: Option<&Shown>) -> bool {
        if !self.has_rules() {
            return true;
        }
        let in_force = self.in_force.load();
        let at = place(&in_force.policies, host);
        let Some(policy) = in_force.policies.get(at) else {
            return false;
        };
        let Some(shown) = shown else {
            return policy.accepts(&[]);
        };
        if shown.policy.get() == policy.id {
            return true;
        }
        let was_for = shown.server_name.as_deref();
        let is_for_it = place(&in_force.policies, was_for) == at;
        let is_good = is_for_it && policy.accepts(&shown.chain);
        if is_good {
            shown.policy.set(policy.id);
        }
        is_good
    }

    /// Whether a client that has resumed would be let in with what it showed once.
    pub fn still_accepts(&self, shown: &Shown) -> bool {
        if !self.has_rules() {
            return true;
        }
        let in_force = self.in_force.load();
        let mut policies = in_force.policies.iter();
        let policy = policies.find(|policy| policy.id == shown.policy.get());
        // Where something else is demanded since, each request asks for it.
        policy.is_none_or(|policy| policy.accepts(&shown.chain))
    }

    /// Whether something is demanded of some clients.
    fn has_rules(&self) -> bool {
        !self.config.clients.is_empty()
    }

    /// What browsers are told about coming back without TLS.
    pub fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.as_ref()
    }
}

impl InForce {
    fn new(config: ListenerTls, known: &[Policy]) -> Result<Self, rustls::Error> {
        let rules = std::iter::once(None).chain(config.clients.iter().cloned().map(Some));
        let policies = rules.map(|rule| Policy::new(rule, known, config.resumption));
        let policies = policies.collect::<Result<Vec<_>, _>>()?;
        let hosts = Arc::new(Hosts::new(&config.certificates, config.unknown_host));
        let provider = Arc::new(default_provider());
        let configs = policies
            .iter()
            .map(|policy| made(&config, policy, &hosts, &provider).map(Arc::new));
        Ok(Self {
            configs: configs.collect::<Result<_, _>>()?,
            config: Arc::new(config),
            hosts,
            policies,
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
    let builder = match policy.verifier() {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut made = builder.with_cert_resolver(Arc::<Hosts>::clone(hosts));
    // In the order of our preference.
    made.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if !config.http2 {
        made.alpn_protocols.remove(0);
    }
    // What is resumed is sealed and with the client: nothing is kept here per client.
    made.session_storage = Arc::new(NoServerSessionStorage {});
    match policy.ticketer() {
        Some(ticketer) => made.ticketer = ticketer,
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
