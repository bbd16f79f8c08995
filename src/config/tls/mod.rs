//! TLS as configured, with what its files hold.

mod again;
mod cluster;
mod cluster_files;
mod crl;
mod der;
mod load;
mod ocsp;
mod pem;
mod standing;
mod x509;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderName;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, SignatureScheme};

pub use again::{Found, FromFiles, Unusable, Watched};
pub use cluster::{ClusterTls, Trust};
pub use cluster_files::{AUTHORITIES, ClusterFiles};
pub use load::{CertificateFault, CertificateFile, ClientFaults, ClientFile, read};
pub use ocsp::{Staple, StapleFault, judge};
pub use pem::{PemFault, authorities, chain, key, revocations};
pub use standing::{SOON_DAYS, Standing};
pub use x509::{Facts, hex};

/// How a listener speaks TLS.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerTls {
    /// In the order of the file; the first one is the default. Never empty.
    pub certificates: Vec<Certificate>,
    /// What becomes of a client that asks for a host no certificate is for.
    pub unknown_host: UnknownHost,
    /// The oldest version that is spoken.
    pub least_version: TlsVersion,
    /// Who must show a certificate; the first one that names the host counts.
    pub clients: Vec<ClientRule>,
    /// How what is known of a client's certificate goes to backends.
    pub client_headers: Vec<(ClientFact, HeaderName)>,
    /// Whether HTTP/2 is offered; as the listener says.
    pub http2: bool,
    /// Longest wait for a handshake.
    pub handshake_time: Duration,
    /// From one look at the files to the next.
    pub reload: Duration,
    /// Whether clients may resume sessions.
    pub resumption: bool,
    /// What browsers are told about coming back without TLS.
    pub hsts: Option<Hsts>,
}

impl ListenerTls {
    /// The certificates by the names that logs and metrics give them: the first host of each, and a
    /// number if it is not the first one of that name.
    pub fn named(&self) -> impl Iterator<Item = (String, &Certificate)> {
        let host = |it: &Certificate| {
            let first = it.hosts.first().map(String::as_str);
            first.unwrap_or("unnamed").to_owned()
        };
        let name = move |place: usize, certificate: &Certificate| {
            let host = host(certificate);
            let before = self.certificates.iter().take(place);
            let alike = before.filter(|it| it.hosts.first() == certificate.hosts.first());
            match alike.count() {
                0 => host,
                others => format!("{host}#{}", others + 1),
            }
        };
        let all = self.certificates.iter().enumerate();
        all.map(move |(place, it)| (name(place, it), it))
    }
}

/// What becomes of a client that asks for a host no certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownHost {
    /// It gets the first certificate.
    Default,
    /// The handshake is refused.
    Refuse,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

impl TlsVersion {
    /// As the configuration names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V12 => "1.2",
            Self::V13 => "1.3",
        }
    }
}

/// A certificate with its key, as read from its files.
#[derive(Clone)]
pub struct Certificate {
    /// Where it was read.
    pub files: CertificateFiles,
    /// Hosts it is for, in lower case; `*.` in front stands for one label.
    pub hosts: Vec<String>,
    /// What the server's own certificate says.
    pub facts: Facts,
    /// What those say that issued it, one the other, as far as they are in its chain. No roots:
    /// clients have their own.
    pub issuers: Vec<Facts>,
    /// What is sent along of the file `ocsp`.
    pub staple: Staple,
    /// Chain, key and OCSP answer, ready for handshakes.
    pub ready: Arc<CertifiedKey>,
}

impl Certificate {
    /// Whether it is for the same hosts as another one, in whatever order.
    pub fn has_hosts_of(&self, other: &Self) -> bool {
        let hosts = |it: &'_ Self| it.hosts.iter().cloned().collect::<HashSet<_>>();
        hosts(self) == hosts(other)
    }

    /// Whether every client that asks for a host of `other` gets this one in its place, which is
    /// listed before it: it has all those hosts and the same kind of key. One that holds counts before
    /// one that does not.
    pub fn hides(&self, other: &Self, now: SystemTime) -> bool {
        let is_held = |it: &Self| it.standing(now).0.is_held();
        let has_all = other.hosts.iter().all(|host| self.hosts.contains(host));
        has_all && self.kind() == other.kind() && (is_held(self) || !is_held(other))
    }

