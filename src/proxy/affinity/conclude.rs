//! What became of the session: read from the response, entered into the ledger, counted.

use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::rewrite::mark;
use super::seek::ids;
use super::shown::{Bound, Session};
use crate::balance::Slot;
use crate::cluster::Cluster;
use crate::cluster::machine::State;
use crate::config::{OwnerBy, Sessions};
use crate::observe::metrics::{Binding, LossCause, Verdict, WorkerId};
use crate::session::classify::{Cookie, Outcome, Served, classify};
use crate::session::id::Id;
use crate::session::ledger::{Claim, Known, Member, Seconds, Store};
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
#[inline]
pub(in crate::proxy) fn conclude(
    session: &Session,
    answered: Answered<'_>,
    headers: &mut HeaderMap,
) -> Concluded {
    let bound = match session {
        Session::Unfollowed => return Concluded::default(),
        // Who was not shown the session says nothing of it, and gives no other one in its place.
        Session::Bound(bound) if bound.is_hidden_from(answered.slot) => {
            if answered.sets_cookies {
                answered.keep_from_replacing(headers);
            }
            None
        }
        // A path that touches no session says nothing of it, unless by a cookie.
        Session::Bound(bound) if bound.is_ignored && !answered.sets_cookies => None,
        Session::Bound(bound) if answered.is_plain(bound) => {
            let outcome = Outcome {
                verdict: Verdict::CarriedOn,
                cause: None,
            };
            answered.count(Some(outcome));
            return Concluded {
                verdict: Some(outcome.verdict),
                route_out: None,
            };
        }
        Session::Bound(bound) => {
            if bound.is_ignored && answered.sets_cookies {
                answered.protect(headers);
            }
            Some(bound)
        }
        Session::Free(binding) => {
            if *binding == Binding::Ignored && answered.sets_cookies {
                answered.protect(headers);
            }
            None
        }
    };
    conclude_fully(bound, answered, headers)
}

#[inline(never)]
fn conclude_fully(
    bound: Option<&Bound>,
    answered: Answered<'_>,
    headers: &mut HeaderMap,
) -> Concluded {
    let (cookie, route_out) = if answered.sets_cookies {
        answered.cookies(bound, headers)
    } else {
        (Cookie::None, None)
    };
    if let (Some(bound), Cookie::None | Cookie::Apart) = (bound, cookie) {
        answered.carried_on(bound);
    }
    let outcome = classify(cookie, bound.map(|bound| answered.served(bound)));
    let outcome = outcome.map(|outcome| match bound {
        Some(bound) => answered.settle(bound, cookie, outcome),
        None => outcome,
    });
    answered.count(outcome);
    mark(bound, cookie, answered, headers);
    Concluded {
        verdict: outcome.map(|outcome| outcome.verdict),
        route_out,
    }
}

