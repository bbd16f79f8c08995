//! An answer of an OCSP responder, as far as it shows that it is about a certificate and holds.
//! Whether it is genuine, clients judge.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::der::{CONTEXT_0, ENUMERATED, Elements, INTEGER, OCTET_STRING, OID, SEQUENCE, Tag};
use super::x509::time;
use super::{Facts, hex};

const SHA1_OID: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const SHA256_OID: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// A status that is `good`.
const GOOD: Tag = 0x80;

/// How far a responder's clock may be ahead of ours.
const AHEAD: i64 = 5 * 60;

/// What is sent along with a certificate of its authority's OCSP responder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staple {
    /// No file is named.
    None,
    /// What the file holds, until then (in seconds since 1970) if it says so.
    Sent(Option<i64>),
    /// Nothing: a client that takes it seriously would refuse the connection.
    Withheld(StapleFault),
}

/// Why an answer is not sent along.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StapleFault {
    /// The file cannot be read, in words.
    #[error("{0}")]
    Unreadable(String),
    /// The file could not be read now, in words.
    #[error("{0}")]
    Unread(String),
    /// It cannot be read.
    #[error("no answer of an OCSP responder")]
    Malformed,
    /// The responder has not answered, as when it is to be asked again later.
    #[error("an answer that says nothing of any certificate")]
    Unsuccessful,
    /// It is about others.
    #[error("an answer about another certificate")]
    Other,
    /// It says that the certificate is revoked, or not known.
    #[error("an answer that does not say that the certificate is good")]
    NotGood,
    /// It holds from some later time on.
    #[error("an answer that does not hold yet")]
    Early,
    /// It held until some time ago.
    #[error("an answer that has expired")]
    Over,
}

impl StapleFault {
    /// Whether it may be otherwise at the next look, though nobody changes the file.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unread(_) | Self::Early)
    }

    /// Whether nothing is known of what the file should say, as while it is written.
    pub(super) fn is_of_the_file(&self) -> bool {
        matches!(
            self,
            Self::Unreadable(_) | Self::Unread(_) | Self::Malformed
        )
    }
}

impl Staple {
    /// That of an answer, for the certificate of which `facts` tell.
    pub(super) fn of(answer: &[u8], facts: &Facts) -> Self {
        match judge(answer, facts, now()) {
            Ok(until) => Self::Sent(until),
            Err(fault) => Self::Withheld(fault),
        }
    }

    /// Whether it is sent, though it holds no more.
    pub(super) fn has_run_out(&self) -> bool {
        matches!(self, Self::Sent(Some(until)) if *until < now())
    }
}

/// Until when an answer says that a certificate is good; `None` within: it does not say.
pub fn judge(answer: &[u8], facts: &Facts, now: i64) -> Result<Option<i64>, StapleFault> {
    let responses = responses(answer)?;
    let mut all = responses.ok_or(StapleFault::Malformed)?;
    let mut about_it = None;
    while let Some(response) = all.enter(SEQUENCE) {
        let single = single(response).ok_or(StapleFault::Malformed)?;
        if single.is_about(facts) {
            about_it = Some(single);
        }
    }
    let single = about_it.ok_or(StapleFault::Other)?;
    if single.status != GOOD {
        return Err(StapleFault::NotGood);
    }
    if single.since > now.saturating_add(AHEAD) {
        return Err(StapleFault::Early);
    }
    match single.until {
        Some(until) if until < now => Err(StapleFault::Over),
        until => Ok(until),
    }
}

/// What is said of one certificate.
struct Single<'a> {
    hash: &'a [u8],
    issuer: &'a [u8],
    serial: &'a [u8],
    status: Tag,
    since: i64,
    until: Option<i64>,
}

impl Single<'_> {
    fn is_about(&self, facts: &Facts) -> bool {
        let is_issuer = |algorithm: &'static Algorithm| {
            let name = facts.issuer_as_encoded();
            digest(algorithm, &name).as_ref() == self.issuer
        };
        let is_issuer = match self.hash {
            SHA1_OID => is_issuer(&SHA1_FOR_LEGACY_USE_ONLY),
            SHA256_OID => is_issuer(&SHA256),
            // What cannot be compared is not held against it.
            _ => true,
        };
        is_issuer && hex(self.serial, "") == facts.serial
    }
}

/// All that an answer says; `None` within: it is none.
fn responses(answer: &[u8]) -> Result<Option<Elements<'_>>, StapleFault> {
    let Some(mut answer) = Elements::of(answer).enter(SEQUENCE) else {
        return Ok(None);
    };
    match answer.take(ENUMERATED) {
        Some([0]) => {}
        Some(_) => return Err(StapleFault::Unsuccessful),
        None => return Ok(None),
    }
    Ok(basic(answer))
}

fn basic(mut answer: Elements<'_>) -> Option<Elements<'_>> {
    let mut bytes = answer.enter(CONTEXT_0)?.enter(SEQUENCE)?;
    let _kind = bytes.take(OID)?;
    let mut basic = Elements::of(bytes.take(OCTET_STRING)?).enter(SEQUENCE)?;
    let mut data = basic.enter(SEQUENCE)?;
    let _version = data.take(CONTEXT_0);
    let _responder = data.next()?;
    let _produced_at = data.next()?;
    data.enter(SEQUENCE)
}

fn single(mut response: Elements<'_>) -> Option<Single<'_>> {
    let mut certificate = response.enter(SEQUENCE)?;
    let hash = certificate.enter(SEQUENCE)?.take(OID)?;
    let issuer = certificate.take(OCTET_STRING)?;
    let _key = certificate.take(OCTET_STRING)?;
    let serial = certificate.take(INTEGER)?;
    let (status, _) = response.next()?;
    let since = time(response.next()?)?;
    let until = match response.enter(CONTEXT_0) {
        Some(mut until) => Some(time(until.next()?)?),
        None => None,
    };
    Some(Single {
        hash,
        issuer,
        serial,
        status,
        since,
        until,
    })
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests;
