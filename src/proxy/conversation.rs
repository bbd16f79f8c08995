//! One client connection as its requests see it.
//!
//! Server and proxy share it by `Rc`: the server notes what the socket does, the proxy what the
//! request waits for. One connection carries one exchange at a time, so one of each is enough.
//! By HTTP/2 each stream has a conversation of its own, and what is said here of a connection
//! holds for the stream.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use http::StatusCode;

use super::relay::{Asked, Exchange};
use super::tunnel::Tunnel;
use crate::clock::{Clock, Deadline};
use crate::config::Limits;

/// What a client connection is doing; each phase has a time limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was asked yet.
    New,
    /// All that was asked is answered.
    Idle,
    /// A head has begun to arrive.
    Head,
    /// A request is being answered.
    Busy,
}

/// How long a client may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a head.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Before it takes more of what is sent.
    pub send: Duration,
}

impl Patience {
    /// For its end after it was told to end: what was sent before must be taken first.
    pub fn farewell(&self) -> Duration {
        self.head.max(self.send)
    }
}

impl From<&Limits> for Patience {
    fn from(limits: &Limits) -> Self {
        Self {
            head: limits.head_time,
            idle: limits.idle_time,
            send: limits.send_idle,
        }
    }
}

/// What a conversation is held on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// A connection, request after request.
    Connection,
    /// A stream of HTTP/2: one request.
    Stream,
}

/// What is shared between the socket, the protocol machine and the requests of a connection.
#[derive(Debug)]
pub struct Conversation {
    /// Bounds the wait for the backend.
    pub upstream: Deadline,
    deadline: Deadline,
    patience: Patience,
    lane: Lane,
    phase: Cell<Phase>,
    blocked: Cell<bool>,
    owed: Cell<bool>,
    offers: Cell<bool>,
    ending: Cell<bool>,
    requests: Cell<u64>,
    relayed: RefCell<Option<Rc<RefCell<Exchange>>>>,
    /// On the heap: next to no conversation has one.
    tunnel: RefCell<Option<Box<Tunnel>>>,
}

impl Conversation {
    /// A connection on which nothing has happened yet.
    pub fn new(clock: &Rc<Clock>, patience: Patience) -> Rc<Self> {
        Self::on(Lane::Connection, clock, patience)
    }

    /// A stream of HTTP/2 whose request has come.
    pub fn of_stream(clock: &Rc<Clock>, patience: Patience) -> Rc<Self> {
        Self::on(Lane::Stream, clock, patience)
    }

    fn on(lane: Lane, clock: &Rc<Clock>, patience: Patience) -> Rc<Self> {
        let talk = Self {
            upstream: clock.deadline(),
            deadline: clock.deadline(),
            patience,
            lane,
            phase: Cell::new(Phase::New),
            blocked: Cell::new(false),
            owed: Cell::new(false),
            offers: Cell::new(false),
            ending: Cell::new(false),
            requests: Cell::new(0),
            relayed: RefCell::default(),
            tunnel: RefCell::default(),
        };
        talk.rearm();
        Rc::new(talk)
    }

    /// Whether it ends with its one request, whatever becomes of that.
    pub fn is_stream(&self) -> bool {
        self.lane == Lane::Stream
    }

    /// What the connection is doing.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Bytes arrived; the first ones after a pause begin a head.
    pub fn bytes_arrived(&self) {
        if matches!(self.phase.get(), Phase::New | Phase::Idle) {
            self.enter(Phase::Head);
        }
    }

    /// A request's head is complete; its number on this connection, from one.
    pub fn begin_request(&self) -> u64 {
        let number = self.requests.get() + 1;
        self.requests.set(number);
        self.no_switch();
        self.enter(Phase::Busy);
        number
    }

    /// The answer has been handed to the protocol machine.
    pub fn end_request(&self) {
        self.enter(Phase::Idle);
    }

    /// The client does not take what is written.
    pub fn write_blocked(&self) {
        if !self.blocked.replace(true) {
            self.rearm();
        }
    }

    /// The client takes what is written.
    pub fn write_went_on(&self) {
        if self.blocked.replace(false) {
            self.rearm();
        }
    }