/// What a `Set-Cookie` line says of a session; `None`: it is of another cookie.
pub(super) fn issued_by<'h>(line: &'h HeaderValue, sessions: &Sessions) -> Option<SetCookie<'h>> {
    let cookie = SetCookie::read(line.as_bytes())?;
    let mut names = sessions.cookies.iter();
    let is_known = names.any(|known| known.as_bytes() == cookie.name);
    is_known.then_some(cookie)
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
                known.owner() == self.cluster.sessions.member(self.slot)
                    && !known.lost()
                    && self
                        .cluster
                        .backend(self.slot)
                        .is_some_and(|backend| backend.life() == known.life())
            })
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.cluster.config.sessions
    }

    /// What a `Set-Cookie` line says of a session; `None`: it is of another cookie.
    pub(super) fn session_cookie<'h>(&self, line: &'h HeaderValue) -> Option<SetCookie<'h>> {
        issued_by(line, self.sessions())
    }

    /// Who answered, seen from the session.
    fn served(&self, bound: &Bound) -> Served {
        let seen = bound.seen;
        if seen.owner == Some(self.slot) {
            let life = self.cluster.backend(self.slot).map(|it| it.life());
            let before = bound.known.as_ref().map(Known::life);
            return Served::ByOwner {
                restarted: before.is_some() && before != life,
            };
        }
        let cause = match (seen.owner, bound.decided) {
            (None, _) => LossCause::UnknownRoute,
            (Some(_), Some(Binding::Spilled)) => LossCause::Spilled,
            (Some(_), Some(Binding::Evacuated)) => LossCause::Evacuated,
            (Some(_), Some(Binding::Returned)) => LossCause::Returned,
            (Some(owner), _) => match self.cluster.backend(owner).map(|it| it.state()) {
                Some(State::Disabled) => LossCause::OwnerDisabled,
                _ if self.tried.contains(&owner) => LossCause::NotConnected,
                _ => LossCause::OwnerDown,
            },
        };
        let copy = bound.copy;
        Served::Elsewhere { cause, copy }
    }

    /// Enters what became of a session that another base replaces, or that is lost.
    fn settle(&self, bound: &Bound, cookie: Cookie, outcome: Outcome) -> Outcome {
        if outcome.verdict == Verdict::Lost {
            let outcome = outcome.told(cookie, self.lose(bound));
            // Of an id that nobody knew, nobody can say that it was alive.
            let was_alive = bound.known.as_ref().is_some_and(|known| !known.lost());
            if outcome.verdict == Verdict::Lost && was_alive {
                self.lost_by_evacuation(bound);
                self.lost_on_the_way_home(bound);
            }
            return outcome;
        }
        if cookie == Cookie::OtherBase {
            self.replaced(bound);
        }
        outcome
    }

    /// If its owner was being emptied, that is known there: too many such, and it keeps the others.
    #[cold]
    fn lost_by_evacuation(&self, bound: &Bound) {
        let owner = bound
            .seen
            .owner
            .and_then(|owner| self.cluster.backend(owner));
        if let Some(evacuation) = owner.and_then(|owner| owner.evacuation().clone()) {
            evacuation.has_lost();
        }
    }

    /// If it was being brought home, that is known too: too many such, and the others stay away.
    #[cold]
    fn lost_on_the_way_home(&self, bound: &Bound) {
        if bound.decided == Some(Binding::Returned) && self.cluster.sessions.returns.has_lost() {
            let cluster = &self.cluster.config.name;
            tracing::warn!(
                %cluster,
                "too many sessions were lost on their way back: the others stay where they are"
            );
        }
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
        match known.filter(|known| known.owner() != Member::NOBODY) {
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
                let at = (bound.key, known.owner(), self.slot);
                let why = bound.why_moved(self.cluster);
                self.cluster.session_moved_from(at, why, false);
            }
            Some(known) if known.owner() != book.member(self.slot) => {
                // Another instance has moved it, and the client shows that.
                let from = known.owner();
                self.cluster
                    .session_moved_elsewhere(bound.key, from, self.slot);
            }
            Some(known) if known.life() != life || known.lost() => {
                ledger.served(bound.key, self.now, life);
            }
            Some(_) => {}
        }
    }

    /// A static answer must not take a session away from a client that has one. One that says
    /// where that session is by now is none of these.
    fn protect(&self, headers: &mut HeaderMap) {
        if !self.sessions().ignore_drops_cookie {
            return;
        }
        if ids(self.head, self.sessions()).next().is_some() {
            self.keep_from_replacing(headers);
        }
    }

    /// Takes off all session cookies but those of the session that the client has.
    fn keep_from_replacing(&self, headers: &mut HeaderMap) {
        let kept: Vec<_> = headers
            .get_all(SET_COOKIE)
            .iter()
            .filter(|line| {
                self.session_cookie(line)
                    .is_none_or(|cookie| self.is_shown(&cookie))
            })
            .cloned()
            .collect();
        headers.remove(SET_COOKIE);
        for line in kept {
            headers.append(SET_COOKIE, line);
        }
    }

    /// Whether the request shows a session with the base of this cookie.
    fn is_shown(&self, cookie: &SetCookie<'_>) -> bool {
        Id::read(self.sessions().dialect, cookie.value).is_ok_and(|told| {
            ids(self.head, self.sessions()).any(|(shown, _)| shown.base() == told.base())
        })
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
