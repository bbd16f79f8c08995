//! One Tomcat as all workers share it: its state, its requests in flight, its counters.

mod open;
mod share;
mod tunnels;

pub use open::OpenRequest;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::addresses::Addresses;
use super::changes::Changes;
use super::evacuation::Evacuation;
use super::limit::{CacheLine, Limit};
use super::machine::{Cause, Event, Fault, Machine, Needed, State, Transition, Wish};
use super::queue::{Queue, Scope};
use super::warmth::Warmth;
use crate::config::{self, JvmRoute};
use crate::observe::metrics::{BackendCells, BackendEvents, PerWorker};

/// One backend, from the file that names it first to the file that names it no more.
///
/// It survives reloads as long as cluster, name and address stay the same.
#[derive(Debug)]
pub struct Backend {
    /// Its name: metric label and rendezvous key.
    pub name: config::BackendName,
    /// Its address as written.
    pub address: config::BackendAddr,
    /// What each worker counts.
    pub cells: PerWorker<BackendCells>,
    /// What is counted rarely and from anywhere.
    pub events: BackendEvents,
    /// Rung when the state changes, for the one that watches this backend.
    pub changed: Notify,
    load: CacheLine<Load>,
    settings: ArcSwap<config::Backend>,
    /// Tunnels among its requests in flight.
    tunnels: AtomicUsize,
    /// Who waits for a place, in the whole cluster.
    queue: Arc<Queue>,
    state: AtomicU8,
    /// Whether response time-outs are being counted, so that a byte from it means something.
    awaits_progress: AtomicBool,
    epoch: AtomicU64,
    /// How often it has refused connections: proof that an old process has ended.
    refusals: AtomicU8,
    /// What that was when it was up last.
    refusals_before_fall: AtomicU8,
    /// The jvm route that its Tomcat was seen to use.
    learned: ArcSwapOption<JvmRoute>,
    /// The weight that an administrator has ordered; zero: the file's.
    ordered_weight: AtomicU32,
    /// What its agent says of its weight, in percent, plus one; zero: nothing.
    agent_weight: AtomicU32,
    /// What its agent says of `max_requests`, plus one; zero: nothing.
    agent_max: AtomicUsize,
    /// How its sessions are being moved.
    evacuation: ArcSwapOption<Evacuation>,
    /// By worker: what is there, told only while no new sessions are taken.
    open: Box<[Mutex<Vec<OpenRequest>>]>,
    /// Bad answers, and how many there were in a row: now, and at most since the last look.
    bad: AtomicU64,
    row: AtomicU32,
    longest_row: AtomicU32,
    /// Requests and tunnels of lives up to this one are to end.
    ended: AtomicU64,
    warmth: Warmth,
    addresses: ArcSwap<Addresses>,
    machine: Mutex<Watched>,
}

#[derive(Debug)]
struct Watched {
    machine: Machine,
    last: Option<(Transition, SystemTime)>,
    drain_began: Option<(Instant, usize)>,
    /// Whether it is known to be empty.
    is_empty: bool,
}

/// How a backend stands, for people.
#[derive(Debug, Clone, Copy)]
pub struct Stand {
    /// Its state.
    pub state: State,
    /// What is wanted of it.
    pub wish: Wish,
    /// What an administrator has ordered.
    pub ordered: Option<Wish>,
    /// Whether it was down, and waits to be enabled by hand.
    pub waits: bool,
    /// Its last flip, and when that was.
    pub last: Option<(Transition, SystemTime)>,
}

#[derive(Debug)]
struct Load {
    /// Its requests in flight.
    places: Limit,
    /// Turns of the round robin that requests of its sessions have used up in advance.
    debt: AtomicU32,
}

