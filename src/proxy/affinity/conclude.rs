//! What became of the session: read from the response, entered into the ledger, counted.

use std::time::SystemTime;

use http::HeaderMap;
use http::header::SET_COOKIE;
use http::request::Parts;

use super::rewrite::mark;
use super::seek::ids;
use super::shown::{Bound, Session};
use crate::balance::Slot;
use crate::cluster::Cluster;
use crate::cluster::machine::State;
use crate::config::{OwnerBy, Sessions};
use crate::observe::metrics::{Binding, LossCause, Verdict, WorkerId};
use crate::session::classify::{Cookie, Outcome, Served, classify, weight};
use crate::session::find;
use crate::session::id::Id;
use crate::session::ledger::{Claim, Issue, Key, Known, Member, PathNumber, Seconds, Store};
use crate::session::set_cookie::SetCookie;

/// A response whose session is to be looked at.
#[derive(Clone, Copy)]
pub(in crate::proxy) struct Answered<'a> {
    pub(in crate::proxy) cluster: &'a Cluster,
    pub(in crate::proxy) worker: WorkerId,
    pub(in crate::proxy) now: Seconds,
    /// The request.
    pub(in crate::proxy) head: &'a Parts,
    /// Who answered.
    pub(in crate::proxy) slot: Slot,
    /// Backends that the request could not use.
    pub(in crate::proxy) tried: &'a [Slot],
    /// Whether the jvm route of the answer is logged.
    pub(in crate::proxy) logs_route: bool,
    /// Whether the response has a `Set-Cookie`.
    pub(in crate::proxy) sets_cookies: bool,
}

/// What is told of the session in the log.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Concluded {
    /// In a word.
    pub(in crate::proxy) verdict: Option<Verdict>,
    /// The jvm route in the response's session cookie.
    pub(in crate::proxy) route_out: Option<Box<[u8]>>,
}

/// Reads what a response says about the request's session, and enters it into the ledger.
pub(in crate::proxy) fn conclude(
    session: &Session,
    answered: Answered<'_>,
    headers: &mut HeaderMap,
) -> Concluded {
    let bound = match session {
        Session::Unfollowed => return Concluded::default(),
        Session::Bound(bound) => Some(bound),
        Session::Free(binding) => {
            if *binding == Binding::Ignored && answered.sets_cookies {
                answered.protect(headers);
            }
            None
        }
    };
    if let Some(bound) = bound
        && answered.is_plain(bound)
    {
        let outcome = Outcome {
            verdict: Verdict::CarriedOn,
            cause: None,
        };
        answered.count(Some(outcome));
        return Concluded {
            verdict: Some(Verdict::CarriedOn),
            route_out: None,
        };
    }
    let (cookie, route_out) = if answered.sets_cookies {
        answered.cookies(bound, headers)
    } else {
        (Cookie::None, None)
    };
    if let (Some(bound), Cookie::None | Cookie::Apart) = (bound, cookie) {
        answered.carried_on(bound);
    }
    let outcome = classify(cookie, bound.map(|bound| answered.served(bound)));
    answered.count(outcome);
    mark(session, cookie, answered, headers);
    Concluded {
        verdict: outcome.map(|outcome| outcome.verdict),
        route_out,
    }
}

