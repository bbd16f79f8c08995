//! How busy a member is for its weight.

use std::cmp::Ordering;

/// Requests in flight of a member, to be seen against its weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Requests in flight.
    pub(super) in_flight: usize,
    /// At least one.
    pub(super) weight: u32,
}

impl Load {
    /// Compares what the load would be with one request more. Exact: no division, no rounding.
    pub(super) fn compare(self, other: Self) -> Ordering {
        let this = (self.in_flight as u128 + 1) * u128::from(other.weight);
        let that = (other.in_flight as u128 + 1) * u128::from(self.weight);
        this.cmp(&that)
    }
}
