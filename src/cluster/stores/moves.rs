//! Sessions that leave a store node although it answers.
//!
//! When a store dies its Tomcats notice at once, and the proxy with its next question: what left
//! before that had a reason. So moves count from the next answer on, and none for a while after the
//! store was down, since MSM then takes it for dead a little longer.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Moves within a minute that are told of.
const FLAPPING: u64 = 10;
/// What they are counted over, and the time between two words about one store.
const MINUTE: Duration = Duration::from_mins(1);
/// How long MSM may go on taking a store for dead (`msm.maxReconnectDelay`).
const STILL_DEAD: Duration = Duration::from_secs(30);

/// What is known of one store; times are those of the questions to it.
#[derive(Debug, Default)]
pub(super) struct Flapping {
    /// Sessions that had left it at the last question.
    left: u64,
    /// Of the last minute: when it answered, and how many had left since the question before.
    recent: VecDeque<(Instant, u64)>,
    excused_until: Option<Instant>,
    told: Option<Instant>,
}

impl Flapping {
    /// It has answered, and `left` sessions have left it so far. How many did within the last
    /// minute, if that is worth a word, and a minute has passed since the last one.
    pub(super) fn answered(&mut self, now: Instant, left: u64) -> Option<u64> {
        let new = left.saturating_sub(self.left);
        self.left = left;
        if self.excused_until.is_some_and(|until| now < until) {
            return None;
        }
        let is_old = |then: Instant| now.duration_since(then) >= MINUTE;
        self.recent.retain(|(then, _)| !is_old(*then));
        if new > 0 {
            self.recent.push_back((now, new));
        }
        let all = self.recent.iter().map(|(_, count)| count).sum();
        if all < FLAPPING || self.told.is_some_and(|then| !is_old(then)) {
            return None;
        }
        self.told = Some(now);
        Some(all)
    }

    /// It has not answered: what left since the last answer had a reason.
    pub(super) fn did_not_answer(&mut self, left: u64) {
        self.left = left;
    }

    /// It is down: what leaves it, and what has left it lately, has a reason.
    pub(super) fn is_down(&mut self, now: Instant) {
        self.recent.clear();
        self.excused_until = Some(now + STILL_DEAD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks every two seconds; `left` sessions have left at each question, `None`: no answer.
    fn told(questions: &[Option<u64>]) -> Vec<Option<u64>> {
        let mut flapping = Flapping::default();
        let mut now = Instant::now();
        let mut left = 0;
        let mut ask = |question: &Option<u64>| {
            now += Duration::from_secs(2);
            if let Some(left) = *question {
                return flapping.answered(now, left);
            }
            left += 50;
            flapping.did_not_answer(left);
            flapping.is_down(now);
            None
        };
        questions.iter().map(&mut ask).collect()
    }

    #[test]
    fn ten_within_a_minute_are_told_and_again_a_minute_later() {
        let two_each_time: Vec<_> = (1..=70).map(|count| Some(2 * count)).collect();
        let told = told(&two_each_time);
        let times = told.iter().enumerate().filter(|(_, told)| told.is_some());
        let times: Vec<_> = times.map(|(at, told)| (at, told.unwrap())).collect();
        assert_eq!(times, [(4, 10), (34, 60), (64, 60)]);
    }

    #[test]
    fn a_few_over_a_long_time_are_no_flapping() {
        let every_eighth: Vec<_> = (0..400).map(|count| Some(count / 8)).collect();
        assert!(told(&every_eighth).iter().all(Option::is_none));
    }

    #[test]
    fn what_leaves_a_store_that_died_has_a_reason() {
        // 5 left, then it is found to be down; 50 have left; it is back, and some still leave.
        let mut story = vec![Some(5), None];
        story.extend((0..14).map(|count| Some(50 + 20 * count)));
        assert!(told(&story).iter().all(Option::is_none));
        story.extend([Some(320), Some(340)]);
        assert_eq!(told(&story).last(), Some(&None));
        assert_eq!(told(&story).iter().flatten().next(), Some(&10));
    }
}