impl Answered<'_> {
    /// The usual answer: the owner says nothing of a session that is known to be its own, and
    /// nothing is added either. What follows would come to the same, at five times the cost.
    #[inline]
    fn is_plain(&self, bound: &Bound) -> bool {
        !self.sets_cookies
            && !bound.seen.moved
            && matches!(self.sessions().owner, OwnerBy::Learn)
            && bound.seen.owner == Some(self.slot)
            && bound.known.as_ref().is_some_and(|known| {
                known.owner == self.cluster.sessions.member(self.slot)
                    && self
                        .cluster
                        .backend(self.slot)
                        .is_some_and(|backend| backend.life() == known.life)
            })
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.cluster.config.sessions
    }

    pub(super) fn is_session_cookie(&self, name: &[u8]) -> bool {
        self.sessions()
            .cookies
            .iter()
            .any(|known| known.as_bytes() == name)
    }

    fn key(&self, id: &Id<'_>) -> Key {
        let book = &self.cluster.sessions;
        book.common.ledger.key(book.number, id.base())
    }

    /// Who answered, seen from the session.
    fn served(&self, bound: &Bound) -> Served {
        let seen = bound.seen;
        if seen.owner == Some(self.slot) {
            let life = self.cluster.backend(self.slot).map(|it| it.life());
            let before = bound.known.as_ref().map(|known| known.life);
            return Served::ByOwner {
                restarted: before.is_some() && before != life,
            };
        }
        Served::Elsewhere(match (seen.owner, bound.decided) {
            (None, _) => LossCause::UnknownRoute,
            (Some(_), Some(Binding::Spilled)) => LossCause::Spilled,
            (Some(owner), _) => match self.cluster.backend(owner).map(|it| it.state()) {
                Some(State::Disabled) => LossCause::OwnerDisabled,
                _ if self.tried.contains(&owner) => LossCause::NotConnected,
                _ => LossCause::OwnerDown,
            },
        })
    }

    /// No word about the session that was shown: it is where it was.
    fn carried_on(&self, bound: &Bound) {
        let book = &self.cluster.sessions;
        let ledger = &book.common.ledger;
        let Some(life) = self.cluster.backend(self.slot).map(|it| it.life()) else {
            return;
        };
        let owner = bound.seen.owner;
        let is_owner = owner == Some(self.slot);
        let known = bound.known.as_ref();
        // A request that only seeks its backend leaves an entry without an owner.
        match known.filter(|known| known.owner != Member::NOBODY) {
            // A survivor has no claim to a session that another owns.
            None if owner.is_some() && !is_owner => {}
            None => {
                let claim = Claim {
                    owner: book.member(self.slot),
                    life,
                    // A label that only a client has shown counts nowhere.
                    store: Store::NONE,
                };
                ledger.claim(bound.key, self.now, claim);
            }
            Some(_) if !is_owner => {}
            // In use, and the client still shows the old route.
            Some(known) if bound.seen.moved => {
                let from = known.owner;
                self.cluster.session_moved_from(bound.key, from, self.slot);
            }
            Some(known) if known.owner != book.member(self.slot) => {
                // Another instance has moved it, and the client shows that.
                let from = known.owner;
                self.cluster
                    .session_moved_elsewhere(bound.key, from, self.slot);
            }
            Some(known) if known.life != life => ledger.served(bound.key, self.now, life),
            Some(_) => {}
        }
    }

    /// What the session cookies of a response say; each is entered into the ledger.
    fn cookies(&self, bound: Option<&Bound>, headers: &HeaderMap) -> (Cookie, Option<Box<[u8]>>) {
        let (mut said, mut route_out) = (Cookie::None, None);
        for line in headers.get_all(SET_COOKIE) {
            let Some(cookie) = SetCookie::read(line.as_bytes()) else {
                continue;
            };
            if !self.is_session_cookie(cookie.name) {
                continue;
            }
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

    /// The session is over, unless another backend has taken it over meanwhile.
    fn end(&self, bound: &Bound) {
        if self.moved_meanwhile(bound).is_none() {
            self.cluster.sessions.common.ledger.end(bound.key);
        }
    }

    /// What is known of a session that another backend has taken over: a late answer of its old
    /// owner undoes nothing of that.
    fn moved_meanwhile(&self, bound: &Bound) -> Option<Known> {
        let book = &self.cluster.sessions;
        let known = book.common.ledger.peek(bound.key, self.now)?;
        (known.moved && known.owner != book.member(self.slot)).then_some(known)
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
            .is_none_or(|known| known.path == PathNumber::UNKNOWN || known.path == path)
    }

    fn issued(&self, bound: Option<&Bound>, cookie: &SetCookie<'_>, id: &Id<'_>) -> Cookie {
        let book = &self.cluster.sessions;
        let ledger = &book.common.ledger;
        let key = self.key(id);
        let store = id
            .store_node()
            .map_or(Store::NONE, |node| ledger.store(book.number, node));
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
        if let Some(known) = known.filter(|known| known.owner != Member::NOBODY) {
            // One that the request showed too, or showed elsewhere: it teaches nothing.
            if known.owner != issue.owner && self.names_itself(id) {
                self.cluster.session_moved(key, self.slot, Some(store));
            } else {
                let owner = known.owner;
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
            Some(bound) => {
                // Its cookie is overwritten, if it is the same: nobody will show it again.
                let known = bound.known.as_ref();
                if known.is_some_and(|known| known.path != PathNumber::UNKNOWN) {
                    self.end(bound);
                }
                Cookie::OtherBase
            }
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
        let own = |route: &&[u8]| crate::session::id::own_token(route).is_none();
        let route_changed = shown.and_then(Id::route).filter(own) != id.route();
        let node_changed = shown.and_then(Id::store_node) != id.store_node();
        if route_changed {
            // Also where it was taken for the owner already: others of the client's requests still
            // show the old route.
            self.cluster
                .session_moved(bound.key, self.slot, Some(issue.store));
        } else {
            // Who serves without changing the route is no new owner of a session that is known.
            // Not the ledger's word alone: it may hear of the session for the first time.
            let book = &self.cluster.sessions;
            let before = bound.known.as_ref().map(|known| known.owner);
            // Nor does an answer that comes late undo what became of the session meanwhile.
            let since = ledger.peek(bound.key, self.now).map(|known| known.owner);
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
        let named = super::seek::named(id, &balancing.routes);
        named == crate::session::routes::Named::Backend(self.slot.0)
    }

    /// A static answer must not take a session away from a client that has one.
    fn protect(&self, headers: &mut HeaderMap) {
        if !self.sessions().ignore_drops_cookie {
            return;
        }
        if ids(self.head, self.sessions()).next().is_none() {
            return;
        }
        let kept: Vec<_> = headers
            .get_all(SET_COOKIE)
            .iter()
            .filter(|line| {
                let cookie = SetCookie::read(line.as_bytes());
                !cookie.is_some_and(|cookie| self.is_session_cookie(cookie.name))
            })
            .cloned()
            .collect();
        headers.remove(SET_COOKIE);
        for line in kept {
            headers.append(SET_COOKIE, line);
        }
    }

    fn count(&self, outcome: Option<Outcome>) {
        let Some((outcome, backend)) = outcome.zip(self.cluster.backend(self.slot)) else {
            return;
        };
        let cells = backend.cells.of(self.worker);
        cells.verdicts.inc(outcome.verdict);
        if let Some(cause) = outcome.cause {
            cells.losses.inc(cause);
            let (cluster, backend) = (&self.cluster.config.name, &backend.name);
            tracing::info!(%cluster, %backend, cause = cause.label(), "a session was lost");
        }
    }
}

fn heavier(one: Cookie, other: Cookie) -> Cookie {
    if weight(other) > weight(one) {
        other
    } else {
        one
    }
}
