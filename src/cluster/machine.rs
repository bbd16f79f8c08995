//! The state of one backend: what was seen of it and what the administrator wants of it, in;
//! flips, out.
//!
//! Pure: no clock, no sockets, no locks. The cluster feeds it events from requests, checks and
//! reloads and publishes the outcome; `health::monitor` asks it what to try next
//! ([`Machine::needed`]). Why a backend comes back when it does:
//! `docs/decisions/0012-options-probe.md` and `0013-readmission.md`.

mod words;

pub use words::{AgentWord, Cause, Fault, State, Transition, Wish};

use crate::config::{FailBack, Health, WantedState};

/// Response time-outs in a row, without a byte from the backend in between, that count as silence.
pub const SILENT_AFTER: u32 = 3;

/// How the cluster stands, this backend included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peers {
    /// Backends that take new sessions now ([`State::takes_new`]).
    pub usable: usize,
    /// Backends that would, were none Down: the administrator wants them up.
    pub total: usize,
}

impl Peers {
    /// Whether one more may go for mere silence: somebody is left, and at most half are out.
    fn can_spare(self, from: State) -> bool {
        let left = self.usable.saturating_sub(usize::from(from.takes_new()));
        left > 0 && self.total.saturating_sub(left) * 2 <= self.total
    }
}

/// Something seen of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A connect was refused, by a request's attempt or a check.
    Refused,
    /// A connect found no way, or took too long.
    Unreachable,
    /// A request waited the whole response time-out without a byte.
    ResponseTimeout(Peers),
    /// A byte came from it. Only needed while [`Machine::awaits_progress`].
    Progress,
    /// An active check passed.
    CheckPassed,
    /// An active check failed otherwise than by a refused or unreachable address.
    CheckFailed,
    /// An active check was answered with a status that asks for no new sessions.
    CheckDrains,
    /// It answered a background `OPTIONS *` in HTTP, whatever the status.
    Answered,
    /// The time of its slow start has passed.
    Warmed,
    /// Its agent says this.
    Agent(AgentWord),
    /// Too many of its answers were bad or slow.
    Outlying(Peers),
    /// The time without new sessions that followed is over.
    Readmitted,
}

/// What a backend needs from its monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// To be left alone.
    Nothing,
    /// The configured check.
    Check,
    /// Any HTTP answer, to come back.
    Answer,
}

/// One backend's state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent voice in the state"
)]
pub struct Machine {
    /// By the file.
    filed: Wish,
    /// By an administrator; takes the place of the file's.
    ordered: Option<Wish>,
    /// What the agent has said and not taken back.
    agent: Agent,
    /// Its check asks for no new sessions.
    check_drains: bool,
    /// Its answers were too bad for new sessions, for a while.
    outlying: bool,
    /// `None`: no active check.
    check: Option<Check>,
    /// `None`: nothing speaks against it.
    fault: Option<Fault>,
    /// Checks passed in a row while Down.
    passed: u32,
    /// Checks failed in a row while not Down.
    failed: u32,
    /// Response time-outs in a row.
    timed_out: u32,
    /// Whether it warms up once it has come back.
    warms: bool,
    /// Whether it came back and is not warm yet.
    warming: bool,
    /// Whether it comes back by itself (`fail_back`).
    returns: bool,
    /// Whether it was down, and waits to be enabled by hand.
    waits: bool,
}

/// Only the agent changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Agent {
    drains: bool,
    serves_nothing: bool,
    is_down: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Check {
    rise: u32,
    fall: u32,
}

impl Check {
    fn of(health: &Health) -> Option<Self> {
        health.check.as_ref().map(|_| Self {
            rise: health.rise,
            fall: health.fall,
        })
    }
}

impl Machine {
    /// A backend of which nothing was seen yet is as good as it is wanted.
    pub fn new(wanted: WantedState, health: &Health) -> Self {
        Self {
            filed: wanted.into(),
            ordered: None,
            agent: Agent::default(),
            check_drains: false,
            outlying: false,
            check: Check::of(health),
            fault: None,
            passed: 0,
            failed: 0,
            timed_out: 0,
            warms: false,
            warming: false,
            returns: true,
            waits: false,
        }
    }

    /// Whether it comes back by itself once it was down.
    #[must_use]
    pub fn returning(mut self, policy: FailBack) -> Self {
        self.returns = policy != FailBack::Never;
        self
    }

    /// Whether it warms up after it has come back (`slow_start`). Never at the start: all would.
    #[must_use]
    pub fn warming_up(mut self, warms: bool) -> Self {
        self.warms = warms;
        self
    }

    /// Begins as one that has just come back, if it warms up: the others serve already.
    #[must_use]
    pub fn new_among_others(mut self) -> Self {
        self.warming = self.warms;
        self
    }

