//! Certificates and keys as administrators have them: PEM files, and what is wrong with them.

use memchr::memmem;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::der::{Elements, INTEGER, SEQUENCE};
use super::x509::Facts;

/// What is wrong with a file of certificates or keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFault {
    /// What the file holds, as in "found …".
    pub found: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
    /// Whether it may be otherwise at the next look, though nobody changes the file.
    pub may_pass: bool,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// Longer than what any kind of block is called.
const LONGEST_LABEL: usize = 40;
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
        may_pass: false,
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
    let content = without_mark(content);
    let labels = labels(content, &OF_LISTS)?;
    if let Some(other) = labels.iter().find(|label| **label != "X509 CRL") {
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
    let content = without_mark(content);
    let labels = labels(content, &OF_BOTH)?;
    if labels.contains(&"ENCRYPTED PRIVATE KEY") || is_old_and_encrypted(content) {
        return Err(with_password());
    }
    let known = |label: &&&str| {
        is_key(label) || matches!(**label, "CERTIFICATE" | "EC PARAMETERS" | "DH PARAMETERS")
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
            may_pass: false,
        }),
    }
}

fn with_password() -> PemFault {
    PemFault {
        found: "a key with a password".to_owned(),
        hint: Some(
            "openssl pkey -in KEY -out PLAIN takes it off; let only the proxy read the file",
        ),
        may_pass: false,
    }
}

fn is_key(label: &str) -> bool {
    matches!(label, "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY")
}

/// How OpenSSL wrote passwords once: a field within the block.
fn is_old_and_encrypted(content: &[u8]) -> bool {
    lines(content).any(|line| line.starts_with(b"Proc-Type:") && line.ends_with_word(b"ENCRYPTED"))
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
    let content = without_mark(content);
    let labels = labels(
        content,
        if keys == Keys::Allowed {
            &OF_BOTH
        } else {
            &OF_AUTHORITIES
        },
    )?;
    if keys == Keys::Allowed && is_old_and_encrypted(content) {
        return Err(with_password());
    }
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
        let facts = Facts::read(&der);
        let facts = facts.ok_or_else(|| nothing(&format!("certificate {number} is none")))?;
        chain.push((der, facts));
    }
    if chain.is_empty() {
        return Err(nothing("no certificate"));
    }
    Ok(chain)
}

/// The content behind the mark that some editors put in front of a text. It would hide the first
/// block.
fn without_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content)
}

/// Lines as the parser splits them.
fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|byte| matches!(byte, b'\n' | b'\r'))
}

/// What kinds of blocks there are, in order. Whatever the parser would pass over in silence is
/// refused: a chain without its second certificate is found out by clients alone.
fn labels<'a>(content: &'a [u8], hints: &Hints) -> Result<Vec<&'a str>, PemFault> {
    let mut labels = Vec::new();
    let mut open = None;
    for line in lines(content) {
        if open.is_some_and(|label| is_end(line, label)) {
            open = None;
        }
        let is_comment = open.is_none() && line.trim_ascii_start().starts_with(b"#");
        match memmem::find(line, BEGIN) {
            None => {}
            Some(_) if is_comment => {}
            Some(0) if open.is_some() => return Err(nothing(WITHOUT_END)),
            Some(0) => {
                let label = label(line).ok_or_else(joined)?;
                labels.push(label);
                open = Some(label);
            }
            Some(_) => return Err(within_a_line()),
        }
        if labels.len() > MOST_BLOCKS {
            return Err(nothing(&format!("more than {MOST_BLOCKS} blocks")));
        }
    }
    if labels.is_empty() {
        return Err(no_pem(content, hints));
    }
    match open {
        Some(_) => Err(nothing(WITHOUT_END)),
        None => Ok(labels),
    }
}

const WITHOUT_END: &str = "a block without an end";

