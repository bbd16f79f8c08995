//! Certificates by the host that a client asks for.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::config::tls::{Certificate, UnknownHost};

/// The certificates of a listener, found by host without looking at all of them.
#[derive(Debug)]
pub struct Hosts {
    exact: HashMap<String, Candidates>,
    /// By what stands behind the star, dot included.
    wildcard: HashMap<String, Candidates>,
    default: Candidates,
    unknown: UnknownHost,
}

/// Certificates for one host with keys of several kinds.
type Candidates = Vec<Arc<CertifiedKey>>;

impl Hosts {
    /// Those of `certificates`, the first of which is the default.
    pub fn new(certificates: &[Certificate], unknown: UnknownHost) -> Self {
        let mut hosts = Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            default: Vec::new(),
            unknown,
        };
        for certificate in certificates {
            for name in &certificate.hosts {
                let found = match name.strip_prefix('*') {
                    Some(suffix) => hosts.wildcard.entry(suffix.to_owned()),
                    None => hosts.exact.entry(name.clone()),
                };
                found.or_default().push(Arc::clone(&certificate.ready));
            }
        }
        if let Some(first) = certificates.first() {
            // Those for the same hosts with another kind of key stand in for it.
            let alike = certificates.iter().filter(|it| it.hosts == first.hosts);
            hosts.default = alike.map(|it| Arc::clone(&it.ready)).collect();
        }
        let all = hosts.exact.values_mut().chain(hosts.wildcard.values_mut());
        all.chain(std::iter::once(&mut hosts.default))
            .for_each(|candidates| candidates.sort_by_key(|it| cost(it)));
        hosts
    }

    /// Those for a host. Names are compared in lower case; a star stands for one label.
    fn find(&self, host: Option<&str>) -> Option<&Candidates> {
        self.find_named(host).or_else(|| self.default())
    }

    fn find_named(&self, host: Option<&str>) -> Option<&Candidates> {
        let host = host?.to_ascii_lowercase();
        self.exact.get(&host).or_else(|| {
            let dot = host.find('.')?;
            self.wildcard.get(host.get(dot..)?)
        })
    }

    fn default(&self) -> Option<&Candidates> {
        (self.unknown == UnknownHost::Default).then_some(&self.default)
    }

    /// Whether a client that asks for this host is served.
    pub fn serves(&self, host: Option<&str>) -> bool {
        self.find(host).is_some()
    }

    fn choose(&self, host: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let candidates = self.find(host)?;
        let fits = |it: &&Arc<CertifiedKey>| it.key.choose_scheme(schemes).is_some();
        // If none fits, the handshake says why.
        let found = candidates.iter().find(fits).or(candidates.first());
        found.cloned()
    }
}

/// What a signature costs us: RSA's is far the dearest.
fn cost(key: &CertifiedKey) -> u8 {
    match key.key.algorithm() {
        SignatureAlgorithm::ECDSA => 0,
        SignatureAlgorithm::ED25519 => 1,
        _ => 2,
    }
}

impl ResolvesServerCert for Hosts {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}

#[cfg(test)]
mod tests;
