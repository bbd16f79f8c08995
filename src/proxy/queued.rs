//! A request that waits while its backends are full.
//!
//! Who is next is decided by [`cluster::Queue`](crate::cluster::Queue). A request that gets a place
//! decides once more where it goes, with the place in its hand: its session may have moved
//! while it waited. What it does not use goes on to the next one.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::Instant;

use super::affinity::Seeking;
use super::select::{self, Chosen, Nobody};
use super::worker::ClusterView;
use crate::balance::Slot;
use crate::cluster::queue::{Place, Served, Ticket, Unqueued, Wait, Wanted};
use crate::config::Priority;

/// So often a request may find that what it waited for is not what it needs.
const MOST_ROUNDS: u32 = 100;

/// What a request brings to the queue, and what it got there. As small as can be: most requests
/// never wait.
#[derive(Debug)]
pub(super) struct Queued {
    /// How much it matters.
    priority: Priority,
    /// Of one that has come to the queue.
    turn: OnceCell<Box<Turn>>,
}

#[derive(Debug)]
struct Turn {
    /// When it has waited long enough.
    until: Instant,
    ticket: Cell<Option<Ticket>>,
    rounds: Cell<u32>,
    place: RefCell<Option<Place>>,
    /// Where that is.
    at: Cell<Option<Slot>>,
}

impl Queued {
    /// A request that has not waited yet.
    pub(super) fn new(priority: Priority) -> Self {
        Self {
            priority,
            turn: OnceCell::new(),
        }
    }

    /// Whether it has waited, or tried to.
    #[inline]
    pub(super) fn has_come(&self) -> bool {
        self.turn.get().is_some()
    }

    /// Where it has a place.
    #[inline]
    pub(super) fn at(&self) -> Option<Slot> {
        self.turn.get()?.at.get()
    }

    /// Uses its place, if it is in this slot.
    #[inline]
    pub(super) fn take(&self, view: &ClusterView, slot: Slot) -> Option<Chosen> {
        self.turn.get()?.take(view, slot)
    }

    /// Gives its place back, if it has one still.
    #[cold]
    pub(super) fn give_back(&self) {
        if let Some(turn) = self.turn.get() {
            turn.at.set(None);
            let unused = turn.place.take();
            drop(unused);
        }
    }

    /// Its turn, which begins now or has begun.
    fn turn(&self, until: impl FnOnce() -> Instant) -> &Turn {
        self.turn.get_or_init(|| {
            Box::new(Turn {
                until: until(),
                ticket: Cell::new(None),
                rounds: Cell::new(0),
                place: RefCell::new(None),
                at: Cell::new(None),
            })
        })
    }
}

impl Turn {
    #[cold]
    fn take(&self, view: &ClusterView, slot: Slot) -> Option<Chosen> {
        if self.at.get() != Some(slot) {
            return None;
        }
        self.at.set(None);
        let place = self.place.take()?;
        select::with_place(view, slot, place)
    }

    fn give(&self, slot: Slot, place: Place) {
        self.at.set(Some(slot));
        self.place.replace(Some(place));
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The request chooses anew.
    Choose,
    /// The same, and its session may leave its owner, which too many wait for.
    Spill,
}

impl Seeking<'_> {
    /// Waits for a place at `owner`, or at any backend.
    pub(super) async fn queue(&self, owner: Option<Slot>, may_spill: bool) -> Result<Next, Nobody> {
        let now = Instant::now();
        let (queued, cluster) = (self.queued, &self.view.cluster);
        let turn = queued.turn(|| now + cluster.config.queue.time);
        turn.rounds.set(turn.rounds.get() + 1);
        let left = turn.until.saturating_duration_since(now);
        if left.is_zero() || turn.rounds.get() > MOST_ROUNDS {
            return Err(Nobody::InTime);
        }
        let wait = Wait {
            wanted: self.wanted(owner),
            priority: queued.priority,
            ticket: turn.ticket.get(),
            may_spill: may_spill && owner.is_some(),
        };
        let mut waiting = match cluster.queue.join(cluster, wait) {
            Ok(waiting) => waiting,
            Err(Unqueued::Off) => return Err(Nobody::Free),
            Err(Unqueued::Full) => return Err(Nobody::Queues),
            Err(Unqueued::Shed) => return Err(Nobody::Spares),
            Err(Unqueued::Spills) => return Ok(Next::Spill),
        };
        turn.ticket.set(Some(waiting.ticket()));
        let _counted = Counted {
            seeking: self,
            since: now,
        };
        self.talk.upstream.arm(left);
        let served = poll_fn(|cx| {
            let is_over = self.talk.upstream.is_over(cx);
            // A place that came at the last moment is taken.
            match waiting.poll(cx) {
                Poll::Ready(served) => Poll::Ready(Some(served)),
                Poll::Pending if is_over => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        self.talk.upstream.disarm();
        match served {
            None => Err(Nobody::InTime),
            Some(Served::Anew) => Ok(Next::Choose),
            Some(Served::At(place)) => {
                let is_here = |slot: &Slot| {
                    let backend = cluster.backend(*slot);
                    backend.is_some_and(|backend| Arc::ptr_eq(backend, place.backend()))
                };
                if let Some(slot) = cluster.slots().find(is_here) {
                    turn.give(slot, place);
                }
                Ok(Next::Choose)
            }
        }
    }

    fn wanted(&self, owner: Option<Slot>) -> Wanted {
        let cluster = &self.view.cluster;
        match owner.and_then(|owner| cluster.backend(owner)) {
            Some(owner) => Wanted::Owner(Arc::clone(owner)),
            None => Wanted::Any(Arc::clone(cluster), self.tried.into()),
        }
    }
}

/// Counts how long a request waited, however that ends.
struct Counted<'a, 'b> {
    seeking: &'a Seeking<'b>,
    since: Instant,
}

impl Drop for Counted<'_, '_> {
    fn drop(&mut self) {
        let Seeking { view, worker, .. } = self.seeking;
        let cells = view.cluster.cells.of(worker.id);
        cells.queued.record(self.since.elapsed());
    }
}
