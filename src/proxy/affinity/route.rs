//! Brings a request of a session to the backend that the decision names.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;

use super::decide::{Decision, Policy, decide, survivor};
use super::pin::{Pin, Stage};
use super::shown::{Bound, Session};
use crate::balance::{KeyHash, Slot};
use crate::cluster::Cluster;
use crate::cluster::machine::State;
use crate::config::{Affinity, Balance};
use crate::observe::metrics::Binding;
use crate::proxy::conversation::Conversation;
use crate::proxy::queued::Queued;
use crate::proxy::select::{self, Chosen, Nobody};
use crate::proxy::worker::{ClusterView, Worker};
use crate::session::ledger::{Detour, Key, Known, Member};

/// A request that looks for its backend.
#[derive(Clone, Copy)]
pub(in crate::proxy) struct Seeking<'a> {
    /// Who looks.
    pub(in crate::proxy) worker: &'a Worker,
    /// Where.
    pub(in crate::proxy) view: &'a ClusterView,
    /// The request.
    pub(in crate::proxy) head: &'a Parts,
    /// What a cluster that balances by hash hashes.
    pub(in crate::proxy) hash: Option<KeyHash>,
    /// Backends that this request could not use; those that a session must stay with are only in
    /// it if they cannot serve.
    pub(in crate::proxy) tried: &'a [Slot],
    /// Whose deadline bounds a wait for the owner.
    pub(in crate::proxy) talk: &'a Conversation,
    /// What the request has in the queue.
    pub(in crate::proxy) queued: &'a Queued,
}

/// Why there is no backend for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Missing {
    /// There is none.
    Nobody(Nobody),
    /// This owner cannot serve yet; the request may wait for it, once.
    Owner(Slot),
    /// The session's store is to be asked first.
    Copy,
    /// The same, before the session leaves a backend that serves it.
    CopyToLeave,
    /// The session is to be at rest for so long first.
    Rest(Duration),
    /// Another request of the session is the first at its survivor, and not answered yet.
    First,
    /// This backend is full, or all are; the request may wait for a place.
    Place(Option<Slot>),
}

impl From<Nobody> for Missing {
    fn from(nobody: Nobody) -> Self {
        match nobody {
            Nobody::Free => Self::Place(None),
            nobody => Self::Nobody(nobody),
        }
    }
}

impl Session {
    /// The backend for the next attempt, with a place among its requests.
    #[inline]
    pub(in crate::proxy) fn choose(&mut self, seeking: &Seeking<'_>) -> Result<Chosen, Missing> {
        match self {
            Self::Unfollowed => Ok(seeking.balance()?),
            Self::Free(binding) => {
                // A request that is tried again was counted already.
                if seeking.tried.is_empty() && !seeking.queued.has_come() {
                    seeking.count(*binding);
                }
                Ok(seeking.balance()?)
            }
            Self::Bound(bound) => {
                let comes_again = bound.decided.is_some() || bound.waited_for.is_some();
                if comes_again || seeking.queued.has_come() {
                    bound.refresh(&seeking.view.cluster);
                }
                bound.choose(seeking)
            }
        }
    }

    /// Looks at the ledger again: much may have happened.
    pub(in crate::proxy) fn refresh(&mut self, cluster: &Cluster) {
        if let Self::Bound(bound) = self {
            bound.refresh(cluster);
        }
    }

    /// Whether the session is at another backend by now than in `slot`, where it was to go.
    #[cold]
    pub(in crate::proxy) fn has_left(&self, cluster: &Cluster, slot: Slot) -> bool {
        let Self::Bound(bound) = self else {
            return false;
        };
        let seen = bound.seen_now(cluster);
        let moved = seen.owner.filter(|_| seen.moved);
        let at = seen
            .pin
            .or(moved)
            .and_then(|at| cluster.backend(at).filter(|_| at != slot));
        at.is_some_and(|backend| backend.state().serves_its_own())
    }

    /// Whether the backend in `slot` gets the request without its session.
    #[inline]
    pub(in crate::proxy) fn is_hidden_from(&self, slot: Slot) -> bool {
        matches!(self, Self::Bound(bound) if bound.is_hidden_from(slot))
    }