/// What a block is called that begins with this line, which holds nothing else. Nothing but what
/// such names are made of: what lost its line ends would be a part of a key.
fn label(line: &[u8]) -> Option<&str> {
    let rest = line.strip_prefix(BEGIN)?;
    let (label, behind) = rest.split_at_checked(memmem::find(rest, DASHES)?)?;
    let behind = behind.strip_prefix(DASHES)?;
    let is_fine = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' ');
    let is_label = label.len() <= LONGEST_LABEL && label.iter().all(is_fine);
    let label = std::str::from_utf8(label).ok()?;
    (is_label && behind.trim_ascii().is_empty()).then_some(label)
}

fn is_end(line: &[u8], label: &str) -> bool {
    let rest = line.strip_prefix(END);
    let rest = rest.and_then(|rest| rest.strip_prefix(label.as_bytes()));
    rest.is_some_and(|rest| rest.starts_with(DASHES))
}

fn joined() -> PemFault {
    PemFault {
        found: "a block whose lines have been joined".to_owned(),
        hint: Some("the line -----BEGIN …----- holds nothing else; copy the file as it is"),
        may_pass: false,
    }
}

fn within_a_line() -> PemFault {
    PemFault {
        found: "a block that begins within a line".to_owned(),
        hint: Some(
            "each -----BEGIN …----- begins a line, without spaces before it; end a file with a line end before another one is put behind it",
        ),
        may_pass: false,
    }
}

/// How PEM is made of other formats.
struct Hints {
    pkcs12: &'static str,
    der: &'static str,
}

const OF_BOTH: Hints = Hints {
    pkcs12: "openssl pkcs12 -in FILE -nodes -out PEM; then cert and key are both that file",
    der: "openssl x509 -inform der -in FILE (or openssl pkey) writes PEM",
};

const OF_AUTHORITIES: Hints = Hints {
    pkcs12: "openssl pkcs12 -in FILE -nokeys -out PEM",
    der: "openssl x509 -inform der -in FILE writes PEM",
};

const OF_LISTS: Hints = Hints {
    pkcs12: "a list of its authority is needed",
    der: "openssl crl -inform der -in FILE writes PEM",
};

/// What there is instead of PEM.
fn no_pem(content: &[u8], hints: &Hints) -> PemFault {
    let (found, hint) = if content.starts_with(JKS) {
        (
            "a keystore of Java's (JKS)",
            "keytool -importkeystore -srckeystore FILE -destkeystore P12 -deststoretype PKCS12, then openssl pkcs12 -in P12 -nodes -out PEM",
        )
    } else if is_pkcs12(content) {
        ("a keystore of Java's (PKCS#12)", hints.pkcs12)
    } else if content.first() == Some(&SEQUENCE) {
        ("no PEM; perhaps DER", hints.der)
    } else {
        (
            "no PEM",
            "PEM begins with a line such as -----BEGIN CERTIFICATE-----",
        )
    };
    PemFault {
        found: found.to_owned(),
        hint: Some(hint),
        may_pass: false,
    }
}

const JKS: &[u8] = &[0xfe, 0xed, 0xfe, 0xed];

/// Whether it begins as PKCS#12 does, which alone has a version 3 in front.
fn is_pkcs12(content: &[u8]) -> bool {
    // Some programs write a length that is told by the end alone.
    let is_open = content.starts_with(&[SEQUENCE, 0x80, INTEGER, 1, 3]);
    let store = Elements::of(content).enter(SEQUENCE);
    is_open || store.and_then(|mut store| store.take(INTEGER)) == Some(&[3])
}

fn unexpected(label: &str) -> PemFault {
    nothing(&format!("a block {label:?}"))
}

fn broken(error: &rustls::pki_types::pem::Error) -> PemFault {
    // What is told of a bad line could be a part of a key.
    nothing(match error {
        rustls::pki_types::pem::Error::MissingSectionEnd { .. } => WITHOUT_END,
        _ => "a block that is broken",
    })
}

/// A fault that speaks for itself.
fn nothing(found: &str) -> PemFault {
    PemFault {
        found: found.to_owned(),
        hint: None,
        may_pass: false,
    }
}

#[cfg(test)]
mod tests;
