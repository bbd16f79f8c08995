//! A request's session for those who ask where it would go: read and decided by the same functions,
//! and nothing is changed by it.

use std::cell::RefCell;

use http::request::Parts;

use super::decide::{Decision, Seen, decide};
use super::route::Candidates;
use super::seek::{Reason, Shown, Sought, named, seek, values};
use super::shown::{Bound, owned};
use crate::balance::{KeyHash, Slot};
use crate::cluster::{Cluster, Leave, Stays};
use crate::observe::metrics::{Binding, RejectedId};
use crate::proxy::explain::{FoundId, KnownBy, LeavesWhen, Leaving, Owner, RouteNames, WhyChosen};
use crate::proxy::select::{self, Nobody};
use crate::session::find::{Place, Source};
use crate::session::id::{Id, own_token};
use crate::session::routes::Named;

/// Ids that are listed; a request with more is no honest one.
const MOST_LISTED: usize = 32;

/// What is known of the session of a request.
#[derive(Debug)]
pub(in crate::proxy) struct Looked {
    /// What stands where a session id may stand.
    pub(in crate::proxy) ids: Vec<FoundId>,
    /// How many more there are.
    pub(in crate::proxy) left_out: usize,
    /// Whom it belongs to.
    pub(in crate::proxy) owner: Option<Owner>,
    /// The same, as the decision sees it.
    pub(in crate::proxy) seen: Seen,
    /// The survivors in the order of the base, those included that come last.
    pub(in crate::proxy) order: Vec<Slot>,
    /// Those that owned the session before, and come last.
    pub(in crate::proxy) fenced: Vec<Slot>,
    /// The owner that the request waits for first.
    pub(in crate::proxy) waits_for: Option<Slot>,
    /// What it means that its backend is being emptied.
    pub(in crate::proxy) leaving: Option<Leaving>,
    /// Where to.
    pub(in crate::proxy) destination: Destination,
}

/// Where a request goes, as far as its session says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Destination {
    /// To this backend.
    At(Slot, Binding),
    /// As the balance has it. `None`: nobody asks for sessions here.
    Balance(Option<Binding>),
    /// To this backend, or to any, as soon as there is a place.
    Full(Option<Slot>, Binding),
    /// Nowhere.
    Nowhere(Nobody, Binding),
}

/// Looks at the session of a request.
pub(in crate::proxy) fn look(cluster: &Cluster, head: &Parts) -> Looked {
    let sessions = &cluster.config.sessions;
    let ignore = sessions.ignore.as_ref().map(|ignore| &ignore.0);
    match seek(cluster, ignore, head, |_| {}) {
        Sought::Unfollowed => Looked::free(None),
        Sought::Free(Binding::Ignored) => Looked::free(Some(Binding::Ignored)),
        Sought::Free(binding) => {
            let (ids, left_out) = listed(cluster, head, None);
            Looked {
                ids,
                left_out,
                ..Looked::free(Some(binding))
            }
        }
        Sought::Shown(shown) => bound(cluster, head, shown),
    }
}

impl Looked {
    fn free(binding: Option<Binding>) -> Self {
        Self {
            ids: Vec::new(),
            left_out: 0,
            owner: None,
            seen: Seen::default(),
            order: Vec::new(),
            fenced: Vec::new(),
            waits_for: None,
            leaving: None,
            destination: Destination::Balance(binding),
        }
    }
}

fn bound(cluster: &Cluster, head: &Parts, shown: Shown) -> Looked {
    let common = &cluster.sessions.common;
    let known = common.ledger.peek(shown.key, common.now());
    let seals = RefCell::new(Vec::new());
    let bound = owned(cluster, head, shown, known, |why| {
        seals.borrow_mut().push(why);
    });
    let (mut ids, left_out) = listed(cluster, head, Some(shown));
    ids.extend(unopened(cluster, &seals.into_inner()));
    let candidates = Candidates {
        cluster,
        tried: &[],
        forgiven: None,
        place: None,
    };
    let id = bound.id(head, cluster);
    let hash = KeyHash::of(id.as_ref().map_or(&[], Id::base));
    let (mut destination, waits_for) = destination(&bound, hash, candidates);
    let leaving = leaving(&bound, hash, candidates, &mut destination);
    let order: Vec<Slot> = cluster.balancing().rendezvous.rank(hash).collect();
    let is_fenced = |slot: &Slot| bound.is_fenced(cluster, *slot);
    Looked {
        ids,
        left_out,
        owner: owner(cluster, &bound, shown.named, id.as_ref()),
        seen: bound.seen,
        fenced: order.iter().copied().filter(is_fenced).collect(),
        order,
        waits_for,
        leaving,
        destination,
    }
}

