//! How long a certificate holds.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Certificate, Facts};

/// From when on its end is near: whoever renews every 60 or 90 days has done so long before.
pub const SOON_DAYS: i64 = 14;
const DAY: i64 = 24 * 3600;

/// Whether a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not yet.
    Early,
    /// It does, and for a while.
    Good,
    /// It does, for so many more days and not one longer.
    EndsSoon(i64),
    /// No more.
    Over,
}

impl Standing {
    /// What is worst comes first.
    fn urgency(self) -> (u8, i64) {
        match self {
            Self::Over => (0, 0),
            Self::Early => (1, 0),
            Self::EndsSoon(days) => (2, days),
            Self::Good => (3, 0),
        }
    }

    /// Whether it holds at all.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Good | Self::EndsSoon(_))
    }
}

impl Certificate {
    /// Whether its whole chain holds at this time, and which of its issuers is to blame if it does
    /// not; `None`: itself.
    pub fn standing(&self, now: SystemTime) -> (Standing, Option<&Facts>) {
        let own = (self.facts.standing(now), None);
        let issuers = self.issuers.iter().map(|it| (it.standing(now), Some(it)));
        // Of several alike the first one.
        let all = std::iter::once(own).chain(issuers);
        all.min_by_key(|(it, _)| it.urgency()).unwrap_or(own)
    }

    /// Until when its whole chain holds, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        let issuers = self.issuers.iter().map(|it| it.not_after);
        issuers.fold(self.facts.not_after, i64::min)
    }
}

impl Facts {
    /// Whether it holds at this time.
    pub fn standing(&self, now: SystemTime) -> Standing {
        let now = now.duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
        let left = self.not_after.saturating_sub(now);
        if left < 0 {
            Standing::Over
        } else if self.not_before > now {
            Standing::Early
        } else if left < SOON_DAYS * DAY {
            Standing::EndsSoon(left / DAY)
        } else {
            Standing::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_end_is_near_for_fourteen_days() {
        let mut params = CertificateParams::new(["a".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 4, 1);
        let key = KeyPair::generate().unwrap();
        let facts = Facts::read(params.self_signed(&key).unwrap().der()).unwrap();
        let end = u64::try_from(facts.not_after).unwrap();
        let before_end = |seconds: u64| UNIX_EPOCH + Duration::from_secs(end - seconds);
        let days = |days: u64| days * 24 * 3600;
        for (now, expected) in [
            (before_end(days(90) + 1), Standing::Early),
            (before_end(days(90)), Standing::Good),
            (before_end(days(14)), Standing::Good),
            (before_end(days(14) - 1), Standing::EndsSoon(13)),
            (before_end(days(1)), Standing::EndsSoon(1)),
            (before_end(0), Standing::EndsSoon(0)),
            (UNIX_EPOCH + Duration::from_secs(end + 1), Standing::Over),
        ] {
            assert_eq!(facts.standing(now), expected, "{now:?}");
        }
    }

    #[test]
    fn a_chain_stands_as_its_worst_certificate_does() {
        let issuer = |name: &str, ends: (i32, i32)| {
            let mut params = CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            let common = rcgen::DnType::CommonName;
            params.distinguished_name.push(common, name);
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.not_before = date_time_ymd(ends.0, 1, 1);
            params.not_after = date_time_ymd(ends.1, 1, 1);
            (params, KeyPair::generate().unwrap())
        };
        let folder = tempfile::tempdir().unwrap();
        let standing = |middle_holds: (i32, i32), root_holds: (i32, i32)| {
            let (params, key) = issuer("root", root_holds);
            let root = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
            let (params, key) = issuer("middle", middle_holds);
            let middle = rcgen::CertifiedIssuer::signed_by(params, key, &root).unwrap();
            let (mut params, key) = issuer("leaf", (2020, 2030));
            params.is_ca = rcgen::IsCa::NoCa;
            let leaf = params.signed_by(&key, &middle).unwrap();
            let files = crate::config::tls::CertificateFiles {
                cert: folder.path().join("cert"),
                key: folder.path().join("key"),
                ocsp: None,
                hosts: None,
            };
            let chain = leaf.pem() + &middle.pem() + &root.pem();
            std::fs::write(&files.cert, chain).unwrap();
            std::fs::write(&files.key, key.serialize_pem()).unwrap();
            let certificate = Certificate::load(files).unwrap();
            // The first second of 2026.
            let now = UNIX_EPOCH + Duration::from_hours(490_896);
            let (standing, issuer) = certificate.standing(now);
            let end = certificate.not_after();
            (standing, issuer.map(|it| it.subject.clone()), end)
        };
        let middle = || Some("CN=middle".to_owned());
        let (in_2025, in_2030) = (1_735_689_600, 1_893_456_000);
        let good = (2000, 2040);
        for (middle_holds, root_holds, expected) in [
            (good, good, (Standing::Good, None, in_2030)),
            (good, (2000, 2010), (Standing::Good, None, in_2030)),
            ((2000, 2025), good, (Standing::Over, middle(), in_2025)),
            ((2028, 2040), good, (Standing::Early, middle(), in_2030)),
        ] {
            assert_eq!(standing(middle_holds, root_holds), expected);
        }
    }
}
