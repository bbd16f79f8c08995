//! A certificate from its files: at the start, at a reload, and when its files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::Error;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;

use super::pem::{PemFault, authorities, chain, key, revocations};
use super::{Certificate, CertificateFiles, ClientMode, ClientRule, Facts, Staple, StapleFault};
use crate::config::check::read_limited;

/// Larger than any honest file of certificates.
const MOST_BYTES: u64 = 1 << 20;
/// Lists of large authorities hold hundreds of thousands of numbers.
const MOST_CRL_BYTES: u64 = 64 << 20;

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

impl CertificateFiles {
    /// Where one of them stands.
    pub fn path(&self, file: CertificateFile) -> Option<&Path> {
        match file {
            CertificateFile::Cert => Some(&self.cert),
            CertificateFile::Key => Some(&self.key),
            CertificateFile::Ocsp => self.ocsp.as_deref(),
        }
    }
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
        let (ders, says): (Vec<_>, Vec<_>) = chain.into_iter().unzip();
        let mut says = says.into_iter();
        let Some(facts) = says.next() else {
            return Err(of(CertificateFile::Cert)(told("no certificate", None)));
        };
        let mut ready = CertifiedKey::from_der(ders, key, &default_provider())
            .map_err(|error| of(CertificateFile::Key)(unfit(&error)))?;
        let staple;
        (staple, ready.ocsp) = stapled(files.ocsp.as_deref(), &facts);
        Ok(Self {
            staple,
            hosts: files.hosts.clone().unwrap_or_else(|| facts.hosts.clone()),
            files,
            facts,
            issuers: says.filter(|it| !it.is_self_issued()).collect(),
            ready: Arc::new(ready),
        })
    }
}

/// What becomes of the OCSP answer in a file, and the answer if it is sent. One that cannot be used
/// is no reason to do without the certificate.
fn stapled(path: Option<&Path>, facts: &Facts) -> (Staple, Option<Vec<u8>>) {
    let Some(path) = path else {
        return (Staple::None, None);
    };
    let staple = match read(path) {
        Err(fault) => Staple::Withheld(StapleFault::Unreadable(fault.found)),
        Ok(answer) if answer.is_empty() => {
            Staple::Withheld(StapleFault::Unreadable("an empty file".to_owned()))
        }
        Ok(answer) => match Staple::of(&answer, facts) {
            sent @ Staple::Sent(_) => return (sent, Some(answer)),
            withheld => withheld,
        },
    };
    (staple, None)
}

/// Which file of who must show a certificate is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientFile {
    /// The authorities.
    Ca,
    /// What they have revoked.
    Crl,
}

impl ClientFile {
    /// The key that names it in the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Crl => "crl",
        }
    }

    /// What it should be.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Ca => "a PEM file with certificates of authorities",
            Self::Crl => "a PEM file with revocation lists",
        }
    }
}

/// What is wrong with files of who must show a certificate.
pub type ClientFaults = Vec<(ClientFile, PemFault)>;

impl ClientRule {
    /// Reads its files.
    pub fn load(
        (hosts, mode, served_elsewhere): (Vec<String>, ClientMode, bool),
        ca: PathBuf,
        crl: Option<PathBuf>,
    ) -> Result<Self, ClientFaults> {
        let known = read(&ca).and_then(|content| authorities(&content));
        let revoked = crl.map(|path| {
            let content = read_limited(&path, MOST_CRL_BYTES).map_err(|why| told(&why, None))?;
            let lists = revocations(&content)?;
            Ok((path, lists))
        });
        match (known, revoked.transpose()) {
            (Ok(authorities), Ok(crl)) => {
                let rule = Self {
                    hosts,
                    mode,
                    served_elsewhere,
                    ca,
                    authorities,
                    crl,
                };
                match rule.verifier() {
                    Ok(_) => Ok(rule),
                    Err(why) => {
                        let file = rule
                            .crl
                            .as_ref()
                            .map_or(ClientFile::Ca, |_| ClientFile::Crl);
                        Err(vec![(file, told(&why, None))])
                    }
                }
            }
            (known, revoked) => {
                let known = known.err().map(|fault| (ClientFile::Ca, fault));
                let revoked = revoked.err().map(|fault| (ClientFile::Crl, fault));
                Err(known.into_iter().chain(revoked).collect())
            }
        }
    }

    /// Reads its files anew.
    pub fn read_again(&self) -> Result<Self, ClientFaults> {
        let crl = self.crl.as_ref().map(|(path, _)| path.clone());
        let wanted = (self.hosts.clone(), self.mode, self.served_elsewhere);
        Self::load(wanted, self.ca.clone(), crl)
    }

    /// Where a file of it stands.
    pub fn path(&self, file: ClientFile) -> Option<&Path> {
        match file {
            ClientFile::Ca => Some(&self.ca),
            ClientFile::Crl => self.crl.as_ref().map(|(path, _)| path.as_path()),
        }
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
