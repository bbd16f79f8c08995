//! Looking for bytes eight at a time: every request's ids and cookies are found with it.

/// One in each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = ONES << 7;
const WORD: usize = 8;

/// What [`marks`] sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    /// Where the first dot stands.
    pub(super) dot: Option<usize>,
    /// Where the first dash stands.
    pub(super) dash: Option<usize>,
    /// Whether there is a control character anywhere.
    pub(super) control: bool,
}

/// All that the grammar asks about a text, in one pass.
#[inline]
pub(super) fn marks(text: &[u8]) -> Marks {
    let mut marks = Marks {
        dot: None,
        dash: None,
        control: false,
    };
    let mut controls = 0;
    let mut at = 0;
    for word in words(text) {
        // Less than a space: only a byte that really is lower can be the lowest one marked.
        controls |= word.wrapping_sub(ONES * 0x20) & !word & HIGH_BITS;
        controls |= equal(word, 0x7f);
        if marks.dash.is_none() {
            marks.dash = first(equal(word, b'-'), at);
        }
        if marks.dot.is_none() {
            marks.dot = first(equal(word, b'.'), at);
        }
        at += WORD;
    }
    marks.control = controls != 0;
    marks
}

/// Where `wanted` stands first.
#[inline]
pub(super) fn position(text: &[u8], wanted: u8) -> Option<usize> {
    words(text)
        .enumerate()
        .find_map(|(number, word)| first(equal(word, wanted), number * WORD))
}

/// The text in words; the last one is filled up with letters, which nobody looks for.
#[inline]
fn words(text: &[u8]) -> impl Iterator<Item = u64> {
    let (words, rest) = text.as_chunks::<WORD>();
    let mut filled = [b'a'; WORD];
    for (place, byte) in filled.iter_mut().zip(rest) {
        *place = *byte;
    }
    let last = (!rest.is_empty()).then_some(filled);
    let words = words.iter().copied().chain(last);
    words.map(u64::from_le_bytes)
}

/// The high bit of each byte of `word` that is `wanted`. Bytes above such a one may be marked too.
#[inline]
fn equal(word: u64, wanted: u8) -> u64 {
    let zeros = word ^ (ONES * u64::from(wanted));
    zeros.wrapping_sub(ONES) & !zeros & HIGH_BITS
}

/// The place of the lowest mark, in a word that begins `at`.
#[inline]
fn first(marks: u64, at: usize) -> Option<usize> {
    (marks != 0).then(|| at + marks.trailing_zeros() as usize / WORD)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_control(byte: u8) -> bool {
        byte.is_ascii_control()
    }

    proptest! {
        #[test]
        fn words_show_what_bytes_show(text in prop::collection::vec(
            prop_oneof![Just(b'-'), Just(b'.'), Just(b','), Just(b'/'), 0x1e..0x22u8, 0x7e..0x82u8, any::<u8>()],
            0..40,
        )) {
            let at = |wanted| text.iter().position(|byte| *byte == wanted);
            let expected = Marks {
                dot: at(b'.'),
                dash: at(b'-'),
                control: text.iter().copied().any(is_control),
            };
            prop_assert_eq!(marks(&text), expected);
            prop_assert_eq!(position(&text, b'/'), at(b'/'));
        }
    }
}
