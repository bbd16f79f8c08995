//! Warnings that many could cause: the first at once, the others of a minute together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Between two of a kind.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// What was said of one kind of thing.
#[derive(Debug, Default)]
pub struct Seldom {
    next: AtomicU64,
    since: AtomicU64,
}

impl Seldom {
    /// One more, at `now` in nanoseconds of a clock that never goes back. It is to be told of so many, if
    /// it is to be told now.
    pub(super) fn count(&self, now: u64) -> Option<u64> {
        let since = self.since.fetch_add(1, Relaxed) + 1;
        let due = self.next.load(Relaxed);
        let next = now.saturating_add(nanos(TOLD_EVERY));
        let is_mine = now >= due
            && self
                .next
                .compare_exchange(due, next, Relaxed, Relaxed)
                .is_ok();
        is_mine.then(|| {
            self.since.fetch_sub(since, Relaxed);
            since
        })
    }
}

/// As [`Seldom`] counts time.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
