//! How an evacuation goes on: what was seen of the backend, in; what is to be done, out. Pure.

use std::time::Duration;

use super::WHOLE;

/// Sessions that may be lost before it stops by itself, whatever their share: some had ended at
/// their Tomcat already.
const FEW: u64 = 2;
/// Beyond these few, one in as many.
const SHARE: u64 = 100;

/// How it is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster) struct Plan {
    /// Sessions marked each second.
    pub(in crate::cluster) rate: u32,
    /// After an answer, until its session's backup is surely in the store.
    pub(in crate::cluster) delay: Duration,
    /// Then it ends, whatever is still there.
    pub(in crate::cluster) deadline: Option<Duration>,
    /// Sessions there were at the beginning.
    pub(in crate::cluster) sessions: usize,
    /// How long a request may be under way whose client has gone.
    pub(in crate::cluster) longest: Duration,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The workers say which requests are there; backups of before get to the store.
    Gathering,
    /// Sessions are marked and move.
    Moving,
    /// The backend gets nothing any more; what was on its way ends.
    Closing,
    /// It may be stopped.
    Done,
    /// The deadline came first: what was still there was ended.
    CutOff,
    /// Too many sessions were lost: the others stay.
    Stopped,
}

impl Stage {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gathering => "gathering",
            Self::Moving => "moving",
            Self::Closing => "closing",
            Self::Done => "done",
            Self::CutOff => "cut_off",
            Self::Stopped => "stopped",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::CutOff | Self::Stopped)
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster) enum Step {
    /// The backend gets nothing from now on.
    Close,
    /// It is told that the backend may be stopped.
    Done,
    /// The backend gets nothing from now on, and what is there is ended.
    CutOff,
    /// The backend keeps the sessions it has.
    Stop,
}

/// What was seen of the backend.
#[derive(Debug, Clone, Copy)]
pub(in crate::cluster) struct Seen {
    /// Since the beginning.
    pub(in crate::cluster) at: Duration,
    /// Every worker has said which requests it has there.
    pub(in crate::cluster) all_looked: bool,
    /// Requests there now.
    pub(in crate::cluster) in_flight: usize,
    /// Attempts begun there since the process started.
    pub(in crate::cluster) attempts: u64,
    /// Sessions it has now.
    pub(in crate::cluster) sessions: usize,
    /// Sessions that have moved.
    pub(in crate::cluster) moved: u64,
    /// Sessions that were lost by it.
    pub(in crate::cluster) lost: u64,
}

/// Where it stands.
#[derive(Debug)]
pub(in crate::cluster) struct Course {
    plan: Plan,
    stage: Stage,
    marked: u64,
    at: Duration,
    attempts: u64,
    /// Since when the backend has had nothing to do.
    idle_since: Option<Duration>,
}

impl Course {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            stage: Stage::Gathering,
            marked: 0,
            at: Duration::ZERO,
            attempts: 0,
            idle_since: None,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Keys below are marked.
    pub(super) fn marked(&self) -> u64 {
        self.marked
    }

    pub(super) fn advance(&mut self, seen: Seen) -> Option<Step> {
        let passed = seen.at.saturating_sub(self.at);
        self.at = seen.at;
        if seen.in_flight > 0 || seen.attempts != self.attempts {
            self.idle_since = None;
        } else if self.idle_since.is_none() {
            self.idle_since = Some(seen.at);
        }
        self.attempts = seen.attempts;
        let is_idle = self
            .idle_since
            .is_some_and(|since| seen.at.saturating_sub(since) >= self.plan.delay);
        if self.stage.is_over() {
            return None;
        }
        if seen.lost > FEW + seen.moved / SHARE && self.stage != Stage::Closing {
            self.marked = 0;
            return self.to(Stage::Stopped, Step::Stop);
        }
        if self
            .plan
            .deadline
            .is_some_and(|deadline| seen.at >= deadline)
        {
            return self.to(Stage::CutOff, Step::CutOff);
        }
        match self.stage {
            Stage::Gathering => {
                if seen.all_looked && seen.at >= self.plan.delay {
                    self.stage = Stage::Moving;
                }
                None
            }
            Stage::Moving => {
                self.mark(passed, seen.sessions);
                if self.marked < WHOLE || !is_idle {
                    return None;
                }
                // A request may have begun just now.
                self.idle_since = None;
                self.to(Stage::Closing, Step::Close)
            }
            Stage::Closing if is_idle => self.to(Stage::Done, Step::Done),
            Stage::Closing | Stage::Done | Stage::CutOff | Stage::Stopped => None,
        }
    }

