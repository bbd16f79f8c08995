//! The request body on its way to a backend.
//!
//! The proxy keeps the [`BodySource`], attempts get a [`RequestBody`] that reads from it. So a body
//! survives an attempt that never touched it, and one that was touched can be sent again as long
//! as all of it is still at hand.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::body_fault::{BodyFault, GivenUp};
use super::upload::Beginning;
use crate::clock::Deadline;

/// Bounds on a request body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes in all.
    pub bytes: u64,
    /// Longest pause of the client.
    pub idle: Duration,
    /// Bytes kept so that the body can be sent again; zero: none.
    pub replay: usize,
}

/// How the end of a request body is told from its being given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// HTTP/1: hyper makes an error of it.
    Http1,
    /// HTTP/2: a client that resets its stream without an error has not ended its body, but hyper
    /// has no more of it to give.
    Http2,
}

impl From<Version> for Framing {
    fn from(version: Version) -> Self {
        if version == Version::HTTP_2 {
            Self::Http2
        } else {
            Self::Http1
        }
    }
}

/// The client's request body: where it is and what was seen of it.
#[derive(Debug)]
pub struct BodySource {
    incoming: Option<Incoming>,
    framing: Framing,
    hint: SizeHint,
    limits: BodyLimits,
    seen: u64,
    /// Copied, not referenced: pieces of a byte each must not pin a read buffer each.
    kept: Vec<u8>,
    /// Whether `kept` is all that was taken from the client so far.
    whole: bool,
    ended: bool,
    trailers: Option<http::HeaderMap>,
    unfit: UnfitTrailers,
    fault: Option<BodyFault>,
    gate: Gate,
    deadline: Deadline,
    /// Whether the last poll had to wait for the client.
    awaits_client: bool,
    /// Which attempt may read: one that was given up may still be asked for by its connection.
    holder: u32,
    /// Rises with every piece handed on, so that whoever watches an attempt sees progress.
    progress: u64,
    /// Who reads the body: must hear when nothing more comes of it.
    reader: Option<Waker>,
    /// Who waits for the answer: another time limit begins when the body has ended.
    watcher: Option<Waker>,
}

/// Takes out of trailers what no client may say behind a body, and the names it is to take out besides.
pub type UnfitTrailers = (
    fn(&mut http::HeaderMap, &[http::HeaderName]),
    Arc<[http::HeaderName]>,
);

#[derive(Debug)]
enum Gate {
    Open,
    /// The client asked to be told to continue: its body is not asked for before the backend wants it,
    /// or this long at most.
    Shut,
}

/// How long a body waits for the backend's 100.
pub const CONTINUE_WAIT: Duration = Duration::from_secs(1);

impl BodySource {
    /// A body that comes from `incoming`.
    pub fn new(
        (incoming, framing): (Incoming, Framing),
        limits: BodyLimits,
        deadline: Deadline,
        unfit: UnfitTrailers,
    ) -> Rc<RefCell<Self>> {
        let hint = incoming.size_hint();
        Rc::new(RefCell::new(Self {
            incoming: Some(incoming),
            framing,
            hint,
            limits,
            seen: 0,
            kept: Vec::new(),
            whole: true,
            ended: false,
            trailers: None,
            unfit,
            fault: None,
            gate: Gate::Open,
            deadline,
            awaits_client: false,
            holder: 0,
            progress: 0,
            reader: None,
            watcher: None,
        }))
    }

    /// Nothing is asked of the client before the backend wants it, or [`CONTINUE_WAIT`].
    pub fn hold_for_continue(&mut self) {
        self.gate = Gate::Shut;
        self.deadline.arm(CONTINUE_WAIT);
    }

    fn go_on(&mut self) {
        if let Gate::Shut = std::mem::replace(&mut self.gate, Gate::Open) {
            self.deadline.disarm();
        }
    }

    /// Whether the client still waits to be told to send its body.
    pub fn is_held(&self) -> bool {
        matches!(self.gate, Gate::Shut) && self.seen == 0
    }

    /// An attempt failed: it gets nothing more, whatever its connection still does.
    pub fn take_back(&mut self) {
        self.holder = self.holder.wrapping_add(1);
    }

