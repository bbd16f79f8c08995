//! Requests that wait for a place at a full backend, over all workers.
//!
//! `limit` counts who is in, `line` knows who is next, `admission` who
//! may wait at all. This joins them: whoever leaves a backend that is waited for finds the next
//! one, enters for it and wakes it, and nobody else. A place that is handed over so is a value
//! ([`Place`]): dropped without being used, as when the client has gone, it is handed on.
//!
//! The lock is taken only where somebody waits, or begins to. Under it nothing is awaited, and
//! nobody is woken.

mod admission;
mod line;
mod place;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::limit::{CacheLine, Limit};
use super::{Backend, Cluster};
use crate::balance::Slot;
use crate::config::Priority;
use admission::{Admission, admission};
use line::{Line, Tried, Wish};

pub use line::Ticket;
pub use place::{Place, Scope};

/// What a request waits for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The backend of its session.
    Owner(Arc<Backend>),
    /// Any backend of the cluster that takes part and is not one of these.
    Any(Arc<Cluster>, Box<[Slot]>),
}

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Owner(one), Self::Owner(two)) => Arc::ptr_eq(one, two),
            (Self::Any(one, tried), Self::Any(two, tried_too)) => {
                Arc::ptr_eq(one, two) && tried == tried_too
            }
            (Self::Owner(_), Self::Any(..)) | (Self::Any(..), Self::Owner(_)) => false,
        }
    }
}

impl Wish for Wanted {
    /// A session has no other backend; a request without one has.
    fn class(&self) -> u8 {
        match self {
            Self::Owner(_) => 0,
            Self::Any(..) => 1,
        }
    }
}

/// A request that would wait.
#[derive(Debug)]
pub struct Wait {
    /// For what.
    pub wanted: Wanted,
    /// How much it matters.
    pub priority: Priority,
    /// Where it stood before, if it has waited already: it keeps its turn.
    pub ticket: Option<Ticket>,
    /// Whether it could be served elsewhere, where too many wait for its owner.
    pub may_spill: bool,
}

/// Why a request may not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unqueued {
    /// Nobody may: `queue.length` is zero.
    Off,
    /// As many wait as may.
    Full,
    /// So many wait that those that matter less are refused.
    Shed,
    /// Too many wait for its owner: another backend may serve it.
    Spills,
}

/// How a wait ended.
#[derive(Debug)]
pub enum Served {
    /// With this place.
    At(Place),
    /// What it waited for will not come: the request has to choose anew.
    Anew,
}

/// The queue of a cluster, and the bound of the whole cluster. Outlives reloads.
#[derive(Debug)]
pub struct Queue {
    whole: CacheLine<Limit>,
    room: Mutex<WaitingRoom>,
}

#[derive(Debug, Default)]
struct WaitingRoom {
    line: Line<Wanted, Arc<Waiter>>,
    /// Backends that may bear the mark that somebody waits.
    marked: Vec<Arc<Backend>>,
}

/// Where a request that waits hears of its place.
#[derive(Debug, Default)]
struct Waiter(Mutex<News>);

#[derive(Debug, Default)]
struct News {
    waker: Option<Waker>,
    served: Option<Served>,
}

