//! What a backend's agent has said of it: only the agent undoes that.

/// What an agent says of its backend, in HAProxy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentWord {
    /// Serve: takes back `drain` and `maint`.
    Ready,
    /// No new sessions.
    Drain,
    /// Serve nothing, on purpose.
    Maint,
    /// It is well: takes back `down`, `fail` and `stopped`.
    Up,
    /// It cannot serve.
    Down,
    /// It cannot serve: something in it fails.
    Fail,
    /// It cannot serve: it was stopped.
    Stopped,
}

impl AgentWord {
    /// The word, as agents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
            Self::Up => "up",
            Self::Down => "down",
            Self::Fail => "fail",
            Self::Stopped => "stopped",
        }
    }
}

/// What an agent wants of its backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Wish {
    /// That it serves.
    #[default]
    Ready,
    /// That it gets no new sessions.
    Drain,
    /// That it serves nothing.
    Maint,
}

/// The words of an agent that are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Agent {
    pub(super) wish: Wish,
    /// Whether the backend cannot serve.
    pub(super) is_down: bool,
}

impl Agent {
    /// Takes in a word.
    pub(super) fn says(&mut self, word: AgentWord) {
        match word {
            AgentWord::Ready => self.wish = Wish::Ready,
            AgentWord::Drain => self.wish = Wish::Drain,
            AgentWord::Maint => self.wish = Wish::Maint,
            AgentWord::Up => self.is_down = false,
            AgentWord::Down | AgentWord::Fail | AgentWord::Stopped => self.is_down = true,
        }
    }

    /// Whether the backend serves nothing for its agent's sake.
    pub(super) fn is_out(self) -> bool {
        self.is_down || self.wish == Wish::Maint
    }
}