    /// The jvm route that the client showed, as a log shows it.
    pub(in crate::proxy) fn route(&self, head: &Parts, cluster: &Cluster) -> Option<Box<[u8]>> {
        let Self::Bound(bound) = self else {
            return None;
        };
        bound.id(head, cluster)?.shown_route().map(Box::from)
    }

    /// Whether the request could be served by another than its owner where too many wait for
    /// that one.
    pub(in crate::proxy) fn may_spill(&self) -> bool {
        matches!(self, Self::Bound(bound) if !bound.spills && bound.seen.pin.is_none())
    }

    /// Too many wait for its owner.
    pub(in crate::proxy) fn spill(&mut self) {
        if let Self::Bound(bound) = self {
            bound.spills = true;
        }
    }

    /// The session's key in the ledger.
    pub(in crate::proxy) fn key(&self) -> Option<Key> {
        match self {
            Self::Bound(bound) => Some(bound.key).filter(|_| !bound.is_ignored),
            Self::Unfollowed | Self::Free(_) => None,
        }
    }

    /// Whether the request shows a session that binds it.
    pub(in crate::proxy) fn is_bound(&self) -> bool {
        matches!(self, Self::Bound(_))
    }

    /// Whether the request's session must stay with its Tomcat: then it is tried elsewhere only if
    /// that one cannot serve.
    pub(in crate::proxy) fn stays(&self, cluster: &Cluster) -> bool {
        matches!(self, Self::Bound(_)) && cluster.config.affinity == Affinity::Sticky
    }

    /// Whether the request may be served by no other than its owner.
    pub(in crate::proxy) fn is_strict(&self, cluster: &Cluster) -> bool {
        match self {
            Self::Bound(bound) => cluster.config.sessions.strict && bound.seen.owner.is_some(),
            Self::Unfollowed | Self::Free(_) => false,
        }
    }
}

impl Bound {
    fn choose(&mut self, seeking: &Seeking<'_>) -> Result<Chosen, Missing> {
        let cluster = &seeking.view.cluster;
        let seen = self.seen;
        let policy = self.policy(cluster);
        let candidates = Candidates {
            cluster,
            tried: seeking.tried,
            forgiven: self.waited_for,
            place: seeking.queued.at(),
        };
        let serves = |slot| candidates.serves(slot);
        match decide(seen, policy, serves, |slot| candidates.is_busy(slot)) {
            Decision::To(slot, binding)
                if Self::is_to_leave(cluster, slot) && !self.is_hidden_from(slot) =>
            {
                self.at_evacuating(seeking, (candidates, policy), (slot, binding))
            }
            Decision::To(slot, binding) if seen.pin == Some(slot) && !self.is_ignored => {
                self.is_decided(binding, seeking);
                self.pinned(seeking, candidates, slot)
            }
            Decision::To(slot, _)
                if self.spills && seen.pin != Some(slot) && candidates.place != Some(slot) =>
            {
                self.spilled(seeking, candidates, slot)
            }
            Decision::To(slot, binding) if seen.away && !self.is_ignored => {
                self.away(seeking, (candidates, policy), (slot, binding))
            }
            Decision::To(slot, binding) => {
                // One that finds its owner full may be served elsewhere yet.
                if cluster.config.queue.spill_after.is_none() || candidates.has_room(slot) {
                    self.is_decided(binding, seeking);
                }
                seeking.at(slot)
            }
            Decision::Survivor(_) if self.must_look(cluster) => Err(Missing::Copy),
            Decision::Survivor(binding) => {
                self.is_decided(binding, seeking);
                self.at_survivor(seeking, candidates, policy)
            }
            Decision::Balance => {
                self.is_decided(Binding::Spilled, seeking);
                Ok(seeking.balance()?)
            }
            Decision::Wait(owner) => {
                self.waited_for = Some(owner);
                Err(Missing::Owner(owner))
            }
            Decision::Refuse => {
                self.is_decided(Binding::Refused, seeking);
                Err(Missing::Nobody(Nobody::Owner))
            }
        }
    }

    /// Remembers how a decision came about; the first of a request is counted.
    #[inline]
    pub(super) fn is_decided(&mut self, binding: Binding, seeking: &Seeking<'_>) {
        if self.decided.replace(binding).is_none() {
            seeking.count(binding);
        }
    }

    /// Nobody may serve the session, and that is counted.
    pub(super) fn refuse(&mut self, seeking: &Seeking<'_>) {
        self.is_decided(Binding::Refused, seeking);
    }

