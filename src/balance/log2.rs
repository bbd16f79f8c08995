//! Logarithms of hashes in integers, the same on every machine.
//!
//! A weighted rendezvous needs the logarithm of a number drawn evenly from (0, 1). The maths
//! libraries of platforms differ in the last bits, so this is a table made at compile time with
//! straight lines in between, off by less than 0.000003.

/// One, in the fixed-point numbers of this module.
pub(super) const ONE: u64 = 1 << 48;

const STEPS_BITS: u32 = 8;
const STEPS: usize = 1 << STEPS_BITS;

/// `log2(1 + n / STEPS)` for n from 0 to `STEPS`.
static TABLE: [u64; STEPS + 1] = table();

/// `-log2(hash / 2^64)`, a hash of zero taken as one: above zero, at most 64, and never larger for a
/// larger hash.
pub(super) fn neg_log2(hash: u64) -> u64 {
    let hash = hash.max(1);
    let zeros = hash.leading_zeros();
    // The bits behind the leading one: first the step, then the way to the next one.
    let fraction = hash.unbounded_shl(zeros + 1);
    let step = usize::try_from(fraction >> (64 - STEPS_BITS)).unwrap_or(0);
    let way = fraction << STEPS_BITS;
    let (from, to) = match TABLE.get(step..) {
        Some([from, to, ..]) => (*from, *to),
        _ => (ONE, ONE),
    };
    let part = (u128::from(to - from) * u128::from(way)) >> 64;
    let log = from + u64::try_from(part).unwrap_or(0);
    u64::from(zeros) * ONE + (ONE - log)
}

#[expect(clippy::indexing_slicing, reason = "runs at compile time only")]
const fn table() -> [u64; STEPS + 1] {
    let mut table = [0; STEPS + 1];
    let mut step = 0;
    while step < STEPS {
        table[step] = log2_of_step(step as u64);
        step += 1;
    }
    table[STEPS] = ONE;
    table
}

/// `log2(1 + step / STEPS)`, bit by bit: squaring a number doubles its logarithm.
const fn log2_of_step(step: u64) -> u64 {
    const POINT: u32 = 62;
    let mut number = ((STEPS as u128) + step as u128) << (POINT - STEPS_BITS);
    let mut log = 0;
    let mut bit = ONE >> 1;
    while bit > 0 {
        number = (number * number) >> POINT;
        if number >> (POINT + 1) > 0 {
            number >>= 1;
            log |= bit;
        }
        bit >>= 1;
    }
    log
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_table_is_that_of_every_release() {
        // floor(2^48 * log2(1 + step / 256))
        for (step, log) in [
            (0, 0),
            (1, 0x0170_9C46_D7AA),
            (64, 0x5269_E12F_346E),
            (128, 0x95C0_1A39_FBD6),
            (255, 0xFF47_278A_DE8D),
            (256, ONE),
        ] {
            assert_eq!(TABLE[step], log, "step {step}");
        }
    }

    #[test]
    fn powers_of_two_are_exact() {
        for zeros in 0..64_u32 {
            assert_eq!(neg_log2(1 << (63 - zeros)), u64::from(zeros + 1) * ONE);
        }
        assert_eq!(neg_log2(0), 64 * ONE);
        assert_eq!(neg_log2(u64::MAX), 1);
    }

    proptest! {
        #[test]
        fn the_logarithm_is_close(hash in any::<u64>()) {
            let exact = 64.0 - (hash as f64).log2();
            let ours = neg_log2(hash) as f64 / ONE as f64;
            prop_assert!((exact - ours).abs() < 3e-6, "{exact} {ours}");
        }

        #[test]
        fn it_never_rises(one in any::<u64>(), other in any::<u64>()) {
            let (small, large) = (one.min(other), one.max(other));
            prop_assert!(neg_log2(small) >= neg_log2(large));
        }
    }
}
