//! Request ids: 128 random bits in hex, or the id that a trusted peer gave.
//!
//! Made only when somebody asks (a header, a template, the log, an error page), and then once per
//! request. Each worker has a generator of its own, seeded by the operating system.

use std::cell::{Cell, OnceCell};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use http::{HeaderMap, HeaderName, HeaderValue};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::proxy::client::Trust;

/// The longest id taken over from a peer.
const LONGEST: usize = 128;

/// One request's id; printable ASCII without spaces or quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Text);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Text {
    /// Made here; in place, so that an id that no header carries allocates nothing.
    Made([u8; 32]),
    /// Given by a trusted peer.
    TakenOver(HeaderValue),
}

impl RequestId {
    /// The id that a trusted peer gave in the field `name`: one, of 1 to 128 letters, digits,
    /// or `-_.:+/=@`. Anything else is not taken over.
    pub fn taken_over(headers: &HeaderMap, name: &HeaderName, trust: Trust) -> Option<Self> {
        if trust == Trust::Untrusted {
            return None;
        }
        let mut lines = headers.get_all(name).iter();
        let id = lines.next()?;
        let is_well_formed = (1..=LONGEST).contains(&id.len())
            && id
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(byte));
        (is_well_formed && lines.next().is_none()).then(|| Self(Text::TakenOver(id.clone())))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        let text = match &self.0 {
            Text::Made(hex) => std::str::from_utf8(hex).ok(),
            Text::TakenOver(id) => id.to_str().ok(),
        };
        text.unwrap_or_default()
    }

    /// The id as a header's value.
    pub fn value(&self) -> Option<HeaderValue> {
        match &self.0 {
            Text::Made(hex) => HeaderValue::from_bytes(hex).ok(),
            Text::TakenOver(id) => Some(id.clone()),
        }
    }
}

/// The id of one request, made when first asked for.
#[derive(Debug)]
pub struct RequestIdSlot<'w> {
    id: OnceCell<RequestId>,
    source: &'w RequestIds,
}

impl<'w> RequestIdSlot<'w> {
    /// A slot that holds `given`, or will hold an id of `source`.
    pub fn new(given: Option<RequestId>, source: &'w RequestIds) -> Self {
        Self {
            id: given.map_or_else(OnceCell::new, OnceCell::from),
            source,
        }
    }

    /// The id.
    pub fn id(&self) -> &RequestId {
        self.id.get_or_init(|| self.source.make())
    }
}

/// A worker's source of ids: xoshiro256++. Ids are to be unique, not secret.
#[derive(Debug)]
pub struct RequestIds(Cell<[u64; 4]>);

impl RequestIds {
    /// A source with a seed of the operating system.
    pub fn seeded_by_the_system() -> Self {
        let mut seed = [[0; 8]; 4];
        let filled = getrandom(seed.as_flattened_mut(), GetRandomFlags::empty());
        if filled == Ok(32) {
            return Self::seeded(seed.map(u64::from_ne_bytes));
        }
        // Before Linux 3.17. The standard library has other ways to randomness.
        Self::seeded([0, 1, 2, 3].map(|word: u64| {
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u64(word);
            hasher.finish()
        }))
    }

    /// A source with a given seed, for tests that must repeat.
    pub fn seeded(seed: [u64; 4]) -> Self {
        // All zero is the one state that the generator never leaves.
        let state = if seed == [0; 4] { [1, 2, 3, 4] } else { seed };
        Self(Cell::new(state))
    }

    /// A new id.
    pub fn make(&self) -> RequestId {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        let mut hex = [b'0'; 32];
        for (place, digit) in hex.iter_mut().enumerate() {
            let nibble = (bits >> (124 - 4 * place)) & 0xf;
            *digit = b"0123456789abcdef"
                .get(usize::try_from(nibble).unwrap_or_default())
                .copied()
                .unwrap_or(b'0');
        }
        RequestId(Text::Made(hex))
    }

    fn next(&self) -> u64 {
        let [a, b, c, d] = self.0.get();
        let next = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        let (c, d) = (c ^ a, d ^ b);
        let (b, a) = (b ^ c, a ^ d);
        self.0.set([a, b, c ^ shifted, d.rotate_left(45)]);
        next
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_hex_of_128_bits_and_never_repeat() {
        let ids = RequestIds::seeded_by_the_system();
        let made: HashSet<String> = (0..1000).map(|_| ids.make().as_str().to_owned()).collect();
        assert_eq!(made.len(), 1000);
        assert!(
            made.iter()
                .all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        );
    }

    #[test]
    fn the_generator_is_xoshiro256_plus_plus() {
        let ids = RequestIds::seeded([1, 2, 3, 4]);
        let numbers: Vec<u64> = (0..4).map(|_| ids.next()).collect();
        // The first numbers of the reference implementation for this seed.
        assert_eq!(
            numbers,
            [
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386
            ]
        );
    }

    #[test]
    fn a_slot_makes_one_id_or_keeps_the_given_one() {
        let ids = RequestIds::seeded([1, 2, 3, 4]);
        let slot = RequestIdSlot::new(None, &ids);
        assert_eq!(slot.id(), slot.id());
        let given = ids.make();
        assert_eq!(RequestIdSlot::new(Some(given.clone()), &ids).id(), &given);
        assert_eq!(given.value().unwrap(), given.as_str());
    }

    #[test]
    fn only_a_well_formed_id_of_a_trusted_peer_is_taken_over() {
        let name = HeaderName::from_static("x-request-id");
        let taken = |lines: &[&str], trust| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(&name, HeaderValue::from_str(line).unwrap());
            }
            RequestId::taken_over(&headers, &name, trust).map(|id| id.as_str().to_owned())
        };
        let longest = "a".repeat(LONGEST);
        let too_long = "a".repeat(LONGEST + 1);
        let good = Some("a-B_9.:+/=@".to_owned());
        assert_eq!(taken(&["a-B_9.:+/=@"], Trust::Trusted), good);
        assert_eq!(taken(&[&longest], Trust::Trusted), Some(longest.clone()));
        for lines in [
            &[] as &[&str],
            &[""],
            &[&too_long],
            &["a b"],
            &["a\"b"],
            &["a", "b"],
        ] {
            assert_eq!(taken(lines, Trust::Trusted), None, "{lines:?}");
        }
        assert_eq!(taken(&["abc"], Trust::Untrusted), None);
    }
}
