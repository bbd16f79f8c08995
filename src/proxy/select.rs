//! Who gets a request that no session binds.

use std::rc::Rc;

use http::request::Parts;

use super::affinity::Pin;
use super::worker::{ClusterView, Worker};
use crate::balance::two_choices::Draw;
use crate::balance::{KeyHash, Slot, least_requests, round_robin, two_choices};
use crate::cluster::machine::State;
use crate::cluster::queue::{Place, Scope};
use crate::cluster::{Balancing, Cluster};
use crate::config::{Balance, HashKey};
use crate::upstream::Upstream;

/// What has a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A request.
    Request,
    /// The tunnel that it has become.
    Tunnel,
    /// Nothing any more.
    Left,
}

/// A request's place among those in flight at a backend. Given back on drop at the latest.
#[derive(Debug)]
pub struct InFlight {
    upstream: Rc<Upstream>,
    scope: Scope,
    stage: Stage,
    /// Holds the request's session there, where it is not at its owner's.
    pin: Option<Box<Pin>>,
}

impl InFlight {
    /// Gives the place back; the second time does nothing.
    pub fn leave(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Left);
        if stage == Stage::Left {
            return;
        }
        if stage == Stage::Tunnel {
            self.upstream.backend.tunnel_ended();
        }
        self.upstream.backend.leave(self.scope);
        self.pin = None;
    }

    /// The request has become a tunnel.
    pub fn sit_in_tunnel(&mut self) {
        if self.stage == Stage::Request {
            self.stage = Stage::Tunnel;
            self.upstream.backend.tunnel_began();
        }
    }

    /// Holds the session as long as the place.
    pub fn hold(&mut self, pin: Pin) {
        self.pin = Some(Box::new(pin));
    }

    /// Whether the request counts at its session, at the backend that owns it.
    pub fn counts(&self) -> bool {
        self.pin.as_ref().is_some_and(|pin| pin.is_at_its_owner())
    }

    /// What holds the session, if something must, hears how far the request has come.
    pub fn tell(&self, news: impl FnOnce(&Pin)) {
        if let Some(pin) = &self.pin {
            news(pin);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The backend chosen for an attempt, with a place among its requests in flight.
#[derive(Debug)]
pub struct Chosen {
    /// Which backend of the cluster.
    pub slot: Slot,
    /// Its connections.
    pub upstream: Rc<Upstream>,
    /// The request's place.
    pub in_flight: InFlight,
}

/// Why nobody can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nobody {
    /// No backend is usable, or all that are were tried.
    Usable,
    /// All usable backends have as many requests in flight as they may.
    Free,
    /// The session's owner cannot serve, and no other may.
    Owner,
    /// The session's owner cannot serve, and its copy is out of reach.
    Copy,
    /// All are full, and so is the queue.
    Queues,
    /// All are full, and the queue has no room for a request that matters as little.
    Spares,
    /// All were full for as long as the request could wait.
    InTime,
}

/// Picks a backend that was not tried yet.
pub fn select(
    worker: &Worker,
    view: &ClusterView,
    hash: Option<KeyHash>,
    tried: &[Slot],
) -> Result<Chosen, Nobody> {
    let cluster = &view.cluster;
    let balancing = cluster.balancing();
    let enter = |slot: Slot| {
        !tried.contains(&slot)
            && cluster
                .backend(slot)
                .is_some_and(|backend| backend.try_enter())
    };
    let in_turn = |slot: Slot| {
        let owes = cluster
            .backend(slot)
            .is_some_and(|backend| !tried.contains(&slot) && backend.pays_with_its_turn());
        !owes && enter(slot)
    };
    let slot = match (&cluster.config.balance, hash) {
        (Balance::Hash(_), Some(hash)) => balancing.rendezvous.rank(hash).find(|slot| enter(*slot)),
        (Balance::RoundRobin | Balance::Hash(_), _) => {
            let turn = cluster.next_turn();
            // Where everybody owes, everybody has paid now.
            round_robin::pick(&balancing.schedule, turn, in_turn)
                .or_else(|| round_robin::pick(&balancing.schedule, turn, enter))
        }
        (Balance::LeastRequests, _) => by_load(cluster, tried, |load| {
            least_requests::pick(&balancing.schedule, cluster.next_turn(), load)
        }),
        (Balance::LeastSessions, _) => least_sessions(cluster, &balancing, tried),
        (Balance::TwoChoices, _) => by_load(cluster, tried, |load| {
            let draw = Draw(worker.random(), worker.random());
            two_choices::pick(&balancing.schedule, draw, load)
        }),
    };
    match slot {
        Some(slot) => place(view, slot),
        None => Err(why_nobody(&balancing, tried)),
    }
}

/// The same backend once more, for a request whose kept-alive connection was stale.
#[inline]
pub fn again(view: &ClusterView, slot: Slot) -> Result<Chosen, Nobody> {
    let entered = view
        .cluster
        .backend(slot)
        .is_some_and(|backend| backend.try_enter());
    if !entered {
        return Err(Nobody::Free);
    }
    place(view, slot)
}

/// Whether a request that `slot` has answered could still be answered by another, at once or after a
/// wait for a place.
pub fn is_another_there(view: &ClusterView, tried: &[Slot], slot: Slot) -> bool {
    let balancing = view.cluster.balancing();
    let mut members = balancing.schedule.members().iter();
    if view.cluster.config.queue.length == 0 {
        return is_another_free(view, tried, slot);
    }
    members.any(|member| member.slot != slot && !tried.contains(&member.slot))
}

/// Whether it could be answered by another at once.
pub fn is_another_free(view: &ClusterView, tried: &[Slot], slot: Slot) -> bool {
    let balancing = view.cluster.balancing();
    balancing.schedule.members().iter().any(|member| {
        member.slot != slot
            && !tried.contains(&member.slot)
            && view
                .cluster
                .backend(member.slot)
                .is_some_and(|backend| backend.has_room())
    })
}

/// What a cluster that balances by hash hashes; `None`: nothing there, balance by turn.
pub fn hash_key(balance: &Balance, parts: &Parts, client: Option<&[u8]>) -> Option<KeyHash> {
    let Balance::Hash(key) = balance else {
        return None;
    };
    let key = match key {
        HashKey::ClientAddress => client?,
        HashKey::Uri => parts.uri.path_and_query()?.as_str().as_bytes(),
        HashKey::Header(name) => parts.headers.get(name)?.as_bytes(),
        HashKey::Cookie(name) => first_cookie(parts, name)?,
    };
    Some(KeyHash::of(key))
}

fn first_cookie<'a>(parts: &'a Parts, name: &str) -> Option<&'a [u8]> {
    parts
        .headers
        .get_all(http::header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes()))
        .find_map(|rest| rest.strip_prefix(b"="))
}

