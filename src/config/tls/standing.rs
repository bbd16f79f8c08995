//! How long a certificate holds.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Facts;

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
}