    /// What the administrator wants, for this request now: it waits once, and for nobody in vain.
    pub(super) fn policy(&self, cluster: &Cluster) -> Policy {
        let mut policy = Policy::of(&cluster.config);
        if policy.may_wait {
            policy.may_wait = self.waited_for.is_none() && self.may_return(cluster);
        }
        policy
    }

    /// Whether the owner may come back by itself. One that the administrator has disabled will not.
    fn may_return(&self, cluster: &Cluster) -> bool {
        let owner = self.seen.owner.and_then(|owner| cluster.backend(owner));
        owner.is_some_and(|owner| owner.state() != State::Disabled)
    }

    #[cold]
    fn at_survivor(
        &self,
        seeking: &Seeking<'_>,
        candidates: Candidates<'_>,
        policy: Policy,
    ) -> Result<Chosen, Missing> {
        let hash = self.hash(seeking)?;
        match self.survivor(hash, candidates, policy) {
            // What touches no session takes none over.
            Some(slot) if self.is_ignored => return seeking.at(slot),
            Some(slot) => return self.pinned(seeking, candidates, slot),
            None => {}
        }
        let cluster = candidates.cluster;
        let balancing = cluster.balancing();
        Err(select::why_nobody(&balancing, seeking.tried).into())
    }

    /// To the first in the order of the base that has room, since too many wait for the owner; to
    /// the owner after all where there is none.
    #[cold]
    fn spilled(
        &mut self,
        seeking: &Seeking<'_>,
        candidates: Candidates<'_>,
        owner: Slot,
    ) -> Result<Chosen, Missing> {
        let hash = self.hash(seeking)?;
        let may_be_taken =
            |slot: Slot| slot != owner && candidates.serves(slot) && candidates.has_room(slot);
        let order = candidates.cluster.balancing();
        let is_fenced = |slot: Slot| self.is_fenced(candidates.cluster, slot);
        match survivor(&order.rendezvous.rank(hash), may_be_taken, is_fenced) {
            Some(slot) => {
                self.is_decided(Binding::Spilled, seeking);
                self.pinned(seeking, candidates, slot)
            }
            // Each request of a session that is away is counted.
            None if self.seen.away && !self.is_ignored => self.pinned(seeking, candidates, owner),
            None => seeking.at(owner),
        }
    }

    fn hash(&self, seeking: &Seeking<'_>) -> Result<KeyHash, Nobody> {
        let id = self.id(seeking.head, &seeking.view.cluster);
        Ok(KeyHash::of(id.ok_or(Nobody::Usable)?.base()))
    }

    /// The first in the order of the base that may be taken.
    pub(super) fn survivor(
        &self,
        hash: KeyHash,
        candidates: Candidates<'_>,
        policy: Policy,
    ) -> Option<Slot> {
        let balancing = candidates.cluster.balancing();
        let may_be_taken =
            |slot: Slot| candidates.serves(slot) && (!policy.prefer || candidates.has_room(slot));
        let is_fenced = |slot: Slot| self.is_fenced(candidates.cluster, slot);
        survivor(&balancing.rendezvous.rank(hash), may_be_taken, is_fenced)
    }

    /// Whether a backend owned the session before, and may still hold an old copy of it.
    pub(super) fn is_fenced(&self, cluster: &Cluster, slot: Slot) -> bool {
        let former = self.known.as_ref().map(Known::former);
        let mark = former.and_then(|former| former.contains(cluster.sessions.member(slot)));
        let refusals = cluster.backend(slot).map(|backend| backend.refusals());
        // It has refused a connection since: what it held then is gone with the old process.
        mark.is_some() && mark == refusals
    }

