//! One coarse clock per worker, in place of a timer per request.
//!
//! A worker advances its clock every [`TICK`]; whoever waits for something holds a [`Deadline`],
//! a slot in the clock's table. Arming one is a store, no heap and no timer wheel. The price is
//! precision: a deadline counts from the last tick and ends at one, so it is up to two ticks late;
//! it is early only by what a stalled worker's last tick was late.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// How often a worker's clock advances.
pub const TICK: Duration = Duration::from_millis(100);

/// The same in milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "a tenth of a second")]
pub const TICK_MS: u64 = TICK.as_millis() as u64;

const NEVER: u64 = u64::MAX;

/// A worker's coarse clock and the deadlines of everything that waits on this worker.
#[derive(Debug)]
pub struct Clock {
    origin: Instant,
    now_ms: Cell<u64>,
    slots: RefCell<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    entries: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Slot {
    over_at_ms: u64,
    waker: Option<Waker>,
}

impl Clock {
    /// A clock that starts now.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            origin: Instant::now(),
            now_ms: Cell::new(0),
            slots: RefCell::default(),
        })
    }

    /// Milliseconds since the clock's start, as of the last tick.
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Milliseconds from the clock's start to a moment.
    pub fn ms_of(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.origin);
        u64::try_from(since.as_millis()).unwrap_or(NEVER - 1)
    }

    /// A new deadline, not armed.
    pub fn deadline(self: &Rc<Self>) -> Deadline {
        let mut slots = self.slots.borrow_mut();
        let slot = Slot {
            over_at_ms: NEVER,
            waker: None,
        };
        let index = if let Some(index) = slots.free.pop() {
            if let Some(entry) = slots.entries.get_mut(index) {
                *entry = slot;
            }
            index
        } else {
            slots.entries.push(slot);
            slots.entries.len() - 1
        };
        Deadline {
            clock: Rc::clone(self),
            index,
        }
    }

    /// Reads the time and wakes whoever's deadline is over.
    pub fn tick(&self) {
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(NEVER - 1);
        self.now_ms.set(now);
        self.wake(|slot| slot.over_at_ms <= now);
    }

    /// Wakes everybody who holds a deadline, so that they look at what changed around them.
    pub fn wake_all(&self) {
        self.wake(|_| true);
    }

    fn wake(&self, whom: impl Fn(&Slot) -> bool) {
        // Collected first: a waker may run code that takes a new deadline.
        let wakers: Vec<Waker> = self
            .slots
            .borrow_mut()
            .entries
            .iter_mut()
            .filter(|slot| whom(slot))
            .filter_map(|slot| slot.waker.take())
            .collect();
        for waker in wakers {
            waker.wake();
        }
    }
}

/// When to stop waiting for one thing. Freed on drop.
#[derive(Debug)]
pub struct Deadline {
    clock: Rc<Clock>,
    index: usize,
}

impl Deadline {
    /// Starts the wait anew: over after `wait`, up to two ticks later.
    pub fn arm(&self, wait: Duration) {
        let wait = u64::try_from(wait.saturating_add(TICK).as_millis()).unwrap_or(NEVER);
        self.set(self.clock.now_ms().saturating_add(wait).min(NEVER - 1));
    }

    /// Over at this moment, by [`Clock::now_ms`], or up to two ticks later.
    pub fn arm_at(&self, at_ms: u64) {
        self.set(at_ms.saturating_add(TICK_MS).min(NEVER - 1));
    }

    /// Waits for ever.
    pub fn disarm(&self) {
        self.set(NEVER);
    }

    /// Whether the wait is over. If not, the task is woken when it is, or by
    /// [`Clock::wake_all`].
    pub fn is_over(&self, cx: &Context<'_>) -> bool {
        let mut slots = self.clock.slots.borrow_mut();
        let Some(slot) = slots.entries.get_mut(self.index) else {
            return false;
        };
        if slot.over_at_ms <= self.clock.now_ms() {
            return true;
        }
        if !slot
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            slot.waker = Some(cx.waker().clone());
        }
        false
    }

    /// Whether the wait was armed and is over.
    pub fn has_passed(&self) -> bool {
        let slots = self.clock.slots.borrow();
        slots
            .entries
            .get(self.index)
            .is_some_and(|slot| slot.over_at_ms <= self.clock.now_ms())
    }

    fn set(&self, over_at_ms: u64) {
        if let Some(slot) = self.clock.slots.borrow_mut().entries.get_mut(self.index) {
            slot.over_at_ms = over_at_ms;
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut slots = self.clock.slots.borrow_mut();
        if let Some(slot) = slots.entries.get_mut(self.index) {
            *slot = Slot {
                over_at_ms: NEVER,
                waker: None,
            };
        }
        slots.free.push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn woken(count: &Arc<Count>) -> usize {
        count.0.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_over_within_one_tick_and_never_early() {
        let clock = Clock::new();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        let deadline = clock.deadline();
        deadline.arm(Duration::from_secs(2));
        tokio::time::advance(Duration::from_millis(1_990)).await;
        clock.tick();
        assert!(!deadline.is_over(&cx));
        tokio::time::advance(Duration::from_millis(110)).await;
        clock.tick();
        assert_eq!(woken(&count), 1);
        assert!(deadline.is_over(&cx));
        deadline.arm(Duration::from_secs(1));
        assert!(!deadline.is_over(&cx), "armed anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_disarmed_deadline_is_only_woken_with_all_others() {
        let clock = Clock::new();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let deadline = clock.deadline();
        assert!(!deadline.is_over(&Context::from_waker(&waker)));
        tokio::time::advance(Duration::from_hours(1)).await;
        clock.tick();
        assert_eq!(woken(&count), 0);
        clock.wake_all();
        assert_eq!(woken(&count), 1);
    }

    #[tokio::test]
    async fn slots_of_dropped_deadlines_are_used_again() {
        let clock = Clock::new();
        for _ in 0..100 {
            let (_one, _two) = (clock.deadline(), clock.deadline());
        }
        assert_eq!(clock.slots.borrow().entries.len(), 2);
    }
}