/// What it means for the session that the backend it would go to is being emptied, if so; and with
/// that, where it goes.
fn leaving(
    bound: &Bound,
    hash: KeyHash,
    candidates: Candidates<'_>,
    destination: &mut Destination,
) -> Option<Leaving> {
    let cluster = candidates.cluster;
    let (Destination::At(from, _) | Destination::Full(Some(from), _)) = *destination else {
        return None;
    };
    if bound.is_ignored || !Bound::is_to_leave(cluster, from) {
        return None;
    }
    let evacuation = Bound::evacuation(cluster, from)?;
    let to = bound.way_out(hash, (candidates, bound.policy(cluster)), from);
    let (when, rest) = match evacuation.may_leave(bound.key, bound.seen.pin == Some(from)) {
        _ if !Bound::may_leave(cluster) => (LeavesWhen::Never, None),
        _ if to.is_none() => (LeavesWhen::Taken, None),
        Leave::Stay(Stays::Unmarked) => (LeavesWhen::Marked, None),
        Leave::Stay(Stays::InFlight) => (LeavesWhen::Answered, None),
        Leave::After(rest) => (LeavesWhen::Rested, Some(rest)),
        Leave::Now if cluster.stores.is_some() => (LeavesWhen::IfCopied, None),
        Leave::Now => (LeavesWhen::Now, None),
    };
    let is_gone = matches!(
        when,
        LeavesWhen::Now | LeavesWhen::IfCopied | LeavesWhen::Rested
    );
    if let Some(to) = to.filter(|_| is_gone) {
        *destination = at(candidates, to, Binding::Evacuated);
    }
    let name = |slot| cluster.backend(slot).map(|it| it.name.to_string());
    Some(Leaving {
        from: name(from)?,
        to: to.and_then(name),
        when,
        rest_ms: rest.map(|rest| u64::try_from(rest.as_millis()).unwrap_or(u64::MAX)),
    })
}

/// To this backend, as soon as there is a place.
fn at(candidates: Candidates<'_>, slot: Slot, binding: Binding) -> Destination {
    if candidates.has_room(slot) && candidates.cluster.queue.has_room() {
        Destination::At(slot, binding)
    } else {
        Destination::Full(Some(slot), binding)
    }
}

/// Where to, and for whom it waits before.
fn destination(
    bound: &Bound,
    hash: KeyHash,
    candidates: Candidates<'_>,
) -> (Destination, Option<Slot>) {
    let cluster = candidates.cluster;
    let mut policy = bound.policy(cluster);
    let seen = bound.seen;
    let serves = |slot| candidates.serves(slot);
    let is_busy = |slot| candidates.is_busy(slot);
    let (mut decision, mut waits_for) = (decide(seen, policy, serves, is_busy), None);
    if let Decision::Wait(owner) = decision {
        waits_for = Some(owner);
        policy.may_wait = false;
        decision = decide(seen, policy, serves, is_busy);
    }
    let destination = match decision {
        // From a backend that is being emptied it leaves for a survivor, wherever it is at home.
        Decision::To(slot, binding) if Bound::is_to_leave(cluster, slot) => {
            at(candidates, slot, binding)
        }
        Decision::To(slot, binding) => match bound.goes_home(candidates, policy, slot) {
            Some(home) => at(candidates, home, Binding::Returned),
            None => at(candidates, slot, binding),
        },
        Decision::Survivor(binding) => {
            if let Some(slot) = bound.survivor(hash, candidates, policy) {
                at(candidates, slot, binding)
            } else {
                match select::why_nobody(&cluster.balancing(), candidates.tried) {
                    Nobody::Free => Destination::Full(None, binding),
                    why => Destination::Nowhere(why, binding),
                }
            }
        }
        Decision::Balance => Destination::Balance(Some(Binding::Spilled)),
        Decision::Wait(_) | Decision::Refuse => {
            Destination::Nowhere(Nobody::Owner, Binding::Refused)
        }
    };
    (destination, waits_for)
}