    /// Begins with what an administrator has ordered.
    #[must_use]
    pub fn under(mut self, ordered: Option<Wish>) -> Self {
        self.ordered = ordered;
        self
    }

    /// The state now.
    pub fn state(&self) -> State {
        let drains = self.agent.drains || self.check_drains || self.outlying;
        match self.wish() {
            Wish::Disabled => State::Disabled,
            _ if self.agent.serves_nothing => State::Disabled,
            _ if self.fault().is_some() => State::Down,
            Wish::Evacuating => State::Evacuating,
            Wish::Draining => State::Draining,
            Wish::Up if drains => State::Draining,
            Wish::Up if self.warming => State::Warming,
            Wish::Up => State::Up,
        }
    }

    /// What is wanted of it: what was ordered, else what the file says.
    pub fn wish(&self) -> Wish {
        self.ordered.unwrap_or(self.filed)
    }

    /// What an administrator has ordered.
    pub fn ordered(&self) -> Option<Wish> {
        self.ordered
    }

    /// Why it is Down, if it is.
    pub fn fault(&self) -> Option<Fault> {
        let agent = self.agent.is_down.then_some(Fault::Agent);
        self.fault.or(agent)
    }

    /// Whether some checks in a row have gone against its state, and not enough to change it.
    pub fn wavers(&self) -> bool {
        match self.fault {
            // One that waits for an administrator is in no hurry.
            Some(_) => self.passed > 0 && !self.waits,
            None => self.failed > 0,
        }
    }

    /// Whether it was down, and waits to be enabled by hand.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Whether it takes no new sessions because of its answers.
    pub fn is_outlying(&self) -> bool {
        self.outlying
    }

    /// What its monitor should try.
    pub fn needed(&self) -> Needed {
        match (self.state(), self.check) {
            (State::Disabled, _) => Needed::Nothing,
            (_, Some(_)) => Needed::Check,
            (State::Down, None) if self.fault.is_some() => Needed::Answer,
            (
                State::Down | State::Up | State::Warming | State::Draining | State::Evacuating,
                None,
            ) => Needed::Nothing,
        }
    }

    /// Whether a byte from it would change anything: time-outs are being counted. Lets the
    /// request's way skip [`Event::Progress`] as a rule.
    pub fn awaits_progress(&self) -> bool {
        self.timed_out > 0
    }

    /// Takes over a reloaded file. What was seen of the backend stays, except over `Disabled`:
    /// nobody watched it, so it starts anew.
    pub fn configure(
        &mut self,
        wanted: WantedState,
        health: &Health,
        (warms, policy): (bool, FailBack),
    ) -> Option<Transition> {
        let from = self.state();
        self.returns = policy != FailBack::Never;
        self.waits &= !self.returns;
        self.filed = wanted.into();
        self.check = Check::of(health);
        self.warms = warms;
        self.warming &= warms;
        self.check_drains &= self.check.is_some();
        self.wish_changed(from, Cause::Configured)
    }

    /// An administrator wants this of it, or leaves it to the file again.
    pub fn order(&mut self, wish: Option<Wish>) -> Option<Transition> {
        let from = self.state();
        self.ordered = wish;
        self.waits = false;
        self.wish_changed(from, Cause::Ordered)
    }

    fn wish_changed(&mut self, from: State, cause: Cause) -> Option<Transition> {
        match (from, self.state()) {
            (_, State::Disabled) => self.clear(),
            // As after a death: nobody knows what it did meanwhile, likely a restart.
            (State::Disabled, _) if self.fault.is_none() => self.fault = Some(Fault::Unproven),
            _ => {}
        }
        self.flip(from, cause)
    }

    /// It has no agent any more: what that one said is forgotten.
    pub fn forget_agent(&mut self) -> Option<Transition> {
        let from = self.state();
        self.agent = Agent::default();
        self.wish_changed(from, Cause::Configured)
    }

    /// Takes in what was seen. A Disabled backend is not watched: nothing seen counts, except what
    /// its agent says.
    pub fn on(&mut self, event: Event) -> Option<Transition> {
        let from = self.state();
        if let Event::Agent(word) = event {
            return self.agent_said(from, word);
        }
        if from == State::Disabled {
            return None;
        }
        let cause = match event {
            Event::Refused => self.fell(Fault::Refused),
            Event::Unreachable => self.fell(Fault::Unreachable),
            Event::ResponseTimeout(peers) => self.timed_out(peers.can_spare(from))?,
            Event::Progress => {
                self.timed_out = 0;
                return None;
            }
            Event::CheckPassed => self.check_passed()?,
            Event::CheckFailed => self.check_failed()?,
            Event::CheckDrains => self.check_drains()?,
            Event::Answered => self.answered()?,
            Event::Warmed => {
                self.warming = false;
                Cause::Warmed
            }
            Event::Outlying(peers) if peers.can_spare(from) => {
                self.outlying = true;
                Cause::Outlying
            }
            Event::Outlying(_) | Event::Agent(_) => return None,
            Event::Readmitted => {
                self.outlying = false;
                Cause::Readmitted
            }
        };
        self.flip(from, cause)
    }

