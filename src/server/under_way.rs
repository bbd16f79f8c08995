//! The handshakes that a worker has under way. One too many takes the place of the oldest: who is
//! honest is done long before, who only holds a place loses it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::observe::metrics::ListenerCells;

/// Those of one worker, over all listeners.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    next: Cell<u64>,
    /// In the order in which they began.
    seats: RefCell<BTreeMap<u64, Rc<Notice>>>,
}

/// What one of them is told.
#[derive(Debug, Default)]
struct Notice {
    displaced: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// One handshake's place; given back on drop.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    of: &'a UnderWay,
    number: u64,
    notice: Rc<Notice>,
    cells: &'a ListenerCells,
}

impl UnderWay {
    /// A place, if need be that of the oldest.
    pub(super) fn seat<'a>(&'a self, most: usize, cells: &'a ListenerCells) -> Seat<'a> {
        let number = self.next.get();
        self.next.set(number + 1);
        let notice = Rc::new(Notice::default());
        let mut seats = self.seats.borrow_mut();
        while seats.len() >= most.max(1) {
            let Some((_, oldest)) = seats.pop_first() else {
                break;
            };
            oldest.displaced.set(true);
            if let Some(waker) = oldest.waker.take() {
                waker.wake();
            }
        }
        seats.insert(number, Rc::clone(&notice));
        cells.handshakes_under_way.inc();
        Seat {
            of: self,
            number,
            notice,
            cells,
        }
    }
}

impl Seat<'_> {
    /// Whether it was given to another one. If not, the task is woken when it is.
    pub(super) fn is_lost(&self, cx: &Context<'_>) -> bool {
        if self.was_lost() {
            return true;
        }
        let mut waker = self.notice.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        false
    }

    /// The same, asked afterwards.
    pub(super) fn was_lost(&self) -> bool {
        self.notice.displaced.get()
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.of.seats.borrow_mut().remove(&self.number);
        self.cells.handshakes_under_way.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_who_is_done_takes_none() {
        let (under_way, cells) = (UnderWay::default(), ListenerCells::default());
        let cx = Context::from_waker(Waker::noop());
        let mut seats: Vec<_> = (0..3).map(|_| under_way.seat(3, &cells)).collect();
        drop(seats.remove(1));
        seats.push(under_way.seat(3, &cells));
        assert!(seats.iter().all(|seat| !seat.is_lost(&cx)));
        seats.push(under_way.seat(3, &cells));
        let lost: Vec<_> = seats.iter().map(|seat| seat.is_lost(&cx)).collect();
        assert_eq!(lost, [true, false, false, false]);
        // A reload may say less than there are.
        seats.push(under_way.seat(1, &cells));
        assert_eq!(seats.iter().filter(|seat| !seat.was_lost()).count(), 1);
        assert!(!seats[4].was_lost());
        assert_eq!(cells.handshakes_under_way.value(), 5);
        drop(seats);
        assert_eq!(cells.handshakes_under_way.value(), 0);
        assert!(under_way.seats.borrow().is_empty());
    }
}
