//! What goes to a backend that has come back: sessions only where that is safe.

use crate::config::{Affinity, FailBack, Sessions};

use super::backends::Typed;
use super::section::Section;

/// With fewer backends, a session that has gone home can only go back to one that has an old copy.
const FEWEST: usize = 3;

pub(super) fn fail_back(
    cluster: &Section<'_>,
    affinity: Affinity,
    sessions: &Sessions,
    backends: &[Typed<'_>],
) -> FailBack {
    let at = cluster.get("fail_back");
    let policy = at.choice(&FailBack::WORDS).unwrap_or(FailBack::NewSessions);
    if !policy.brings_home() {
        return policy;
    }
    let keeps_copies = affinity == Affinity::Sticky && !sessions.replicated;
    let because = if affinity == Affinity::None {
        Some("affinity: none: no session has an owner to go back to")
    } else if sessions.strict {
        Some("strict: true: no session leaves its owner")
    } else if !sessions.replicated && !cluster.has("stores") {
        Some(
            "a session can only go back where every Tomcat can go on with it: the cluster needs stores, or replicated: true",
        )
    } else if keeps_copies && backends.len() < FEWEST {
        Some(
            "the Tomcat that a session leaves keeps its old copy: when its own one dies again, a third has to go on with it",
        )
    } else {
        None
    };
    if let Some(because) = because {
        at.unlike("new_sessions or never", Some(because.to_owned()));
    }
    policy
}
