//! TLS to the backends of a cluster.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, version::TLS13,
};

use super::{Certificate, TlsVersion};
use crate::config::BackendAddr;

/// How backends are spoken to by TLS.
#[derive(Debug, Clone)]
pub struct ClusterTls {
    /// Who may have issued a backend's certificate.
    pub trust: Trust,
    /// The host that is asked for, and that the certificate must name; `None`: the backend's.
    pub name: Option<String>,
    /// What we show when a backend asks who we are.
    pub own: Option<Certificate>,
    /// The oldest version that is spoken.
    pub least_version: TlsVersion,
    /// Whether HTTP/2 is what is spoken behind it; else it is HTTP/1.1.
    pub http2: bool,
    /// Ready for handshakes.
    pub ready: Arc<ClientConfig>,
}

impl PartialEq for ClusterTls {
    fn eq(&self, other: &Self) -> bool {
        // `ready` follows from the rest.
        self.trust == other.trust
            && self.name == other.name
            && self.own == other.own
            && self.least_version == other.least_version
            && self.http2 == other.http2
    }
}

/// Who may have issued a backend's certificate.
#[derive(Debug, Clone, PartialEq)]
pub enum Trust {
    /// Whom this system trusted when the configuration was read.
    System(Vec<CertificateDer<'static>>),
    /// The authorities in a file.
    File(PathBuf, Vec<CertificateDer<'static>>),
    /// Anybody: nothing is verified.
    Anybody,
}

impl Trust {
    /// Whom this system trusts now.
    pub fn system() -> Self {
        Self::System(rustls_native_certs::load_native_certs().certs)
    }
}

impl ClusterTls {
    /// Makes it ready; what cannot be is told in words. `(name, own)`: whom we ask for, and who we
    /// say that we are.
    pub fn new(
        trust: Trust,
        (name, own): (Option<String>, Option<Certificate>),
        least_version: TlsVersion,
        http2: bool,
    ) -> Result<Self, String> {
        let mut ready = made(&trust, own.as_ref(), least_version)?;
        let protocol: &[u8] = if http2 { b"h2" } else { b"http/1.1" };
        ready.alpn_protocols = vec![protocol.to_vec()];
        Ok(Self {
            trust,
            name,
            own,
            least_version,
            http2,
            ready: Arc::new(ready),
        })
    }

    /// Handshakes that verify nothing: whether somebody speaks TLS at all.
    pub fn unverified() -> Option<Self> {
        Self::new(Trust::Anybody, (None, None), TlsVersion::V12, false).ok()
    }

    /// The same where HTTP/1.1 is spoken behind it.
    #[must_use]
    pub fn by_http1(&self) -> Self {
        let mut ready = (*self.ready).clone();
        ready.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            http2: false,
            ready: Arc::new(ready),
            ..self.clone()
        }
    }

    /// Whom a backend's certificate must name.
    pub fn name_of(&self, address: &BackendAddr) -> Option<ServerName<'static>> {
        let name = match (&self.name, address) {
            (Some(name), _) => name.clone(),
            (None, BackendAddr::Host { host, .. }) => host.clone(),
            (None, BackendAddr::Ip(address)) => return Some(address.ip().into()),
            // Where nothing is verified, nobody looks at it either.
            (None, BackendAddr::Unix(_)) => "localhost".to_owned(),
        };
        ServerName::try_from(name).ok()
    }
}

fn made(
    trust: &Trust,
    own: Option<&Certificate>,
    least: TlsVersion,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(default_provider());
    let versions = match least {
        TlsVersion::V12 => rustls::ALL_VERSIONS,
        TlsVersion::V13 => &[&TLS13],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?;
    let builder = match roots(trust)? {
        Some(roots) => builder.with_root_certificates(roots),
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider))),
    };
    Ok(match own {
        Some(own) => {
            let own = SingleCertAndKey::from((*own.ready).clone());
            builder.with_client_cert_resolver(Arc::new(own))
        }
        None => builder.with_no_client_auth(),
    })
}

fn roots(trust: &Trust) -> Result<Option<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::Anybody => return Ok(None),
        Trust::File(_, authorities) | Trust::System(authorities) => {
            roots.add_parsable_certificates(authorities.iter().cloned());
        }
    }
    if roots.is_empty() {
        return Err(
            "no authority is trusted on this system; Debian has them in ca-certificates".to_owned(),
        );
    }
    Ok(Some(roots))
}

/// Takes any certificate. Who has signed the handshake is still checked: that it has the key of
/// the certificate it shows.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
