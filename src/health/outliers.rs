//! Backends whose answers are worse than they may be: they get no new sessions for a while, and for
//! longer each time. Users who have a session there keep it: an error is no reason to take it away.
//!
//! [`Judge`] is pure: what was counted comes in with its time, what is to be done comes out.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::Outliers;

/// What was counted of a backend since the process was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Attempts begun.
    pub answers: u64,
    /// The bad ones among them.
    pub bad: u64,
    /// The time to all response heads together.
    pub time: Duration,
    /// Response heads.
    pub timed: u64,
    /// The longest row of bad ones since the last look.
    pub row: u32,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No new sessions for it, if it can be spared.
    Outlying,
    /// It gets another try.
    Readmit,
}

/// Judges one backend.
#[derive(Debug, Default)]
pub struct Judge {
    looks: VecDeque<(Duration, Counted)>,
    /// Until when it gets no new sessions.
    out_until: Option<Duration>,
    /// How often it was out; falls again with time.
    times: u32,
    /// When that falls next.
    forgiven_at: Duration,
}

impl Judge {
    /// Takes in a look, and says how slow the backend was on average within the window; nothing if
    /// there were too few answers.
    pub fn look(
        &mut self,
        at: Duration,
        counted: Counted,
        outliers: &Outliers,
    ) -> Option<Duration> {
        let begin = at.saturating_sub(outliers.window);
        while self.looks.get(1).is_some_and(|(then, _)| *then <= begin) {
            self.looks.pop_front();
        }
        self.looks.push_back((at, counted));
        let (_, first) = self.looks.front()?;
        let timed = counted.timed.checked_sub(first.timed)?;
        if timed < u64::from(outliers.requests.max(1)) {
            return None;
        }
        let time = counted.time.saturating_sub(first.time);
        Some(time / u32::try_from(timed).unwrap_or(u32::MAX))
    }

    /// What is to be done after a look; `usual`: how slow the other backends are.
    pub fn judge(
        &mut self,
        at: Duration,
        (mean, usual): (Option<Duration>, Option<Duration>),
        outliers: &Outliers,
    ) -> Option<Verdict> {
        if let Some(until) = self.out_until {
            if at < until {
                return None;
            }
            self.out_until = None;
            self.forgiven_at = at + self.time_out(outliers);
            // What was counted before is paid for.
            self.looks.clear();
            return Some(Verdict::Readmit);
        }
        if self.times > 0 && at >= self.forgiven_at {
            self.times -= 1;
            self.forgiven_at = at + self.time_out(outliers);
        }
        let is_bad = self.is_bad(outliers);
        (is_bad || is_slow(mean, usual, outliers)).then_some(Verdict::Outlying)
    }

    /// It has been down: whatever it was blamed for is over. Whether it was out.
    pub fn begin_anew(&mut self) -> bool {
        self.looks.clear();
        self.out_until.take().is_some()
    }

    /// It was taken out.
    pub fn is_out(&mut self, at: Duration, outliers: &Outliers) {
        self.times = self.times.saturating_add(1);
        self.out_until = Some(at + self.time_out(outliers));
    }

    /// How long it is out the next time, or is forgiven after: twice as long each time.
    fn time_out(&self, outliers: &Outliers) -> Duration {
        let doubled = self.times.saturating_sub(1).min(16);
        outliers
            .time
            .saturating_mul(1 << doubled)
            .min(outliers.longest)
    }

    fn is_bad(&self, outliers: &Outliers) -> bool {
        let (Some((_, first)), Some((_, last))) = (self.looks.front(), self.looks.back()) else {
            return false;
        };
        let in_a_row = outliers.consecutive > 0 && last.row >= outliers.consecutive;
        let answers = last.answers.saturating_sub(first.answers);
        let bad = last.bad.saturating_sub(first.bad);
        let by_share = outliers.bad_percent > 0
            && answers >= u64::from(outliers.requests.max(1))
            && bad * 100 >= answers * u64::from(outliers.bad_percent);
        in_a_row || by_share
    }
}

fn is_slow(mean: Option<Duration>, usual: Option<Duration>, outliers: &Outliers) -> bool {
    let (Some(mean), Some(usual)) = (mean, usual) else {
        return false;
    };
    outliers.slow_factor > 0
        && mean >= outliers.slow_time
        && mean >= usual.saturating_mul(outliers.slow_factor)
}

/// How slow the others are: the middle one of their averages.
pub fn usual(means: &[Option<Duration>], but: usize) -> Option<Duration> {
    let others = means.iter().enumerate().filter(|(place, _)| *place != but);
    let mut others: Vec<_> = others.filter_map(|(_, mean)| *mean).collect();
    others.sort_unstable();
    others.get(others.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests;