    /// How its key signs: two of one kind fit the same clients.
    fn kind(&self) -> Option<SignatureScheme> {
        let kinds = [
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
        ];
        let fits = |kind: &SignatureScheme| self.ready.key.choose_scheme(&[*kind]).is_some();
        kinds.into_iter().find(fits)
    }
}

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// An answer of its authority's OCSP responder.
    pub ocsp: Option<PathBuf>,
    /// Hosts that the file names; `None`: those of the certificate.
    pub hosts: Option<Vec<String>>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Certificate");
        shown
            .field("files", &self.files)
            .field("hosts", &self.hosts);
        shown.finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        // A chain has one key.
        self.files == other.files
            && self.hosts == other.hosts
            && self.ready.cert == other.ready.cert
            && self.staple == other.staple
            && self.ready.ocsp == other.ready.ocsp
    }
}

/// Who must show a certificate.
#[derive(Debug, Clone)]
pub struct ClientRule {
    /// Hosts it is for; empty: all.
    pub hosts: Vec<String>,
    /// Whether one is asked for, or demanded.
    pub mode: ClientMode,
    /// Whether listeners that demand nothing of these hosts pass their requests on all the same.
    pub served_elsewhere: bool,
    /// Where the authorities were read.
    pub ca: PathBuf,
    /// Who may have issued a client's certificate.
    pub authorities: Arc<[CertificateDer<'static>]>,
    /// What they have revoked, and where that was read.
    pub crl: Option<(PathBuf, RevocationLists)>,
    /// What looks at clients' certificates. Made once: it knows each number in lists that may be large.
    pub verifier: Arc<dyn ClientCertVerifier>,
}

/// What authorities have revoked.
pub type RevocationLists = Arc<[CertificateRevocationListDer<'static>]>;

impl PartialEq for ClientRule {
    fn eq(&self, other: &Self) -> bool {
        // The verifier is made of the others.
        self.hosts == other.hosts
            && self.mode == other.mode
            && self.served_elsewhere == other.served_elsewhere
            && self.ca == other.ca
            && self.authorities == other.authorities
            && self.crl == other.crl
    }
}

impl ClientRule {
    /// Where lists stand of which a newer one should be there by now. They count all the same: to know
    /// less of whom to refuse is better than to refuse everybody.
    pub fn outdated(&self) -> Option<&Path> {
        let (path, lists) = self.crl.as_ref()?;
        let mut ends = lists.iter().filter_map(|list| crl::end(list));
        let now = ocsp::now();
        ends.any(|end| end < now).then_some(path.as_path())
    }
}

/// What looks at clients' certificates. With revocation lists, one must be there of each
/// authority on the way from a client's certificate to the one that is trusted.
fn verifier(
    mode: ClientMode,
    authorities: &[CertificateDer<'static>],
    lists: &[CertificateRevocationListDer<'static>],
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().cloned());
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.with_crls(lists.iter().cloned());
    let verifier = match mode {
        ClientMode::Required => verifier,
        ClientMode::Optional => verifier.allow_unauthenticated(),
    };
    verifier.build().map_err(|error| error.to_string())
}

/// Whether a client must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientMode {
    /// It is asked for one, and may have none. A bad one is refused.
    Optional,
    /// Without one there is no connection.
    Required,
}

/// What is known of a client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientFact {
    /// Whom it names.
    Subject,
    /// Who issued it.
    Issuer,
    /// Its number at its issuer.
    Serial,
    /// SHA-256 of it, in hex.
    Fingerprint,
    /// The certificate itself, as PEM with percent signs, as nginx's `$ssl_client_escaped_cert`.
    Pem,
}

impl ClientFact {
    /// All, with the key that names the header.
    pub const ALL: [(&'static str, Self); 5] = [
        ("subject", Self::Subject),
        ("issuer", Self::Issuer),
        ("serial", Self::Serial),
        ("fingerprint", Self::Fingerprint),
        ("pem", Self::Pem),
    ];
}

/// HTTP Strict Transport Security.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hsts {
    /// How long browsers remember it.
    pub max_age: Duration,
    /// Whether it is for all hosts below.
    pub subdomains: bool,
    /// Whether browsers may ship with it.
    pub preload: bool,
}

impl Hsts {
    /// As the header's value.
    pub fn value(self) -> String {
        let mut value = format!("max-age={}", self.max_age.as_secs());
        if self.subdomains {
            value.push_str("; includeSubDomains");
        }
        if self.preload {
            value.push_str("; preload");
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_in_their_words() {
        let hsts = |subdomains, preload| Hsts {
            max_age: Duration::from_hours(24),
            subdomains,
            preload,
        };
        assert_eq!(hsts(false, false).value(), "max-age=86400");
        assert_eq!(
            hsts(true, true).value(),
            "max-age=86400; includeSubDomains; preload"
        );
    }
}
