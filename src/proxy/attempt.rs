//! One try at one backend: a connection, the request, the wait for a believable response head.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response, StatusCode, Version};
use tokio::time::Instant;

use super::conversation::Conversation;
use super::retry::Repeat;
use super::select::{self, Chosen};
use super::tunnel::Offer;
use super::worker::ClusterView;
use crate::balance::Slot;
use crate::cluster::machine::Event;
use crate::cluster::{Backend, Cluster};
use crate::observe::metrics::Stage;
use crate::upstream::http1::BadAnswer;
use crate::upstream::{
    BackendBody, BodySource, Broken, Connection, FailureKind, Heard, Introduced, Lease, NotShared,
    Reason, SendFailure, Sent, UpstreamFailure,
};

/// What an attempt works with.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    /// The cluster, which is told what was seen of the backend.
    pub(super) cluster: &'a Cluster,
    /// The same as this worker sees it.
    pub(super) view: &'a ClusterView,
    /// Backends that failed this request before.
    pub(super) tried: &'a [Slot],
    /// Whether another backend may serve the request's session.
    pub(super) may_move: bool,
    /// The backend, with a place among its requests.
    pub(super) chosen: &'a Chosen,
    /// The client's connection, whose deadline bounds the wait.
    pub(super) talk: &'a Conversation,
    /// The request body, if there is one.
    pub(super) source: Option<&'a Rc<RefCell<BodySource>>>,
    /// Whether the request may be repeated: if so, it need not wait for a backend that is down.
    pub(super) repeat: Repeat,
    /// Whether a kept-alive connection may be used.
    pub(super) connections: Connections,
    /// When it began.
    pub(super) started: Instant,
    /// The switch of protocols that is offered to the backend.
    pub(super) offer: Option<&'a Offer>,
    /// For whom connections are made, where the backend is told.
    pub(super) introduced: Option<Box<Introduced>>,
}

/// Which connections an attempt may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connections {
    /// A kept-alive one if there is one.
    Any,
    /// Only a new one: a kept-alive one was stale just now.
    Fresh,
}

/// A request on its way (`Carrier::send`). It is handed to its connection before anything is
/// awaited, so that nothing large lives across an await.
pub(super) trait Sending:
    Future<Output = Result<Response<BackendBody>, SendFailure>>
{
}

impl<F: Future<Output = Result<Response<BackendBody>, SendFailure>>> Sending for F {}

/// Where an attempt failed, whether the backend may have seen the request, and why.
pub(super) type Failed = (Stage, Sent, FailureKind);