    /// A proxy that was started a moment ago learns of sessions as they are shown.
    fn mark(&mut self, passed: Duration, sessions_now: usize) {
        let sessions = self.plan.sessions.max(sessions_now).max(1) as u128;
        let parts = u128::from(self.plan.rate) * passed.as_millis() * u128::from(WHOLE);
        let more = parts.div_ceil(1000 * sessions);
        let more = u64::try_from(more).unwrap_or(WHOLE);
        self.marked = self.marked.saturating_add(more).min(WHOLE);
    }

    #[expect(clippy::unnecessary_wraps, reason = "as its callers return it")]
    fn to(&mut self, stage: Stage, step: Step) -> Option<Step> {
        self.stage = stage;
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAN: Plan = Plan {
        rate: 50,
        delay: Duration::from_secs(1),
        deadline: Some(Duration::from_secs(100)),
        sessions: 100,
        longest: Duration::from_mins(1),
    };

    fn seen(ms: u64) -> Seen {
        Seen {
            at: Duration::from_millis(ms),
            all_looked: true,
            in_flight: 0,
            attempts: 0,
            sessions: 0,
            moved: 0,
            lost: 0,
        }
    }

    /// Feeds a tick each 200 ms and says what was done when.
    fn story(plan: Plan, until_ms: u64, change: impl Fn(u64, &mut Seen)) -> Vec<(u64, Step)> {
        let mut course = Course::new(plan);
        let mut steps = Vec::new();
        for ms in (0..=until_ms).step_by(200) {
            let mut seen = seen(ms);
            change(ms, &mut seen);
            steps.extend(course.advance(seen).map(|step| (ms, step)));
        }
        steps
    }

    #[test]
    fn a_backend_without_work_is_done_when_all_are_marked() {
        // A second of gathering, two of marking, a second of rest.
        let steps = story(PLAN, 60_000, |_, _| {});
        assert_eq!(steps, [(3000, Step::Close), (4200, Step::Done)]);
    }

    #[test]
    fn a_backend_that_is_asked_is_not_closed() {
        let steps = story(PLAN, 60_000, |ms, seen| {
            seen.attempts = ms.min(20_000) / 900;
        });
        assert_eq!(steps[0], (21_000, Step::Close));
        let steps = story(PLAN, 60_000, |ms, seen| {
            seen.in_flight = usize::from(ms < 30_000);
        });
        assert_eq!(steps[0], (31_000, Step::Close));
    }

    #[test]
    fn what_began_while_it_closed_is_waited_for() {
        let steps = story(PLAN, 60_000, |ms, seen| {
            seen.attempts = u64::from(ms > 3000);
            seen.in_flight = usize::from((3001..10_000).contains(&ms));
        });
        assert_eq!(steps, [(3000, Step::Close), (11_000, Step::Done)]);
    }

    #[test]
    fn nothing_is_marked_before_every_worker_has_looked() {
        let mut course = Course::new(PLAN);
        let mut blind = seen(50_000);
        blind.all_looked = false;
        course.advance(blind);
        assert_eq!((course.stage(), course.marked()), (Stage::Gathering, 0));
    }

    #[test]
    fn the_deadline_ends_it() {
        let steps = story(PLAN, 200_000, |_, seen| seen.in_flight = 1);
        assert_eq!(steps, [(100_000, Step::CutOff)]);
    }

    #[test]
    fn losses_stop_it() {
        let steps = story(PLAN, 60_000, |ms, seen| {
            seen.in_flight = 1;
            (seen.moved, seen.lost) = (ms / 10, ms / 1000);
        });
        // 1 % and two more: 3 of 30 at 3 s would be too many; by then 300 have moved.
        assert_eq!(steps, [(100_000, Step::CutOff); 0]);
        let steps = story(PLAN, 60_000, |ms, seen| {
            seen.in_flight = 1;
            (seen.moved, seen.lost) = (10, ms / 1000);
        });
        assert_eq!(steps, [(3000, Step::Stop)]);
    }

    proptest! {
        #[test]
        fn it_ends_once_and_marks_never_fall_but_to_nothing(
            ticks in prop::collection::vec((0_usize..3, 0_u64..3, 0_u64..2, any::<bool>()), 1..400),
            sessions in 0_usize..1000,
        ) {
            let mut course = Course::new(Plan { sessions, ..PLAN });
            let (mut now, mut attempts, mut lost, mut before) = (0, 0, 0, 0);
            let mut ends = 0;
            for (in_flight, more, losses, all_looked) in ticks {
                now += 200;
                attempts += more;
                lost += losses;
                let step = course.advance(Seen {
                    all_looked, in_flight, attempts, lost, ..seen(now)
                });
                ends += usize::from(course.stage().is_over() && step.is_some());
                if course.stage() == Stage::Stopped {
                    prop_assert_eq!(course.marked(), 0);
                } else {
                    prop_assert!(course.marked() >= before && course.marked() <= WHOLE);
                }
                before = course.marked();
            }
            prop_assert!(ends <= 1);
        }
    }
}
