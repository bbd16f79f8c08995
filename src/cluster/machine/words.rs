//! The words of the state machine: states, what is wrong, why a state flipped.

use std::fmt;

use crate::config::WantedState;

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

/// What is wanted of a backend, by the file or by an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wish {
    /// Serve.
    Up,
    /// Serve the sessions it has, take no new ones.
    Draining,
    /// The same, until its sessions have moved.
    Evacuating,
    /// Serve nothing.
    Disabled,
}

impl Wish {
    /// Every wish.
    pub const ALL: [Self; 4] = [Self::Up, Self::Draining, Self::Evacuating, Self::Disabled];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Evacuating => "evacuating",
            Self::Disabled => "disabled",
        }
    }

    /// The wish of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wish| wish.as_str() == word)
    }
}

impl From<WantedState> for Wish {
    fn from(wanted: WantedState) -> Self {
        match wanted {
            WantedState::Up => Self::Up,
            WantedState::Draining => Self::Draining,
            WantedState::Disabled => Self::Disabled,
        }
    }
}

/// What a backend's agent says of its state. Only the agent takes back what the agent has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AgentWord {
    /// Serve: takes back `Drain` and `Maint`.
    Ready,
    /// No new sessions.
    Drain,
    /// Nothing at all.
    Maint,
    /// It is well: takes back `Down`.
    Up,
    /// It cannot serve.
    Down,
}

impl AgentWord {
    /// The word for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
            Self::Up => "up",
            Self::Down => "down",
        }
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
    /// Nobody watched it: it has to answer first.
    Unproven,
}

/// Why a state flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It went Down.
    Fault(Fault),
    /// Enough checks passed.
    CheckPassed,
    /// It answered a background `OPTIONS *`.
    Answered,
    /// Its slow start is over.
    Warmed,
    /// The file's wish changed.
    Configured,
    /// An administrator ordered it.
    Ordered,
    /// Its sessions have moved, or were not to move on.
    Evacuated,
    /// Its check says: no new sessions.
    CheckDrains,
    /// Its agent says so.
    Agent,
    /// Too many of its answers were bad or slow.
    Outlying,
    /// The time without new sessions that followed is over.
    Readmitted,
}

impl Cause {
    /// Every cause, each with its own word.
    pub const ALL: [Self; 14] = [
        Self::Fault(Fault::Refused),
        Self::Fault(Fault::Unreachable),
        Self::Fault(Fault::Silent),
        Self::Fault(Fault::CheckFailed),
        Self::CheckPassed,
        Self::Answered,
        Self::Warmed,
        Self::Configured,
        Self::Ordered,
        Self::Evacuated,
        Self::CheckDrains,
        Self::Agent,
        Self::Outlying,
        Self::Readmitted,
    ];

    /// The word for labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault(Fault::Refused) => "refused",
            Self::Fault(Fault::Unreachable) => "unreachable",
            Self::Fault(Fault::Silent) => "silent",
            Self::Fault(Fault::CheckFailed) => "check_failed",
            Self::Fault(Fault::Agent) | Self::Agent => "agent",
            Self::Fault(Fault::Unproven) => "unproven",
            Self::CheckPassed => "check_passed",
            Self::Answered => "answered",
            Self::Warmed => "warmed",
            Self::Configured => "configured",
            Self::Ordered => "ordered",
            Self::Evacuated => "evacuated",
            Self::CheckDrains => "check_drains",
            Self::Outlying => "outlying",
            Self::Readmitted => "readmitted",
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
            Self::Fault(Fault::Unproven) => "it has to answer first",
            Self::CheckPassed => "its health check passes",
            Self::Answered => "it answers again",
            Self::Warmed => "its slow start is over",
            Self::Configured => "the configuration says so",
            Self::Ordered => "an administrator says so",
            Self::Evacuated => "its evacuation has come so far",
            Self::CheckDrains => "its health check asks for no new sessions",
            Self::Outlying => "too many of its answers are bad or slow",
            Self::Readmitted => "it gets another try",
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
