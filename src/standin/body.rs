//! Bodies whose content a test can foretell, and the checksum that proves them.

/// The byte at `offset` of every generated body. The period is prime, so that a shift by a power
/// of two cannot go unseen.
fn pattern_byte(offset: u64) -> u8 {
    b'!' + u8::try_from(offset % 89).unwrap_or(0)
}

/// The bytes from `offset` on of a generated body (`/bytes/N`, `/chunked/N`, `/until-close/N`).
pub fn pattern(offset: u64, length: usize) -> Vec<u8> {
    (offset..).take(length).map(pattern_byte).collect()
}

/// A running checksum (64-bit FNV-1a): proves that bytes arrived unchanged and in order, not that
/// nobody meddled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    /// The checksum of `bytes` alone.
    pub fn of(bytes: &[u8]) -> Self {
        let mut checksum = Self::default();
        checksum.add(bytes);
        checksum
    }

    /// Takes more bytes in.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_one_stream_however_it_is_cut() {
        let whole = pattern(0, 1000);
        let pieces = [pattern(0, 333), pattern(333, 667)].concat();
        assert_eq!(whole, pieces);
    }

    #[test]
    fn the_checksum_is_that_of_the_published_algorithm() {
        assert_eq!(Checksum::of(b"").to_string(), "cbf29ce484222325");
        assert_eq!(Checksum::of(b"foobar").to_string(), "85944171f73967e8");
    }
}