fn owner(cluster: &Cluster, bound: &Bound, named: Named, id: Option<&Id<'_>>) -> Option<Owner> {
    let seen = bound.seen;
    let slot = seen.owner?;
    let by = if seen.moved {
        KnownBy::TakeOver
    } else if bound.named.is_none() {
        KnownBy::Ledger
    } else if named == Named::Backend(slot.0) {
        by_route(cluster, slot, id?)
    } else {
        KnownBy::AffinityCookie
    };
    let backend = cluster.backend(slot)?.name.to_string();
    Some(Owner { backend, by })
}

fn by_route(cluster: &Cluster, slot: Slot, id: &Id<'_>) -> KnownBy {
    let balancing = cluster.balancing();
    let naming = |route: &&[u8]| balancing.routes.named(route) == Named::Backend(slot.0);
    let route = id.routes().find(naming).unwrap_or_default();
    let settings = cluster.config.backends.get(usize::from(slot.0));
    let configured = settings.and_then(|it| it.jvm_route.as_ref());
    if configured.is_some_and(|it| it.as_str().as_bytes() == route) {
        KnownBy::JvmRoute
    } else if own_token(route).is_some() {
        KnownBy::OwnRoute
    } else {
        KnownBy::LearnedRoute
    }
}

/// The first of what stands where ids may stand, and how many there are besides; the chosen one is
/// always among them.
fn listed(cluster: &Cluster, head: &Parts, chosen: Option<Shown>) -> (Vec<FoundId>, usize) {
    let mut listed = Vec::new();
    let mut left_out = 0;
    for (read, place) in values(head, &cluster.config.sessions) {
        let reason = chosen
            .filter(|chosen| chosen.place == place)
            .map(|chosen| chosen.reason);
        if listed.len() < MOST_LISTED || reason.is_some() {
            listed.push(found(cluster, &read, place, reason));
        } else {
            left_out += 1;
        }
    }
    (listed, left_out)
}

fn found(
    cluster: &Cluster,
    read: &Result<Id<'_>, RejectedId>,
    place: Place,
    reason: Option<Reason>,
) -> FoundId {
    let sessions = &cluster.config.sessions;
    let (source, names) = match place.source {
        Source::Cookie => ("cookie", &sessions.cookies),
        Source::Path => ("path", &sessions.parameters),
    };
    let name = names.get(usize::from(place.name));
    let mut found = FoundId {
        place: source.into(),
        name: name.cloned().unwrap_or_default(),
        id: None,
        store_node: None,
        jvm_route: None,
        names: RouteNames::Nobody,
        rejected: None,
        chosen: reason.map(|reason| match reason {
            Reason::Named => WhyChosen::Named,
            Reason::Remembered => WhyChosen::Remembered,
            Reason::First => WhyChosen::First,
        }),
    };
    match read {
        Err(why) => found.rejected = Some(why.label().into()),
        Ok(id) => {
            let text = id.shortened().to_string();
            // A tail that is not shown there may be the secret, and is not shown here either.
            let tail = text.rsplit_once('*').map_or("", |(_, tail)| tail);
            let shown = |part: Option<&[u8]>| {
                let part = std::str::from_utf8(part?).ok()?;
                tail.contains(part).then(|| part.to_owned())
            };
            (found.store_node, found.jvm_route) = (shown(id.store_node()), shown(id.route()));
            found.names = match named(id, &cluster.balancing().routes) {
                Named::Nobody => RouteNames::Nobody,
                Named::Several => RouteNames::Several,
                Named::Backend(slot) => cluster
                    .backend(Slot(slot))
                    .map_or(RouteNames::Nobody, |it| {
                        RouteNames::Backend(it.name.to_string())
                    }),
            };
            found.id = Some(text);
        }
    }
    found
}

/// Affinity cookies that were not believed.
fn unopened(cluster: &Cluster, seals: &[RejectedId]) -> Vec<FoundId> {
    let Some(own) = &cluster.sessions.own_cookie else {
        return Vec::new();
    };
    let [name] = &own.names;
    let found = seals.iter().map(|why| FoundId {
        place: "cookie".into(),
        name: name.clone(),
        id: None,
        store_node: None,
        jvm_route: None,
        names: RouteNames::Nobody,
        rejected: Some(why.label().into()),
        chosen: None,
    });
    found.collect()
}
