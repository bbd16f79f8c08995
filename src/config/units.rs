//! Durations and sizes with their units: `500ms`, `2s`, `5m`, `1h`; `512B`, `64KiB`, `1GiB`.

use std::time::Duration;

use super::ByteSize;

/// A text that is no duration or size, with the one that was likely meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoUnit {
    pub(super) meant: Option<String>,
}

const DURATIONS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
const SIZES: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Parses a duration.
pub(super) fn duration(text: &str) -> Result<Duration, NoUnit> {
    parse(text, &DURATIONS)
        .map(Duration::from_millis)
        .ok_or_else(|| NoUnit {
            meant: meant(text, duration_unit).filter(|meant| parse(meant, &DURATIONS).is_some()),
        })
}

/// Parses a size.
pub(super) fn size(text: &str) -> Result<ByteSize, NoUnit> {
    parse(text, &SIZES).map(ByteSize).ok_or_else(|| NoUnit {
        meant: meant(text, size_unit).filter(|meant| parse(meant, &SIZES).is_some()),
    })
}

/// A duration as a command line has it.
pub fn parse_duration(text: &str) -> Option<Duration> {
    duration(text).ok()
}

/// Prints a duration in its largest whole unit, as [`duration`] reads it.
pub(super) fn show_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = DURATIONS.iter().rev().find(|(_, factor)| ms % factor == 0);
    match unit {
        Some((unit, factor)) if ms > 0 => format!("{}{unit}", ms / factor),
        _ => "0s".to_owned(),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = split(text);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn meant(text: &str, unit: fn(u64, &str) -> Option<String>) -> Option<String> {
    let (number, written) = split(text);
    unit(number.parse().ok()?, &written.trim().to_ascii_lowercase())
}

fn duration_unit(number: u64, unit: &str) -> Option<String> {
    let unit = match unit {
        "" | "sec" | "secs" | "second" | "seconds" | "s" => "s",
        "msec" | "milliseconds" | "ms" => "ms",
        "min" | "mins" | "minute" | "minutes" | "m" => "m",
        "hour" | "hours" | "hr" | "h" => "h",
        "d" | "day" | "days" => return Some(format!("{}h", number.checked_mul(24)?)),
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

fn size_unit(number: u64, unit: &str) -> Option<String> {
    let unit = match unit {
        "" | "b" | "bytes" => "B",
        "k" | "kb" | "kib" => "KiB",
        "m" | "mb" | "mib" => "MiB",
        "g" | "gb" | "gib" => "GiB",
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_needed_and_exact() {
        let table = [
            ("500ms", 500),
            ("2s", 2000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ];
        for (text, ms) in table {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(size("64KiB"), Ok(ByteSize::kib(64)));
        assert_eq!(size("1GiB"), Ok(ByteSize::gib(1)));
        assert_eq!(size("0B"), Ok(ByteSize(0)));
        for wrong in [
            "",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1S",
            "1m30s",
            "99999999999999999999s",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(duration("18446744073709551615h").is_err());
        // No hint that would be refused too.
        let huge = Err(NoUnit { meant: None });
        assert_eq!(duration("220000000000D"), huge);
    }

    #[test]
    fn the_likely_meaning_is_named() {
        let durations = [
            ("60", Some("60s")),
            ("5min", Some("5m")),
            ("1d", Some("24h")),
        ];
        for (text, expected) in durations {
            assert_eq!(
                duration(text).unwrap_err().meant.as_deref(),
                expected,
                "{text}"
            );
        }
        let sizes = [
            ("64KB", Some("64KiB")),
            ("8k", Some("8KiB")),
            ("10", Some("10B")),
            ("x", None),
        ];
        for (text, expected) in sizes {
            assert_eq!(size(text).unwrap_err().meant.as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(ms in 0..u64::MAX / 2, bytes: u64) {
            let given = Duration::from_millis(ms);
            prop_assert_eq!(duration(&show_duration(given)), Ok(given));
            prop_assert_eq!(size(&ByteSize(bytes).to_string()), Ok(ByteSize(bytes)));
        }

        #[test]
        fn a_hint_is_always_readable(text in "[0-9]{1,12} ?[a-zA-Z]{0,4}") {
            if let Err(NoUnit { meant: Some(meant) }) = duration(&text) {
                prop_assert!(duration(&meant).is_ok());
            }
            if let Err(NoUnit { meant: Some(meant) }) = size(&text) {
                prop_assert!(size(&meant).is_ok());
            }
        }
    }
}
