//! How long a client's silence is borne.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use crate::clock::{Clock, Deadline};
use crate::observe::metrics::Http2Error;
use crate::proxy::conversation::Patience;
use crate::server::linger::LINGER;

/// What a connection waits for. The number tells one wait from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The first frame.
    Begin,
    /// The rest of a head, or of a small frame.
    Frame(u64),
    /// Room in the socket.
    Room(u64),
    /// Room in its windows for the ends of answers; after so many pieces.
    Tail(u64),
    /// Its requests, which have limits of their own.
    Requests,
    /// A request; after so many, and so many pieces of responses.
    Request(u64, u64),
    /// The client's end, after it was told.
    End(u64),
    /// The client's end, after ours; that wait ends by itself.
    Linger,
}

/// A wait, and when it began.
#[derive(Debug, Clone, Copy)]
struct Since {
    waiting: Waiting,
    at_ms: u64,
}

/// What becomes of a connection that was waited for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It is told to end: nothing was asked for a while.
    Idle,
    /// It is closed.
    Silent(Option<Http2Error>),
}

/// The wait of a connection, one at a time.
#[derive(Debug)]
pub(super) struct Waits {
    clock: Rc<Clock>,
    deadline: Deadline,
    patience: Patience,
    waiting: Cell<Waiting>,
    /// The last wait for a frame's rest, and the last one for what comes after: each may be
    /// interrupted by the other, and goes on then.
    frame: Cell<Since>,
    rest: Cell<Since>,
}

impl Since {
    const BEGIN: Self = Self {
        waiting: Waiting::Begin,
        at_ms: 0,
    };
}

impl Waits {
    pub(super) fn new(clock: &Rc<Clock>, patience: Patience) -> Self {
        let deadline = clock.deadline();
        deadline.arm(patience.head);
        Self {
            clock: Rc::clone(clock),
            deadline,
            patience,
            waiting: Cell::new(Waiting::Begin),
            frame: Cell::new(Since::BEGIN),
            rest: Cell::new(Since::BEGIN),
        }
    }

    /// Begins a wait, unless it is the one that goes on; after [`Waiting::Linger`] there is no other.
    pub(super) fn enter(&self, waiting: Waiting) {
        if ![waiting, Waiting::Linger].contains(&self.waiting.get()) {
            self.waiting.set(waiting);
            self.arm(waiting);
        }
    }

    fn arm(&self, waiting: Waiting) {
        let Patience { head, idle, send } = self.patience;
        match waiting {
            Waiting::Requests => self.deadline.disarm(),
            Waiting::Begin => self.deadline.arm(head),
            Waiting::Frame(_) => self.go_on(&self.frame, waiting, head),
            Waiting::Room(_) => self.deadline.arm(send),
            Waiting::Tail(_) => self.go_on(&self.rest, waiting, send),
            Waiting::Request(..) => self.go_on(&self.rest, waiting, idle),
            Waiting::End(_) => self.go_on(&self.rest, waiting, head),
            Waiting::Linger => self.deadline.arm(LINGER),
        }
    }

    /// Waits as long as is left of `limit`, if this is the wait that was interrupted.
    fn go_on(&self, last: &Cell<Since>, waiting: Waiting, limit: Duration) {
        let at_ms = self.clock.now_ms();
        let mut since = last.get();
        if since.waiting != waiting {
            since = Since { waiting, at_ms };
            last.set(since);
        }
        let passed = Duration::from_millis(at_ms.saturating_sub(since.at_ms));
        self.deadline.arm(limit.saturating_sub(passed));
    }

    /// Whether the wait is over. If not, the task is woken when it is.
    pub(super) fn is_over(&self, cx: &Context<'_>) -> bool {
        self.deadline.is_over(cx)
    }

    /// What the wait's end means, if it is over.
    pub(super) fn overdue(&self, cx: &Context<'_>) -> Option<Overdue> {
        let waiting = self.waiting.get();
        if waiting == Waiting::Linger || !self.is_over(cx) {
            return None;
        }
        Some(match waiting {
            Waiting::Request(..) => Overdue::Idle,
            Waiting::Begin | Waiting::Frame(_) => Overdue::Silent(Some(Http2Error::Timeout)),
            Waiting::Room(_) | Waiting::Tail(_) => Overdue::Silent(Some(Http2Error::SendTimeout)),
            Waiting::Requests | Waiting::End(_) | Waiting::Linger => Overdue::Silent(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::clock::TICK;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_mins(1),
        send: Duration::from_secs(30),
    };

    async fn pass(clock: &Clock, time: Duration) {
        tokio::time::advance(time).await;
        clock.tick();
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_interrupted_goes_on_with_what_is_left() {
        let clock = Clock::new();
        let waits = Waits::new(&clock, PATIENCE);
        let overdue = || waits.overdue(&Context::from_waker(Waker::noop()));
        waits.enter(Waiting::Request(1, 5));
        for number in 0..11 {
            pass(&clock, Duration::from_secs(5)).await;
            waits.enter(Waiting::Frame(number));
            assert_eq!(overdue(), None);
            waits.enter(Waiting::Request(1, 5));
            assert_eq!(overdue(), None, "{number}");
        }
        pass(&clock, Duration::from_secs(5) + TICK).await;
        assert_eq!(overdue(), Some(Overdue::Idle));
        // Another request has come since.
        waits.enter(Waiting::Request(2, 5));
        assert_eq!(overdue(), None);
    }
}
