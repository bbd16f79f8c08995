//! A request in flight at a survivor.
//!
//! As long as one is, further requests of its session go there too, even if the owner returns:
//! the survivor may be taking the session over at this moment. The pin is confirmed, and then
//! outlasts the request, when the session is known to have moved, or when nobody can know: an
//! attempt that may have reached the survivor and ended without a response head counts as a
//! take-over.

use std::cell::Cell;
use std::sync::Arc;

use crate::balance::Slot;
use crate::cluster::{Cluster, WhyMoved};
use crate::session::ledger::{Key, Pinned};

/// Holds a session at a survivor while a request of it is there.
#[derive(Debug)]
pub struct Pin {
    pub(super) cluster: Arc<Cluster>,
    pub(super) key: Key,
    /// Where the request is.
    pub(super) slot: Slot,
    /// What the ledger counts of it.
    pub(super) pinned: Pinned,
    pub(super) stage: Cell<Stage>,
    /// Whether others wait until it is answered.
    pub(super) goes_first: Cell<bool>,
    /// Why the session is at a survivor.
    pub(super) why: WhyMoved,
}

/// How far the request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not sent: the survivor knows nothing of it.
    Unsent,
    /// Perhaps sent, not answered.
    Doubtful,
    /// A response head came: it says what happened.
    Answered,
}

impl Pin {
    /// The survivor may see the request from now on.
    pub fn sent(&self) {
        self.stage.set(Stage::Doubtful);
    }

    /// The survivor surely did not see it.
    pub fn unsent(&self) {
        self.stage.set(Stage::Unsent);
    }

    /// A response head came.
    pub fn answered(&self) {
        self.stage.set(Stage::Answered);
        self.let_others_go();
    }

    fn let_others_go(&self) {
        if self.goes_first.replace(false) {
            self.cluster.sessions.moves.end(self.key);
        }
    }

    /// The response is complete: where sessions are replicated, the survivor has this one now.
    pub fn completed(&self) {
        if self.cluster.config.sessions.replicated {
            self.confirm(true);
        }
    }

    /// Counted, but not away: its backend is being emptied.
    pub fn is_at_its_owner(&self) -> bool {
        self.cluster.sessions.member(self.slot) == self.pinned.owner()
    }

    fn confirm(&self, is_complete: bool) {
        if self.is_at_its_owner() {
            return;
        }
        // It may have died over the request, and another may have the session since.
        let at = (self.key, self.pinned.owner(), self.slot);
        self.cluster.session_moved_from(at, self.why, is_complete);
    }

    /// For sessions that are to go home one day: when nobody uses them. Where none are, that costs
    /// next to nothing.
    fn note_its_end(&self) {
        let returns = &self.cluster.sessions.returns;
        if !self.cluster.sessions_can_move() || self.stage.get() == Stage::Unsent {
            return;
        }
        if self.stage.get() == Stage::Doubtful {
            returns.abandoned(self.key);
        }
        returns.answered(self.key);
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.let_others_go();
        if self.stage.get() == Stage::Doubtful {
            self.confirm(false);
        }
        self.note_its_end();
        let common = &self.cluster.sessions.common;
        if self.is_at_its_owner()
            && let Some(owner) = self.cluster.backend(self.slot)
            && let Some(evacuation) = &*owner.evacuation()
        {
            if self.stage.get() == Stage::Doubtful {
                evacuation.abandoned(self.key);
            }
            evacuation.answered(self.key);
        }
        common.ledger.unpin(self.key, common.now(), self.pinned);
    }
}
