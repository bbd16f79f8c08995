//! Who takes part in balancing now: laid out when a state or a weight changes, read per request.

use crate::balance::{Candidate, Member, Rendezvous, Schedule, Slot};
use crate::cluster::machine::State;
use crate::config;

/// The usable backends of a cluster, ready for every way of picking one.
#[derive(Debug, Default)]
pub struct Balancing {
    /// The turns of round robin; also who takes part at all.
    pub schedule: Schedule,
    /// The same members by hash.
    pub rendezvous: Rendezvous,
}

impl Balancing {
    /// Lays out who is usable: backends that are up (or warming), backup ones only if no other
    /// is left.
    pub fn of(backends: &[(config::Backend, State)]) -> Self {
        let tier = |backup: bool| {
            backends
                .iter()
                .zip(0_u16..)
                .filter(move |((settings, state), _)| {
                    settings.backup == backup && matches!(state, State::Up | State::Warming)
                })
        };
        let backup = tier(false).next().is_none();
        let member = |slot, settings: &config::Backend| Member {
            slot: Slot(slot),
            weight: settings.weight,
        };
        let members: Vec<Member> = tier(backup)
            .map(|((settings, _), slot)| member(slot, settings))
            .collect();
        let candidates = tier(backup)
            .map(|((settings, _), slot)| Candidate::new(member(slot, settings), &settings.name));
        Self {
            schedule: Schedule::new(&members),
            rendezvous: Rendezvous::new(candidates),
        }
    }
}