impl Backend {
    /// A backend that no request has seen yet.
    pub fn new(
        settings: config::Backend,
        machine: Machine,
        workers: usize,
        queue: Arc<Queue>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: settings.name.clone(),
            address: settings.address.clone(),
            cells: PerWorker::new(workers),
            events: BackendEvents::default(),
            changed: Notify::new(),
            load: CacheLine(Load {
                places: Limit::new(settings.max_requests),
                debt: AtomicU32::new(0),
            }),
            tunnels: AtomicUsize::new(0),
            queue,
            ordered_weight: AtomicU32::new(0),
            agent_weight: AtomicU32::new(0),
            agent_max: AtomicUsize::new(0),
            evacuation: ArcSwapOption::empty(),
            open: (0..workers).map(|_| Mutex::default()).collect(),
            bad: AtomicU64::new(0),
            row: AtomicU32::new(0),
            longest_row: AtomicU32::new(0),
            ended: AtomicU64::new(0),
            state: AtomicU8::new(encode(machine.state())),
            awaits_progress: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            refusals: AtomicU8::new(0),
            refusals_before_fall: AtomicU8::new(0),
            learned: ArcSwapOption::empty(),
            warmth: Warmth::default(),
            addresses: ArcSwap::from_pointee(Addresses::known(&settings.address)),
            settings: ArcSwap::from_pointee(settings),
            machine: Mutex::new(Watched {
                machine,
                last: None,
                drain_began: None,
                is_empty: false,
            }),
        })
    }

    /// What the file says of it.
    pub fn settings(&self) -> Guard<Arc<config::Backend>> {
        self.settings.load()
    }

    /// Takes over what a reloaded file says of it.
    pub(super) fn change_settings(&self, settings: config::Backend) {
        self.settings.store(Arc::new(settings));
        self.limit_requests();
    }

    /// How its sessions are being moved.
    pub fn evacuation(&self) -> Guard<Option<Arc<Evacuation>>> {
        self.evacuation.load()
    }

    pub(super) fn set_evacuation(&self, evacuation: Option<Arc<Evacuation>>) {
        self.evacuation.store(evacuation);
    }

    /// Requests and tunnels that are there now are to end.
    pub(super) fn end_requests(&self) {
        self.ended.fetch_add(1, Ordering::AcqRel);
    }

    /// Rises when the requests and tunnels that are there are to end.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// How it stands, for people.
    pub fn stand(&self) -> Stand {
        let watched = self.machine();
        Stand {
            state: watched.machine.state(),
            wish: watched.machine.wish(),
            ordered: watched.machine.ordered(),
            waits: watched.machine.waits(),
            last: watched.last,
        }
    }

    /// Its state.
    pub fn state(&self) -> State {
        decode(self.state.load(Ordering::Acquire))
    }

    /// Whether its sessions are being moved. As cheap as can be: asked for every session's request.
    #[inline]
    pub fn is_evacuating(&self) -> bool {
        self.state.load(Ordering::Acquire) == EVACUATING
    }

    /// Whether it serves its sessions, and they stay.
    #[inline]
    pub fn keeps_its_own(&self) -> bool {
        self.state.load(Ordering::Acquire) < EVACUATING
    }

    /// Whether nothing can be sent to it.
    pub fn is_down(&self) -> bool {
        self.state() == State::Down
    }

    /// Rises each time it goes down: connections from before are not used again.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Where it can be reached now.
    pub fn addresses(&self) -> Guard<Arc<Addresses>> {
        self.addresses.load()
    }

    /// Takes over where it can be reached from now on.
    pub fn change_addresses(&self, addresses: Addresses) {
        self.addresses.store(Arc::new(addresses));
    }

    /// Requests in flight over all workers.
    pub fn in_flight(&self) -> usize {
        self.places().count()
    }

    /// Takes a place among its requests in flight, unless all `max_requests` are taken or others
    /// wait for one.
    #[inline]
    pub fn try_enter(&self) -> bool {
        self.places().try_enter()
    }

    /// The most requests at a time; zero: no bound.
    pub fn max_requests(&self) -> usize {
        self.places().most()
    }

    /// Since when it has been emptied, and how many sessions it had then.
    pub fn drain_began(&self) -> Option<(Instant, usize)> {
        self.machine().drain_began
    }

    /// It has so many sessions now. The answer is whether it is being emptied and was not empty
    /// before.
    pub(super) fn note_drain(&self, sessions: usize, is_sure: bool) -> bool {
        let is_empty = sessions == 0 && self.in_flight() == 0 && is_sure;
        let mut watched = self.machine();
        if watched.machine.state() != State::Draining {
            watched.drain_began = None;
            watched.is_empty = false;
            return false;
        }
        watched
            .drain_began
            .get_or_insert_with(|| (Instant::now(), sessions));
        let was_empty = std::mem::replace(&mut watched.is_empty, is_empty);
        is_empty && !was_empty
    }

    /// Whether a request could enter now.
    pub fn has_room(&self) -> bool {
        self.places().has_room()
    }

    /// Gives a place back; whoever is next gets it.
    #[inline]
    pub fn leave(&self, scope: Scope) {
        let is_waited_for = self.places().leave();
        if self.queue.leave(scope) || is_waited_for {
            self.queue.settle();
        }
    }

    pub(super) fn places(&self) -> &Limit {
        &self.load.0.places
    }

    /// A request of one of its sessions came outside its turn: it owes one, at most a round's.
    #[inline]
    pub fn owe(&self, weight: u32) {
        // Not one step: of two at once one may be forgotten, which is nothing in a round.
        let debt = self.load.0.debt.load(Ordering::Relaxed);
        if debt < weight {
            self.load.0.debt.store(debt + 1, Ordering::Relaxed);
        }
    }

    /// Whether its turn goes to what it owes; then it owes one less.
    #[inline]
    pub fn pays_with_its_turn(&self) -> bool {
        let debt = self.load.0.debt.load(Ordering::Relaxed);
        if debt > 0 {
            self.load.0.debt.store(debt - 1, Ordering::Relaxed);
        }
        debt > 0
    }

    /// How often it has refused a connection, modulo 256.
    pub fn refusals(&self) -> u8 {
        self.refusals.load(Ordering::Acquire)
    }

    /// An administrator says that its process is another one: as good a proof as a refusal.
    pub fn note_restart(&self) {
        self.note_refusal();
    }

    /// It refused a connection, flip or not: each may be another process's end.
    pub(super) fn note_refusal(&self) {
        self.refusals.fetch_add(1, Ordering::AcqRel);
    }

    /// What [`Self::refusals`] was at the end of its life `life`, or is now if it still lives that
    /// one. As long as it is the same, the process of that life may still be there, with all that
    /// it held.
    pub fn refusals_of(&self, life: u8) -> u8 {
        if self.life() == life {
            self.refusals()
        } else {
            self.refusals_before_fall.load(Ordering::Acquire)
        }
    }

    /// Which of its lives it is in, modulo 256: rises each time it goes down.
    pub fn life(&self) -> u8 {
        let [life, ..] = self.epoch().to_le_bytes();
        life
    }

    /// Whether it has let requests time out and said nothing since.
    pub fn is_slow(&self) -> bool {
        self.awaits_progress.load(Ordering::Relaxed)
    }

    /// The jvm route that its Tomcat was seen to use.
    pub fn learned_route(&self) -> Guard<Option<Arc<JvmRoute>>> {
        self.learned.load()
    }

    pub(super) fn learn_route(&self, route: JvmRoute) {
        self.learned.store(Some(Arc::new(route)));
    }

    /// How far its slow start has come.
    pub fn warmth(&self) -> &Warmth {
        &self.warmth
    }

    /// A byte came from it: it is not silent.
    #[inline]
    pub fn note_life(&self) {
        if self.awaits_progress.load(Ordering::Relaxed) {
            self.break_silence();
        }
    }

    #[cold]
    fn break_silence(&self) {
        // Progress never flips a state, so nobody has to be told.
        let mut watched = self.machine();
        let flip = watched.machine.on(Event::Progress);
        debug_assert!(flip.is_none(), "a sign of life flipped a state");
        self.awaits_progress
            .store(watched.machine.awaits_progress(), Ordering::Relaxed);
    }

    /// It gave a good answer: the row of bad ones is over.
    #[inline]
    pub fn note_good(&self) {
        if self.row.load(Ordering::Relaxed) > 0 {
            self.row.store(0, Ordering::Relaxed);
        }
    }

    /// It gave a bad answer, or none.
    #[cold]
    pub fn note_bad(&self) {
        self.bad.fetch_add(1, Ordering::Relaxed);
        let row = self.row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.longest_row.fetch_max(row, Ordering::Relaxed);
    }

    /// Bad answers since the process was started, and the longest row of them since the last call.
    pub fn bad_answers(&self) -> (u64, u32) {
        let longest = self.longest_row.swap(0, Ordering::Relaxed);
        (self.bad.load(Ordering::Relaxed), longest)
    }

    /// Whether it gets no new sessions because of its answers.
    pub fn is_outlying(&self) -> bool {
        self.machine().machine.is_outlying()
    }

    /// What its monitor should try.
    pub fn needed(&self) -> Needed {
        self.machine().machine.needed()
    }

    /// Whether checks go against its state, and not enough of them to change it.
    pub fn wavers(&self) -> bool {
        self.machine().machine.wavers()
    }

    fn machine(&self) -> MutexGuard<'_, Watched> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `change` move the machine and publishes what follows. Under the lock, so that two
    /// transitions never overtake each other, and whoever reports what is known already leaves
    /// with the news announced: its next choice must not be made among those of before.
    pub(super) fn advance(
        &self,
        changes: &Changes,
        change: impl FnOnce(&mut Machine) -> Option<Transition>,
    ) -> Option<Transition> {
        let mut watched = self.machine();
        let transition = change(&mut watched.machine);
        self.awaits_progress
            .store(watched.machine.awaits_progress(), Ordering::Relaxed);
        if let Some(transition) = &transition {
            if transition.from == State::Down {
                // What its former life was blamed for says nothing of this one.
                self.row.store(0, Ordering::Relaxed);
                self.longest_row.store(0, Ordering::Relaxed);
            }
            watched.last = Some((*transition, SystemTime::now()));
            match transition.to {
                State::Down => {
                    let refused = u8::from(transition.cause == Cause::Fault(Fault::Refused));
                    let before = self.refusals().wrapping_sub(refused);
                    self.refusals_before_fall.store(before, Ordering::Release);
                    self.epoch.fetch_add(1, Ordering::AcqRel);
                }
                State::Warming => self.warmth.begin(),
                _ => {}
            }
            self.state.store(encode(transition.to), Ordering::Release);
            changes.announce();
        }
        drop(watched);
        transition.inspect(|_| {
            // Those who wait for it need wait no more, or can be served.
            self.queue.settle();
            self.changed.notify_one();
        })
    }
}

/// Below are the states whose sessions stay.
const EVACUATING: u8 = 3;

fn encode(state: State) -> u8 {
    match state {
        State::Up => 0,
        State::Warming => 1,
        State::Draining => 2,
        State::Evacuating => EVACUATING,
        State::Down => 4,
        State::Disabled => 5,
    }
}

fn decode(state: u8) -> State {
    match state {
        0 => State::Up,
        1 => State::Warming,
        2 => State::Draining,
        EVACUATING => State::Evacuating,
        5 => State::Disabled,
        _ => State::Down,
    }
}
