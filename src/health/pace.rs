//! When a backend is asked next.

use std::time::Duration;

use tokio::time::Instant;

use crate::balance::xxh64;
use crate::config::Health;

/// Questions of slow paces are asked at multiples of this, many at once: what each would cost most
/// is waking the thread.
const TOGETHER: Duration = Duration::from_millis(50);
/// Intervals from which on that matters.
const SLOW: Duration = Duration::from_secs(1);

/// The pace of one backend's questions. Each comes a little early, by a part that hangs on the
/// backend's name and the number of the question alone: questions spread, those of several
/// instances too, and are never further apart than the file says.
#[derive(Debug, Clone)]
pub struct Pace {
    interval: Duration,
    fast: Duration,
    /// In percent.
    jitter: u32,
    seed: u64,
    turn: u64,
    /// Whence the moments are counted at which many are asked; `None`: nobody else is.
    origin: Option<Instant>,
}

/// Whether a backend is about to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It is what it was.
    Steady,
    /// Some checks failed, or passed, and not enough yet.
    Wavering,
}

impl Pace {
    /// The pace of a backend's checks.
    pub fn of_checks(cluster: &str, backend: &str, health: &Health) -> Self {
        Self {
            fast: health.fast_interval,
            ..Self::of(cluster, backend, health.interval, health.jitter)
        }
    }

    /// The pace of questions at this interval, less at most `jitter` percent.
    pub fn of(cluster: &str, backend: &str, interval: Duration, jitter: u32) -> Self {
        let seed = xxh64(cluster.as_bytes()) ^ xxh64(backend.as_bytes()).rotate_left(1);
        Self {
            interval,
            fast: interval,
            jitter,
            seed,
            turn: 0,
            origin: None,
        }
    }

    /// The same together with all others that count from this moment.
    #[must_use]
    pub fn together(mut self, origin: Instant) -> Self {
        self.origin = Some(origin);
        self
    }

    /// When the question after one of `started` is asked.
    pub(super) fn after(&mut self, started: Instant, mood: Mood) -> Instant {
        let due = started + self.next(mood);
        match mood {
            Mood::Steady => self.moment(due),
            // Few are, and what is a little earlier may be no pause at all.
            Mood::Wavering => due,
        }
    }

    /// When to ask what is due at `due`: then, or a little earlier.
    pub(super) fn moment(&self, due: Instant) -> Instant {
        let Some(origin) = self.origin.filter(|_| self.interval >= SLOW) else {
            return due;
        };
        let since = due.saturating_duration_since(origin).as_millis();
        let early = since % TOGETHER.as_millis();
        let early = Duration::from_millis(u64::try_from(early).unwrap_or(0));
        due.checked_sub(early).unwrap_or(due)
    }

    /// Where in the first interval the first question stands: spread, so that hundreds of
    /// backends are not asked at one moment.
    pub fn first(&self) -> Duration {
        part_of(self.interval, self.seed)
    }

    /// From the beginning of this question to the next.
    pub fn next(&mut self, mood: Mood) -> Duration {
        self.turn = self.turn.wrapping_add(1);
        let whole = match mood {
            Mood::Steady => self.interval,
            Mood::Wavering => self.fast,
        };
        let hash = xxh64(&(self.seed ^ self.turn).to_le_bytes());
        whole.saturating_sub(part_of(whole * self.jitter.min(100) / 100, hash))
    }
}

fn part_of(whole: Duration, hash: u64) -> Duration {
    let part = u32::try_from(hash >> 48).unwrap_or(0);
    whole * part / (1 << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(2);

    fn pace(name: &str, jitter: u32) -> Pace {
        let health = Health {
            interval: INTERVAL,
            fast_interval: INTERVAL / 4,
            jitter,
            ..Health::of_path("/")
        };
        Pace::of_checks("shop", name, &health)
    }

    #[test]
    fn watches_begin_all_over_the_first_interval() {
        let firsts = (0..100).map(|n| pace(&format!("jvm{n}"), 10).first());
        let mut quarters = [0; 4];
        for first in firsts {
            assert!(first < INTERVAL);
            quarters[usize::try_from(first.as_millis() / 500).unwrap()] += 1;
        }
        assert!(quarters.iter().all(|count| *count > 10), "{quarters:?}");
    }

    #[test]
    fn questions_come_early_by_a_part_of_the_jitter_and_never_late() {
        for (mood, whole) in [(Mood::Steady, INTERVAL), (Mood::Wavering, INTERVAL / 4)] {
            let mut pace = pace("jvm1", 10);
            let all: Vec<_> = (0..200).map(|_| pace.next(mood)).collect();
            let least = whole * 9 / 10;
            assert!(
                all.iter().all(|next| (least..=whole).contains(next)),
                "{all:?}"
            );
            let half = whole * 95 / 100;
            let early = all.iter().filter(|next| **next < half).count();
            assert!((60..140).contains(&early), "{early}");
        }
    }

    #[test]
    fn the_pace_is_the_same_each_time_and_another_for_each_backend() {
        let turns = |name| {
            let mut pace = pace(name, 10);
            (0..5).map(|_| pace.next(Mood::Steady)).collect::<Vec<_>>()
        };
        assert_eq!(turns("jvm1"), turns("jvm1"));
        assert_ne!(turns("jvm1"), turns("jvm2"));
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_asked_at_one_moment_and_none_late() {
        let origin = Instant::now();
        let together = pace("jvm1", 10).together(origin);
        for (due, asked) in [(0, 0), (49, 0), (50, 50), (2_037, 2_000), (9_999, 9_950)] {
            let moment = together.moment(origin + Duration::from_millis(due));
            assert_eq!(moment - origin, Duration::from_millis(asked), "{due}");
        }
        // Alone, or at a fast pace, each has its own.
        let due = origin + Duration::from_millis(37);
        assert_eq!(pace("jvm1", 10).moment(due), due);
        let fast = Pace::of("shop", "jvm1", Duration::from_millis(999), 10);
        assert_eq!(fast.together(origin).moment(due), due);
    }

    #[test]
    fn without_jitter_it_is_the_interval() {
        let mut pace = pace("jvm1", 0);
        assert_eq!(pace.next(Mood::Steady), INTERVAL);
        assert_eq!(pace.next(Mood::Wavering), INTERVAL / 4);
    }
}
