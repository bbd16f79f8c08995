//! One Tomcat as all workers share it: its state, its requests in flight, its counters.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use tokio::sync::Notify;

use super::addresses::Addresses;
use super::changes::Changes;
use super::machine::{Cause, Event, Fault, Machine, Needed, State, Transition};
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
    max_requests: AtomicUsize,
    agent: AgentSays,
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
    warmth: Warmth,
    addresses: ArcSwap<Addresses>,
    machine: Mutex<Machine>,
}

/// Every request writes it: it shares its line with nothing.
#[derive(Debug, Default)]
#[repr(align(128))]
struct CacheLine<T>(T);

#[derive(Debug, Default)]
struct Load {
    in_flight: AtomicUsize,
    /// Turns of the round robin that requests of its sessions have used up in advance.
    debt: AtomicU32,
}

/// What its agent says besides its state.
#[derive(Debug, Default)]
struct AgentSays {
    /// Of the configured weight.
    percent: Mutex<Option<u32>>,
    max_requests: Mutex<Option<usize>>,
}

impl AgentSays {
    fn percent(&self) -> MutexGuard<'_, Option<u32>> {
        self.percent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn max_requests(&self) -> MutexGuard<'_, Option<usize>> {
        let said = self.max_requests.lock();
        said.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend {
    /// A backend that no request has seen yet.
    pub fn new(settings: config::Backend, machine: Machine, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            name: settings.name.clone(),
            address: settings.address.clone(),
            cells: PerWorker::new(workers),
            events: BackendEvents::default(),
            changed: Notify::new(),
            load: CacheLine::default(),
            max_requests: AtomicUsize::new(settings.max_requests),
            agent: AgentSays::default(),
            state: AtomicU8::new(encode(machine.state())),
            awaits_progress: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            refusals: AtomicU8::new(0),
            refusals_before_fall: AtomicU8::new(0),
            learned: ArcSwapOption::empty(),
            warmth: Warmth::default(),
            addresses: ArcSwap::from_pointee(Addresses::known(&settings.address)),
            settings: ArcSwap::from_pointee(settings),
            machine: Mutex::new(machine),
        })
    }

    /// What the file says of it.
    pub fn settings(&self) -> Guard<Arc<config::Backend>> {
        self.settings.load()
    }

    /// Takes over what a reloaded file says of it.
    pub(super) fn change_settings(&self, settings: config::Backend) {
        self.settings.store(Arc::new(settings));
        self.settle_max_requests();
    }

    /// Whether requests that no session binds may go there.
    pub fn takes_new(&self) -> bool {
        self.state().takes_new() && self.agent_percent() > 0
    }

    /// What its agent makes of the weight, in percent; 0: it takes no new sessions.
    pub fn agent_percent(&self) -> u32 {
        let said = *self.agent.percent();
        said.unwrap_or(100)
    }

    /// Takes over what its agent makes of the weight; whether that is news.
    pub(super) fn set_agent_weight(&self, percent: Option<u32>) -> bool {
        std::mem::replace(&mut *self.agent.percent(), percent) != percent
    }

    /// Takes over what its agent says of the most requests at a time; whether that is news.
    pub(super) fn set_agent_max(&self, max_requests: Option<usize>) -> bool {
        let before = std::mem::replace(&mut *self.agent.max_requests(), max_requests);
        self.settle_max_requests();
        before != max_requests
    }

    /// What its agent says overrules the file.
    fn settle_max_requests(&self) {
        let said = self.agent.max_requests();
        let most = said.unwrap_or(self.settings.load().max_requests);
        // Under the lock: the last one to know is the last one to say.
        self.max_requests.store(most, Ordering::Relaxed);
    }

    /// The most requests at a time; zero: unlimited.
    pub fn max_requests(&self) -> usize {
        self.max_requests.load(Ordering::Relaxed)
    }

    /// Its state.
    pub fn state(&self) -> State {
        decode(self.state.load(Ordering::Acquire))
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
        self.load.0.in_flight.load(Ordering::Relaxed)
    }

    /// Takes a place among its requests in flight, unless all `max_requests` are taken.
    pub fn try_enter(&self) -> bool {
        let limit = self.max_requests.load(Ordering::Relaxed);
        if limit == 0 {
            self.load.0.in_flight.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        self.load
            .0
            .in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < limit).then_some(count + 1)
            })
            .is_ok()
    }

    /// Whether a request could enter now.
    pub fn has_room(&self) -> bool {
        let limit = self.max_requests.load(Ordering::Relaxed);
        limit == 0 || self.in_flight() < limit
    }

    /// Gives a place back.
    pub fn leave(&self) {
        let before = self.load.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a request left that never entered");
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
        let mut machine = self.machine();
        let flip = machine.on(Event::Progress);
        debug_assert!(flip.is_none(), "a sign of life flipped a state");
        self.awaits_progress
            .store(machine.awaits_progress(), Ordering::Relaxed);
    }

    /// What its monitor should try.
    pub fn needed(&self) -> Needed {
        self.machine().needed()
    }

    /// Whether checks go against its state, and not enough of them to change it.
    pub fn wavers(&self) -> bool {
        self.machine().wavers()
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
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
        let mut machine = self.machine();
        let transition = change(&mut machine);
        self.awaits_progress
            .store(machine.awaits_progress(), Ordering::Relaxed);
        if let Some(transition) = &transition {
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
        drop(machine);
        if transition.is_some() {
            self.changed.notify_one();
        }
        transition
    }
}

fn encode(state: State) -> u8 {
    match state {
        State::Up => 0,
        State::Warming => 1,
        State::Draining => 2,
        State::Evacuating => 3,
        State::Down => 4,
        State::Disabled => 5,
    }
}

fn decode(state: u8) -> State {
    match state {
        0 => State::Up,
        1 => State::Warming,
        2 => State::Draining,
        3 => State::Evacuating,
        5 => State::Disabled,
        _ => State::Down,
    }
}