impl Queue {
    /// Nobody waits yet. So many requests may be in flight in the whole cluster; zero: any number.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            whole: CacheLine(Limit::new(most)),
            room: Mutex::default(),
        })
    }

    /// Bounds have changed, the whole cluster's to this one.
    pub(super) fn change_whole(&self, most: usize) {
        self.whole.0.change(most);
        self.settle();
    }

    /// Takes a place of the whole cluster, where these are counted; `None`: all are taken.
    #[inline]
    pub fn try_enter(&self) -> Option<Scope> {
        if !self.whole.0.is_set() {
            return Some(Scope::Backend);
        }
        self.whole.0.try_enter().then_some(Scope::Cluster)
    }

    /// Whether the whole cluster could take one request more.
    pub fn has_room(&self) -> bool {
        self.whole.0.has_room()
    }

    /// Gives a place of the whole cluster back; whether anybody waits for it.
    #[inline]
    pub(super) fn leave(&self, scope: Scope) -> bool {
        scope == Scope::Cluster && self.whole.0.leave()
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.room().line.len()
    }

    /// How many requests wait for this backend, and no other.
    pub fn waiting_for(&self, backend: &Arc<Backend>) -> usize {
        let wanted = Wanted::Owner(Arc::clone(backend));
        self.room().line.waiting_for(&wanted)
    }

    /// Begins to wait. A place that is free is the request's at once.
    pub fn join(self: &Arc<Self>, cluster: &Cluster, wait: Wait) -> Result<Waiting, Unqueued> {
        let settings = &cluster.config.queue;
        if settings.length == 0 {
            return Err(Unqueued::Off);
        }
        let waiter = Arc::new(Waiter::default());
        let mut room = self.room();
        let before = room.line.len();
        let ticket = wait.ticket.unwrap_or_else(|| room.line.ticket());
        let wanted = wait.wanted;
        let line = &mut room.line;
        line.insert(wanted.clone(), ticket, Arc::clone(&waiter));
        let wakers = self.serve(&mut room);
        let refused = if waiter.is_served() {
            None
        } else {
            let admitted = match wait.ticket {
                Some(_) => Admission::Waits,
                None => admission(wait.priority, before, settings.length),
            };
            let others = room.line.waiting_for(&wanted) - 1;
            let spills = settings.spill_after.is_some_and(|after| others >= after);
            match admitted {
                _ if wait.may_spill && spills => Some(Unqueued::Spills),
                Admission::Waits => None,
                Admission::Full => Some(Unqueued::Full),
                Admission::Shed => Some(Unqueued::Shed),
            }
        };
        if refused.is_some() {
            room.line.remove(&wanted, ticket);
            self.tidy(&mut room, true);
        }
        drop(room);
        wake(wakers);
        match refused {
            Some(refused) => Err(refused),
            None => Ok(Waiting {
                queue: Arc::clone(self),
                wanted,
                ticket,
                waiter,
            }),
        }
    }

    /// Serves whom there are places for. Called whenever there may be a new one: a request has left, a
    /// bound has risen, a backend's state has changed.
    #[cold]
    pub fn settle(&self) {
        let wakers = self.serve(&mut self.room());
        wake(wakers);
    }

    fn serve(&self, room: &mut WaitingRoom) -> Vec<Waker> {
        let WaitingRoom { line, marked } = room;
        let (served, all_full) = line.serve(|wanted| self.find(wanted, marked));
        self.tidy(room, all_full);
        let told = served.into_iter().filter_map(|(waiter, place)| {
            // Under the lock still: who leaves the line finds either their turn or their place.
            waiter.tell(place.map_or(Served::Anew, Served::At))
        });
        told.collect()
    }

    fn find(&self, wanted: &Wanted, marked: &mut Vec<Arc<Backend>>) -> Tried<Place> {
        match wanted {
            Wanted::Owner(owner) if !owner.state().serves_its_own() => Tried::Hopeless,
            Wanted::Owner(owner) => self.enter(owner, marked),
            Wanted::Any(cluster, tried) => {
                let balancing = cluster.balancing();
                let members = balancing.schedule.members().iter();
                let backends = members
                    .filter(|member| !tried.contains(&member.slot))
                    .filter_map(|member| cluster.backend(member.slot));
                let mut found = Tried::Hopeless;
                for backend in backends {
                    found = self.enter(backend, marked);
                    if !matches!(found, Tried::Full) {
                        break;
                    }
                }
                found
            }
        }
    }

    /// Enters for the one who is next; marks what it finds full.
    fn enter(&self, backend: &Arc<Backend>, marked: &mut Vec<Arc<Backend>>) -> Tried<Place> {
        if !backend.places().enter_for_next() {
            if !marked.iter().any(|known| Arc::ptr_eq(known, backend)) {
                marked.push(Arc::clone(backend));
            }
            return Tried::Full;
        }
        let scope = if !self.whole.0.is_set() {
            Scope::Backend
        } else if self.whole.0.enter_for_next() {
            Scope::Cluster
        } else {
            // Whoever waits for this one waits for the whole cluster too.
            backend.places().leave();
            return Tried::AllFull;
        };
        Tried::Placed(Place::new(Arc::clone(backend), scope))
    }

    /// Takes the marks away that nobody needs.
    fn tidy(&self, room: &mut WaitingRoom, all_full: bool) {
        let WaitingRoom { line, marked } = room;
        let is_wanted = |backend: &Arc<Backend>| {
            line.wishes().any(|wanted| match wanted {
                Wanted::Owner(owner) => Arc::ptr_eq(owner, backend),
                Wanted::Any(..) => backend.state().takes_new(),
            })
        };
        marked.retain(|backend| {
            let stays = is_wanted(backend);
            if !stays {
                backend.places().nobody_waits();
            }
            stays
        });
        if !all_full || line.len() == 0 {
            self.whole.0.nobody_waits();
        }
    }

    fn room(&self) -> MutexGuard<'_, WaitingRoom> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}

/// A request that waits. Dropped, it waits no more, and a place that it was given goes on to the
/// next one.
#[derive(Debug)]
pub struct Waiting {
    queue: Arc<Queue>,
    wanted: Wanted,
    ticket: Ticket,
    waiter: Arc<Waiter>,
}

impl Waiting {
    /// Where it stands; who comes back with it stands there again.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// How the wait ended, if it has; else the task is woken when it does.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Served> {
        let mut news = self.waiter.news();
        if let Some(served) = news.served.take() {
            return Poll::Ready(served);
        }
        if !news
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            news.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut room = self.queue.room();
        if room.line.remove(&self.wanted, self.ticket) {
            self.queue.tidy(&mut room, true);
        }
        drop(room);
        let unused = self.waiter.news().served.take();
        // With neither lock held: a place that is dropped looks for the next one.
        drop(unused);
    }
}

impl Waiter {
    fn news(&self) -> MutexGuard<'_, News> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_served(&self) -> bool {
        self.news().served.is_some()
    }

    /// Tells how the wait ended; who must be woken.
    fn tell(&self, served: Served) -> Option<Waker> {
        let mut news = self.news();
        news.served = Some(served);
        news.waker.take()
    }
}

#[cfg(test)]
mod tests;
