//! Which of a request's ids is its session's.
//!
//! Of several ids: the first whose route names one of ours, else the first that is remembered, else
//! the first. Nothing is changed and nothing allocated; `shown` asks whose the session is.

use http::request::Parts;
use regex::Regex;

use crate::cluster::Cluster;
use crate::config::{Affinity, Sessions};
use crate::observe::metrics::{Binding, RejectedId};
use crate::session::find::{self, Names, Place};
use crate::session::id::Id;
use crate::session::ledger::Key;
use crate::session::routes::{Named, RouteTable};

/// Ids of one request that the ledger is asked about, where their routes decide nothing.
const MOST_ASKED: usize = 16;

/// What a request shows, before anybody is asked whose it is.
pub(super) enum Sought {
    /// Nobody asks.
    Unfollowed,
    /// No session that counts.
    Free(Binding),
    /// This id.
    Shown(Shown),
}

/// An id that is chosen among those of a request. Not the id itself, which may be large.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) key: Key,
    pub(super) place: Place,
    pub(super) named: Named,
    pub(super) reason: Reason,
    /// Whether the path is one of those that touch no session.
    pub(super) is_ignored: bool,
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

/// Looks for the session of a request.
#[inline]
pub(super) fn seek(
    cluster: &Cluster,
    ignore: Option<&Regex>,
    head: &Parts,
    rejected: impl FnMut(RejectedId),
) -> Sought {
    if cluster.config.affinity == Affinity::None {
        return Sought::Unfollowed;
    }
    let is_ignored = ignore
        .is_some_and(|ignore| ignore.is_match(&find::path_without_parameters(head.uri.path())));
    if is_ignored && !leaves_copies(cluster) {
        return Sought::Free(Binding::Ignored);
    }
    let balancing = cluster.balancing();
    match choose(head, cluster, &balancing.routes, rejected) {
        Some(shown) => Sought::Shown(Shown {
            is_ignored,
            ..shown
        }),
        None if is_ignored => Sought::Free(Binding::Ignored),
        None => Sought::Free(Binding::NoSession),
    }
}

/// Whether a Tomcat that is shown a session of another one may keep a copy of it, even for a path
/// that it ignores: a take-over would trust that copy later, however old.
fn leaves_copies(cluster: &Cluster) -> bool {
    cluster.config.affinity == Affinity::Sticky && !cluster.config.sessions.replicated
}

#[inline]
fn choose(
    head: &Parts,
    cluster: &Cluster,
    routes: &RouteTable,
    mut rejected: impl FnMut(RejectedId),
) -> Option<Shown> {
    let sessions = &cluster.config.sessions;
    let mut first = None;
    let mut count = 0;
    for found in find::each(&head.headers, &head.uri, Names::from(sessions)) {
        // Used where it lies: an id has room for a decoded one, and is dear to move.
        let read = Id::read(sessions.dialect, found.value);
        let id = match &read {
            Ok(id) => id,
            Err(why) => {
                rejected(*why);
                continue;
            }
        };
        let named = named(id, routes);
        let shown = |reason| Shown {
            key: key(cluster, id),
            place: found.place,
            named,
            reason,
            is_ignored: false,
        };
        if matches!(named, Named::Backend(_)) {
            return Some(shown(Reason::Named));
        }
        count += 1;
        first.get_or_insert_with(|| shown(Reason::First));
    }
    if count <= 1 {
        return first;
    }
    if count > MOST_ASKED {
        rejected(RejectedId::TooMany);
    }
    remembered(head, cluster, routes).or(first)
}

#[cold]
fn remembered(head: &Parts, cluster: &Cluster, routes: &RouteTable) -> Option<Shown> {
    let common = &cluster.sessions.common;
    let now = common.now();
    ids(head, &cluster.config.sessions)
        .take(MOST_ASKED)
        .map(|(id, place)| Shown {
            key: key(cluster, &id),
            place,
            named: named(&id, routes),
            reason: Reason::Remembered,
            is_ignored: false,
        })
        .find(|shown| common.ledger.peek(shown.key, now).is_some())
}

fn key(cluster: &Cluster, id: &Id<'_>) -> Key {
    let book = &cluster.sessions;
    book.common.ledger.key(book.number, id.base())
}

/// All ids of a request in the order of trust.
pub(super) fn ids<'h>(
    head: &'h Parts,
    sessions: &'h Sessions,
) -> impl Iterator<Item = (Id<'h>, Place)> {
    values(head, sessions).filter_map(|(read, place)| Some((read.ok()?, place)))
}

/// All that a request shows under the names of session ids, in the order of trust.
pub(super) fn values<'h>(
    head: &'h Parts,
    sessions: &'h Sessions,
) -> impl Iterator<Item = (Result<Id<'h>, RejectedId>, Place)> {
    let found = find::each(&head.headers, &head.uri, Names::from(sessions));
    found.map(|found| (Id::read(sessions.dialect, found.value), found.place))
}

/// Whom an id's routes name: the first that names one backend, else what the first says.
#[inline]
pub(super) fn named(id: &Id<'_>, routes: &RouteTable) -> Named {
    if id.is_ranked() {
        return first_named(id, routes);
    }
    id.route()
        .map_or(Named::Nobody, |route| routes.named(route))
}

fn first_named(id: &Id<'_>, routes: &RouteTable) -> Named {
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