    fn timed_out(&mut self, can_be_spared: bool) -> Option<Cause> {
        if self.fault.is_some() {
            return None;
        }
        self.timed_out = self.timed_out.saturating_add(1);
        // One that cannot be spared goes with the next time-out after it can.
        (self.timed_out >= SILENT_AFTER && can_be_spared).then(|| self.fell(Fault::Silent))
    }

    fn agent_said(&mut self, from: State, word: AgentWord) -> Option<Transition> {
        let before = self.agent;
        match word {
            AgentWord::Ready => {
                self.agent.drains = false;
                self.agent.serves_nothing = false;
            }
            AgentWord::Drain => {
                self.agent.drains = true;
                self.agent.serves_nothing = false;
            }
            AgentWord::Maint => self.agent.serves_nothing = true,
            AgentWord::Up => self.agent.is_down = false,
            AgentWord::Down => self.agent.is_down = true,
        }
        let was_down = before.is_down && !self.agent.is_down;
        let was_disabled = before.serves_nothing && !self.agent.serves_nothing;
        if was_disabled && self.state() != State::Disabled && self.fault.is_none() {
            // Nobody watched it meanwhile.
            self.fault = Some(Fault::Unproven);
        }
        match self.state() {
            State::Disabled => self.clear(),
            State::Down => {}
            _ if was_down => self.warming = self.warms,
            _ => {}
        }
        let cause = match self.state() {
            State::Down if self.agent.is_down => Cause::Fault(Fault::Agent),
            _ => Cause::Agent,
        };
        self.flip(from, cause)
    }

    fn check_passed(&mut self) -> Option<Cause> {
        let Check { rise, .. } = self.check?;
        self.timed_out = 0;
        self.failed = 0;
        let drained = std::mem::take(&mut self.check_drains);
        let Some(fault) = self.fault else {
            return drained.then_some(Cause::CheckPassed);
        };
        let enough = match fault {
            Fault::Refused | Fault::Unreachable | Fault::Unproven => 1,
            Fault::Silent | Fault::CheckFailed | Fault::Agent => rise,
        };
        self.passed = self.passed.saturating_add(1);
        (self.passed >= enough && !self.waits).then(|| self.rose(Cause::CheckPassed))
    }

    fn check_failed(&mut self) -> Option<Cause> {
        let Check { fall, .. } = self.check?;
        self.passed = 0;
        if self.fault.is_some() {
            return None;
        }
        self.failed = self.failed.saturating_add(1);
        (self.failed >= fall).then(|| self.fell(Fault::CheckFailed))
    }

    /// It serves, so this is no failure; nor is it enough to come back with: a Tomcat whose
    /// applications are not deployed yet says the same.
    fn check_drains(&mut self) -> Option<Cause> {
        self.check?;
        self.timed_out = 0;
        self.failed = 0;
        self.passed = 0;
        if self.fault.is_some() {
            return None;
        }
        let had = std::mem::replace(&mut self.check_drains, true);
        (!had).then_some(Cause::CheckDrains)
    }

    fn answered(&mut self) -> Option<Cause> {
        // With an active check, any answer is not enough.
        let comes_back = self.fault.is_some() && self.check.is_none() && !self.waits;
        comes_back.then(|| self.rose(Cause::Answered))
    }

    /// A refusal while Down takes the place of the older fault: what comes back is a new process.
    fn fell(&mut self, fault: Fault) -> Cause {
        // Only a fall from serving counts: one that is on its way back has been enabled already.
        self.waits |= !self.returns && self.fault.is_none();
        self.clear();
        self.fault = Some(fault);
        Cause::Fault(fault)
    }

    fn rose(&mut self, cause: Cause) -> Cause {
        self.clear();
        self.warming = self.warms;
        cause
    }

    fn clear(&mut self) {
        self.fault = None;
        self.passed = 0;
        self.failed = 0;
        self.timed_out = 0;
        self.warming = false;
        self.check_drains = false;
        self.outlying = false;
    }

    fn flip(&self, from: State, cause: Cause) -> Option<Transition> {
        let to = self.state();
        (from != to).then_some(Transition { from, to, cause })
    }
}

#[cfg(test)]
mod tests;