    /// Stops reading. Hyper then drains what is at hand or closes the connection.
    pub fn abandon(&mut self) {
        if !self.ended {
            self.fault.get_or_insert(BodyFault::Unwanted);
        }
        self.incoming = None;
        self.deadline.disarm();
        // Or its connection would wait for more of it, for as long as the backend likes.
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Why the body failed, if it did.
    pub fn fault(&self) -> Option<BodyFault> {
        self.fault
    }

    /// Bytes taken from the client.
    pub fn bytes(&self) -> u64 {
        self.seen
    }

    /// Whether the whole body can be sent from the start: nothing taken yet, or all still kept.
    pub fn is_replayable(&self) -> bool {
        self.whole && self.fault.is_none()
    }

    /// Whether all of it was taken from the client.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the body waits for the client rather than for the backend.
    pub fn awaits_client(&self) -> bool {
        self.awaits_client && self.fault.is_none() && !self.ended
    }

    /// A number that rises with every piece handed on.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// Wakes the task when the body has ended.
    pub fn watch(&mut self, cx: &Context<'_>) {
        match &mut self.watcher {
            Some(watcher) => watcher.clone_from(cx.waker()),
            None => self.watcher = Some(cx.waker().clone()),
        }
    }

    /// Takes pieces into memory until the body ends or `limit` bytes are held. The last piece is
    /// held whole, also beyond the limit.
    pub fn poll_collect(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<()> {
        self.limits.replay = self.limits.replay.max(limit);
        while self.whole && self.kept.len() < limit {
            let Poll::Ready(taken) = self.poll_take(cx) else {
                return Poll::Pending;
            };
            let Some(data) = taken else { break };
            if !self.whole {
                // Nobody else has this piece.
                self.kept.extend_from_slice(&data);
                self.whole = true;
                break;
            }
        }
        Poll::Ready(())
    }

    /// Takes the next piece from the client. `Ready(None)` at the end or at a fault.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.ended || self.fault.is_some() {
                return Poll::Ready(None);
            }
            if let Gate::Shut = self.gate {
                if !self.deadline.is_over(cx) {
                    self.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                self.go_on();
            }
            let Some(incoming) = self.incoming.as_mut() else {
                return Poll::Ready(None);
            };
            match Pin::new(incoming).poll_frame(cx) {
                Poll::Pending => return self.wait_for_client(cx),
                Poll::Ready(None) if self.is_given_up() => self.fail(BodyFault::Cut),
                Poll::Ready(None) => self.end(),
                Poll::Ready(Some(Err(error))) => self.fail(BodyFault::of(&error)),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(data) = self.accept(frame) {
                        self.look_for_end(cx);
                        return Poll::Ready(Some(data));
                    }
                }
            }
        }
    }

    /// Whether a body that has no more to give was not ended.
    fn is_given_up(&self) -> bool {
        let has_ended = |incoming: &Incoming| incoming.is_end_stream();
        self.framing == Framing::Http2 && !self.incoming.as_ref().is_some_and(has_ended)
    }

    fn wait_for_client(&mut self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        if !self.awaits_client {
            self.awaits_client = true;
            self.deadline.arm(self.limits.idle);
        }
        if self.deadline.is_over(cx) {
            self.fail(BodyFault::TimedOut);
            return Poll::Ready(None);
        }
        match &mut self.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            None => self.reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn accept(&mut self, frame: Frame<Bytes>) -> Option<Bytes> {
        self.awaits_client = false;
        self.progress += 1;
        match frame.into_data() {
            Ok(data) => {
                self.seen += data.len() as u64;
                if self.seen > self.limits.bytes {
                    self.fail(BodyFault::TooLarge);
                    return None;
                }
                self.keep(&data);
                // A body with a length is not asked again after its last byte.
                if self.incoming.as_ref().is_some_and(Body::is_end_stream) {
                    self.end();
                }
                Some(data)
            }
            Err(frame) => {
                self.trailers = frame.into_trailers().ok();
                if let Some(trailers) = &mut self.trailers {
                    (self.unfit.0)(trailers, &self.unfit.1);
                }
                None
            }
        }
    }

    /// A body with a length ends with its last byte. The end of its stream may come later, by
    /// itself; trailers are taken if they are there.
    fn look_for_end(&mut self, cx: &mut Context<'_>) {
        if self.ended || self.fault.is_some() || !self.is_full() {
            return;
        }
        let frame = self.incoming.as_mut().map(|it| Pin::new(it).poll_frame(cx));
        if let Some(Poll::Ready(Some(Ok(frame)))) = frame
            && frame.is_trailers()
        {
            self.accept(frame);
        }
        self.end();
    }

    /// Whether all bytes of a body with a length are there.
    fn is_full(&self) -> bool {
        self.framing == Framing::Http2 && self.hint.exact() == Some(self.seen)
    }

    fn keep(&mut self, data: &Bytes) {
        if self.whole && self.kept.len() + data.len() <= self.limits.replay {
            self.kept.extend_from_slice(data);
        } else {
            self.whole = false;
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.awaits_client = false;
        self.progress += 1;
        self.incoming = None;
        self.deadline.disarm();
        if let Some(watcher) = self.watcher.take() {
            watcher.wake();
        }
    }

    fn fail(&mut self, fault: BodyFault) {
        self.fault = Some(fault);
        self.incoming = None;
        self.deadline.disarm();
    }
}

/// What one attempt sends.
#[derive(Debug)]
pub enum RequestBody {
    /// Nothing: no framing goes upstream.
    Empty,
    /// The client's body, from its start.
    Stream(Attempted),
}

/// One attempt's reading position in a body.
#[derive(Debug)]
pub struct Attempted {
    source: Rc<RefCell<BodySource>>,
    holder: u32,
    /// How many of the kept bytes this attempt has given out.
    position: usize,
    /// Whether this attempt has given out the trailers or the end.
    finished: bool,
    /// Who is to hear that it was asked for the first time.
    beginning: Option<Beginning>,
}

impl RequestBody {
    /// The body from its start; only right while [`BodySource::is_replayable`].
    pub fn of(source: &Rc<RefCell<BodySource>>) -> Self {
        Self::Stream(Attempted {
            source: Rc::clone(source),
            holder: source.borrow().holder,
            position: 0,
            finished: false,
            beginning: None,
        })
    }

    /// The backend wants it.
    pub(super) fn go_on(&self) {
        if let Self::Stream(attempted) = self {
            let mut source = attempted.source.borrow_mut();
            if source.holder == attempted.holder {
                source.go_on();
            }
        }
    }

    /// Whether its client still waits to be told that.
    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Stream(attempted) if attempted.source.borrow().is_held())
    }

    /// Its connection takes no more of it: nobody waits for the client any more.
    pub(super) fn give_up(&self) {
        if let Self::Stream(attempted) = self {
            let mut source = attempted.source.borrow_mut();
            if source.holder == attempted.holder {
                source.awaits_client = false;
            }
        }
    }

    /// Whether there is anything to send.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Has it tell when it is asked for the first time.
    pub(super) fn tell(&mut self, beginning: Beginning) {
        if let Self::Stream(attempted) = self {
            attempted.beginning = Some(beginning);
        }
    }
}

impl Attempted {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        if let Some(beginning) = self.beginning.take() {
            beginning.tell();
        }
        if self.finished {
            return Poll::Ready(None);
        }
        let mut source = self.source.borrow_mut();
        if source.holder != self.holder {
            return Poll::Ready(Some(Err(BodyFault::Unwanted.into())));
        }
        if let Some(kept) = source
            .kept
            .get(self.position..)
            .filter(|kept| !kept.is_empty())
        {
            let kept = Bytes::copy_from_slice(kept);
            self.position = source.kept.len();
            source.progress += 1;
            return Poll::Ready(Some(Ok(Frame::data(kept))));
        }
        let Poll::Ready(taken) = source.poll_take(cx) else {
            return Poll::Pending;
        };
        if let Some(data) = taken {
            self.position = source.kept.len();
            self.finished = source.ended && source.trailers.is_none();
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        self.finished = true;
        if let Some(fault) = source.fault {
            return Poll::Ready(Some(Err(fault.into())));
        }
        Poll::Ready(
            source
                .trailers
                .clone()
                .map(|trailers| Ok(Frame::trailers(trailers))),
        )
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(attempted) => attempted.poll_next(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(attempted) => attempted.finished,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(attempted) => attempted.source.borrow().hint,
        }
    }
}
