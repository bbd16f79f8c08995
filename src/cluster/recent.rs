//! Which sessions were answered just now.
//!
//! Two tables in turn, so that nobody has to be struck off: what stands in neither was not answered
//! for the whole time. Bounded: where there are more answers than places, all sessions count as
//! answered just now until the next turn.

use std::collections::HashMap;
use std::time::Duration;

/// Places in each table.
const MOST: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct Recent {
    time: Duration,
    turned: Duration,
    now: HashMap<u64, Duration>,
    before: HashMap<u64, Duration>,
    /// The last answer that found no place.
    overflow: Option<Duration>,
}

impl Recent {
    /// Remembers for `time`.
    pub(super) fn new(time: Duration) -> Self {
        Self {
            time,
            turned: Duration::ZERO,
            now: HashMap::new(),
            before: HashMap::new(),
            overflow: None,
        }
    }

    /// Remembers for another time from now on. Who was forgotten already may have been answered within
    /// it: for that time, everybody counts as answered now.
    pub(super) fn retime(&mut self, time: Duration, at: Duration) {
        if time > self.time {
            self.overflow = Some(at);
        }
        self.time = time;
    }

    /// For how long it remembers.
    pub(super) fn time(&self) -> Duration {
        self.time
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.now.len() + self.before.len()
    }

    pub(super) fn note(&mut self, key: u64, at: Duration) {
        if at.saturating_sub(self.turned) >= self.time {
            self.turned = at;
            std::mem::swap(&mut self.now, &mut self.before);
            self.now.clear();
        }
        if self.now.len() < MOST || self.now.contains_key(&key) {
            self.now.insert(key, at);
        } else {
            self.overflow = Some(at);
        }
    }

    /// How long ago the session was answered; `None`: longer than it is remembered.
    pub(super) fn since(&self, key: u64, at: Duration) -> Option<Duration> {
        let known = self.now.get(&key).or_else(|| self.before.get(&key));
        let last = known.copied().max(self.overflow)?;
        Some(at.saturating_sub(last)).filter(|since| *since < self.time)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_answer_is_remembered_for_the_time() {
        let mut recent = Recent::new(SECOND);
        recent.note(7, ms(100));
        assert_eq!(recent.since(7, ms(600)), Some(ms(500)));
        assert_eq!(recent.since(8, ms(600)), None);
        assert_eq!(recent.since(7, ms(1100)), None);
    }

    #[test]
    fn a_longer_time_begins_with_everybody_answered_now() {
        let mut recent = Recent::new(SECOND);
        recent.note(7, ms(100));
        recent.retime(3 * SECOND, ms(2000));
        assert_eq!(recent.since(7, ms(2500)), Some(ms(500)));
        assert_eq!(recent.since(8, ms(4999)), Some(ms(2999)));
        assert_eq!(recent.since(8, ms(5000)), None);
        recent.note(7, ms(5000));
        recent.retime(SECOND, ms(5100));
        assert_eq!(recent.since(7, ms(5500)), Some(ms(500)));
        assert_eq!(recent.since(8, ms(5500)), None);
    }

    #[test]
    fn too_many_answers_make_everybody_wait() {
        let mut recent = Recent::new(SECOND);
        for key in 0..=MOST as u64 {
            recent.note(key, ms(1));
        }
        assert_eq!(recent.since(u64::MAX, ms(2)), Some(ms(1)));
        assert_eq!(recent.since(u64::MAX, ms(1001)), None);
        assert!(recent.now.len() <= MOST);
    }

    proptest! {
        #[test]
        fn nobody_answered_within_the_time_is_forgotten(
            answers in prop::collection::vec((0_u64..6, 0_u64..400), 1..60),
            key in 0_u64..6,
            later in 0_u64..1500,
        ) {
            let mut recent = Recent::new(SECOND);
            let mut at = 0;
            let mut last = None;
            for (answered, pause) in answers {
                at += pause;
                recent.note(answered, ms(at));
                if answered == key {
                    last = Some(at);
                }
            }
            let since = last.map(|last| at + later - last).filter(|since| *since < 1000);
            prop_assert_eq!(recent.since(key, ms(at + later)), since.map(ms));
        }
    }
}
