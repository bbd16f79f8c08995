//! Numbers as text, straight into the line: faster than `fmt`, and nothing to fail.

use std::time::Duration;

/// Appends `number` in decimal.
pub(super) fn decimal(line: &mut Vec<u8>, number: u64) {
    padded(line, number, 1);
}

/// Appends `number` in decimal with at least `width` digits.
pub(super) fn padded(line: &mut Vec<u8>, number: u64, width: usize) {
    let from = line.len();
    let mut rest = number;
    loop {
        line.push(b'0' + u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
        if rest == 0 && line.len() - from >= width {
            break;
        }
    }
    if let Some(digits) = line.get_mut(from..) {
        digits.reverse();
    }
}

/// Appends seconds with six decimals.
pub(super) fn seconds(line: &mut Vec<u8>, duration: Duration) {
    decimal(line, duration.as_secs());
    line.push(b'.');
    padded(line, u64::from(duration.subsec_micros()), 6);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut line = b"x".to_vec();
        write(&mut line);
        String::from_utf8(line.split_off(1)).unwrap()
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_fmt_does(number: u64, width in 1usize..8) {
            prop_assert_eq!(written(|line| decimal(line, number)), number.to_string());
            prop_assert_eq!(written(|line| padded(line, number, width)), format!("{number:0width$}"));
        }
    }

    #[test]
    fn seconds_keep_microseconds() {
        assert_eq!(
            written(|line| seconds(line, Duration::from_micros(1_000_042))),
            "1.000042"
        );
        assert_eq!(written(|line| seconds(line, Duration::ZERO)), "0.000000");
    }
}