impl Attempt<'_> {
    /// A connection to send the request on.
    pub(super) async fn connect(&self) -> Result<Lease, UpstreamFailure> {
        let upstream = &self.chosen.upstream;
        upstream.cells().attempts.inc();
        if self.connections == Connections::Any {
            while let Some(lease) = upstream.take_kept(self.introduced.as_deref()) {
                if self.repeat == Repeat::Idempotent {
                    return Ok(lease);
                }
                // What must not be sent twice must not meet a connection that the backend has
                // closed: one turn of the event loop lets the news of it arrive.
                tokio::task::yield_now().await;
                if lease.is_ready() {
                    return Ok(lease);
                }
            }
        }
        let timeout = self.cluster.config.timeouts.connect;
        let introduced = self.introduced.as_deref();
        // On the heap: as rare as it is, it would make every request's future larger.
        let connected = if upstream.is_shared() {
            Box::pin(upstream.share(timeout, &self.talk.upstream)).await
        } else {
            let connected = upstream.connect(timeout, &self.talk.upstream, introduced);
            Box::pin(connected).await.map_err(NotShared::Failed)
        };
        connected.map_err(|failure| {
            let failure = match failure {
                NotShared::Failed(failure) => {
                    self.report(&failure);
                    failure
                }
                // What befell one connection is told once.
                NotShared::Waited(failure) => failure,
            };
            upstream.cells().failures.inc(failure.stage);
            failure
        })
    }

    /// The cluster hears of a connection that could not be made.
    fn report(&self, failure: &UpstreamFailure) {
        match failure.kind {
            FailureKind::Refused(_) => self.cluster.report(self.chosen.slot, Event::Refused),
            // It takes connections, and says nothing.
            FailureKind::TimedOut if matches!(failure.stage, Stage::Tls | Stage::Http2) => {
                self.cluster.report_silence(self.chosen.slot);
            }
            FailureKind::Unreachable(_) | FailureKind::TimedOut => {
                self.cluster.report(self.chosen.slot, Event::Unreachable);
            }
            _ => {}
        }
    }

    /// Whether this may be what a Tomcat that stops says on the connections that it has, and nobody
    /// knows yet that it stops: then [`Self::ask_whether_it_stops`]. On a new one too: it may have
    /// been made just before.
    pub(super) fn may_be_farewell(&self, status: StatusCode) -> bool {
        says_farewell(status)
            && self.repeat == Repeat::Idempotent
            && !self.chosen.upstream.backend.is_down()
            && !self.chosen.upstream.has_just_listened()
    }

    /// Makes a connection, which a Tomcat that stops refuses; what comes of it is known to the
    /// cluster then. One that is made is kept for the next request.
    pub(super) async fn ask_whether_it_stops(&self) {
        let upstream = &self.chosen.upstream;
        let timeout = self.cluster.config.timeouts.connect;
        let introduced = self.introduced.as_deref();
        let asked = upstream.ask_whether_it_listens(timeout, &self.talk.upstream, introduced);
        if let Err(failure) = asked.await {
            self.report(&failure);
        }
    }

    /// What the client's body still has is for the next attempt, whatever this one's connection does.
    pub(super) fn take_back(&self) {
        if let Some(source) = self.source {
            source.borrow_mut().take_back();
        }
    }

    /// How it failed, on a connection that was `connection`.
    pub(super) fn failure(
        &self,
        connection: Connection,
        (stage, request, kind): Failed,
    ) -> UpstreamFailure {
        let connection = match self.connections {
            // One that is shared may end in good order at any time, also right after it was made.
            Connections::Any if stage == Stage::Send && self.chosen.upstream.is_shared() => {
                Connection::Reused
            }
            Connections::Any => connection,
            // Made since then, by this request or by another that waited for one as well.
            Connections::Fresh => Connection::Fresh,
        };
        UpstreamFailure {
            stage,
            request,
            connection,
            kind,
        }
    }

    /// A connection that died with its backend says that the backend went down.
    pub(super) fn in_the_light_of_its_state(&self, failure: UpstreamFailure) -> UpstreamFailure {
        match failure.kind {
            FailureKind::Closed(_) if self.chosen.upstream.backend.is_down() => UpstreamFailure {
                kind: FailureKind::WentDown,
                ..failure
            },
            _ => failure,
        }
    }

    /// Waits for a head that can be believed, while the request is sent.
    pub(super) async fn exchange(
        &self,
        sending: Pin<&mut impl Sending>,
    ) -> Result<(Response<BackendBody>, Instant), Failed> {
        let cells = self.chosen.upstream.cells();
        let outcome = self.head(sending).await;
        self.talk.upstream.disarm();
        let response = outcome?;
        let now = Instant::now();
        cells.response(response.status());
        cells.response_time.record(now.duration_since(self.started));
        match disbelief(&response, self.offer) {
            None => {
                self.judge_answer(response.status());
                Ok((response, now))
            }
            Some(reason) => {
                let kind = FailureKind::Protocol(reason);
                Err((Stage::AwaitHead, Sent::Perhaps, kind))
            }
        }
    }

    /// Whether the answer speaks against the backend.
    #[inline]
    fn judge_answer(&self, status: StatusCode) {
        let backend = &self.chosen.upstream.backend;
        if self.cluster.config.outliers.statuses.contains(&status) {
            backend.note_bad();
        } else {
            backend.note_good();
        }
    }

    /// Why a response had better come from another backend, if it had.
    pub(super) fn is_unwanted(&self, status: StatusCode) -> Option<FailureKind> {
        if is_farewell(status, &self.chosen.upstream.backend) {
            return Some(FailureKind::Farewell(status));
        }
        let is_named = self.cluster.config.retry.statuses.contains(&status);
        is_named.then_some(FailureKind::Status(status))
    }

    async fn head(
        &self,
        mut sending: Pin<&mut impl Sending>,
    ) -> Result<Response<BackendBody>, Failed> {
        self.arm();
        let mut progress = self.progress();
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(outcome) = sending.as_mut().poll(cx) {
                return Poll::Ready(Ok(outcome));
            }
            if self.progress() != progress {
                progress = self.progress();
                self.arm();
            }
            // Who shares a connection sends its body elsewhere.
            if self.chosen.upstream.is_shared()
                && let Some(source) = self.source
                && !source.borrow().has_ended()
            {
                source.borrow_mut().watch(cx);
            }
            if self.must_leave() {
                return Poll::Ready(Err(FailureKind::WentDown));
            }
            while self.talk.upstream.is_over(cx) {
                if !self.awaits_client() {
                    return Poll::Ready(Err(FailureKind::TimedOut));
                }
                // The client is slow, not the backend; its own limit is elsewhere.
                self.arm();
            }
            Poll::Pending
        })
        .await;
        match outcome {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(failure)) => Err(self.judge(failure)),
            Err(kind) => {
                if matches!(kind, FailureKind::TimedOut) {
                    self.cluster.report_silence(self.chosen.slot);
                }
                Err((Stage::AwaitHead, Sent::Perhaps, kind))
            }
        }
    }

    /// What it means.
    fn judge(&self, failure: SendFailure) -> Failed {
        let fault = self.source.and_then(|source| source.borrow().fault());
        match (failure.was_unsent, failure.heard) {
            _ if fault.is_some() => {}
            // Its connection takes others.
            (true, Heard::Reset) => {
                let kind = FailureKind::Reset(failure.error);
                return (Stage::AwaitHead, Sent::Nothing, kind);
            }
            (true, _) => {
                let kind = FailureKind::Closed(failure.error);
                return (Stage::Send, Sent::Nothing, kind);
            }
            (false, _) => {}
        }
        let kind = match failure.heard {
            _ if fault.is_some() || matches!(failure.error, Broken::Upload(_)) => {
                FailureKind::RequestBody
            }
            Heard::TooMuch => FailureKind::Protocol(Reason::HeadTooLarge),
            _ if matches!(failure.error, Broken::Bad(BadAnswer::HeadTooLarge)) => {
                FailureKind::Protocol(Reason::HeadTooLarge)
            }
            _ if matches!(failure.error, Broken::Bad(_)) => {
                FailureKind::Protocol(Reason::Parse(failure.error))
            }
            Heard::Nonsense => FailureKind::Protocol(Reason::Parse(failure.error)),
            Heard::Something => FailureKind::Protocol(Reason::CutHead(failure.error)),
            Heard::Reset => FailureKind::Reset(failure.error),
            Heard::Nothing => FailureKind::Closed(failure.error),
        };
        (Stage::AwaitHead, Sent::Perhaps, kind)
    }

    /// While the body is on its way each piece counts as progress; after it the wait for the
    /// head begins.
    fn arm(&self) {
        let sending = self
            .source
            .is_some_and(|source| !source.borrow().has_ended());
        let timeouts = self.cluster.config.timeouts;
        self.talk.upstream.arm(if sending {
            timeouts.body_idle
        } else {
            timeouts.response
        });
    }

    fn progress(&self) -> u64 {
        self.source.map_or(0, |source| source.borrow().progress())
    }

    fn awaits_client(&self) -> bool {
        self.source
            .is_some_and(|source| source.borrow().awaits_client())
    }

    /// A backend that went down while the request waited: what may be sent to another is, at once.
    /// Where there is no other, the answer may still come.
    fn must_leave(&self) -> bool {
        self.repeat == Repeat::Idempotent
            && self.may_move
            && self.chosen.upstream.backend.is_down()
            && self
                .source
                .is_none_or(|source| source.borrow().is_replayable())
            && select::is_another_free(self.view, self.tried, self.chosen.slot)
    }
}

/// Whether a backend that is going down says so: a Tomcat that stops answers 404 on kept-alive
/// connections while it refuses new ones.
fn is_farewell(status: StatusCode, backend: &Backend) -> bool {
    says_farewell(status) && backend.is_down()
}

fn says_farewell(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// Why a head is not believed that could be read.
fn disbelief<B>(response: &Response<B>, offer: Option<&Offer>) -> Option<Reason> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // HTTP/1.0 knows no switch.
        let is_taken_up = response.version() == Version::HTTP_11
            && offer.is_some_and(|offer| offer.is_taken_up(response));
        if !is_taken_up {
            return Some(Reason::Unasked101);
        }
    }
    // Of HTTP/1.1 who reads it has seen to that.
    let is_to_be_seen = response.version() == Version::HTTP_2;
    (is_to_be_seen && content_length_is_wrong(response.headers())).then_some(Reason::ContentLength)
}

fn content_length_is_wrong(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return false;
    };
    let number = value.as_bytes();
    values.next().is_some() || number.is_empty() || !number.iter().all(u8::is_ascii_digit)
}
