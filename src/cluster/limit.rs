//! How many may be in at a time, and whether anybody waits to get in: one atomic for both, so
//! that whoever leaves learns of those who wait without looking for them.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Set while somebody waits. Only who holds the queue's lock sets it or takes it away.
const WAITED_FOR: usize = 1;
const ONE: usize = 2;

/// What every request writes: it shares its line with nothing.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct CacheLine<T>(pub(super) T);

/// The places of a backend, or of a whole cluster.
///
/// Relaxed everywhere: count and mark are one number, so of a leaving one and a waiting one the
/// later always sees what the other did. What must be seen besides is behind the queue's lock.
#[derive(Debug, Default)]
pub(super) struct Limit {
    /// Twice the number of those who are in, and the mark.
    word: AtomicUsize,
    /// Zero: no bound.
    most: AtomicUsize,
}

impl Limit {
    /// Room for `most`; zero: for all.
    pub(super) fn new(most: usize) -> Self {
        Self {
            word: AtomicUsize::new(0),
            most: AtomicUsize::new(most),
        }
    }

    /// From now on there is room for `most`; those who are in stay.
    pub(super) fn change(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// For how many there is room; zero: for all.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Whether there is a bound.
    pub(super) fn is_set(&self) -> bool {
        self.most() != 0
    }

    /// How many are in.
    pub(super) fn count(&self) -> usize {
        self.word.load(Ordering::Relaxed) / ONE
    }

    /// Whether somebody who comes now could enter: nobody passes those who wait.
    pub(super) fn has_room(&self) -> bool {
        let most = self.most();
        most == 0 || has_room(self.word.load(Ordering::Relaxed), most)
    }

    /// Enters, unless it is full or others wait.
    #[inline]
    pub(super) fn try_enter(&self) -> bool {
        let most = self.most();
        if most == 0 {
            self.word.fetch_add(ONE, Ordering::Relaxed);
            return true;
        }
        let enter = |word| has_room(word, most).then_some(word + ONE);
        self.word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter)
            .is_ok()
    }

    /// Enters for the one who is next of those who wait, or leaves the mark that somebody waits.
    pub(super) fn enter_for_next(&self) -> bool {
        let most = self.most();
        let has_room = |word| most == 0 || word / ONE < most;
        let step = |word| {
            let next = if has_room(word) {
                word + ONE
            } else {
                word | WAITED_FOR
            };
            (next != word).then_some(next)
        };
        self.word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
            .is_ok_and(has_room)
    }

    /// Gives a place back; whether somebody waits for it.
    #[inline]
    pub(super) fn leave(&self) -> bool {
        let before = self.word.fetch_sub(ONE, Ordering::Relaxed);
        debug_assert!(before >= ONE, "a request left that never entered");
        before & WAITED_FOR != 0
    }

    /// Nobody waits any more.
    pub(super) fn nobody_waits(&self) {
        self.word.fetch_and(!WAITED_FOR, Ordering::Relaxed);
    }
}

fn has_room(word: usize, most: usize) -> bool {
    word & WAITED_FOR == 0 && word / ONE < most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_passes_those_who_wait() {
        let limit = Limit::new(1);
        assert!(limit.try_enter());
        assert!(!limit.try_enter() && !limit.has_room());
        assert!(!limit.enter_for_next());
        assert!(limit.leave(), "the mark is seen");
        assert!(!limit.try_enter(), "the free place is for who waits");
        assert!(!limit.has_room());
        assert!(limit.enter_for_next());
        limit.nobody_waits();
        assert_eq!(limit.count(), 1);
        assert!(!limit.leave());
        assert!(limit.has_room() && limit.try_enter());
    }

    #[test]
    fn without_a_bound_all_enter() {
        let limit = Limit::new(0);
        assert!(!limit.is_set());
        assert!((0..9).all(|_| limit.try_enter() && limit.enter_for_next()));
        assert_eq!(limit.count(), 18);
        limit.change(18);
        assert!(!limit.has_room() && !limit.try_enter());
    }
}
