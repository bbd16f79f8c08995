//! When an authority wants to have published its next list of what it has revoked.

use super::der::{Elements, GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME};
use super::x509::time;

/// Until when a list is current, in seconds since 1970; `None`: it does not say.
pub(super) fn end(list: &[u8]) -> Option<i64> {
    let mut signed = Elements::of(list).enter(SEQUENCE)?.enter(SEQUENCE)?;
    let _version = signed.take(INTEGER);
    let _algorithm = signed.take(SEQUENCE)?;
    let _issuer = signed.take(SEQUENCE)?;
    let _this_update = signed.next()?;
    let next_update = signed.next()?;
    matches!(next_update.0, UTC_TIME | GENERALIZED_TIME).then(|| time(next_update))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_until_when_it_is_current() {
        let sequence =
            |content: &[u8]| [&[0x30, u8::try_from(content.len()).unwrap()], content].concat();
        let time = |text: &str| [&[UTC_TIME, 13], text.as_bytes()].concat();
        let list = |parts: &[&[u8]]| sequence(&sequence(&parts.concat()));
        let (version, empty) = (&[INTEGER, 1, 1][..], &[0x30, 0][..]);
        let (this, next) = (&time("240101000000Z")[..], &time("240201000000Z")[..]);
        let end_of = |parts: &[&[u8]]| end(&list(parts));
        let current = Some(1_706_745_600);
        assert_eq!(end_of(&[version, empty, empty, this, next]), current);
        assert_eq!(end_of(&[empty, empty, this, next]), current);
        assert_eq!(end_of(&[version, empty, empty, this]), None);
        assert_eq!(end_of(&[version, empty, empty, this, empty]), None);
        assert_eq!(end(b""), None);
    }
}
