//! Certificates and keys as administrators have them: PEM files, and what is wrong with them.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::x509::Facts;

/// What is wrong with a file of certificates or keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFault {
    /// What the file holds, as in "found …".
    pub found: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
/// More than any honest chain or list of roots.
const MOST_BLOCKS: usize = 2_000;

/// A chain of certificates: the server's own first, then who issued it, and so on. Keys beside
/// them do not count: one file for both is common.
pub fn chain(content: &[u8]) -> Result<Vec<(CertificateDer<'static>, Facts)>, PemFault> {
    let chain = certificates(content, Keys::Allowed)?;
    let pairs = chain.iter().zip(chain.iter().skip(1));
    for (number, ((_, below), (_, above))) in (1..).zip(pairs) {
        if !below.is_issued_by(above) {
            return Err(out_of_order(number, below, above));
        }
    }
    Ok(chain)
}

fn out_of_order(number: usize, below: &Facts, above: &Facts) -> PemFault {
    PemFault {
        found: format!(
            "certificate {} of {:?} behind one that {:?} issued",
            number + 1,
            above.subject,
            below.issuer
        ),
        hint: Some(
            "the server's own certificate comes first, then the one that issued it, and so on",
        ),
    }
}

/// Certificates in any order, such as those of authorities.
pub fn authorities(content: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemFault> {
    let all = certificates(content, Keys::Refused)?;
    let mut roots = RootCertStore::empty();
    for (number, (der, facts)) in (1..).zip(&all) {
        if roots.add(der.clone()).is_err() {
            let found = format!(
                "certificate {number}, {:?}, is of no authority",
                facts.subject
            );
            return Err(nothing(&found));
        }
    }
    Ok(all.into_iter().map(|(der, _)| der).collect())
}

/// Lists of what authorities have revoked.
pub fn revocations(content: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, PemFault> {
    let labels = labels(content)?;
    if let Some(other) = labels.iter().find(|label| *label != "X509 CRL") {
        return Err(unexpected(other));
    }
    let all = CertificateRevocationListDer::pem_slice_iter(content);
    let all: Result<Vec<_>, _> = all.collect();
    let all = all.map_err(|error| broken(&error))?;
    if all.is_empty() {
        return Err(nothing("no revocation list"));
    }
    Ok(all)
}

/// The private key; certificates beside it do not count.
pub fn key(content: &[u8]) -> Result<PrivateKeyDer<'static>, PemFault> {
    let labels = labels(content)?;
    let is_encrypted = |label: &String| label == "ENCRYPTED PRIVATE KEY";
    if labels.iter().any(is_encrypted) || is_old_and_encrypted(content) {
        return Err(PemFault {
            found: "a key with a password".to_owned(),
            hint: Some(
                "openssl pkey -in KEY -out PLAIN takes it off; let only the proxy read the file",
            ),
        });
    }
    let known = |label: &&String| {
        is_key(label) || matches!(label.as_str(), "CERTIFICATE" | "EC PARAMETERS")
    };
    if let Some(other) = labels.iter().find(|label| !known(label)) {
        return Err(unexpected(other));
    }
    match labels.iter().filter(|label| is_key(label)).count() {
        0 => Err(nothing("no key")),
        1 => PrivateKeyDer::from_pem_slice(content).map_err(|error| broken(&error)),
        count => Err(PemFault {
            found: format!("{count} keys"),
            hint: Some("one file, one key"),
        }),
    }
}

fn is_key(label: &str) -> bool {
    matches!(label, "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY")
}

/// How OpenSSL wrote passwords once: a field within the block.
fn is_old_and_encrypted(content: &[u8]) -> bool {
    let mut lines = content.split(|byte| *byte == b'\n');
    lines.any(|line| line.starts_with(b"Proc-Type:") && line.ends_with_word(b"ENCRYPTED"))
}

trait EndsWithWord {
    fn ends_with_word(&self, word: &[u8]) -> bool;
}

impl EndsWithWord for [u8] {
    fn ends_with_word(&self, word: &[u8]) -> bool {
        self.trim_ascii_end().ends_with(word)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Allowed,
    Refused,
}

fn certificates(
    content: &[u8],
    keys: Keys,
) -> Result<Vec<(CertificateDer<'static>, Facts)>, PemFault> {
    let labels = labels(content)?;
    let known = |label: &str| match label {
        "CERTIFICATE" => true,
        "EC PARAMETERS" | "DH PARAMETERS" | "ENCRYPTED PRIVATE KEY" => keys == Keys::Allowed,
        other => keys == Keys::Allowed && is_key(other),
    };
    if let Some(other) = labels.iter().find(|label| !known(label)) {
        return Err(unexpected(other));
    }
    let mut chain = Vec::new();
    for (number, der) in (1..).zip(CertificateDer::pem_slice_iter(content)) {
        let der = der.map_err(|error| broken(&error))?;
        let facts = Facts::read(&der).ok_or_else(|| PemFault {
            found: format!("certificate {number} is none"),
            hint: None,
        })?;
        chain.push((der, facts));
    }
    if chain.is_empty() {
        return Err(nothing("no certificate"));
    }
    Ok(chain)
}

/// What kinds of blocks there are, in order.
fn labels(content: &[u8]) -> Result<Vec<String>, PemFault> {
    let text = String::from_utf8_lossy(content);
    let begins = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(BEGIN));
    let labels = begins.filter_map(|rest| rest.strip_suffix(DASHES));
    let labels: Vec<_> = labels.map(str::to_owned).take(MOST_BLOCKS + 1).collect();
    match labels.len() {
        0 if content.first() == Some(&0x30) => Err(PemFault {
            found: "no PEM; perhaps DER".to_owned(),
            hint: Some("openssl x509 -inform der -in FILE (or openssl pkey) writes PEM"),
        }),
        0 => Err(PemFault {
            found: "no PEM".to_owned(),
            hint: Some("PEM begins with a line such as -----BEGIN CERTIFICATE-----"),
        }),
        count if count > MOST_BLOCKS => Err(PemFault {
            found: format!("more than {MOST_BLOCKS} blocks"),
            hint: None,
        }),
        _ => Ok(labels),
    }
}

fn unexpected(label: &str) -> PemFault {
    let shown: String = label.chars().take(40).filter(|c| !c.is_control()).collect();
    PemFault {
        found: format!("a block {shown:?}"),
        hint: None,
    }
}

fn broken(error: &rustls::pki_types::pem::Error) -> PemFault {
    // What is told of a bad line could be a part of a key.
    let found = match error {
        rustls::pki_types::pem::Error::MissingSectionEnd { .. } => "a block without an end",
        _ => "a block that is broken",
    };
    PemFault {
        found: found.to_owned(),
        hint: None,
    }
}

fn nothing(found: &str) -> PemFault {
    PemFault {
        found: found.to_owned(),
        hint: None,
    }
}

#[cfg(test)]
mod tests;
