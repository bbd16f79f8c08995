//! The backends of a cluster, as one request sees them.

use super::words::{Candidate, Note};
use crate::cluster::Cluster;
use crate::proxy::affinity::Looked;

pub(super) fn candidates(cluster: &Cluster, looked: &Looked) -> Vec<Candidate> {
    let balancing = cluster.balancing();
    let members = balancing.schedule.members();
    let mut candidates = Vec::with_capacity(cluster.backends.len());
    for (slot, settings) in cluster.slots().zip(&cluster.config.backends) {
        let Some(backend) = cluster.backend(slot) else {
            continue;
        };
        let state = backend.state();
        let takes_part = members.iter().any(|member| member.slot == slot);
        let notes = [
            (Note::Owner, looked.seen.owner == Some(slot)),
            (Note::Pinned, looked.seen.pin == Some(slot)),
            (Note::CannotServe, !state.serves_its_own()),
            (
                Note::TakesNoNew,
                state.serves_its_own() && !backend.takes_new(),
            ),
            (
                Note::Backup,
                settings.backup && backend.takes_new() && !takes_part,
            ),
            (Note::FormerOwner, looked.fenced.contains(&slot)),
            (Note::Full, !backend.has_room()),
            (Note::Slow, backend.is_slow()),
        ];
        let notes = notes.into_iter().filter(|(_, holds)| *holds);
        let rank = looked.order.iter().position(|other| *other == slot);
        candidates.push(Candidate {
            backend: backend.name.to_string(),
            state: state.as_str().into(),
            rank: rank.map(|rank| rank + 1),
            notes: notes.map(|(note, _)| note).collect(),
        });
    }
    candidates
}
