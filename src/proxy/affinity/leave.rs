//! A session whose backend is being emptied: whether it stays, rests for a moment, or moves.
//!
//! From the order on, each request that goes to such a backend is counted at its session, so that
//! nobody takes a session away from under a request. One that finds its session at rest takes it
//! along to the survivor; what follows there is what follows when an owner has died, except that the
//! copy in the store is whole.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::decide::Policy;
use super::route::{Candidates, Missing, Seeking};
use super::shown::{Bound, Session};
use crate::balance::{KeyHash, Slot};
use crate::cluster::{Cluster, Evacuation, Leave};
use crate::observe::metrics::Binding;
use crate::proxy::select::Chosen;
use crate::session::classify::StoreCopy;

/// Times that one request waits for its session to come to rest.
const MOST_RESTS: u8 = 2;

impl Bound {
    /// Whether a backend that serves the session is being emptied.
    #[inline]
    pub(super) fn is_to_leave(cluster: &Cluster, slot: Slot) -> bool {
        let backend = cluster.backend(slot);
        backend.is_some_and(|backend| backend.is_evacuating())
    }

    /// Where a request goes whose session is at a backend that is being emptied.
    #[cold]
    pub(super) fn at_evacuating(
        &mut self,
        seeking: &Seeking<'_>,
        (candidates, policy): (Candidates<'_>, Policy),
        (slot, binding): (Slot, Binding),
    ) -> Result<Chosen, Missing> {
        let cluster = &seeking.view.cluster;
        // What touches no session moves none, and keeps none from its rest.
        if self.is_ignored {
            self.is_decided(binding, seeking);
            return seeking.at(slot);
        }
        let hash = self
            .id(seeking.head, cluster)
            .map(|id| KeyHash::of(id.base()));
        let survivor = hash.and_then(|hash| self.way_out(hash, (candidates, policy), slot));
        let evacuation = Self::evacuation(cluster, slot);
        if let Some((evacuation, survivor)) = evacuation.zip(survivor) {
            match evacuation.may_leave(self.key, self.seen.pin == Some(slot)) {
                Leave::After(rest) if self.rests < MOST_RESTS => {
                    self.rests += 1;
                    return Err(Missing::Rest(rest));
                }
                Leave::Now if self.must_look_to_leave(cluster) => return Err(Missing::CopyToLeave),
                Leave::Now if self.may_go(cluster, &evacuation) => {
                    self.is_decided(Binding::Evacuated, seeking);
                    return self.pinned(seeking, candidates, survivor);
                }
                Leave::Now | Leave::After(_) | Leave::Stay(_) => {}
            }
        }
        self.is_decided(binding, seeking);
        self.pinned(seeking, candidates, slot)
    }

    /// How a backend is being emptied.
    pub(super) fn evacuation(cluster: &Cluster, slot: Slot) -> Option<Arc<Evacuation>> {
        let backend = cluster.backend(slot)?;
        backend.evacuation().clone()
    }

    /// To whom the session can go that leaves a backend.
    pub(super) fn way_out(
        &self,
        hash: KeyHash,
        (candidates, policy): (Candidates<'_>, Policy),
        from: Slot,
    ) -> Option<Slot> {
        let survivor = self.survivor(hash, candidates, policy)?;
        // Who owned it before, and was not restarted since, may hold an old copy of it; and nothing
        // presses here.
        let is_fit = survivor != from && !self.is_fenced(candidates.cluster, survivor);
        is_fit.then_some(survivor)
    }

    /// Whether sessions may leave as the configuration is now: a reload may have said otherwise since
    /// the order came.
    pub(super) fn may_leave(cluster: &Cluster) -> bool {
        !cluster.config.sessions.strict && cluster.sessions_can_move()
    }

    /// Whether the store is to be asked before the session leaves a backend that serves it.
    pub(super) fn must_look_to_leave(&self, cluster: &Cluster) -> bool {
        cluster.stores.is_some() && self.copy == StoreCopy::Unasked
    }

    /// A session without a copy would be lost; its backend has it still.
    fn may_go(&self, cluster: &Cluster, evacuation: &Evacuation) -> bool {
        if !Self::may_leave(cluster) {
            return false;
        }
        let may = cluster.stores.is_none() || self.copy == StoreCopy::There;
        if !may {
            evacuation.has_no_copy(self.key);
        }
        may
    }
}

impl Session {
    /// Waits until the session has been at rest for long enough, if not too many wait.
    pub(in crate::proxy) async fn rest(&mut self, seeking: &Seeking<'_>, rest: Duration) {
        let Self::Bound(bound) = self else { return };
        let cluster = Arc::clone(&seeking.view.cluster);
        let most = cluster.config.sessions.hold_requests;
        if let Some(_held) = cluster.sessions.hold(most) {
            seeking.talk.upstream.arm(rest);
            poll_fn(|cx| {
                if seeking.talk.upstream.is_over(cx) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            seeking.talk.upstream.disarm();
        } else {
            bound.rests = MOST_RESTS;
        }
        bound.refresh(&cluster);
    }
}
