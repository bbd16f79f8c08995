//! Which session a request shows, and who owns it.

use std::time::SystemTime;

use http::HeaderValue;
use http::request::Parts;

use super::decide::Seen;
use super::seek::{Shown, Sought, seek};
use crate::balance::Slot;
use crate::cluster::{Cluster, OwnCookie, WhyMoved};
use crate::observe::metrics::{Binding, ClusterCells, RejectedId, RouteAlarm};
use crate::proxy::worker::{ClusterView, Worker};
use crate::session::classify::StoreCopy;
use crate::session::find::{self, Names, Place, Source};
use crate::session::id::Id;
use crate::session::ledger::{Key, Known, Seconds};
use crate::session::routes::Named;
use crate::session::seal::{Opened, Room};
use crate::session::set_cookie::SetCookie;

/// Affinity cookies of one request that are opened.
const MOST_OPENED: usize = 8;
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that the request has done or is"
)]
pub(in crate::proxy) struct Bound {
    /// Its key in the ledger.
    pub(in crate::proxy) key: Key,
    /// Where its id stands in the request.
    pub(in crate::proxy) place: Place,
    /// Whom its id, or the affinity cookie, names.
    pub(in crate::proxy) named: Option<Slot>,
    /// What follows from that and the ledger.
    pub(in crate::proxy) seen: Seen,
    /// What is remembered of it.
    pub(in crate::proxy) known: Option<Known>,
    /// Whether an affinity cookie came with it that should be sealed anew.
    pub(in crate::proxy) seal_is_old: bool,
    /// The owner that the request has waited for; it waits once.
    pub(in crate::proxy) waited_for: Option<Slot>,
    /// Times that the request has waited for the session to come to rest.
    pub(in crate::proxy) rests: u8,
    /// Whether it has waited for the first request of its session at a survivor.
    pub(in crate::proxy) let_go_first: bool,
    /// How its last decision came about.
    pub(in crate::proxy) decided: Option<Binding>,
    /// What its store node said when it had to leave its owner.
    pub(in crate::proxy) copy: StoreCopy,
    /// Whether too many wait for its owner, so that another may serve it.
    pub(in crate::proxy) spills: bool,
    /// Whether the path is one of those that touch no session: it goes where the session is, or
    /// without it, so that no copy is left elsewhere.
    pub(in crate::proxy) is_ignored: bool,
}

impl Bound {
    /// What is known of the session at this moment; the decision stays as it was.
    pub(super) fn seen_now(&self, cluster: &Cluster) -> Seen {
        let common = &cluster.sessions.common;
        let known = common.ledger.peek(self.key, common.now());
        seen_by(known.as_ref(), self.named, cluster)
    }

    /// Why the session is with another than its owner, if it is.
    pub(super) fn why_moved(&self, cluster: &Cluster) -> WhyMoved {
        match self.decided {
            Some(Binding::Spilled) => WhyMoved::ByChoice,
            // It went where another request of its session was. If that one had to leave, the owner
            // does not serve.
            Some(Binding::Pin) if self.may_have_spilled(cluster) => WhyMoved::ByChoice,
            _ => WhyMoved::HadTo,
        }
    }

    fn may_have_spilled(&self, cluster: &Cluster) -> bool {
        let owner = self.seen.owner.and_then(|owner| cluster.backend(owner));
        cluster.config.queue.spill_after.is_some()
            && owner.is_some_and(|it| it.state().serves_its_own() && !it.is_evacuating())
    }

    /// Whether the backend in `slot` gets the request without its session: the path touches none, and
    /// who is shown that of another backend may keep a copy of it, which a take-over would trust.
    pub(super) fn is_hidden_from(&self, slot: Slot) -> bool {
        self.is_ignored && self.seen.owner.is_some_and(|owner| owner != slot)
    }

    /// Looks at the ledger again: another attempt follows, and much may have happened.
    pub(in crate::proxy) fn refresh(&mut self, cluster: &Cluster) {
        let common = &cluster.sessions.common;
        self.known = common.ledger.peek(self.key, common.now());
        self.seen = seen_by(self.known.as_ref(), self.named, cluster);
    }

    /// The id, read again from the request that it was found in.
    pub(in crate::proxy) fn id<'h>(&self, head: &'h Parts, cluster: &Cluster) -> Option<Id<'h>> {
        id_at(self.place, head, cluster)
    }
}

impl Session {
    /// Whether a `Set-Cookie` line puts another session in the place of the one that a cookie of the
    /// request shows.
    pub(in crate::proxy) fn is_replaced_by(
        &self,
        line: &HeaderValue,
        head: &Parts,
        cluster: &Cluster,
    ) -> bool {
        let Self::Bound(bound) = self else {
            return false;
        };
        let sessions = &cluster.config.sessions;
        let Some(cookie) = SetCookie::read(line.as_bytes()) else {
            return false;
        };
        let mut names = sessions.cookies.iter();
        if !names.any(|name| name.as_bytes() == cookie.name)
            || bound.place.source != Source::Cookie
            || cookie.ends(SystemTime::now())
        {
            return false;
        }
        let told = Id::read(sessions.dialect, cookie.value);
        let shown = bound.id(head, cluster);
        told.is_ok_and(|told| shown.is_some_and(|shown| shown.base() != told.base()))
    }
}

/// Nobody serves the session any more.
pub(in crate::proxy) fn bury(session: &Session, cluster: &Cluster) {
    if let Session::Bound(bound) = session {
        cluster.sessions.common.ledger.end(bound.key);
    }
}

fn id_at<'h>(place: Place, head: &'h Parts, cluster: &Cluster) -> Option<Id<'h>> {
    let value = find::read_again(&head.headers, head.uri.path(), place)?;
    Id::read(cluster.config.sessions.dialect, value).ok()
}

