//! The slow start of a backend that came back: a growing share of what no session binds.
//!
//! A JVM that has just started is slow, and has no sessions: given its whole share at once, it
//! would get a storm of new ones. The share grows in [`STEPS`] equal steps; requests of its own
//! sessions are never held back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Steps from nothing to the whole share.
pub(super) const STEPS: u32 = 10;

/// How far one backend's slow start has come.
#[derive(Debug, Default)]
pub struct Warmth {
    since: Mutex<Option<Instant>>,
    /// From 1 to [`STEPS`]; meaningful while the backend is Warming.
    step: AtomicU32,
}

/// What became of a slow start when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The share is what it was.
    Same,
    /// The share has grown.
    Grown,
    /// It is over.
    Warm,
}

impl Warmth {
    /// The slow start begins, with the smallest share.
    pub(super) fn begin(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.step.store(1, Ordering::Relaxed);
    }

    /// The share now, in steps.
    pub fn step(&self) -> u32 {
        self.step.load(Ordering::Relaxed).clamp(1, STEPS)
    }

    /// Whether `part` of all parts lies within the share: with each step a tenth more of what goes
    /// home by its key does.
    pub fn reaches(&self, part: u32) -> bool {
        u64::from(part) * u64::from(STEPS) < u64::from(self.step()) << 32
    }

    /// Lets the share grow as the time that has passed of `whole` asks.
    pub fn advance(&self, whole: Duration) -> Progress {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = since.map_or(whole, |since| since.elapsed());
        match step_after(passed, whole) {
            None => Progress::Warm,
            Some(step) if self.step.swap(step, Ordering::Relaxed) != step => Progress::Grown,
            Some(_) => Progress::Same,
        }
    }
}

/// The step after `passed` of `whole`; `None`: all of it has passed.
fn step_after(passed: Duration, whole: Duration) -> Option<u32> {
    if passed >= whole {
        return None;
    }
    let part = passed.as_micros() * u128::from(STEPS) / whole.as_micros().max(1);
    Some(1 + u32::try_from(part).unwrap_or(STEPS).min(STEPS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_in_equal_steps() {
        let whole = Duration::from_secs(30);
        for (passed_ms, step) in [
            (0, Some(1)),
            (2_999, Some(1)),
            (3_000, Some(2)),
            (15_000, Some(6)),
            (29_999, Some(10)),
            (30_000, None),
            (99_000, None),
        ] {
            assert_eq!(step_after(Duration::from_millis(passed_ms), whole), step);
        }
        assert_eq!(step_after(Duration::ZERO, Duration::ZERO), None);
    }

    #[test]
    fn each_step_reaches_a_tenth_more() {
        let warmth = Warmth::default();
        for step in 1..=STEPS {
            warmth.step.store(step, Ordering::Relaxed);
            let tenths = (0..10_u32).filter(|tenth| warmth.reaches(tenth * 429_496_730));
            assert_eq!(tenths.count(), usize::try_from(step).unwrap());
        }
        assert!(warmth.reaches(u32::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn growth_is_told_once_a_step() {
        let warmth = Warmth::default();
        warmth.begin();
        let whole = Duration::from_secs(10);
        assert_eq!((warmth.step(), warmth.advance(whole)), (1, Progress::Same));
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(warmth.advance(whole), Progress::Grown);
        assert_eq!((warmth.step(), warmth.advance(whole)), (2, Progress::Same));
        tokio::time::advance(whole).await;
        assert_eq!(warmth.advance(whole), Progress::Warm);
    }
}
