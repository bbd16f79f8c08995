//! DER, as far as certificates need it: elements one after the other, nothing allocated.

/// What an element is.
pub(super) type Tag = u8;

pub(super) const BOOLEAN: Tag = 0x01;
pub(super) const INTEGER: Tag = 0x02;
pub(super) const ENUMERATED: Tag = 0x0a;
pub(super) const CONTEXT_0: Tag = 0xa0;
pub(super) const OID: Tag = 0x06;
pub(super) const UTF8_STRING: Tag = 0x0c;
pub(super) const T61_STRING: Tag = 0x14;
pub(super) const UTC_TIME: Tag = 0x17;
pub(super) const GENERALIZED_TIME: Tag = 0x18;
pub(super) const BMP_STRING: Tag = 0x1e;
pub(super) const SEQUENCE: Tag = 0x30;
pub(super) const SET: Tag = 0x31;
pub(super) const OCTET_STRING: Tag = 0x04;

/// Elements that stand one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// Those of `bytes`.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next element: its tag and what is in it. `None`: there is none, or it is cut off.
    pub(super) fn next(&mut self) -> Option<(Tag, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            long_length(first & 0x7f, rest)?
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The next element, if it has this tag; else nothing is taken.
    pub(super) fn take(&mut self, tag: Tag) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, content) = ahead.next()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(content)
    }

    /// The next element's own elements, if it has this tag.
    pub(super) fn enter(&mut self, tag: Tag) -> Option<Self> {
        self.take(tag).map(Self)
    }
}

/// A length of several bytes. Four are more than any certificate.
fn long_length(count: u8, bytes: &[u8]) -> Option<(usize, &[u8])> {
    if count == 0 || count > 4 {
        return None;
    }
    let (length, rest) = bytes.split_at_checked(usize::from(count))?;
    let length = length
        .iter()
        .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    Some((length, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_follow_each_other_and_hold_others() {
        let mut all = Elements::of(&[0x30, 3, 0x02, 1, 7, 0x0c, 0x81, 1, b'x']);
        let mut inner = all.enter(SEQUENCE).unwrap();
        assert_eq!(inner.take(OID), None);
        assert_eq!(inner.take(INTEGER), Some(&[7][..]));
        assert_eq!(inner.next(), None);
        assert_eq!(all.next(), Some((UTF8_STRING, &b"x"[..])));
        assert_eq!(all.next(), None);
    }

    #[test]
    fn what_is_cut_off_or_lies_about_its_length_is_no_element() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 2, 0],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x82, 1],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
            &[0x30, 0x85, 0, 0, 0, 0, 1, 0],
        ] {
            assert_eq!(Elements::of(bytes).next(), None, "{bytes:?}");
        }
    }
}
