//! A certificate from its files: at the start, at a reload, and when its files change.

use std::path::Path;
use std::sync::Arc;

use rustls::Error;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;

use super::pem::{PemFault, chain, key};
use super::{Certificate, CertificateFiles};
use crate::config::check::read_limited;

/// Larger than any honest file of certificates.
const MOST_BYTES: u64 = 1 << 20;

/// Which of a certificate's files is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFile {
    /// The chain.
    Cert,
    /// The key.
    Key,
    /// The OCSP answer.
    Ocsp,
}

impl CertificateFile {
    /// The key that names it in the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cert => "cert",
            Self::Key => "key",
            Self::Ocsp => "ocsp",
        }
    }

    /// What it should be.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Cert => "a PEM file with the server's certificate and those that issued it",
            Self::Key => "a PEM file with the private key of the certificate",
            Self::Ocsp => "a DER file with an answer of the authority's OCSP responder",
        }
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .file.key(), .fault.found)]
pub struct CertificateFault {
    /// Which file is to blame.
    pub file: CertificateFile,
    /// What is wrong with it.
    pub fault: PemFault,
}

impl Certificate {
    /// Reads the files anew.
    pub fn load(files: CertificateFiles) -> Result<Self, CertificateFault> {
        let of = |file| move |fault| CertificateFault { file, fault };
        let chain = read(&files.cert)
            .and_then(|content| chain(&content))
            .map_err(of(CertificateFile::Cert))?;
        let key = read(&files.key)
            .and_then(|content| key(&content))
            .map_err(of(CertificateFile::Key))?;
        let ocsp = files.ocsp.as_deref().map(|path| {
            let content = read(path)?;
            // A sequence; whether the answer is good, the client judges.
            match content.first() {
                Some(0x30) => Ok(content),
                _ => Err(told("no OCSP answer in DER", None)),
            }
        });
        let ocsp = ocsp.transpose().map_err(of(CertificateFile::Ocsp))?;
        let Some((_, facts)) = chain.first().cloned() else {
            return Err(of(CertificateFile::Cert)(told("no certificate", None)));
        };
        let ders = chain.into_iter().map(|(der, _)| der).collect();
        let mut ready = CertifiedKey::from_der(ders, key, &default_provider())
            .map_err(|error| of(CertificateFile::Key)(unfit(&error)))?;
        ready.ocsp = ocsp;
        Ok(Self {
            hosts: files.hosts.clone().unwrap_or_else(|| facts.hosts.clone()),
            files,
            facts,
            ready: Arc::new(ready),
        })
    }
}

fn unfit(error: &Error) -> PemFault {
    match error {
        Error::InconsistentKeys(_) => told(
            "the key of another certificate",
            Some(
                "both files must be of one renewal; openssl x509 -noout -pubkey -in CERT and openssl pkey -pubout -in KEY print the same then",
            ),
        ),
        _ => told(
            "a key of a kind that is not known",
            Some("RSA of 2048 to 8192 bits, ECDSA P-256, P-384, P-521 and Ed25519 are"),
        ),
    }
}

/// Reads a file, whole.
pub fn read(path: &Path) -> Result<Vec<u8>, PemFault> {
    read_limited(path, MOST_BYTES).map_err(|why| told(&why, None))
}

fn told(found: &str, hint: Option<&'static str>) -> PemFault {
    PemFault {
        found: found.to_owned(),
        hint,
    }
}