    /// Begins the wait for the client to take what is written once more; `false`: there is none.
    pub fn wait_anew_for_room(&self) -> bool {
        self.rearm();
        self.blocked.get()
    }

    /// The client may still be sending what nobody will read: the connection must not be closed
    /// under it, or it would never see the answer.
    pub fn owe_lingering(&self) {
        self.owed.set(true);
    }

    /// Whether the connection must linger when it is closed.
    pub fn owes_lingering(&self) -> bool {
        self.owed.get() || self.phase.get() == Phase::Head
    }

    /// The connection ends; the client has this long to stop sending.
    pub fn linger(&self, limit: Duration) {
        self.deadline.arm(limit);
    }

    /// Whether the client has kept us waiting for too long; the connection's task is woken when
    /// it has.
    pub fn is_overdue(&self, cx: &Context<'_>) -> bool {
        self.deadline.is_over(cx)
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.rearm();
    }

    fn rearm(&self) {
        match (self.blocked.get(), self.phase.get()) {
            (true, _) => self.deadline.arm(self.patience.send),
            // Its head is there, and so is the end of it: the connection waits for the next.
            (false, Phase::Head | Phase::Idle) if self.is_stream() => self.deadline.disarm(),
            (false, Phase::New | Phase::Head) => self.deadline.arm(self.patience.head),
            (false, Phase::Idle) => self.deadline.arm(self.patience.idle),
            // The request's own waits are bounded elsewhere.
            (false, Phase::Busy) => self.deadline.disarm(),
        }
    }

    /// The request offers a switch of protocols to its backend.
    pub(super) fn offer(&self) {
        self.offers.set(true);
    }

    /// Whether the request may become a tunnel still.
    pub fn has_offer(&self) -> bool {
        self.offers.get()
    }

    /// The backend has switched protocols: once the client's side has, the tunnel runs.
    pub(super) fn switch(&self, tunnel: Box<Tunnel>) {
        self.tunnel.replace(Some(tunnel));
    }

    /// The request is answered otherwise.
    pub(super) fn no_switch(&self) {
        self.offers.set(false);
        self.tunnel.replace(None);
    }

    /// This is what the client is told in the end, whatever the backend has said.
    pub(super) fn answered(&self, status: StatusCode) {
        let is_switch = if self.is_stream() {
            status.is_success()
        } else {
            status == StatusCode::SWITCHING_PROTOCOLS
        };
        if !is_switch {
            self.no_switch();
        }
    }

    /// Whether a tunnel waits for the client's side.
    pub fn has_tunnel(&self) -> bool {
        self.tunnel.borrow().is_some()
    }

    /// The tunnel that waits for the client's side, if there is one.
    pub fn take_tunnel(&self) -> Option<Box<Tunnel>> {
        self.tunnel.take()
    }

    /// The protocol machine ends the connection.
    pub fn say_end(&self) {
        self.ending.set(true);
    }

    /// Whether it has begun to.
    pub fn has_said_end(&self) -> bool {
        self.ending.get()
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
            exchange.borrow_mut().read_ahead(cx, self);
        }
    }

    /// The same for a stream, which sees no socket: whether its client takes what is sent is told
    /// from what the protocol machine asked for in this turn.
    pub fn read_ahead_of_stream(&self, cx: &mut Context<'_>) {
        let asked = self.relayed.borrow().as_ref().map(|exchange| {
            let mut exchange = exchange.borrow_mut();
            let asked = exchange.asked();
            exchange.read_ahead(cx, self);
            asked
        });
        let blocked = match (asked, self.phase.get()) {
            // The backend is waited for, or the proxy itself.
            (Some(Asked::InVain), _) | (None, Phase::New | Phase::Busy) => false,
            // Something went out just now, and then no more.
            (Some(Asked::AndGiven), _) => {
                self.write_went_on();
                true
            }
            // An answer of ours, which is handed out whole, waits too.
            (Some(Asked::Nothing) | None, _) => true,
        };
        if blocked {
            self.write_blocked();
        } else {
            self.write_went_on();
        }
    }
}
