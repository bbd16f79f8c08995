//! TLS to the backends of a cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, version::TLS13,
};

use super::{Certificate, ClusterFiles, TlsVersion};
use crate::config::BackendAddr;

/// Where nothing else is said.
const RELOAD: Duration = Duration::from_secs(5);

/// How backends are spoken to by TLS.
#[derive(Debug, Clone)]
pub struct ClusterTls {
    /// The host that is asked for, and that the certificate must name; `None`: the backend's.
    pub name: Option<String>,
    /// The oldest version that is spoken.
    pub least_version: TlsVersion,
    /// Whether HTTP/2 is what is spoken behind it; else it is HTTP/1.1.
    pub http2: bool,
    /// From one look at the files to the next.
    pub reload: Duration,
    /// The same for all clones.
    in_force: Arc<ArcSwap<InForce>>,
}

#[derive(Debug)]
struct InForce {
    /// With what they held when they were read last.
    files: Arc<ClusterFiles>,
    /// Ready for handshakes.
    for_http1: Arc<ClientConfig>,
    for_http2: Arc<ClientConfig>,
}

impl PartialEq for ClusterTls {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.least_version == other.least_version
            && self.http2 == other.http2
            && self.reload == other.reload
            && self.files() == other.files()
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
    /// Makes it ready; what cannot be is told in words. `name`: whom we ask for.
    pub fn new(
        files: ClusterFiles,
        name: Option<String>,
        least_version: TlsVersion,
        http2: bool,
    ) -> Result<Self, String> {
        let in_force = InForce::new(files, least_version)?;
        Ok(Self {
            name,
            least_version,
            http2,
            reload: RELOAD,
            in_force: Arc::new(ArcSwap::from_pointee(in_force)),
        })
    }

    /// Handshakes that verify nothing: whether somebody speaks TLS at all.
    pub fn unverified() -> Option<Self> {
        let files = ClusterFiles {
            trust: Trust::Anybody,
            own: None,
        };
        Self::new(files, None, TlsVersion::V12, false).ok()
    }

    /// The same where HTTP/1.1 is spoken behind it.
    #[must_use]
    pub fn by_http1(&self) -> Self {
        Self {
            http2: false,
            ..self.clone()
        }
    }

    /// With what its files held when they were read last.
    pub fn files(&self) -> Arc<ClusterFiles> {
        Arc::clone(&self.in_force.load().files)
    }

    /// Puts other content of the same files in force, for connections that begin from now on.
    pub fn change_files(&self, files: ClusterFiles) -> Result<(), String> {
        let in_force = InForce::new(files, self.least_version)?;
        self.in_force.store(Arc::new(in_force));
        Ok(())
    }

    /// Goes on with what `before` has ready, if that is the same: with it backends resume.
    pub fn take_over(&self, before: &Self) {
        if self == before {
            self.in_force.store(before.in_force.load_full());
        }
    }

    /// Whether connections of `other` are as good as its own. What the files hold does not count:
    /// a connection was good when it began.
    pub fn is_typed_alike(&self, other: &Self) -> bool {
        self.name == other.name
            && self.least_version == other.least_version
            && self.http2 == other.http2
            && self.files().is_typed_alike(&other.files())
    }

    /// What a handshake begins with.
    pub fn ready(&self) -> Arc<ClientConfig> {
        let in_force = self.in_force.load();
        Arc::clone(if self.http2 {
            &in_force.for_http2
        } else {
            &in_force.for_http1
        })
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

impl InForce {
    fn new(files: ClusterFiles, least: TlsVersion) -> Result<Self, String> {
        let made = made(&files.trust, files.own.as_ref(), least)?;
        let speaking = |protocol: &[u8]| {
            let mut made = made.clone();
            made.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(made)
        };
        Ok(Self {
            for_http1: speaking(b"http/1.1"),
            for_http2: speaking(b"h2"),
            files: Arc::new(files),
        })
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
