//! Looking for bytes eight at a time: every request's ids and cookies are found with it.

/// One in each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = ONES << 7;
const WORD: usize = 8;
const LETTERS: u64 = ONES * 0x61;

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
    let (words, rest) = text.as_chunks::<WORD>();
    for (number, word) in words.iter().enumerate() {
        marks.look_at(u64::from_le_bytes(*word), number * WORD);
    }
    if !rest.is_empty() {
        marks.look_at(last_word(text, rest), words.len() * WORD);
    }
    marks
}

impl Marks {
    #[inline]
    fn look_at(&mut self, word: u64, at: usize) {
        // Letters and digits stand between `/` and DEL: most words hold nothing else, and are
        // done. What is marked for a neighbour's sake is only looked at in vain.
        let low = word.wrapping_sub(ONES * u64::from(b'/')) & !word;
        let high = word.wrapping_add(ONES) | word;
        if (low | high) & HIGH_BITS == 0 {
            return;
        }
        let below_space = word.wrapping_sub(ONES * u64::from(b' ')) & !word & HIGH_BITS;
        self.control |= (below_space | equal(word, 0x7f)) != 0;
        if self.dash.is_none() {
            self.dash = first(equal(word, b'-'), at);
        }
        if self.dot.is_none() {
            self.dot = first(equal(word, b'.'), at);
        }
    }
}

/// Where `wanted` stands first.
#[inline]
pub(super) fn position(text: &[u8], wanted: u8) -> Option<usize> {
    let (words, rest) = text.as_chunks::<WORD>();
    let mut at = 0;
    for word in words {
        let found = equal(u64::from_le_bytes(*word), wanted);
        if found != 0 {
            return first(found, at);
        }
        at += WORD;
    }
    if rest.is_empty() {
        return None;
    }
    first(equal(last_word(text, rest), wanted), at)
}

/// The last bytes of `text`, the `rest` of whole words, filled up with letters, which nobody looks
/// for.
#[inline]
fn last_word(text: &[u8], rest: &[u8]) -> u64 {
    let bits = 8 * rest.len();
    if let Some(end) = text.last_chunk() {
        return u64::from_le_bytes(*end) >> (64 - bits) | LETTERS << bits;
    }
    let push = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    rest.iter().rev().fold(LETTERS, push)
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
