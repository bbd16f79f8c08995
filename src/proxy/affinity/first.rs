//! The first request of a session at its survivor goes alone: it takes the session over, and the
//! others find it there. See [`crate::cluster::Moves`].

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::route::{Missing, Seeking};
use super::shown::{Bound, Session};
use crate::balance::Slot;
use crate::cluster::Cluster;
use crate::config::Affinity;

/// A first request that takes longer is no reason to let the others wait.
const LONGEST: Duration = Duration::from_secs(2);
/// Between two looks whether it is answered: short at first, since most are soon.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl Bound {
    /// Whether this request is the first of its session at `slot`, if that matters; `Err`: another
    /// one is, and is not answered yet.
    pub(super) fn may_go_first(&self, cluster: &Cluster, slot: Slot) -> Result<bool, Missing> {
        let moves_now = self.seen.owner.is_some_and(|owner| owner != slot);
        let is_meant = cluster.config.affinity == Affinity::Sticky && cluster.sessions_can_move();
        if !moves_now || !is_meant || self.is_ignored {
            return Ok(false);
        }
        let goes_first = cluster.sessions.moves.begin(self.key);
        if goes_first || self.let_go_first {
            Ok(goes_first)
        } else {
            Err(Missing::First)
        }
    }
}

impl Bound {
    /// Whether another request is the first of its session somewhere, and not answered yet, and this
    /// one has not waited for it.
    pub(super) fn must_let_first_go(&self, cluster: &Cluster) -> bool {
        !self.let_go_first && cluster.sessions.moves.is_under_way(self.key)
    }
}

impl Session {
    /// Waits until the first request of the session is answered, for a while, if not too many wait.
    pub(in crate::proxy) async fn let_first_go(&mut self, seeking: &Seeking<'_>) {
        let Self::Bound(bound) = self else { return };
        let cluster = &seeking.view.cluster;
        bound.let_go_first = true;
        let Some(_held) = cluster.sessions.hold(cluster.config.sessions.hold_requests) else {
            return;
        };
        let (until, mut pause) = (Instant::now() + LONGEST, PAUSE);
        while cluster.sessions.moves.is_under_way(bound.key) && Instant::now() < until {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        bound.refresh(cluster);
    }
}
