//! What an evacuation of its backend means for a session.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// What an evacuation of its backend means for a session; where the request goes says the choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// The backend that is being emptied.
    pub from: String,
    /// To whom the session moves; `None`: nobody may take it.
    pub to: Option<String>,
    /// When.
    pub when: LeavesWhen,
    /// How long the request waits before.
    pub rest_ms: Option<u64>,
}

/// When a session leaves a backend that is being emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeavesWhen {
    /// With this request.
    Now,
    /// With this request, if its store says that it has a copy.
    IfCopied,
    /// With this request, when its last answer is old enough.
    Rested,
    /// When it is marked.
    Marked,
    /// When no request of it is in flight there.
    Answered,
    /// When somebody else may take it.
    Taken,
    /// Not at all: the configuration lets no session move.
    Never,
}

impl Display for Leaving {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (from, to) = (&self.from, self.to.as_deref().unwrap_or("none"));
        write!(f, "{from} is being emptied: the session ")?;
        match self.when {
            LeavesWhen::Now => write!(f, "moves to {to} now"),
            LeavesWhen::IfCopied => {
                write!(f, "moves to {to} now, if a store says that it has a copy")
            }
            LeavesWhen::Rested => {
                let rest = self.rest_ms.unwrap_or_default();
                write!(
                    f,
                    "moves to {to} in {rest} ms, when its copy is in the store"
                )
            }
            LeavesWhen::Marked => write!(f, "moves to {to} later: its turn has not come"),
            LeavesWhen::Answered => write!(
                f,
                "moves to {to} later: requests of it are in flight there, or may be"
            ),
            LeavesWhen::Taken => f.write_str("stays: nobody else may take it"),
            LeavesWhen::Never => f.write_str("stays: the configuration lets none move"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_sentence() {
        for (when, to, rest_ms, words) in [
            (LeavesWhen::Now, Some("jvm2"), None, "moves to jvm2 now"),
            (
                LeavesWhen::IfCopied,
                Some("jvm2"),
                None,
                "moves to jvm2 now, if a store says that it has a copy",
            ),
            (
                LeavesWhen::Rested,
                Some("jvm2"),
                Some(40),
                "moves to jvm2 in 40 ms, when its copy is in the store",
            ),
            (
                LeavesWhen::Marked,
                Some("jvm2"),
                None,
                "moves to jvm2 later: its turn has not come",
            ),
            (
                LeavesWhen::Answered,
                Some("jvm2"),
                None,
                "moves to jvm2 later: requests of it are in flight there, or may be",
            ),
            (
                LeavesWhen::Taken,
                None,
                None,
                "stays: nobody else may take it",
            ),
            (
                LeavesWhen::Never,
                Some("jvm2"),
                None,
                "stays: the configuration lets none move",
            ),
        ] {
            let leaving = Leaving {
                from: "jvm1".to_owned(),
                to: to.map(str::to_owned),
                when,
                rest_ms,
            };
            let expected = format!("jvm1 is being emptied: the session {words}");
            assert_eq!(leaving.to_string(), expected);
        }
    }
}
