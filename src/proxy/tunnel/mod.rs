//! A connection that switched protocols (WebSocket): bytes both ways, nothing is looked at.
//!
//! A tunnel ends when both sides have ended, when one of them breaks, or when it is ordered to: by
//! its bounds (`bounds`), an evacuation, the end of the process. It has no timer: it looks at the
//! worker's clock when something happens, and holds one deadline there.

mod bounds;
mod flow;
mod offer;
mod tally;

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncWrite};

use self::bounds::Standing;
use self::flow::{Broken, Flow};
use super::select::InFlight;
use crate::clock::{Deadline, TICK_MS};
use crate::observe::metrics::TunnelEnd;
use crate::upstream::{Lease, TunnelLease};

pub use offer::Offer;
pub use tally::Tally;

/// The backend's side of a switched connection; the client's connection runs it when its own
/// side has switched.
#[derive(Debug)]
pub struct Tunnel {
    /// The backend's connection.
    pub lease: Lease,
    /// The request's place at the backend.
    pub in_flight: InFlight,
    /// What is counted of it.
    pub tally: Tally,
    /// By HTTP/2, the stream that carries it.
    pub stream: Option<OnUpgrade>,
}

impl Tunnel {
    /// Carries bytes until the tunnel ends.
    pub async fn run(self, client: impl AsyncRead + AsyncWrite + Unpin) {
        let Self {
            lease,
            in_flight,
            mut tally,
            stream: _,
        } = self;
        let (backend, lease) = match lease.switch() {
            Ok(switched) => switched,
            Err(error) => {
                tracing::warn!(%error, "the backend did not switch protocols");
                tally.end(TunnelEnd::BackendLost);
                return;
            }
        };
        let now = tally.worker.clock.now_ms();
        let deadline = tally.worker.clock.deadline();
        let mut running = Running {
            sides: (client, backend),
            up: Flow::default(),
            down: Flow::default(),
            first: None,
            standing: Standing {
                began: now,
                moved: now,
                is_half_closed: false,
                removed: None,
            },
            deadline,
            lease,
            tally,
        };
        let end = poll_fn(|cx| running.poll(cx)).await;
        running.tally.end(end);
        drop(running);
        drop(in_flight);
    }
}

/// A tunnel of which both sides have switched.
struct Running<C, B> {
    sides: (C, B),
    /// To the backend.
    up: Flow,
    /// To the client.
    down: Flow,
    /// Who ended or broke first.
    first: Option<TunnelEnd>,
    standing: Standing,
    deadline: Deadline,
    lease: TunnelLease,
    tally: Tally,
}

impl<C, B> Running<C, B>
where
    C: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TunnelEnd> {
        // Looked at here and not only where the backend's connection is read: a tunnel whose
        // client takes nothing does not read.
        if self.lease.is_cut() {
            return Poll::Ready(TunnelEnd::Evacuated);
        }
        if self.tally.worker.ends_tunnels() {
            return Poll::Ready(TunnelEnd::Stop);
        }
        let before = self.up.moved() + self.down.moved();
        let end = self.flow(cx);
        let now = self.tally.worker.clock.now_ms();
        if self.up.moved() + self.down.moved() != before {
            self.standing.moved = now;
            self.tally.passed(self.up.written(), self.down.written());
        }
        match end {
            Some(end) => Poll::Ready(end),
            None => self.watch(cx, now),
        }
    }

    /// Moves what can be moved; the end, if that is it.
    fn flow(&mut self, cx: &mut Context<'_>) -> Option<TunnelEnd> {
        let (client, backend) = &mut self.sides;
        let up = self.up.poll(cx, client, backend);
        if self.up.has_ended() {
            let [own, other] = [TunnelEnd::ClientLost, TunnelEnd::BackendLost];
            self.note(&up, TunnelEnd::Client, [own, other]);
        }
        let (client, backend) = &mut self.sides;
        let down = self.down.poll(cx, backend, client);
        if self.down.has_ended() {
            let [own, other] = [TunnelEnd::BackendLost, TunnelEnd::ClientLost];
            self.note(&down, TunnelEnd::Backend, [own, other]);
        }
        let is_cut = [up, down].into_iter().any(|flow| match flow {
            Poll::Ready(Err(Broken::Source(error))) => {
                tracing::debug!(%error, "a tunnel broke");
                true
            }
            // The other side may have said something before: that still arrives.
            Poll::Ready(Err(Broken::Sink(error))) => {
                tracing::debug!(%error, "a side of a tunnel takes nothing any more");
                false
            }
            Poll::Ready(Ok(())) | Poll::Pending => false,
        });
        let is_over = is_cut || (self.up.is_over() && self.down.is_over());
        self.first.filter(|_| is_over)
    }

    /// Who ended or broke: the first one, or whoever breaks after another has ended in order, since
    /// something may be lost then. One that takes nothing more has not broken.
    fn note(
        &mut self,
        flow: &Poll<Result<(), Broken>>,
        in_order: TunnelEnd,
        [source, sink]: [TunnelEnd; 2],
    ) {
        match flow {
            Poll::Ready(Err(Broken::Source(error))) => {
                let first = self.first.get_or_insert(source);
                // Browsers leave without TLS's goodbye once the other side has ended.
                let has_just_left = error.kind() == io::ErrorKind::UnexpectedEof;
                if !has_just_left && matches!(first, TunnelEnd::Client | TunnelEnd::Backend) {
                    *first = source;
                }
            }
            Poll::Ready(Err(Broken::Sink(_))) => {
                self.first.get_or_insert(sink);
            }
            Poll::Ready(Ok(())) | Poll::Pending => {
                self.first.get_or_insert(in_order);
            }
        }
    }

    /// Whether it has lasted, or been silent, for too long; if not, the task is woken when it has.
    fn watch(&mut self, cx: &Context<'_>, now: u64) -> Poll<TunnelEnd> {
        self.standing.is_half_closed = self.up.has_ended() || self.down.has_ended();
        if self.lease.is_retired() {
            self.standing.removed.get_or_insert(now);
        }
        match self.standing.end(self.tally.timeouts()) {
            // The clock's last tick may be as old as that.
            Some((at, end)) if now >= at.saturating_add(TICK_MS) => return Poll::Ready(end),
            Some((at, _)) => self.deadline.arm_at(at),
            None => self.deadline.disarm(),
        }
        // Registers for the wake-ups that a stop and a reload send to everybody.
        let _not_yet = self.deadline.is_over(cx);
        Poll::Pending
    }
}
