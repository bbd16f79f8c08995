//! A response on its way from a backend to the client.
//!
//! The [`Exchange`] holds all that lives as long as the response: the backend's connection, its
//! place among the requests in flight, the rest of the request body, the account for metrics and
//! log. The backend is let go as soon as its part is over, even if the client still reads.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::account::Account;
use super::affinity;
use super::ahead::{Ahead, Bounds};
use super::conversation::Conversation;
use super::cut::{Cut, CutOff};
use super::headers::{hop, own};
use super::select::InFlight;
use crate::observe::metrics::Stage;
use crate::upstream::{BackendBody, BodyFault, BodySource, Framing, Lease};

/// What a backend and a client are exchanging.
#[derive(Debug)]
pub struct Exchange {
    body: Option<BackendBody>,
    lease: Option<Lease>,
    in_flight: InFlight,
    request: Option<Rc<RefCell<BodySource>>>,
    idle: Duration,
    framing: Framing,
    length: SizeHint,
    ahead: Ahead,
    trailers: Option<HeaderMap>,
    is_bodiless: bool,
    asked: Asked,
    /// Whether the head, or a piece, was handed out in this turn: it may not have left yet, and a cut is
    /// put off until it has.
    is_leaving: bool,
    cut: Option<Cut>,
    account: Box<Account>,
}

/// Whether the protocol machine asked for more of the response in this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// It did not.
    Nothing,
    /// It did, and the last time there was something.
    AndGiven,
    /// It did, and the last time there was nothing; then there is nothing to read ahead.
    InVain,
}

/// What an exchange starts from.
#[derive(Debug)]
pub struct Begun {
    /// The connection the response comes on.
    pub lease: Lease,
    /// How the end of its body is told from its being given up.
    pub framing: Framing,
    /// The request's place at the backend.
    pub in_flight: InFlight,
    /// The rest of the request body.
    pub request: Option<Rc<RefCell<BodySource>>>,
    /// Longest pause of the backend.
    pub idle: Duration,
    /// How much is read ahead of the client.
    pub ahead: Bounds,
    /// Whether it has no body, whatever its head says.
    pub is_bodiless: bool,
    /// Where the request is accounted.
    pub(super) account: Box<Account>,
}

impl Exchange {
    /// Starts with the body of a response whose head is there.
    pub fn begin(begun: Begun, body: BackendBody, talk: &Conversation) -> Self {
        talk.upstream.arm(begun.idle);
        let mut exchange = Self {
            length: body.size_hint(),
            body: Some(body),
            lease: Some(begun.lease),
            in_flight: begun.in_flight,
            request: begun.request,
            idle: begun.idle,
            framing: begun.framing,
            ahead: Ahead::new(begun.ahead),
            trailers: None,
            is_bodiless: begun.is_bodiless,
            asked: Asked::Nothing,
            is_leaving: true,
            cut: None,
            account: begun.account,
        };
        if exchange.body.as_ref().is_some_and(Body::is_end_stream) {
            exchange.backend_done(talk);
        }
        exchange
    }

    /// Whether the backend has said how long its body is.
    pub(super) fn has_known_length(&self) -> bool {
        self.length.exact().is_some()
    }

