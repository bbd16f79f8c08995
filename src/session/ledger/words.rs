//! The small numbers that the ledger speaks in, so that an entry has no text and no pointer.

/// Seconds since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seconds(pub u32);

impl Seconds {
    /// `seconds` later; the end of time if there is no such second.
    #[must_use]
    pub fn after(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` until now; 0 if that is still to come, as the coarse clocks of two
    /// workers may have it.
    pub fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Stands for a cluster and a base: a hash under a key of this process, so that no client can
/// choose where in the tables its entries stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub(super) u64);

impl Key {
    /// It as a number, of no meaning to any other process.
    pub fn number(self) -> u64 {
        self.0
    }

    /// Spread evenly over all numbers of 32 bits.
    pub fn low(self) -> u32 {
        u32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or_default()
    }
}

/// Number of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClusterNumber(pub(super) u16);

/// Number of a backend; the same through reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member(pub(super) u16);

impl Member {
    /// A backend that is not known, or has no number because there were none left.
    pub const NOBODY: Self = Self(u16::MAX);
}

/// Number of a store-node label of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Store(pub(super) u16);

impl Store {
    /// An id without a store node.
    pub const NONE: Self = Self(0);
}

/// Number of the Path under which a session cookie was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PathNumber(pub(super) u8);

impl PathNumber {
    /// Nobody has seen the cookie being issued.
    pub const UNKNOWN: Self = Self(0);
    /// One of those that have no number of their own.
    pub const OTHER: Self = Self(u8::MAX);
}

/// Where an entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A backend's Set-Cookie made or changed the id.
    Issued,
    /// Only a client has shown it.
    Claimed,
}
