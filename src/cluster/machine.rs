//! The state of one backend: what was seen of it and what the administrator wants of it, in;
//! flips, out.
//!
//! Pure: no clock, no sockets, no locks. The cluster feeds it events from requests, checks and
//! reloads and publishes the outcome; `health::monitor` asks it what to try next
//! ([`Machine::needed`]). Why a backend comes back when it does:
//! `docs/decisions/0012-options-probe.md` and `0013-readmission.md`.

mod agent;

use std::fmt;

use crate::config::{Health, WantedState};

use agent::{Agent, Wish};

pub use agent::AgentWord;

/// Response time-outs in a row, without a byte from the backend in between, that count as silence.
pub const SILENT_AFTER: u32 = 3;

/// What a backend may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Everything.
    Up,
    /// Everything, with a lowered share of new sessions.
    Warming,
    /// The sessions it has.
    Draining,
    /// The sessions it has, until they have moved.
    Evacuating,
    /// Nothing: it cannot serve.
    Down,
    /// Nothing: the administrator said so.
    Disabled,
}

impl State {
    /// The word for labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Warming => "warming",
            Self::Draining => "draining",
            Self::Evacuating => "evacuating",
            Self::Down => "down",
            Self::Disabled => "disabled",
        }
    }

    /// Whether requests that no session binds may go there.
    pub fn takes_new(self) -> bool {
        match self {
            Self::Up | Self::Warming => true,
            Self::Draining | Self::Evacuating | Self::Down | Self::Disabled => false,
        }
    }

    /// Whether requests of its own sessions may go there.
    pub fn serves_its_own(self) -> bool {
        match self {
            Self::Up | Self::Warming | Self::Draining | Self::Evacuating => true,
            Self::Down | Self::Disabled => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a backend is Down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nobody listens.
    Refused,
    /// No way to it, or no connection in time.
    Unreachable,
    /// It takes connections and says nothing.
    Silent,
    /// Its checks fail.
    CheckFailed,
    /// Its agent says so.
    Agent,
}

/// Why a state flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It went Down.
    Fault(Fault),
    /// Enough checks passed.
    CheckPassed,
    /// Its check says: no new sessions.
    CheckDrains,
    /// Its agent says so.
    Agent,
    /// It answered a background `OPTIONS *`.
    Answered,
    /// Its slow start is over.
    Warmed,
    /// The administrator's wish changed.
    Configured,
}

impl Cause {
    /// The word for labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault(Fault::Refused) => "refused",
            Self::Fault(Fault::Unreachable) => "unreachable",
            Self::Fault(Fault::Silent) => "silent",
            Self::Fault(Fault::CheckFailed) => "check_failed",
            Self::Fault(Fault::Agent) | Self::Agent => "agent",
            Self::CheckPassed => "check_passed",
            Self::CheckDrains => "check_drains",
            Self::Answered => "answered",
            Self::Warmed => "warmed",
            Self::Configured => "configured",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fault(Fault::Refused) => "it refused a connection",
            Self::Fault(Fault::Unreachable) => "it cannot be reached",
            Self::Fault(Fault::Silent) => "it accepts connections and says nothing",
            Self::Fault(Fault::CheckFailed) => "its health check fails",
            Self::Fault(Fault::Agent) | Self::Agent => "its agent says so",
            Self::CheckPassed => "its health check passes",
            Self::CheckDrains => "its health check says: no new sessions",
            Self::Answered => "it answers again",
            Self::Warmed => "its slow start is over",
            Self::Configured => "the configuration says so",
        })
    }
}

