//! The time as the log shows it, in UTC. The text is made once per second, not once per line.

use std::time::{Duration, SystemTime};

use super::digits;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The last second's texts.
#[derive(Debug, Default)]
pub(super) struct TimeText {
    second: Option<u64>,
    /// `20/Nov/2026:12:03:55 +0000`
    combined: Vec<u8>,
    /// `2026-11-20T12:03:55.`
    rfc3339: Vec<u8>,
}

impl TimeText {
    /// Appends Apache's and nginx's form, without brackets.
    pub(super) fn combined(&mut self, line: &mut Vec<u8>, time: SystemTime) {
        self.refresh(since_epoch(time).as_secs());
        line.extend_from_slice(&self.combined);
    }

    /// Appends RFC 3339 with milliseconds.
    pub(super) fn rfc3339(&mut self, line: &mut Vec<u8>, time: SystemTime) {
        let time = since_epoch(time);
        self.refresh(time.as_secs());
        line.extend_from_slice(&self.rfc3339);
        digits::padded(line, u64::from(time.subsec_millis()), 3);
        line.push(b'Z');
    }

    fn refresh(&mut self, second: u64) {
        if self.second == Some(second) {
            return;
        }
        self.second = Some(second);
        let date = Date::of_day(second / 86_400);
        let of_day = second % 86_400;
        let clock = [of_day / 3600, of_day / 60 % 60, of_day % 60];

        let month = usize::try_from(date.month).unwrap_or_default();
        let month = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"???");
        self.combined.clear();
        digits::padded(&mut self.combined, date.day, 2);
        self.combined.push(b'/');
        self.combined.extend_from_slice(month.as_bytes());
        self.combined.push(b'/');
        digits::padded(&mut self.combined, date.year, 4);
        for part in clock {
            self.combined.push(b':');
            digits::padded(&mut self.combined, part, 2);
        }
        self.combined.extend_from_slice(b" +0000");

        self.rfc3339.clear();
        digits::padded(&mut self.rfc3339, date.year, 4);
        for part in [date.month, date.day] {
            self.rfc3339.push(b'-');
            digits::padded(&mut self.rfc3339, part, 2);
        }
        for (mark, part) in b"T::".iter().zip(clock) {
            self.rfc3339.push(*mark);
            digits::padded(&mut self.rfc3339, part, 2);
        }
        self.rfc3339.push(b'.');
    }
}

/// A time in RFC 3339 with milliseconds.
pub fn rfc3339(time: SystemTime) -> String {
    let mut text = Vec::with_capacity(24);
    TimeText::default().rfc3339(&mut text, time);
    String::from_utf8(text).unwrap_or_default()
}

/// A clock before 1970 shows 1970.
fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// A day of the Gregorian calendar.
#[derive(Debug, PartialEq, Eq)]
struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// `days` since 1970-01-01. Counted in years that begin in March, so that the leap day comes
    /// last, and in eras of 400 years, which are all of one length.
    fn of_day(days: u64) -> Self {
        let days = days + 719_468;
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let (month, next_year) = if month_from_march < 10 {
            (month_from_march + 3, 0)
        } else {
            (month_from_march - 9, 1)
        };
        Self {
            year: era * 400 + year_of_era + next_year,
            month,
            day,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(clock: &mut TimeText, millis: u64) -> (String, String) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let (mut combined, mut rfc3339) = (Vec::new(), Vec::new());
        clock.combined(&mut combined, time);
        clock.rfc3339(&mut rfc3339, time);
        (
            String::from_utf8(combined).unwrap(),
            String::from_utf8(rfc3339).unwrap(),
        )
    }

    #[test]
    fn known_times_are_shown() {
        let mut clock = TimeText::default();
        for (millis, combined, rfc3339) in [
            (0, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00.000Z"),
            (
                951_782_400_007,
                "29/Feb/2000:00:00:00 +0000",
                "2000-02-29T00:00:00.007Z",
            ),
            (
                951_782_400_999,
                "29/Feb/2000:00:00:00 +0000",
                "2000-02-29T00:00:00.999Z",
            ),
            (
                1_795_176_235_120,
                "20/Nov/2026:12:03:55 +0000",
                "2026-11-20T12:03:55.120Z",
            ),
        ] {
            assert_eq!(
                texts(&mut clock, millis),
                (combined.to_owned(), rfc3339.to_owned())
            );
        }
    }

    proptest! {
        #[test]
        fn the_calendar_agrees_with_http_dates(second in 0u64..253_402_300_800) {
            let (combined, _) = texts(&mut TimeText::default(), second * 1000);
            let http = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
            let part: Vec<&str> = http.split(' ').collect();
            let expected = format!("{}/{}/{}:{} +0000", part[1], part[2], part[3], part[4]);
            prop_assert_eq!(combined, expected);
        }
    }
}
