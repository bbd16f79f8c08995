//! How many requests a cluster takes, and which wait.

use std::time::Duration;

use crate::config::{Affinity, Queue, Sessions};

use super::backends::Typed;
use super::section::Section;

const DEFAULT: Queue = Queue {
    length: 1000,
    time: Duration::from_secs(5),
    spill_after: None,
};

/// The keys `max_requests` and `queue` of a cluster.
pub(super) fn capacity(
    cluster: &Section<'_>,
    affinity: Affinity,
    sessions: &Sessions,
    backends: &[Typed<'_>],
) -> (usize, Queue) {
    let max_requests = cluster.get("max_requests").length();
    let at = cluster.get("queue");
    let section = at.section();
    let spill = section.value("spill_after");
    let queue = Queue {
        length: section.get("length").length(),
        time: section.get("time").duration(),
        spill_after: spill.as_ref().map(super::at::At::length),
    };
    if let Some(spill) = spill {
        let because = match affinity {
            Affinity::None => Some("affinity: none: no session has an owner"),
            Affinity::Prefer => Some("affinity: prefer leaves a full owner at once"),
            Affinity::Sticky if sessions.strict => Some("strict: true lets no other serve"),
            Affinity::Sticky if !sessions.replicated => Some(
                "a full Tomcat lives on and keeps its copy of a session that another one took over: what either changes then is lost",
            ),
            Affinity::Sticky => None,
        };
        if let Some(because) = because {
            let expected = "nothing, or affinity: sticky and replicated: true next to the queue";
            spill.unlike(expected, Some(because.to_owned()));
        }
    }
    let is_bounded = |typed: &Typed<'_>| typed.backend.max_requests > 0;
    // Whoever types the defaults, as `show-config` does, has no wish of their own.
    let is_meant = cluster.has("queue") && queue.length > 0 && queue != DEFAULT;
    if is_meant && max_requests == 0 && !backends.iter().any(is_bounded) {
        at.warn(
            "max_requests of the backends, or of the cluster",
            "without one nothing is ever full, and nobody waits",
        );
    }
    (max_requests, queue)
}
