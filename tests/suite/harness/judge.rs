//! A client that judges what a server shows, and remembers it.

use std::sync::{Arc, Mutex};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};

use super::secure::{Authority, provider};

/// A client's judge, which knows these kinds of signatures only and remembers OCSP answers.
#[derive(Debug)]
pub(crate) struct Judge {
    inner: Arc<WebPkiServerVerifier>,
    schemes: Vec<SignatureScheme>,
    pub(crate) ocsp: Mutex<Vec<u8>>,
}

impl Judge {
    pub(crate) fn new(ca: &Authority, knows: impl Fn(SignatureScheme) -> bool) -> Arc<Self> {
        let roots = Arc::new(ca.roots());
        let inner = WebPkiServerVerifier::builder_with_provider(roots, provider());
        let inner = inner.build().unwrap();
        let mut schemes = inner.supported_verify_schemes();
        schemes.retain(|scheme| knows(*scheme));
        Arc::new(Self {
            inner,
            schemes,
            ocsp: Mutex::default(),
        })
    }

    pub(crate) fn clients(
        self: &Arc<Self>,
        version: &'static SupportedProtocolVersion,
    ) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let judge: Arc<Self> = Arc::clone(self);
        let builder = builder.dangerous().with_custom_certificate_verifier(judge);
        builder.with_no_client_auth()
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.ocsp.lock().unwrap() = ocsp.to_vec();
        self.inner.verify_server_cert(own, above, name, &[], now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