/// A flip; its `Display` is the log line's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// Why.
    pub cause: Cause,
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, cause } = self;
        write!(f, "{from} -> {to}: {cause}")
    }
}

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
    /// It answered a background `OPTIONS *` in HTTP, whatever the status.
    Answered,
    /// The time of its slow start has passed.
    Warmed,
    /// An active check passed and said: no new sessions.
    CheckDrains,
    /// Its agent said this.
    Agent(AgentWord),
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
pub struct Machine {
    wanted: WantedState,
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
    /// Whether its last check asked for no new sessions.
    check_drains: bool,
    /// What its agent said.
    agent: Agent,
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
            wanted,
            check: Check::of(health),
            fault: None,
            passed: 0,
            failed: 0,
            timed_out: 0,
            warms: false,
            warming: false,
            check_drains: false,
            agent: Agent::default(),
        }
    }

    /// Whether it warms up after it has come back (`slow_start`). Never at the start: all would.
    #[must_use]
    pub fn warming_up(mut self, warms: bool) -> Self {
        self.warms = warms;
        self
    }

    /// The state now.
    pub fn state(&self) -> State {
        match (self.wanted, self.fault()) {
            (WantedState::Disabled, _) => State::Disabled,
            _ if self.agent.wish == Wish::Maint => State::Disabled,
            (_, Some(_)) => State::Down,
            _ if self.check_drains || self.agent.wish == Wish::Drain => State::Draining,
            (WantedState::Up, None) if self.warming => State::Warming,
            (WantedState::Up, None) => State::Up,
            (WantedState::Draining, None) => State::Draining,
        }
    }

    /// Why it is Down, if it is.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.or(self.agent.is_down.then_some(Fault::Agent))
    }

    /// Whether some checks in a row have gone against its state, and not enough to change it.
    pub fn wavers(&self) -> bool {
        match self.fault {
            Some(_) => self.passed > 0,
            None => self.failed > 0,
        }
    }

    /// What its monitor should try.
    pub fn needed(&self) -> Needed {
        match (self.state(), self.check) {
            (State::Disabled, _) => Needed::Nothing,
            (_, Some(_)) => Needed::Check,
            (State::Down, None) if self.fault.is_some() => Needed::Answer,
            (State::Down, None) => Needed::Nothing,
            (State::Up | State::Warming | State::Draining | State::Evacuating, None) => {
                Needed::Nothing
            }
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
        warms: bool,
    ) -> Option<Transition> {
        let from = self.state();
        self.wanted = wanted;
        self.check = Check::of(health);
        self.warms = warms;
        self.warming &= warms;
        self.check_drains &= self.check.is_some();
        match (from, self.state()) {
            (_, State::Disabled) => self.clear(),
            // As after a death: nobody knows what it did meanwhile, likely a restart.
            (State::Disabled, _) => self.warming = warms,
            _ => {}
        }
        self.flip(from, Cause::Configured)
    }

    /// It has no agent any more: what that one said is forgotten.
    pub fn forget_agent(&mut self) -> Option<Transition> {
        let from = self.state();
        self.agent_said(AgentWord::Ready);
        self.agent_said(AgentWord::Up);
        self.flip(from, Cause::Configured)
    }

    /// Takes in what was seen. A Disabled backend is not watched: nothing seen counts.
    pub fn on(&mut self, event: Event) -> Option<Transition> {
        let from = self.state();
        let is_of_the_agent = matches!(event, Event::Agent(_));
        if from == State::Disabled && !is_of_the_agent {
            return None;
        }
        let cause = match event {
            Event::Agent(word) => self.agent_said(word),
            Event::CheckDrains => self.check_drained()?,
            Event::Refused => self.fell(Fault::Refused),
            Event::Unreachable => self.fell(Fault::Unreachable),
            Event::ResponseTimeout(peers) => self.timed_out(peers.can_spare(from))?,
            Event::Progress => {
                self.timed_out = 0;
                return None;
            }
            Event::CheckPassed => self.check_passed()?,
            Event::CheckFailed => self.check_failed()?,
            Event::Answered => self.answered()?,
            Event::Warmed => {
                self.warming = false;
                Cause::Warmed
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

    fn check_passed(&mut self) -> Option<Cause> {
        let Check { rise, .. } = self.check?;
        self.timed_out = 0;
        self.failed = 0;
        if std::mem::take(&mut self.check_drains) && self.fault.is_none() {
            return Some(Cause::CheckPassed);
        }
        let enough = match self.fault? {
            Fault::Refused | Fault::Unreachable => 1,
            Fault::Silent | Fault::CheckFailed | Fault::Agent => rise,
        };
        self.passed = self.passed.saturating_add(1);
        (self.passed >= enough).then(|| self.rose(Cause::CheckPassed))
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

    /// It serves, so this is no failure; nor is it enough to come back with.
    fn check_drained(&mut self) -> Option<Cause> {
        self.check?;
        self.timed_out = 0;
        self.failed = 0;
        if self.fault.is_some() {
            self.passed = 0;
            return None;
        }
        self.check_drains = true;
        Some(Cause::CheckDrains)
    }

    fn agent_said(&mut self, word: AgentWord) -> Cause {
        let was_out = self.agent.is_out();
        self.agent.says(word);
        if was_out && !self.agent.is_out() {
            self.warming = self.warms;
        }
        if self.agent.is_down && self.fault.is_none() {
            Cause::Fault(Fault::Agent)
        } else {
            Cause::Agent
        }
    }

    fn answered(&mut self) -> Option<Cause> {
        // With an active check, any answer is not enough.
        let waits = self.fault.is_some() && self.check.is_none();
        waits.then(|| self.rose(Cause::Answered))
    }

    /// A refusal while Down takes the place of the older fault: what comes back is a new process.
    fn fell(&mut self, fault: Fault) -> Cause {
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
        self.check_drains = false;
        self.passed = 0;
        self.failed = 0;
        self.timed_out = 0;
        self.warming = false;
    }

    fn flip(&self, from: State, cause: Cause) -> Option<Transition> {
        let to = self.state();
        (from != to).then_some(Transition { from, to, cause })
    }
}

#[cfg(test)]
mod tests;
