//! What is inside a seal.
//!
//! ```text
//! version 1 | issued 8 | base length 2 | base 32 | flags 1 | max-age 8
//! cluster 1+n | backend 2+n | path 2+n | domain 2+n | zeros
//! ```
//!
//! Numbers are big-endian; `issued` is in seconds since 1970. The zeros round the length up, so
//! that a cookie's length does not tell one backend from another.

use super::line::{self, SameSite};
use super::{Attributes, Owner};

const VERSION: u8 = 1;
/// A longer base is kept by its beginning and its end.
const BASE_BYTES: usize = 32;
const BASE_END_BYTES: usize = 8;
const MOST_CLUSTER: usize = 64;
/// A host name with its port is the longest name that a backend has.
const MOST_BACKEND: usize = 260;
const STEP: usize = 32;
const FIXED_BYTES: usize = 1 + 8 + 2 + BASE_BYTES + 1 + 8;
/// The length of the longest payload.
pub(super) const MOST_BYTES: usize =
    (FIXED_BYTES + 1 + MOST_CLUSTER + 2 + MOST_BACKEND + 2 + 2 + line::MOST_ATTRIBUTES)
        .next_multiple_of(STEP);

const SECURE: u8 = 1;
const PARTITIONED: u8 = 1 << 1;
const HAS_PATH: u8 = 1 << 2;
const HAS_DOMAIN: u8 = 1 << 3;
const HAS_MAX_AGE: u8 = 1 << 4;
/// Two bits: 0 is none, else the value's number.
const SAME_SITE_SHIFT: u8 = 5;

/// A payload that was read.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    pub(super) issued: u64,
    base_length: u16,
    base: &'a [u8],
    pub(super) cluster: &'a [u8],
    pub(super) backend: &'a str,
    pub(super) attributes: Attributes<'a>,
}

impl<'a> Payload<'a> {
    /// `None` if it is of another version.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.number::<1>()? != u64::from(VERSION) {
            return None;
        }
        let issued = reader.number::<8>()?;
        let base_length = u16::try_from(reader.number::<2>()?).ok()?;
        let base = reader.take(BASE_BYTES)?;
        let flags = u8::try_from(reader.number::<1>()?).ok()?;
        let max_age = reader.number::<8>()?;
        let cluster = reader.text::<1>()?;
        let backend = str::from_utf8(reader.text::<2>()?).ok()?;
        let path = reader.text::<2>()?;
        let domain = reader.text::<2>()?;
        let has = |flag| flags & flag != 0;
        let same_site = SameSite::of_number((flags >> SAME_SITE_SHIFT) & 3);
        Some(Self {
            issued,
            base_length,
            base,
            cluster,
            backend,
            attributes: Attributes {
                path: has(HAS_PATH).then_some(path),
                domain: has(HAS_DOMAIN).then_some(domain),
                secure: has(SECURE),
                partitioned: has(PARTITIONED),
                same_site: same_site.map(SameSite::as_bytes),
                max_age: has(HAS_MAX_AGE).then_some(max_age),
            },
        })
    }

    /// Whether it was sealed for the session of `base`. Takes as long wherever they differ: who
    /// has the cookie alone must not find the id byte by byte.
    pub(super) fn is_of(&self, base: &[u8]) -> bool {
        let differences = self
            .base
            .iter()
            .zip(kept_base(base))
            .fold(0, |all, (ours, theirs)| all | (ours ^ theirs));
        differences == 0 && self.base_length == length(base)
    }
}

/// Writes to the beginning of `room` what is to be sealed; its length. `None` if a name is longer
/// than the configuration allows.
pub(super) fn write(
    room: &mut [u8],
    cluster: &str,
    owner: &Owner<'_>,
    issued: u64,
) -> Option<usize> {
    if cluster.len() > MOST_CLUSTER || owner.backend.len() > MOST_BACKEND {
        return None;
    }
    let attributes = line::fitting(owner.attributes);
    let room = room.get_mut(..MOST_BYTES)?;
    let mut writer = Writer(room);
    writer.put(&[VERSION])?;
    writer.put(&issued.to_be_bytes())?;
    writer.put(&length(owner.base).to_be_bytes())?;
    writer.put(&kept_base(owner.base))?;
    writer.put(&[flags(attributes)])?;
    writer.put(&attributes.max_age.unwrap_or(0).to_be_bytes())?;
    writer.put(&[u8::try_from(cluster.len()).ok()?])?;
    writer.put(cluster.as_bytes())?;
    writer.text(owner.backend.as_bytes())?;
    writer.text(attributes.path.unwrap_or_default())?;
    writer.text(attributes.domain.unwrap_or_default())?;
    let written = MOST_BYTES - writer.0.len();
    let padded = written.next_multiple_of(STEP);
    writer.0.get_mut(..padded - written)?.fill(0);
    Some(padded)
}

fn flags(attributes: Attributes<'_>) -> u8 {
    let same_site = attributes.same_site.and_then(SameSite::parse);
    let flags = [
        (SECURE, attributes.secure),
        (PARTITIONED, attributes.partitioned),
        (HAS_PATH, attributes.path.is_some()),
        (HAS_DOMAIN, attributes.domain.is_some()),
        (HAS_MAX_AGE, attributes.max_age.is_some()),
    ];
    let set = flags.iter().filter(|(_, is_set)| *is_set);
    set.fold(
        same_site.map_or(0, SameSite::number) << SAME_SITE_SHIFT,
        |all, (flag, _)| all | flag,
    )
}

/// The base, or its beginning and its end. Nothing else stands for it: a digest would need a key,
/// and what is sealed is secret anyway.
fn kept_base(base: &[u8]) -> [u8; BASE_BYTES] {
    let mut kept = [0; BASE_BYTES];
    let (begin, end) = if base.len() > BASE_BYTES {
        let begin = base.get(..BASE_BYTES - BASE_END_BYTES);
        let end = base.get(base.len() - BASE_END_BYTES..);
        (begin.unwrap_or_default(), end.unwrap_or_default())
    } else {
        (base, &[][..])
    };
    for (to, from) in kept.iter_mut().zip(begin.iter().chain(end)) {
        *to = *from;
    }
    kept
}

fn length(base: &[u8]) -> u16 {
    u16::try_from(base.len()).unwrap_or(u16::MAX)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Of `N` bytes, at most 8.
    fn number<const N: usize>(&mut self) -> Option<u64> {
        let bytes = self.take(N)?.iter();
        Some(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Behind its length in `N` bytes.
    fn text<const N: usize>(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number::<N>()?).ok()?;
        self.take(length)
    }
}

/// The room that is left.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let room = std::mem::take(&mut self.0);
        let (to, rest) = room.split_at_mut_checked(bytes.len())?;
        to.copy_from_slice(bytes);
        self.0 = rest;
        Some(())
    }

    fn text(&mut self, text: &[u8]) -> Option<()> {
        self.put(&u16::try_from(text.len()).ok()?.to_be_bytes())?;
        self.put(text)
    }
}
