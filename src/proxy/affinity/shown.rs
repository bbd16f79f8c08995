//! Which session a request shows, and who owns it.

use std::time::SystemTime;

use http::request::Parts;
use regex::Regex;

use super::decide::Seen;
use crate::balance::Slot;
use crate::cluster::Cluster;
use crate::config::{Affinity, Sessions};
use crate::observe::metrics::{Binding, ClusterCells, RejectedId, RouteAlarm};
use crate::proxy::worker::{ClusterView, Worker};
use crate::session::find::{self, Names, Place};
use crate::session::id::Id;
use crate::session::ledger::{Key, Known};
use crate::session::routes::{Named, RouteTable};
use crate::session::seal::Room;

/// Ids of one request that the ledger is asked about, where their routes decide nothing.
const MOST_ASKED: usize = 16;
/// Affinity cookies of one request that are opened.
pub(super) const MOST_OPENED: usize = 8;
/// How long a confirmed pin holds on after the client has shown the new route: requests that it
/// sent before may still be on their way.
pub(super) const GRACE_SECONDS: u32 = 10;

/// The session that a request shows.
#[derive(Debug)]
pub(in crate::proxy) enum Session {
    /// Nobody asks: `affinity: none`.
    Unfollowed,
    /// None, or none that counts.
    Free(Binding),
    /// This one.
    Bound(Bound),
}

/// A session that is shown, and whom it belongs to.
#[derive(Debug)]
pub(in crate::proxy) struct Bound {
    /// Its key in the ledger.
    pub(in crate::proxy) key: Key,
    /// Where its id stands in the request.
    pub(in crate::proxy) place: Place,
    /// Whom its id, or the affinity cookie, names.
    pub(in crate::proxy) named: Option<Slot>,
    /// What is remembered of it.
    pub(in crate::proxy) known: Option<Known>,
    /// Whether an affinity cookie came with it that should be sealed anew.
    pub(in crate::proxy) seal_is_old: bool,
    /// The owner that the request has waited for; it waits once.
    pub(in crate::proxy) waited_for: Option<Slot>,
    /// How its last decision came about.
    pub(in crate::proxy) decided: Option<Binding>,
}

impl Bound {
    /// What is known of the session, for a decision.
    pub(in crate::proxy) fn seen(&self, cluster: &Cluster) -> Seen {
        let book = &cluster.sessions;
        let known = self.known.as_ref();
        let remembered = known.and_then(|known| book.slot(known.owner));
        let moved = known.is_some_and(|known| known.moved)
            && remembered.is_some()
            && remembered != self.named;
        Seen {
            pin: known
                .and_then(|known| known.pin)
                .and_then(|pin| book.slot(pin)),
            owner: if moved {
                remembered
            } else {
                self.named.or(remembered)
            },
            moved,
        }
    }

    /// Looks at the ledger again: another attempt follows, and much may have happened.
    pub(in crate::proxy) fn refresh(&mut self, cluster: &Cluster) {
        let common = &cluster.sessions.common;
        self.known = common.ledger.peek(self.key, common.now());
    }

    /// The id, read again from the request that it was found in.
    pub(in crate::proxy) fn id<'h>(&self, head: &'h Parts, cluster: &Cluster) -> Option<Id<'h>> {
        let value = find::read_again(&head.headers, head.uri.path(), self.place)?;
        Id::read(cluster.config.sessions.dialect, value).ok()
    }
}

/// The session that a request to this cluster shows. Allocates nothing.
pub(in crate::proxy) fn read(worker: &Worker, view: &ClusterView, head: &Parts) -> Session {
    let cluster = &*view.cluster;
    let cells = cluster.cells.of(worker.id);
    let ignore = view.ignore.as_ref();
    if let Some(unasked) = unasked(cluster, ignore, head) {
        return unasked;
    }
    let balancing = cluster.balancing();
    let rejected = |why| cells.rejected_ids.inc(why);
    let Some(shown) = choose(head, cluster, &balancing.routes, rejected) else {
        return Session::Free(Binding::NoSession);
    };
    Session::Bound(bind(worker, cluster, cells, head, &shown))
}

/// What a request counts as whose session is not looked for; `None`: it is.
#[inline]
pub(super) fn unasked(cluster: &Cluster, ignore: Option<&Regex>, head: &Parts) -> Option<Session> {
    if cluster.config.affinity == Affinity::None {
        return Some(Session::Unfollowed);
    }
    let path = head.uri.path();
    let is_ignored = ignore?.is_match(&find::path_without_parameters(path));
    is_ignored.then_some(Session::Free(Binding::Ignored))
}

/// An id that is chosen among those of a request.
pub(super) struct Shown<'h> {
    pub(super) id: Id<'h>,
    pub(super) place: Place,
    pub(super) named: Named,
    pub(super) reason: Reason,
}

/// Why an id is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its route names one of ours.
    Named,
    /// It is remembered.
    Remembered,
    /// It comes first.
    First,
}