    /// Takes the first piece if the backend has it ready, so that head and body leave together.
    /// Knows no time-out of its own.
    pub(super) fn poll_first(&mut self, cx: &mut Context<'_>, talk: &Conversation) -> Poll<()> {
        if self.body.is_none() || !self.ahead.is_empty() {
            return Poll::Ready(());
        }
        match self.poll_piece(cx, talk) {
            Poll::Ready(Some(Ok(data))) => {
                self.ahead.hold(data);
                Poll::Ready(())
            }
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// The wait for the rest of the body begins.
    pub(super) fn await_more(&self, talk: &Conversation) {
        if self.body.is_some() {
            talk.upstream.arm(self.idle);
        } else {
            talk.upstream.disarm();
        }
    }

    /// What was asked for since the last [`Self::read_ahead`].
    pub(super) fn asked(&self) -> Asked {
        self.asked
    }

    /// See [`Conversation::read_ahead`].
    pub(super) fn read_ahead(&mut self, cx: &mut Context<'_>, talk: &Conversation) {
        self.is_leaving = false;
        // Only this turn's: when more has come, a blocked protocol machine does not ask for it.
        if std::mem::replace(&mut self.asked, Asked::Nothing) == Asked::InVain {
            return;
        }
        while self.body.is_some() && self.ahead.has_room() {
            match self.poll_backend(cx, talk) {
                Poll::Ready(Some(Ok(data))) => self.ahead.hold(data),
                Poll::Ready(_) | Poll::Pending => return,
            }
            if self.ahead.is_overfull() {
                self.cut_off(Cut::Left, talk);
            }
        }
        self.look_at_rest(cx, talk);
    }

    /// Nothing more is read for now; the request may still be on its way.
    fn look_at_rest(&mut self, cx: &mut Context<'_>, talk: &Conversation) {
        if let Some(body) = &self.body
            && let Poll::Ready(broken) = body.poll_broken(cx)
        {
            self.cut_off(Cut::Backend(CutOff(broken)), talk);
        }
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        talk: &Conversation,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.asked = Asked::AndGiven;
        if let Some(data) = self.ahead.take() {
            return self.hand_out(data);
        }
        match self.poll_backend(cx, talk) {
            Poll::Ready(Some(Ok(data))) => self.hand_out(data),
            // The client gets what came before.
            Poll::Ready(Some(Err(()))) if std::mem::take(&mut self.is_leaving) => {
                self.asked = Asked::InVain;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(Err(()))) => {
                self.account_cut();
                let cut = self.cut.replace(Cut::Before);
                Poll::Ready(Some(Err(cut.unwrap_or(Cut::Before))))
            }
            Poll::Ready(None) => Poll::Ready(
                self.trailers
                    .take()
                    .map(|trailers| Ok(Frame::trailers(trailers))),
            ),
            Poll::Pending => {
                self.asked = Asked::InVain;
                Poll::Pending
            }
        }
    }

    fn hand_out(&mut self, data: Bytes) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.is_leaving = true;
        self.account.sent(data.len());
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    /// The backend's next piece; `Err` once the response is cut off.
    fn poll_backend(
        &mut self,
        cx: &mut Context<'_>,
        talk: &Conversation,
    ) -> Poll<Option<Result<Bytes, ()>>> {
        let polled = self.poll_piece(cx, talk);
        if polled.is_pending() && talk.upstream.is_over(cx) {
            self.cut_off(Cut::TimedOut, talk);
            return Poll::Ready(Some(Err(())));
        }
        polled
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        talk: &Conversation,
    ) -> Poll<Option<Result<Bytes, ()>>> {
        loop {
            if self.cut.is_some() {
                return Poll::Ready(Some(Err(())));
            }
            let Some(body) = self.body.as_mut() else {
                return Poll::Ready(None);
            };
            match ready!(Pin::new(body).poll_frame(cx)) {
                None if self.is_given_up() => self.cut_off(Cut::Reset, talk),
                None => self.backend_done(talk),
                Some(Err(error)) => self.cut_off(Cut::Backend(CutOff(error)), talk),
                Some(Ok(frame)) if self.is_surplus(&frame) => self.cut_off(Cut::Surplus, talk),
                Some(Ok(frame)) => {
                    if let Some(data) = self.accept(frame, talk) {
                        self.look_for_end(cx, talk);
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    /// Nobody may ask again after the last byte of a known length; by HTTP/2 its end, or trailers,
    /// come by themselves.
    fn look_for_end(&mut self, cx: &mut Context<'_>, talk: &Conversation) {
        while self.is_full() {
            let Some(body) = self.body.as_mut() else {
                return;
            };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return,
                Poll::Ready(None) => self.backend_done(talk),
                Poll::Ready(Some(Err(error))) => {
                    self.cut_off(Cut::Backend(CutOff(error)), talk);
                }
                Poll::Ready(Some(Ok(frame))) => drop(self.accept(frame, talk)),
            }
        }
    }

    /// Whether this is a piece of a body where there is none: by HTTP/2 a backend can send one.
    fn is_surplus(&self, frame: &Frame<Bytes>) -> bool {
        self.is_bodiless && frame.data_ref().is_some_and(|data| !data.is_empty())
    }

    /// Whether all bytes are there of a response that has not ended yet.
    fn is_full(&self) -> bool {
        let is_full = |body: &BackendBody| body.size_hint().exact() == Some(0);
        self.framing == Framing::Http2
            && (self.body.as_ref()).is_some_and(|body| self.is_bodiless || is_full(body))
    }

    /// Whether a body that has no more to give was not ended. A backend that has answered before it
    /// had the whole request may say so with a reset; hyper hides whether the end came before it, so
    /// what has all that it said it would have, or trailers, is whole.
    fn is_given_up(&self) -> bool {
        let is_ended = self.body.as_ref().is_some_and(Body::is_end_stream);
        self.framing == Framing::Http2 && !is_ended && !self.is_full() && self.trailers.is_none()
    }

    fn accept(&mut self, frame: Frame<Bytes>, talk: &Conversation) -> Option<Bytes> {
        talk.upstream.arm(self.idle);
        match frame.into_data() {
            Ok(data) => {
                // Nobody asks again after the last byte of a known length. What is complete is
                // let go now: its connection serves the next request.
                if self.body.as_ref().is_some_and(Body::is_end_stream) {
                    self.backend_done(talk);
                }
                // An end that came by itself.
                Some(data).filter(|data| !data.is_empty())
            }
            Err(frame) => {
                self.trailers = frame.into_trailers().ok();
                if let Some(trailers) = &mut self.trailers {
                    hop::strip_trailers(trailers);
                    if talk.is_stream() {
                        own::apply(trailers);
                    }
                }
                None
            }
        }
    }

    /// The backend's part is over and well: its connection may serve another request, unless the
    /// request body has not gone through.
    fn backend_done(&mut self, talk: &Conversation) {
        talk.upstream.disarm();
        self.body = None;
        self.in_flight.tell(affinity::Pin::completed);
        self.in_flight.leave();
        let sent = self
            .request
            .as_ref()
            .is_none_or(|request| request.borrow().has_ended());
        if let Some(lease) = self.lease.take().filter(|_| sent) {
            lease.give_back();
        }
        self.let_go_of_request(talk);
    }

    fn cut_off(&mut self, cut: Cut, talk: &Conversation) {
        talk.upstream.disarm();
        let fault = self.request.as_ref().and_then(|it| it.borrow().fault());
        let cut = match (cut, fault) {
            // Its stream, or its connection, was given up for the request's sake.
            (Cut::Backend(_), Some(fault)) => Cut::Request(fault),
            (cut, _) => cut,
        };
        if let Some(lease) = self.lease.take() {
            lease.failed(Stage::Body, cut.fault());
        }
        self.cut = Some(cut);
        self.body = None;
        self.in_flight.leave();
        self.let_go_of_request(talk);
    }

    fn let_go_of_request(&mut self, talk: &Conversation) {
        if let Some(request) = self.request.take() {
            let mut request = request.borrow_mut();
            self.account.received(request.bytes());
            if !request.has_ended() {
                talk.owe_lingering();
            }
            request.abandon();
        }
    }

    fn account_cut(&mut self) {
        if let Some(cut) = self.cut.as_ref().filter(|cut| !matches!(cut, Cut::Before)) {
            self.account.cut_off(cut.reason(), cut);
        }
    }

    /// Whether the response was cut off before a byte of its body.
    pub(super) fn is_stillborn(&self) -> bool {
        self.cut.is_some() && self.ahead.is_empty()
    }

    /// What befell the request's body, if that is why the response was cut off.
    pub(super) fn request_fault(&self) -> Option<BodyFault> {
        match self.cut {
            Some(Cut::Request(fault)) => Some(fault),
            _ => None,
        }
    }

    /// Ends an exchange of which the client has seen nothing.
    pub(super) fn into_account(self) -> Account {
        *self.account
    }

    /// Whether the client has all of it.
    fn is_over(&self) -> bool {
        self.body.is_none()
            && self.cut.is_none()
            && self.ahead.is_empty()
            && self.trailers.is_none()
    }

    /// The client has all of it, or has gone.
    fn finish(&mut self, talk: &Conversation) {
        self.look_for_end(&mut Context::from_waker(Waker::noop()), talk);
        // A client of HTTP/1.1 asks for no more than its length, and gets no trailers behind it.
        if self.is_bodiless || !talk.is_stream() {
            if self.is_full() {
                self.backend_done(talk);
            }
            self.trailers = self
                .trailers
                .take()
                .filter(|_| self.length.exact().is_none());
        }
        let complete = self.is_over();
        talk.upstream.disarm();
        self.body = None;
        self.lease = None;
        self.in_flight.leave();
        self.let_go_of_request(talk);
        self.account_cut();
        if !complete && self.cut.is_none() {
            self.account.client_gone();
        }
        self.account.close();
    }
}

/// The body of every answer.
#[derive(Debug)]
pub enum ResponseBody {
    /// Made here.
    Whole(Option<Bytes>),
    /// Passed on from a backend.
    Relayed(Relayed),
}

/// The client's end of an [`Exchange`].
#[derive(Debug)]
pub struct Relayed {
    exchange: Rc<RefCell<Exchange>>,
    talk: Rc<Conversation>,
    length: SizeHint,
}

impl Relayed {
    /// Hands an exchange to the client's connection.
    pub(super) fn new(exchange: Rc<RefCell<Exchange>>, talk: Rc<Conversation>) -> Self {
        let length = exchange.borrow().length;
        talk.relay(Rc::clone(&exchange));
        Self {
            exchange,
            talk,
            length,
        }
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.talk.end_relay();
        self.exchange.borrow_mut().finish(&self.talk);
        self.talk.end_request();
    }
}

impl ResponseBody {
    /// A whole body; empty if there is nothing in it.
    pub fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relayed(relayed) => relayed.exchange.borrow_mut().poll_next(cx, &relayed.talk),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Relayed(relayed) => {
                let exchange = relayed.exchange.borrow();
                exchange.is_over()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Relayed(relayed) => relayed.length,
        }
    }
}