/// Picks by load and enters. Another worker may take the last place in between: picked anew then,
/// as often as there are backends at most.
fn by_load(
    cluster: &Cluster,
    tried: &[Slot],
    pick: impl Fn(&mut dyn FnMut(Slot) -> Option<usize>) -> Option<Slot>,
) -> Option<Slot> {
    let mut load = |slot: Slot| {
        cluster
            .backend(slot)
            .filter(|backend| !tried.contains(&slot) && backend.has_room())
            .map(|backend| backend.in_flight())
    };
    (0..cluster.backends.len())
        .map_while(|_| pick(&mut load))
        .find(|slot| {
            cluster
                .backend(*slot)
                .is_some_and(|backend| backend.try_enter())
        })
}

/// Fewest live sessions. Requests in flight count too: their sessions are not known before they
/// are answered. One that warms up takes part in its turns alone, else it would get every new
/// session until it has as many as the others.
fn least_sessions(cluster: &Cluster, balancing: &Balancing, tried: &[Slot]) -> Option<Slot> {
    let turn = cluster.next_turn();
    let in_turn = balancing.schedule.at(turn);
    let load = |slot: Slot, of_all: bool| {
        let backend = cluster.backend(slot)?;
        let warm = of_all || Some(slot) == in_turn || backend.state() != State::Warming;
        (warm && !tried.contains(&slot) && backend.has_room())
            .then(|| cluster.sessions.live(slot) + backend.in_flight())
    };
    let pick = |of_all| {
        (0..cluster.backends.len())
            .map_while(|_| {
                least_requests::pick(&balancing.schedule, turn, |slot| load(slot, of_all))
            })
            .find(|slot| cluster.backend(*slot).is_some_and(|it| it.try_enter()))
    };
    pick(false).or_else(|| pick(true))
}

/// The place that was taken at the backend, and one in the whole cluster.
fn place(view: &ClusterView, slot: Slot) -> Result<Chosen, Nobody> {
    let upstream = view.upstreams.get(usize::from(slot.0));
    let upstream = upstream.ok_or(Nobody::Usable)?;
    let Some(scope) = view.cluster.queue.try_enter() else {
        upstream.backend.leave(Scope::Backend);
        return Err(Nobody::Free);
    };
    Ok(chosen(slot, upstream, scope))
}

/// The place that a request was given while it waited.
pub(super) fn with_place(view: &ClusterView, slot: Slot, place: Place) -> Option<Chosen> {
    let upstream = view.upstreams.get(usize::from(slot.0))?;
    Some(chosen(slot, upstream, place.take()))
}

fn chosen(slot: Slot, upstream: &Rc<Upstream>, scope: Scope) -> Chosen {
    let in_flight = InFlight {
        upstream: Rc::clone(upstream),
        scope,
        stage: Stage::Request,
        pin: None,
    };
    Chosen {
        slot,
        upstream: Rc::clone(upstream),
        in_flight,
    }
}

/// Why no backend of the cluster takes a request: whoever is left and took none was full when it was
/// asked, whatever has become of that since.
pub(super) fn why_nobody(balancing: &Balancing, tried: &[Slot]) -> Nobody {
    let mut members = balancing.schedule.members().iter();
    if members.any(|member| !tried.contains(&member.slot)) {
        Nobody::Free
    } else {
        Nobody::Usable
    }
}