/// Of several ids: the first whose route names one of ours, else the first that is remembered,
/// else the first.
pub(super) fn choose<'h>(
    head: &'h Parts,
    cluster: &'h Cluster,
    routes: &RouteTable,
    mut rejected: impl FnMut(RejectedId),
) -> Option<Shown<'h>> {
    let sessions = &cluster.config.sessions;
    let mut first = None;
    let mut count = 0;
    for (id, place) in ids(head, sessions, &mut rejected) {
        let named = named(&id, routes);
        let shown = |reason| Shown {
            id,
            place,
            named,
            reason,
        };
        if matches!(named, Named::Backend(_)) {
            return Some(shown(Reason::Named));
        }
        count += 1;
        first.get_or_insert_with(|| shown(Reason::First));
    }
    if count > 1 {
        if count > MOST_ASKED {
            rejected(RejectedId::TooMany);
        }
        let common = &cluster.sessions.common;
        let now = common.now();
        let is_known = |(id, _): &(Id<'_>, Place)| {
            let key = common.ledger.key(cluster.sessions.number, id.base());
            common.ledger.peek(key, now).is_some()
        };
        let remembered = ids(head, sessions, |_| {}).take(MOST_ASKED).find(is_known);
        if let Some((id, place)) = remembered {
            let named = named(&id, routes);
            return Some(Shown {
                id,
                place,
                named,
                reason: Reason::Remembered,
            });
        }
    }
    first
}

/// All ids of a request in the order of trust; what is none is handed to `rejected`.
pub(super) fn ids<'h>(
    head: &'h Parts,
    sessions: &'h Sessions,
    mut rejected: impl FnMut(RejectedId),
) -> impl Iterator<Item = (Id<'h>, Place)> {
    values(head, sessions).filter_map(move |(read, place)| match read {
        Ok(id) => Some((id, place)),
        Err(why) => {
            rejected(why);
            None
        }
    })
}

/// All that a request shows under the names of session ids, in the order of trust.
#[inline]
pub(super) fn values<'h>(
    head: &'h Parts,
    sessions: &'h Sessions,
) -> impl Iterator<Item = (Result<Id<'h>, RejectedId>, Place)> {
    let found = find::each(&head.headers, head.uri.path(), Names::from(sessions));
    found.map(|found| (Id::read(sessions.dialect, found.value), found.place))
}

/// Whom an id's routes name: the first that names one backend, else what the first says.
pub(super) fn named(id: &Id<'_>, routes: &RouteTable) -> Named {
    let mut first = None;
    for route in id.routes() {
        match routes.named(route) {
            Named::Backend(slot) => return Named::Backend(slot),
            other => {
                first.get_or_insert(other);
            }
        }
    }
    first.unwrap_or(Named::Nobody)
}

fn bind(
    worker: &Worker,
    cluster: &Cluster,
    cells: &ClusterCells,
    head: &Parts,
    shown: &Shown<'_>,
) -> Bound {
    let ledger = &cluster.sessions.common.ledger;
    let now = worker.ledger_time();
    let key = ledger.key(cluster.sessions.number, shown.id.base());
    let known = ledger.touch(key, now);
    let rejected = |why| cells.rejected_ids.inc(why);
    let bound = owned(cluster, head, shown, (key, known), rejected);
    let is_strange = bound.named.is_none() && bound.known.is_none();
    if is_strange && shown.named == Named::Nobody && shown.id.route().is_some() {
        cells.route_alarms.inc(RouteAlarm::Unknown);
        cluster.alarm(RouteAlarm::Unknown, None, shown.id.route());
    }
    if let Some(known) = bound.known.as_ref().filter(|known| known.moved)
        && bound.named.is_some()
        && bound.named == cluster.sessions.slot(known.owner)
    {
        ledger.shown(key, now, GRACE_SECONDS);
    }
    bound
}

/// Whom the session belongs to, given what the ledger knows of it. Changes nothing.
pub(super) fn owned(
    cluster: &Cluster,
    head: &Parts,
    shown: &Shown<'_>,
    (key, known): (Key, Option<Known>),
    rejected: impl FnMut(RejectedId),
) -> Bound {
    let mut bound = Bound {
        key,
        place: shown.place,
        named: match shown.named {
            Named::Backend(slot) => Some(Slot(slot)),
            Named::Several | Named::Nobody => None,
        },
        known,
        seal_is_old: false,
        waited_for: None,
        decided: None,
    };
    if bound.named.is_none() {
        unseal(&mut bound, cluster, head, shown, rejected);
    }
    bound
}

/// Looks for an affinity cookie of this session.
fn unseal(
    bound: &mut Bound,
    cluster: &Cluster,
    head: &Parts,
    shown: &Shown<'_>,
    mut rejected: impl FnMut(RejectedId),
) {
    let Some(cookie) = &cluster.sessions.own_cookie else {
        return;
    };
    let now = SystemTime::now();
    let names = Names {
        cookies: &cookie.names,
        parameters: &[],
    };
    let mut room = Room::default();
    for found in find::each(&head.headers, "", names).take(MOST_OPENED) {
        match cookie
            .seals
            .open(found.value, Some(shown.id.base()), now, &mut room)
        {
            Ok(opened) => {
                bound.seal_is_old = opened.is_old;
                bound.named = cluster.slot_named(opened.backend);
                return;
            }
            Err(why) => rejected(why),
        }
    }
}