    /// To this survivor, or to the one that another request of the session has chosen meanwhile.
    #[cold]
    pub(super) fn pinned(
        &self,
        seeking: &Seeking<'_>,
        candidates: Candidates<'_>,
        slot: Slot,
    ) -> Result<Chosen, Missing> {
        let cluster = &seeking.view.cluster;
        let book = &cluster.sessions;
        let goes_first = self.may_go_first(cluster, slot)?;
        // Where nobody is known, whoever answers will be; not who was only sought.
        let owner = self.seen.owner.map(|owner| book.member(owner));
        let serves = |member| {
            book.slot(member)
                .is_some_and(|slot| candidates.serves(slot))
        };
        let detour = Detour {
            owner: owner.unwrap_or(Member::NOBODY),
            survivor: book.member(slot),
        };
        let now = seeking.worker.ledger_time();
        let pinned = book.common.ledger.pin(self.key, now, detour, serves);
        let slot = book.slot(pinned.member()).unwrap_or(slot);
        // Made before a place is taken: whatever follows, it gives back what the ledger counts.
        let pin = Pin {
            cluster: Arc::clone(cluster),
            key: self.key,
            slot,
            pinned,
            stage: Cell::new(Stage::Unsent),
            goes_first: Cell::new(goes_first),
            why: self.why_moved(cluster),
        };
        let mut chosen: Chosen = seeking.at(slot)?;
        chosen.in_flight.hold(pin);
        Ok(chosen)
    }
}

/// The backends of a cluster as one request sees them.
#[derive(Clone, Copy)]
pub(super) struct Candidates<'a> {
    pub(super) cluster: &'a Cluster,
    /// Those that the request could not use.
    pub(super) tried: &'a [Slot],
    /// One of them that it has waited for since.
    pub(super) forgiven: Option<Slot>,
    /// Where it has a place already.
    pub(super) place: Option<Slot>,
}

impl Candidates<'_> {
    /// Whether a backend can serve sessions of its own, and the request has not found otherwise.
    #[inline]
    pub(super) fn serves(&self, slot: Slot) -> bool {
        let backend = self.cluster.backend(slot);
        backend.is_some_and(|backend| backend.state().serves_its_own())
            && (self.forgiven == Some(slot) || !self.tried.contains(&slot))
    }

    /// Whether it takes one request more.
    pub(super) fn has_room(&self, slot: Slot) -> bool {
        let backend = self.cluster.backend(slot);
        self.place == Some(slot) || backend.is_some_and(|backend| backend.has_room())
    }

    /// Whether it takes no more, or lets requests time out.
    pub(super) fn is_busy(&self, slot: Slot) -> bool {
        let backend = self.cluster.backend(slot);
        backend.is_none_or(|backend| !self.has_room(slot) || backend.is_slow())
    }
}

impl Seeking<'_> {
    #[inline]
    fn count(&self, binding: Binding) {
        let cells = self.view.cluster.cells.of(self.worker.id);
        cells.bindings.inc(binding);
    }

    fn balance(&self) -> Result<Chosen, Nobody> {
        if let Some(chosen) = self.at_its_place() {
            return Ok(chosen);
        }
        select::select(self.worker, self.view, self.hash, self.tried)
    }

    /// Where it was given a place, if it may go there still.
    #[inline]
    fn at_its_place(&self) -> Option<Chosen> {
        let slot = self.queued.at()?;
        let backend = self.view.cluster.backend(slot)?;
        let may_go = backend.state().takes_new() && !self.tried.contains(&slot);
        may_go.then(|| self.queued.take(self.view, slot))?
    }

    /// The backend in this slot; what it gets outside its turn is charged to it.
    #[inline]
    pub(super) fn at(&self, slot: Slot) -> Result<Chosen, Missing> {
        let place = self.queued.take(self.view, slot);
        let Some(chosen) = place.or_else(|| select::again(self.view, slot).ok()) else {
            return Err(Missing::Place(Some(slot)));
        };
        let config = &self.view.cluster.config;
        if matches!(config.balance, Balance::RoundRobin)
            && let Some(settings) = config.backends.get(usize::from(slot.0))
        {
            chosen.upstream.backend.owe(settings.weight);
        }
        Ok(chosen)
    }

    /// Waits until the owner serves again, for `hold` at most; not at all where too many wait.
    pub(in crate::proxy) async fn wait_for(&self, owner: Slot) {
        let cluster = &self.view.cluster;
        let sessions = &cluster.config.sessions;
        let Some(_held) = cluster.sessions.hold(sessions.hold_requests) else {
            return;
        };
        let serves = || {
            cluster
                .backend(owner)
                .is_some_and(|backend| backend.state().serves_its_own())
        };
        self.talk.upstream.arm(sessions.hold);
        poll_fn(|cx| {
            // Looked at first: it lets the change of a state wake the request.
            let is_over = self.talk.upstream.is_over(cx);
            if is_over || serves() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        self.talk.upstream.disarm();
    }
}
