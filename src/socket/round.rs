//! The end of a worker's round: when all that was ready has been attended to, what waits is sent.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::task::unconstrained;

use super::plain::Waiting;

/// So many sockets wait at most; one more, and all are sent at once. It bounds how long the first one waits.
const MOST: usize = 32;

thread_local! {
    static ROUND: RefCell<Round> = const { RefCell::new(Round { waiting: VecDeque::new(), rooms: Vec::new(), end: None }) };
}

struct Round {
    waiting: VecDeque<Rc<Waiting>>,
    /// Rooms for what waits.
    rooms: Vec<Vec<u8>>,
    /// Who comes at the end; `None`: nobody does on this thread.
    end: Option<Waker>,
}

/// Whether somebody comes at the end of this thread's rounds.
pub(super) fn is_attended() -> bool {
    // Also where the thread is about to end.
    ROUND
        .try_with(|round| round.borrow().end.is_some())
        .unwrap_or(false)
}

/// A room for what waits.
pub(super) fn room() -> Vec<u8> {
    ROUND.with_borrow_mut(|round| round.rooms.pop().unwrap_or_default())
}

/// Gives one back.
pub(super) fn give_back(mut room: Vec<u8>) {
    ROUND.with_borrow_mut(|round| {
        if room.capacity() > 0 && round.rooms.len() < MOST {
            room.clear();
            round.rooms.push(room);
        }
    });
}

/// Sends what waits there at the end of the round.
pub(super) fn send_later(socket: Rc<Waiting>) {
    let count = ROUND.with_borrow_mut(|round| {
        round.waiting.push_back(socket);
        if let (1, Some(end)) = (round.waiting.len(), &round.end) {
            // Behind all that is ready by now.
            end.wake_by_ref();
        }
        round.waiting.len()
    });
    if count >= MOST {
        send_all();
    }
}

/// Comes at the end of each of this thread's rounds, until dropped.
pub async fn attend() {
    struct Attended;
    impl Drop for Attended {
        fn drop(&mut self) {
            let waiting = ROUND.with_borrow_mut(|round| {
                round.end = None;
                mem::take(&mut round.waiting)
            });
            for socket in waiting {
                socket.send_last();
            }
        }
    }
    let _attended = Attended;
    poll_fn(|cx| {
        ROUND.with_borrow_mut(|round| {
            let known = round.end.as_ref();
            if !known.is_some_and(|end| end.will_wake(cx.waker())) {
                round.end = Some(cx.waker().clone());
            }
        });
        send_all();
        Poll::<()>::Pending
    })
    .await;
}

fn send_all() {
    let mut listed = Listed(ROUND.with_borrow_mut(|round| mem::take(&mut round.waiting)));
    let all = poll_fn(|_| {
        while let Some(socket) = listed.0.pop_front() {
            socket.send();
        }
        Poll::Ready(())
    });
    // Whoever's turn it is has a budget for its own sockets alone.
    let sent = pin!(unconstrained(all)).poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(sent.is_ready());
}

/// What is listed is forgotten by nobody, whatever happens to one of them.
struct Listed(VecDeque<Rc<Waiting>>);

impl Drop for Listed {
    fn drop(&mut self) {
        ROUND.with_borrow_mut(|round| {
            // Nothing can have come meanwhile; the room is for the next round.
            round.waiting = mem::take(&mut self.0);
            if let (false, Some(end)) = (round.waiting.is_empty(), &round.end) {
                end.wake_by_ref();
            }
        });
    }
}
