//! A certificate from its files: at the start, at a reload, and when its files change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::Error;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;

use super::pem::{PemFault, authorities, chain, key, revocations};
use super::{
    Certificate, CertificateFiles, ClientMode, ClientRule, Facts, RevocationLists, Staple,
    StapleFault, verifier,
};
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
        let mut ready = CertifiedKey::from_der(ders, key, &default_provider()).map_err(
            |error| match error {
                Error::InvalidCertificate(_) => of(CertificateFile::Cert)(unusable()),
                error => of(CertificateFile::Key)(unfit(&error)),
            },
        )?;
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
        Err(fault) if fault.may_pass => Staple::Withheld(StapleFault::Unread(fault.found)),
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
        wanted: (Vec<String>, ClientMode, bool),
        ca: PathBuf,
        crl: Option<PathBuf>,
    ) -> Result<Self, ClientFaults> {
        Self::load_after(wanted, (ca, crl), None)
    }

    /// Reads its files anew.
    pub fn read_again(&self) -> Result<Self, ClientFaults> {
        let crl = self.crl.as_ref().map(|(path, _)| path.clone());
        let wanted = (self.hosts.clone(), self.mode, self.served_elsewhere);
        Self::load_after(wanted, (self.ca.clone(), crl), Some(self))
    }

    /// `before`: with what the files held until now.
    fn load_after(
        (hosts, mode, served_elsewhere): (Vec<String>, ClientMode, bool),
        (ca, crl): (PathBuf, Option<PathBuf>),
        before: Option<&Self>,
    ) -> Result<Self, ClientFaults> {
        let known = read(&ca).and_then(|content| authorities(&content));
        let revoked = crl.map(|path| {
            let content = read_limited(&path, MOST_CRL_BYTES).map_err(|error| unread(&error))?;
            let lists: RevocationLists = revocations(&content)?.into();
            Ok((path, lists))
        });
        let (authorities, crl) = match (known, revoked.transpose()) {
            (Ok(authorities), Ok(crl)) => (authorities, crl),
            (known, revoked) => {
                let known = known.err().map(|fault| (ClientFile::Ca, fault));
                let revoked = revoked.err().map(|fault| (ClientFile::Crl, fault));
                return Err(known.into_iter().chain(revoked).collect());
            }
        };
        let is_the_same = |it: &&Self| *it.authorities == *authorities && it.crl == crl;
        let verifier = if let Some(before) = before.filter(is_the_same) {
            Arc::clone(&before.verifier)
        } else {
            let lists = crl.as_ref().map_or(&[][..], |(_, lists)| lists);
            verifier(mode, &authorities, lists).map_err(|why| {
                let file = crl.as_ref().map_or(ClientFile::Ca, |_| ClientFile::Crl);
                vec![(file, told(&why, None))]
            })?
        };
        Ok(Self {
            hosts,
            mode,
            served_elsewhere,
            ca,
            authorities: authorities.into(),
            crl,
            verifier,
        })
    }

    /// Where a file of it stands.
    pub fn path(&self, file: ClientFile) -> Option<&Path> {
        match file {
            ClientFile::Ca => Some(&self.ca),
            ClientFile::Crl => self.crl.as_ref().map(|(path, _)| path.as_path()),
        }
    }
}

/// Its kind of key could be read, and nothing else.
fn unusable() -> PemFault {
    told(
        "a certificate that cannot be used",
        Some(
            "perhaps of version 1: openssl x509 -req -extfile FILE, with a subjectAltName in it, makes version 3",
        ),
    )
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
    read_limited(path, MOST_BYTES).map_err(|error| unread(&error))
}

/// A file that could not be read. What the system lacks for it, such as a descriptor, it may have later;
/// a file that appears is a change.
fn unread(error: &io::Error) -> PemFault {
    PemFault {
        may_pass: error.raw_os_error().is_some() && error.kind() != io::ErrorKind::NotFound,
        ..told(&error.to_string(), None)
    }
}

fn told(found: &str, hint: Option<&'static str>) -> PemFault {
    PemFault {
        found: found.to_owned(),
        hint,
        may_pass: false,
    }
}