/// The session that a request to this cluster shows. Allocates nothing.
pub(in crate::proxy) fn read(worker: &Worker, view: &ClusterView, head: &Parts) -> Session {
    let cluster = &*view.cluster;
    let cells = cluster.cells.of(worker.id);
    let ignore = view.ignore.as_ref();
    match seek(cluster, ignore, head, |why| cells.rejected_ids.inc(why)) {
        Sought::Unfollowed => Session::Unfollowed,
        Sought::Free(binding) => Session::Free(binding),
        Sought::Shown(shown) => bind(worker, cluster, cells, head, shown),
    }
}

/// Made where it stays: it is large, and whatever looks at it before would cost a copy.
#[inline]
fn bind(
    worker: &Worker,
    cluster: &Cluster,
    cells: &ClusterCells,
    head: &Parts,
    shown: Shown,
) -> Session {
    let now = worker.ledger_time();
    let known = cluster.sessions.common.ledger.touch(shown.key, now);
    let is_news = match &known {
        None => shown.named == Named::Nobody,
        Some(known) => known.moved(),
    };
    let bound = owned(cluster, head, shown, known, |why| {
        cells.rejected_ids.inc(why);
    });
    let session = Session::Bound(bound);
    if is_news && let Session::Bound(bound) = &session {
        note(bound, (cluster, head), cells, now);
    }
    session
}

/// A session that nobody knows, or whose client may not know yet where it is.
#[cold]
fn note(bound: &Bound, (cluster, head): (&Cluster, &Parts), cells: &ClusterCells, now: Seconds) {
    match &bound.known {
        None if bound.named.is_none() => tell_strange(bound, cluster, cells, head),
        Some(known)
            if known.moved() && !bound.seen.moved && bound.newer_node(cluster, head).is_none() =>
        {
            // The client shows the new route, or the new store node.
            let ledger = &cluster.sessions.common.ledger;
            ledger.shown(bound.key, now, GRACE_SECONDS);
        }
        None | Some(_) => {}
    }
}

/// An id that nobody knows: if it has a jvm route, that is worth a word.
#[cold]
fn tell_strange(bound: &Bound, cluster: &Cluster, cells: &ClusterCells, head: &Parts) {
    let id = bound.id(head, cluster);
    if let Some(id) = id.filter(|id| id.route().is_some()) {
        cells.route_alarms.inc(RouteAlarm::Unknown);
        cluster.alarm(RouteAlarm::Unknown, None, id.shown_route());
    }
}

/// Whom the session belongs to, given what the ledger knows of it. Changes nothing.
pub(super) fn owned(
    cluster: &Cluster,
    head: &Parts,
    shown: Shown,
    known: Option<Known>,
    rejected: impl FnMut(RejectedId),
) -> Bound {
    let mut named = match shown.named {
        Named::Backend(slot) => Some(Slot(slot)),
        Named::Several | Named::Nobody => None,
    };
    let mut seal_is_old = false;
    if named.is_none()
        && let Some(own) = &cluster.sessions.own_cookie
        && let Some(id) = id_at(shown.place, head, cluster)
    {
        let read = |opened: Opened<'_>| (cluster.slot_named(opened.backend), opened.is_old);
        (named, seal_is_old) = unseal(&id, own, head, rejected, read).unwrap_or_default();
    }
    Bound {
        key: shown.key,
        place: shown.place,
        named,
        seen: seen_by(known.as_ref(), named, cluster),
        known,
        seal_is_old,
        waited_for: None,
        rests: 0,
        let_go_first: false,
        decided: None,
        copy: StoreCopy::Unasked,
        spills: false,
        is_ignored: shown.is_ignored,
    }
}

/// What is known of a session whose id, or affinity cookie, names this one, for a decision.
#[inline]
fn seen_by(known: Option<&Known>, named: Option<Slot>, cluster: &Cluster) -> Seen {
    match known {
        // As a rule an owner is named, and nothing has happened to the session.
        Some(known)
            if named.is_none() || known.moved() || known.pin().is_some() || known.is_away() =>
        {
            remembered(known, named, cluster)
        }
        None | Some(_) => Seen {
            owner: named,
            ..Seen::default()
        },
    }
}

#[inline(never)]
fn remembered(known: &Known, named: Option<Slot>, cluster: &Cluster) -> Seen {
    let book = &cluster.sessions;
    // If the id names whom the ledger has, nobody has to be looked for.
    let remembered = named
        .filter(|slot| book.member(*slot) == known.owner())
        .or_else(|| book.slot(known.owner()));
    let moved = known.moved() && remembered.is_some() && remembered != named;
    let owner = if moved {
        remembered
    } else {
        named.or(remembered)
    };
    Seen {
        pin: known.pin().and_then(|pin| book.slot(pin)),
        owner,
        moved,
        // An id that names another one has been moved by somebody else.
        away: known.is_away() && owner == remembered,
    }
}

/// What `read` makes of the first affinity cookie that is of this session.
pub(super) fn unseal<R>(
    id: &Id<'_>,
    own: &OwnCookie,
    head: &Parts,
    mut rejected: impl FnMut(RejectedId),
    read: impl FnOnce(Opened<'_>) -> R,
) -> Option<R> {
    let now = SystemTime::now();
    let names = Names {
        cookies: &own.names,
        parameters: &[],
    };
    let mut room = Room::default();
    for found in find::each(&head.headers, "", names).take(MOST_OPENED) {
        match own.seals.open(found.value, Some(id.base()), now, &mut room) {
            Ok(opened) => return Some(read(opened)),
            Err(why) => rejected(why),
        }
    }
    None
}
