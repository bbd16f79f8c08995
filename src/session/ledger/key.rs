//! Keys of sessions: a hash under a secret of this process.
//!
//! Two multiplications of 64 to 128 bits for each sixteen bytes, folded; every request of a session
//! pays for it, and std's keyed hash costs five times as much. Clients choose what is hashed but see
//! no hash and no secret, so they cannot make bases meet in one chain, nor one session pass for
//! another.

use std::hash::{BuildHasher, RandomState};

use super::words::{ClusterNumber, Key};

/// The secret of a process.
#[derive(Debug)]
pub(super) struct Keys {
    start: u64,
    even: u64,
    odd: u64,
    end: u64,
}

impl Keys {
    /// Another secret for each ledger, from the system's randomness, as hash maps have theirs.
    pub(super) fn random() -> Self {
        let random = |number: u64| RandomState::new().hash_one(number);
        Self {
            start: random(0),
            even: random(1),
            odd: random(2),
            end: random(3),
        }
    }

    /// The key of the session that `cluster` knows by `base`.
    #[inline]
    pub(super) fn of(&self, cluster: ClusterNumber, base: &[u8]) -> Key {
        let mut hash = self.start ^ u64::from(cluster.0);
        let (pairs, rest) = base.as_chunks::<16>();
        for pair in pairs {
            let pair = u128::from_le_bytes(*pair);
            hash = self.fold(hash, pair);
        }
        if !rest.is_empty() {
            let mut pair = [0; 16];
            for (to, from) in pair.iter_mut().zip(rest) {
                *to = *from;
            }
            hash = self.fold(hash, u128::from_le_bytes(pair));
        }
        // The length tells apart what differs in trailing zeros alone.
        Key(folded(hash ^ self.end, self.even ^ base.len() as u64))
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves are meant")]
    fn fold(&self, hash: u64, pair: u128) -> u64 {
        let (low, high) = (pair as u64, (pair >> 64) as u64);
        folded(hash ^ self.even ^ low, self.odd ^ high).wrapping_add(hash.rotate_left(23))
    }
}

/// The two halves of a product, one over the other.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves are meant")]
fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clusters_lengths_and_single_bits_make_other_keys() {
        let keys = Keys::random();
        let base = b"D2081B9F3A6E4C7A8B1E5F90C2D3A799".to_vec();
        let mut seen = HashSet::new();
        for cluster in 0..100 {
            assert!(seen.insert(keys.of(ClusterNumber(cluster), &base)));
        }
        for bit in 0..base.len() * 8 {
            let mut other = base.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(keys.of(ClusterNumber(0), &other)), "bit {bit}");
        }
        for length in 0..200 {
            assert!(seen.insert(keys.of(ClusterNumber(0), &vec![0; length])));
        }
    }

    #[test]
    fn each_ledger_has_a_secret_of_its_own() {
        let (one, other) = (Keys::random(), Keys::random());
        let cluster = ClusterNumber(0);
        assert_ne!(one.of(cluster, b"D208"), other.of(cluster, b"D208"));
    }

    #[test]
    fn keys_are_spread_evenly() {
        let keys = Keys::random();
        let mut counts = [0_u32; 256];
        for number in 0..256 * 100_u64 {
            let Key(key) = keys.of(ClusterNumber(1), format!("{number:032X}").as_bytes());
            counts[usize::try_from(key >> 56).unwrap()] += 1;
        }
        // Six standard deviations of a fair spread.
        assert!(
            counts.iter().all(|count| count.abs_diff(100) < 60),
            "{counts:?}"
        );
    }

    proptest! {
        #[test]
        fn different_bases_have_different_keys(one in ".{0,40}", other in ".{0,40}") {
            let keys = Keys::random();
            let of = |base: &str| keys.of(ClusterNumber(7), base.as_bytes());
            prop_assert_eq!(one == other, of(&one) == of(&other));
        }
    }
}
