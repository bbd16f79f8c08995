//! One client connection as its requests see it.
//!
//! Server and proxy share it by `Rc`: the server notes what the socket does, the proxy what the
//! request waits for. One connection carries one exchange at a time, so one of each is enough.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use super::relay::Exchange;
use crate::clock::{Clock, Deadline};

/// What a client connection is doing; each phase has a time limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was asked, or all that was asked is answered.
    Idle,
    /// A head has begun to arrive.
    Head,
    /// A request is being answered.
    Busy,
}

/// What is shared between the socket, the protocol machine and the requests of a connection.
#[derive(Debug)]
pub struct Conversation {
    /// Bounds the wait for the client: idle, head, or a response it does not take.
    pub patience: Deadline,
    /// Bounds the wait for the backend.
    pub upstream: Deadline,
    phase: Cell<Phase>,
    requests: Cell<u64>,
    relayed: RefCell<Option<Rc<RefCell<Exchange>>>>,
}

impl Conversation {
    /// A connection on which nothing has happened yet.
    pub fn new(clock: &Rc<Clock>) -> Rc<Self> {
        Rc::new(Self {
            patience: clock.deadline(),
            upstream: clock.deadline(),
            phase: Cell::new(Phase::Idle),
            requests: Cell::new(0),
            relayed: RefCell::default(),
        })
    }

    /// What the connection is doing.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Enters a phase that may last `limit`; `None`: as long as it likes.
    pub fn enter(&self, phase: Phase, limit: Option<Duration>) {
        self.phase.set(phase);
        match limit {
            Some(limit) => self.patience.arm(limit),
            None => self.patience.disarm(),
        }
    }

    /// Counts a request; its number on this connection, from one.
    pub fn begin_request(&self) -> u64 {
        let number = self.requests.get() + 1;
        self.requests.set(number);
        number
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// The response that is on its way to this client; it is read ahead while the client is slow.
    pub(super) fn relay(&self, exchange: Rc<RefCell<Exchange>>) {
        self.relayed.replace(Some(exchange));
    }

    /// No response is on its way any more.
    pub(super) fn end_relay(&self) {
        self.relayed.replace(None);
    }

    /// Takes what the backend has ready of the current response, as far as the response buffer
    /// goes, so that a client that does not read does not hold a Tomcat thread. Called by the
    /// connection's task after the protocol machine came to rest.
    pub fn read_ahead(&self, cx: &mut Context<'_>) {
        if let Some(exchange) = self.relayed.borrow().as_ref() {
            exchange.borrow_mut().read_ahead(cx);
        }
    }
}
