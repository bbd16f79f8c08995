//! Certificates by the host that a client asks for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

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
        // Whatever is first in this order is first among the candidates for each host.
        let now = SystemTime::now();
        let mut ranked: Vec<_> = certificates.iter().collect();
        ranked.sort_by_cached_key(|it| rank(it, now));
        for certificate in &ranked {
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
            let alike = ranked.iter().filter(|it| it.has_hosts_of(first));
            hosts.default = alike.map(|it| Arc::clone(&it.ready)).collect();
        }
        hosts
    }

    /// Those for a host, the nearest first: those of its name, of a star, of whoever asks for
    /// something else. Names are compared in lower case; a star stands for one label.
    fn find(&self, host: Option<&str>) -> impl Iterator<Item = &Candidates> {
        let host = host.map(str::to_ascii_lowercase);
        let exact = host.as_ref().and_then(|host| self.exact.get(host));
        let wildcard = host.as_ref().and_then(|host| {
            let dot = host.find('.')?;
            self.wildcard.get(host.get(dot..)?)
        });
        let default = (self.unknown == UnknownHost::Default).then_some(&self.default);
        [exact, wildcard, default].into_iter().flatten()
    }

    /// Whether a client that asks for this host is served.
    pub fn serves(&self, host: Option<&str>) -> bool {
        self.find(host).next().is_some()
    }

    fn choose(&self, host: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |it: &&Arc<CertifiedKey>| it.key.choose_scheme(schemes).is_some();
        let found = self.find(host).flatten().find(fits);
        // If none fits, the handshake says why.
        found.or_else(|| self.find(host).flatten().next()).cloned()
    }
}

/// Of two certificates for a host the one that holds comes first, then the one whose signatures cost
/// less. Looked at when files are read.
fn rank(certificate: &Certificate, now: SystemTime) -> (bool, u8) {
    let (standing, _) = certificate.standing(now);
    (!standing.is_held(), cost(&certificate.ready))
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
