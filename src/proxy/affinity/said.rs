//! What the session cookies of a response say, entered into the ledger.

use std::time::SystemTime;

use http::HeaderMap;
use http::header::SET_COOKIE;

use super::conclude::Answered;
use super::seek::{ids, named};
use super::shown::Bound;
use crate::cluster::WhyMoved;
use crate::session::classify::{Cookie, weight};
use crate::session::find;
use crate::session::id::{Id, own_token};
use crate::session::ledger::{Issue, Key, Known, Loss, Member, PathNumber, Store};
use crate::session::routes::Named;
use crate::session::set_cookie::SetCookie;

impl Answered<'_> {
    /// What the session cookies of a response say; each is entered into the ledger.
    pub(super) fn cookies(
        &self,
        bound: Option<&Bound>,
        headers: &HeaderMap,
    ) -> (Cookie, Option<Box<[u8]>>) {
        let (mut said, mut route_out) = (Cookie::None, None);
        let lines = headers.get_all(SET_COOKIE).iter();
        for cookie in lines.filter_map(|line| self.session_cookie(line)) {
            let Ok(id) = Id::read(self.sessions().dialect, cookie.value) else {
                // Taken away with an empty value.
                if let Some(bound) = bound.filter(|_| cookie.ends(SystemTime::now())) {
                    said = heavier(said, self.taken_away(bound, &cookie));
                }
                continue;
            };
            let of_line = if cookie.ends(SystemTime::now()) {
                bound.map_or(Cookie::None, |bound| self.taken_away(bound, &cookie))
            } else {
                self.issued(bound, &cookie, &id)
            };
            if self.logs_route && weight(of_line) >= weight(said) {
                route_out = id.shown_route().map(Box::from);
            }
            said = heavier(said, of_line);
        }
        (said, route_out)
    }

    /// Another base has taken the place of the session's.
    pub(super) fn replaced(&self, bound: &Bound) {
        // Its cookie is overwritten, if it is the same: nobody will show it again.
        let known = bound.known.as_ref();
        if known.is_some_and(|known| known.path() != PathNumber::UNKNOWN) {
            self.end(bound);
        }
    }

    /// Enters that who answered knows nothing of the session.
    pub(super) fn lose(&self, bound: &Bound) -> Loss {
        let book = &self.cluster.sessions;
        let life = self.cluster.backend(self.slot).map_or(0, |it| it.life());
        let by = (book.member(self.slot), life);
        book.common.ledger.lose(bound.key, self.now, by)
    }

    /// The session is over, unless it has moved meanwhile.
    fn end(&self, bound: &Bound) {
        if !self.has_moved_meanwhile(bound) {
            self.cluster.sessions.common.ledger.end(bound.key);
        }
    }

    /// Whether another backend has taken the session over, or its owner has given it another store
    /// node: a late answer to the old id undoes nothing of that.
    fn has_moved_meanwhile(&self, bound: &Bound) -> bool {
        let book = &self.cluster.sessions;
        let ledger = &book.common.ledger;
        let Some(known) = ledger.peek(bound.key, self.now) else {
            return false;
        };
        let shown = bound.id(self.head, self.cluster);
        let sent = self.node_sent(bound, shown.as_ref());
        let sent = sent.map_or(Store::NONE, |node| ledger.known_store(book.number, node));
        let is_elsewhere = known.owner() != book.member(self.slot)
            || (self.cluster.stores.is_some() && known.store() != sent);
        known.moved() && is_elsewhere
    }

    /// The store node in the id that the backend was sent: the client may have shown an older one.
    fn node_sent<'n>(&'n self, bound: &Bound, shown: Option<&'n Id<'_>>) -> Option<&'n [u8]> {
        let newer = bound.newer_node(self.cluster, self.head);
        newer.or_else(|| shown?.store_node())
    }

    fn taken_away(&self, bound: &Bound, cookie: &SetCookie<'_>) -> Cookie {
        if !self.is_of_path(bound, cookie) {
            return Cookie::None;
        }
        self.end(bound);
        Cookie::Away
    }

    /// Whether the cookie has the Path under which the session was issued, as far as is known.
    fn is_of_path(&self, bound: &Bound, cookie: &SetCookie<'_>) -> bool {
        let ledger = &self.cluster.sessions.common.ledger;
        let path = ledger.path(cookie.path.unwrap_or_default());
        bound
            .known
            .as_ref()
            .is_none_or(|known| known.path() == PathNumber::UNKNOWN || known.path() == path)
    }

    fn issued(&self, bound: Option<&Bound>, cookie: &SetCookie<'_>, id: &Id<'_>) -> Cookie {
        let book = &self.cluster.sessions;
        let ledger = &book.common.ledger;
        let key = self.key(id);
        let store = id
            .store_node()
            .map_or(Store::NONE, |node| ledger.store(book.number, node));
        if let Some(backend) = self.cluster.backend(self.slot)
            && let Some(evacuation) = &*backend.evacuation()
        {
            // A session that was born or renamed just now has no backup yet.
            evacuation.answered(key);
        }
        let issue = Issue {
            owner: book.member(self.slot),
            life: self.cluster.backend(self.slot).map_or(0, |it| it.life()),
            store,
            path: ledger.path(cookie.path.unwrap_or_default()),
        };
        if let Some(bound) = bound.filter(|bound| bound.key == key) {
            return self.issued_again(bound, id, issue);
        }
        let known = ledger.peek(key, self.now);
        if let Some(known) = known.filter(|known| known.owner() != Member::NOBODY) {
            // One that the request showed too, or showed elsewhere: it teaches nothing.
            if known.owner() != issue.owner && self.names_itself(id) {
                // Another one than the request is about.
                let why = WhyMoved::NobodyKnows;
                self.cluster.session_moved(key, self.slot, store, why);
            } else {
                let owner = known.owner();
                ledger.issue(key, self.now, Issue { owner, ..issue });
            }
            return Cookie::Apart;
        }
        ledger.issue(key, self.now, issue);
        if self.was_shown(id) {
            return Cookie::Apart;
        }
        if let Some(alarm) = self.cluster.teach(self.slot, id) {
            self.cluster.cells.of(self.worker).route_alarms.inc(alarm);
            self.cluster.alarm(alarm, Some(self.slot), id.shown_route());
        }
        match bound.filter(|bound| self.is_of_path(bound, cookie)) {
            Some(_) => Cookie::OtherBase,
            None => Cookie::Apart,
        }
    }

    /// The base that was shown, issued again.
    fn issued_again(&self, bound: &Bound, id: &Id<'_>, issue: Issue) -> Cookie {
        let ledger = &self.cluster.sessions.common.ledger;
        let (path, sessions) = (self.head.uri.path(), self.sessions());
        let shown = find::read_again(&self.head.headers, path, bound.place)
            .and_then(|value| Id::read(sessions.dialect, value).ok());
        let shown = shown.as_ref();
        let own = |route: &&[u8]| own_token(route).is_none();
        let route_changed = shown.and_then(Id::route).filter(own) != id.route();
        let node_sent = self.node_sent(bound, shown);
        let node_changed = node_sent != id.store_node();
        if node_changed {
            self.cluster.store_node_changed(node_sent, id.store_node());
        }
        if route_changed {
            // Also where it was taken for the owner already: others of the client's requests still
            // show the old route.
            let why = bound.why_moved(self.cluster);
            self.cluster
                .session_moved(bound.key, self.slot, issue.store, why);
        } else {
            // Who serves without changing the route is no new owner of a session that is known.
            // Not the ledger's word alone: it may hear of the session for the first time.
            let book = &self.cluster.sessions;
            let before = bound.known.as_ref().map(Known::owner);
            // Nor does an answer that comes late undo what became of the session meanwhile.
            let since = ledger.peek(bound.key, self.now).map(|known| known.owner());
            let owner = since
                .filter(|owner| Some(*owner) != before && *owner != Member::NOBODY)
                .unwrap_or_else(|| book.member(bound.seen.owner.unwrap_or(self.slot)));
            let backend = book.slot(owner).and_then(|slot| self.cluster.backend(slot));
            let again = Issue {
                owner,
                life: backend.map_or(0, |backend| backend.life()),
                ..issue
            };
            ledger.issue(bound.key, self.now, again);
            if node_changed {
                self.cluster.session_renamed(bound.key);
            }
        }
        Cookie::SameBase {
            route_changed,
            node_changed,
        }
    }

    /// Whether the request showed the base of this id, if only among others.
    fn was_shown(&self, id: &Id<'_>) -> bool {
        ids(self.head, self.sessions()).any(|(shown, _)| shown.base() == id.base())
    }

    /// Whether the id has a jvm route of the backend that answered.
    fn names_itself(&self, id: &Id<'_>) -> bool {
        let balancing = self.cluster.balancing();
        let named = named(id, &balancing.routes);
        named == Named::Backend(self.slot.0)
    }

    fn key(&self, id: &Id<'_>) -> Key {
        let book = &self.cluster.sessions;
        book.common.ledger.key(book.number, id.base())
    }
}

fn heavier(one: Cookie, other: Cookie) -> Cookie {
    if weight(other) > weight(one) {
        other
    } else {
        one
    }
}
