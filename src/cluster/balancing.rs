//! Who takes part in balancing now: laid out when a state or a weight changes, read per request.

use crate::balance::{Candidate, Member, Rendezvous, Schedule, Slot};
use crate::cluster::machine::State;
use crate::cluster::warmth::STEPS;
use crate::config::{self, JvmRoute};
use crate::session::append;
use crate::session::routes::RouteTable;

/// The usable backends of a cluster, ready for every way of picking one, and whose jvm routes are
/// whose.
#[derive(Debug, Default)]
pub struct Balancing {
    /// The turns of round robin; also who takes part at all.
    pub schedule: Schedule,
    /// The same members by hash: the survivors.
    pub rendezvous: Rendezvous,
    /// The jvm routes of all backends, usable or not.
    pub routes: RouteTable,
    /// Whether a slow start is under way.
    pub is_warming: bool,
}

/// A backend as it stands when the balancing is laid out.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What the file says of it.
    pub settings: config::Backend,
    /// Its state.
    pub state: State,
    /// Its share of what no session binds, as ordered or as the file says.
    pub weight: u32,
    /// The share of a Warming one, in steps.
    pub step: u32,
    /// What its agent makes of the weight, in percent; zero: nothing new.
    pub percent: u32,
    /// The jvm route that its Tomcat was seen to use.
    pub learned: Option<JvmRoute>,
}

/// All of a weight, in percent.
const WHOLE: u32 = 100;

impl Balancing {
    /// Lays out who is usable: backends that are up (or warming), backup ones only if no other
    /// is left.
    /// `appends`: the proxy's own routes in ids are told apart too.
    pub fn of(backends: &[Standing], appends: bool) -> Self {
        let tier = |backup: bool| {
            backends.iter().zip(0_u16..).filter(move |(it, _)| {
                it.settings.backup == backup && it.state.takes_new() && it.percent > 0
            })
        };
        let backup = tier(false).next().is_none();
        let is_warming = tier(backup).any(|(it, _)| it.state == State::Warming);
        // In steps only where somebody warms up: as long as nobody does, weights stay small.
        let share = |it: &Standing| match it.state {
            _ if !is_warming => 1,
            State::Warming => it.step,
            _ => STEPS,
        };
        // In percent only where an agent speaks of it.
        let is_told = tier(backup).any(|(it, _)| it.percent != WHOLE);
        let part = |it: &Standing| if is_told { it.percent } else { 1 };
        let members: Vec<Member> = tier(backup)
            .map(|(it, slot)| Member {
                slot: Slot(slot),
                weight: (it.weight.saturating_mul(share(it))).saturating_mul(part(it)),
            })
            .collect();
        let candidates = tier(backup).map(|(it, slot)| {
            // As the file says: survivors need no shared state, so all proxies must agree.
            let member = Member {
                slot: Slot(slot),
                weight: it.settings.weight,
            };
            Candidate::new(member, &it.settings.name)
        });
        let own: Vec<(u16, String)> = backends
            .iter()
            .zip(0_u16..)
            .filter(|_| appends)
            .map(|(it, slot)| (slot, append::route_of(it.settings.name.as_str())))
            .collect();
        let claims = backends.iter().zip(0_u16..).flat_map(|(it, slot)| {
            let routes = [it.settings.jvm_route.as_ref(), it.learned.as_ref()];
            let routes = routes.into_iter().flatten();
            routes.map(move |route| (slot, route.as_str().as_bytes()))
        });
        let own = own.iter().map(|(slot, route)| (*slot, route.as_bytes()));
        Self {
            schedule: Schedule::new(&members),
            rendezvous: Rendezvous::new(candidates),
            routes: RouteTable::new(claims.chain(own)),
            is_warming,
        }
    }
}
