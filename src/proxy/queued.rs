//! A request that waits while its backends are full.
//!
//! Who is next is decided by [`cluster::Queue`](crate::cluster::Queue). A request that gets a place
//! decides once more where it goes, with the place in its hand: its session may have moved
//! while it waited. What it does not use goes on to the next one.

use std::cell::{Cell, RefCell};
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

/// What a request brings to the queue, and what it got there.
#[derive(Debug)]
pub(super) struct Queued {
    /// How much it matters.
    priority: Priority,
    /// When it has waited long enough; `None`: it has not waited yet.
    until: Cell<Option<Instant>>,
    ticket: Cell<Option<Ticket>>,
    rounds: Cell<u32>,
    place: RefCell<Option<(Slot, Place)>>,
}

impl Queued {
    /// A request that has not waited yet.
    pub(super) fn new(priority: Priority) -> Self {
        Self {
            priority,
            until: Cell::new(None),
            ticket: Cell::new(None),
            rounds: Cell::new(0),
            place: RefCell::new(None),
        }
    }

    /// Whether it has waited, or tried to.
    pub(super) fn has_come(&self) -> bool {
        self.until.get().is_some()
    }

    /// Where it has a place.
    pub(super) fn at(&self) -> Option<Slot> {
        self.place.borrow().as_ref().map(|(slot, _)| *slot)
    }

    /// Uses its place, if it is in this slot.
    pub(super) fn take(&self, view: &ClusterView, slot: Slot) -> Option<Chosen> {
        let mut held = self.place.borrow_mut();
        let (_, place) = held.take_if(|(at, _)| *at == slot)?;
        drop(held);
        select::with_place(view, slot, place)
    }

    /// Gives its place back, if it has one still.
    pub(super) fn give_back(&self) {
        let unused = self.place.borrow_mut().take();
        drop(unused);
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
        let until = queued
            .until
            .get()
            .unwrap_or_else(|| now + cluster.config.queue.time);
        queued.until.set(Some(until));
        queued.rounds.set(queued.rounds.get() + 1);
        let left = until.saturating_duration_since(now);
        if left.is_zero() || queued.rounds.get() > MOST_ROUNDS {
            return Err(Nobody::InTime);
        }
        let wait = Wait {
            wanted: self.wanted(owner),
            priority: queued.priority,
            ticket: queued.ticket.get(),
            may_spill: may_spill && owner.is_some(),
        };
        let mut waiting = match cluster.queue.join(cluster, wait) {
            Ok(waiting) => waiting,
            Err(Unqueued::Off) => return Err(Nobody::Free),
            Err(Unqueued::Full) => return Err(Nobody::Queues),
            Err(Unqueued::Shed) => return Err(Nobody::Spares),
            Err(Unqueued::Spills) => return Ok(Next::Spill),
        };
        queued.ticket.set(Some(waiting.ticket()));
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
                    queued.place.replace(Some((slot, place)));
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
