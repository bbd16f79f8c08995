//! A request on its way to a cluster: attempted as often as may be, answered.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::account::{Account, Rest};
use super::affinity::{self, Missing, Pin, Seeking, Session, Turn};
use super::answer::{Asked, Failed};
use super::attempt::Attempt;
use super::back::{Passed, alive, first_piece, pass_back};
use super::dead;
use super::decision;
use super::errors::ProxyError;
use super::failed::{consider, given_up, log_failure, told};
use super::history::History;
use super::outgoing::{Outgoing, Plans};
use super::queued::{Next, Queued};
use super::relay::{Relayed, ResponseBody};
use super::select::{self, Chosen, Nobody};
use super::verbatim::Outbound;
use super::worker::ClusterView;
use crate::balance::{KeyHash, Slot};
use crate::cluster::Cluster;
use crate::cluster::machine::State;
use crate::config::ProxyAction;
use crate::observe::LogField;
use crate::observe::metrics::{RetryReason, Stage};
use crate::upstream::{BackendBody, FailureKind, Lease, Sent, UpstreamFailure};

/// Where a request goes and by which plan.
pub(super) struct Forwarding<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) cluster: &'a ClusterView,
    pub(super) plans: Plans<'a>,
    pub(super) account: Box<Account>,
    /// The session that the request shows.
    pub(super) session: Session,
    /// Backends that the request could not use.
    pub(super) tried: Vec<Slot>,
    /// What it has in the queue of those that wait for a place.
    queued: Queued,
    /// Whether the backend is not to see the session that the request shows.
    pub(super) drops_session: bool,
}

impl<'a> Forwarding<'a> {
    /// `Err`: the action names no cluster, which the checks of the configuration exclude.
    pub(super) fn new(
        asked: &'a Asked<'a>,
        action: &ProxyAction,
        account: Box<Account>,
    ) -> Result<Self, Box<Account>> {
        let snapshot = &asked.view.snapshot;
        let view = asked.view.clusters.get(action.cluster);
        let plan = snapshot.cluster_plans.get(action.cluster);
        let rule = snapshot.rule_plans.get(asked.rule.0);
        let (Some(view), Some(cluster), Some(rule)) = (view, plan, rule) else {
            return Err(account);
        };
        let plans = Plans {
            config: &view.cluster.config,
            shared: &view.cluster,
            cluster,
            rule,
        };
        let session = affinity::read(&asked.caller.worker, view, asked.head);
        let mut account = account;
        if account.shows(LogField::RouteIn) {
            account.shown(session.route(asked.head, &view.cluster));
        }
        Ok(Self {
            asked,
            cluster: view,
            plans,
            account,
            session,
            tried: Vec::new(),
            queued: Queued::new(action.priority),
            drops_session: false,
        })
    }
}

/// What came of the attempts.
pub(super) struct Won {
    pub(super) response: Response<BackendBody>,
    pub(super) at: Instant,
    pub(super) lease: Lease,
    pub(super) chosen: Chosen,
}

/// Passes a request on and the response back.
pub(super) async fn forward(
    mut forwarding: Forwarding<'_>,
    body: Incoming,
) -> Result<Response<ResponseBody>, Failed> {
    let outgoing = match Outgoing::new(forwarding.asked, forwarding.plans, body) {
        Ok(outgoing) => outgoing,
        Err(error) => return Err((error, forwarding.account)),
    };
    if let Some(source) = &outgoing.source {
        forwarding.account.reads(source);
    }
    let mut began = collect(&mut forwarding, &outgoing).await;
    let turn = forwarding.turn(&mut began).await;
    match attempts(&mut forwarding, &outgoing, began).await {
        Ok(mut won) => {
            if dead::is_dead(&forwarding, &outgoing, &won) {
                let began = forwarding.account.elapsed();
                // The first answer is kept until there is another.
                if let Some(other) = Box::pin(dead::replay(&mut forwarding, &outgoing, began)).await
                {
                    won = other;
                }
            }
            let (view, head) = (forwarding.cluster, forwarding.asked.head);
            let subject = (&*view.cluster, head);
            if forwarding
                .session
                .must_look_again(subject, won.response.headers())
            {
                Box::pin(forwarding.session.look_again(view, head)).await;
            }
            let talk = Rc::clone(&forwarding.asked.caller.talk);
            let passed = pass_back(forwarding, outgoing, won);
            // What the answer said of the session is known now: the next one may go.
            drop(turn);
            let (head, exchange) = match passed {
                Passed::Whole(response) => return Ok(response),
                Passed::Relayed(head, exchange) => (head, exchange),
            };
            first_piece(&exchange, &talk).await;
            let exchange = alive(exchange)?;
            Ok(Response::from_parts(
                head,
                ResponseBody::Relayed(Relayed::new(exchange, talk)),
            ))
        }
        Err(error) => {
            if let Some(source) = &outgoing.source {
                let mut source = source.borrow_mut();
                let rest = if source.has_ended() {
                    Rest::None
                } else {
                    Rest::Unread
                };
                forwarding.account.unread(rest, source.bytes());
                source.abandon();
            }
            if decision::is_asked_for(forwarding.asked.view) {
                decision::remember(&mut forwarding);
            }
            Err((error, forwarding.account))
        }
    }
}

/// The optional request buffer: a slow client costs no backend anything while it fills. Returns
/// when the attempts begin, after the request came: how long the client took leaves no backend
/// less time.
async fn collect(forwarding: &mut Forwarding<'_>, outgoing: &Outgoing) -> Duration {
    let limit = forwarding.plans.config.buffers.request.as_usize();
    if let Some(source) = outgoing.source.as_ref().filter(|_| limit > 0) {
        // A client that waits for a 100 is answered by the backend, not by the buffer.
        if !source.borrow().is_held() {
            poll_fn(|cx| source.borrow_mut().poll_collect(cx, limit)).await;
            // The session may have moved while its client was sending.
            forwarding.session.refresh(&forwarding.cluster.cluster);
            return forwarding.account.elapsed();
        }
    }
    Duration::ZERO
}

pub(super) async fn attempts(
    forwarding: &mut Forwarding<'_>,
    outgoing: &Outgoing,
    began: Duration,
) -> Result<Won, ProxyError> {
    let mut history = History {
        began,
        ..History::default()
    };
    let mut retrying = None;
    let client = forwarding
        .asked
        .client
        .ip_value()
        .map(HeaderValue::as_bytes);
    let hash = select::hash_key(
        &forwarding.plans.config.balance,
        forwarding.asked.head,
        client,
    );
    loop {
        // What binds a session finds its way back by itself.
        let again = history
            .stale
            .take()
            .filter(|_| !forwarding.session.is_bound())
            .and_then(|slot| select::again(forwarding.cluster, slot).ok());
        let chosen = match again {
            Some(chosen) => Ok(chosen),
            None => forwarding.choose(hash, &mut history.began).await,
        };
        let chosen = match (chosen, history.last.take()) {
            (Ok(chosen), None) => chosen,
            (Ok(chosen), Some((slot, reason, failure))) => {
                log_failure(forwarding, slot, &failure, Some(reason));
                chosen
            }
            (Err(nobody), last) => return Err(given_up(forwarding, outgoing, nobody, last)),
        };
        let slot = chosen.slot;
        forwarding.account.attempt(slot);
        let failure = match attempt(forwarding, outgoing, chosen, &history).await {
            Ok(won) => return Ok(won),
            Err(failure) => failure,
        };
        let reason = consider(forwarding, outgoing, &failure, &history);
        let Some(reason) = reason else {
            log_failure(forwarding, slot, &failure, None);
            return Err(told(outgoing, &failure));
        };
        if matches!(reason, RetryReason::Status | RetryReason::Timeout) {
            retrying.get_or_insert_with(|| Cluster::begin_retry(&forwarding.cluster.cluster));
        }
        if forwarding.is_left(reason, slot, failure.request) {
            forwarding.tried.push(slot);
        }
        history.note(slot, reason, failure);
    }
}

impl Forwarding<'_> {
    /// Waits for other requests of the session, if it must. Adds to `began` how long that took.
    async fn turn(&mut self, began: &mut Duration) -> Option<Turn> {
        let (cluster, head) = (&self.cluster.cluster, self.asked.head);
        if !self.session.waits_for_its_turn(cluster, head) {
            return None;
        }
        let seeking = Seeking {
            worker: &self.asked.caller.worker,
            view: self.cluster,
            head,
            hash: None,
            tried: &[],
            talk: &self.asked.caller.talk,
            queued: &self.queued,
        };
        // On the heap: as rare as it is, it would make every request's future larger.
        let waits = Instant::now();
        let turn = Box::pin(self.session.turn(&seeking)).await;
        *began += waits.elapsed();
        turn
    }

    /// Adds to `began` how long the request was held, and how long its session's store was asked.
    async fn choose(
        &mut self,
        hash: Option<KeyHash>,
        began: &mut Duration,
    ) -> Result<Chosen, Nobody> {
        let seeking = Seeking {
            worker: &self.asked.caller.worker,
            view: self.cluster,
            head: self.asked.head,
            hash,
            tried: &self.tried,
            talk: &self.asked.caller.talk,
            queued: &self.queued,
        };
        loop {
            let chosen = self.session.choose(&seeking);
            if self.queued.has_come() {
                // A place that it waited for and does not need is another's.
                self.queued.give_back();
            }
            let missing = match chosen {
                Ok(chosen) => return Ok(chosen),
                Err(missing) => missing,
            };
            let held = Instant::now();
            match missing {
                Missing::Nobody(nobody) => return Err(nobody),
                // On the heap: as rare as it is, it would make every request's future larger.
                Missing::Copy => Box::pin(self.session.look(&seeking)).await?,
                Missing::CopyToLeave => Box::pin(self.session.look_to_leave(&seeking)).await,
                Missing::First => Box::pin(self.session.let_first_go(&seeking)).await,
                Missing::Rest(rest) => Box::pin(self.session.rest(&seeking, rest)).await,
                Missing::Owner(owner) => seeking.wait_for(owner).await,
                Missing::Place(owner) => {
                    let may_spill = self.session.may_spill();
                    let next = Box::pin(seeking.queue(owner, may_spill)).await;
                    self.account.queued(held.elapsed());
                    if next? == Next::Spill {
                        self.session.spill();
                    }
                }
            }
            *began += held.elapsed();
        }
    }

    /// Whether a backend that failed gets no further attempt of this request. A session leaves its
    /// Tomcat only if that one cannot serve: a connection that died says nothing about it. What a backend
    /// was too busy to look at is sent to it again where there is no other.
    fn is_left(&self, reason: RetryReason, slot: Slot, sent: Sent) -> bool {
        match reason {
            RetryReason::Stale => false,
            RetryReason::Closed => {
                !self.session.is_bound() && (sent == Sent::Perhaps || self.has_another(slot))
            }
            RetryReason::Connect
            | RetryReason::BackendDown
            | RetryReason::Status
            | RetryReason::Timeout => true,
        }
    }

    /// The request for the backend in `slot`.
    fn request<'a>(&'a self, outgoing: &'a Outgoing, slot: Slot) -> Outbound<'a> {
        Outbound {
            forwarding: self,
            outgoing,
            slot,
            renewed: self.session.renewed(&self.cluster.cluster, self.asked.head),
        }
    }

    /// Whether the request could be sent once more, to another than `slot`.
    fn could_move(&self, outgoing: &Outgoing, slot: Slot) -> bool {
        outgoing.is_replayable() && self.has_another(slot)
    }

    fn attempt<'a>(
        &'a self,
        outgoing: &'a Outgoing,
        chosen: &'a Chosen,
        history: &History,
    ) -> Attempt<'a> {
        Attempt {
            cluster: &self.cluster.cluster,
            view: self.cluster,
            tried: &self.tried,
            may_move: !self.session.is_strict(&self.cluster.cluster),
            chosen,
            talk: &self.asked.caller.talk,
            source: outgoing.source.as_ref(),
            repeat: outgoing.repeat,
            connections: history.connections(),
            offer: outgoing.offer.as_ref(),
            started: history.start_of_next(&self.account),
            introduced: self.plans.config.pool.proxy_protocol.map(|version| {
                let caller = self.asked.caller;
                Box::new(caller.introduce(self.asked.client, version))
            }),
        }
    }

    /// Whether a request that would be given up could still be served elsewhere if its backend is
    /// found to stop: one that stops closes the connections it has just taken.
    fn is_the_end(
        &self,
        outgoing: &Outgoing,
        slot: Slot,
        failure: &UpstreamFailure,
        history: &History,
    ) -> bool {
        matches!(failure.kind, FailureKind::Closed(_))
            && consider(self, outgoing, failure, history).is_none()
            && self.could_move(outgoing, slot)
    }

    /// Connecting can take so long that the backend goes down meanwhile and comes back: then the
    /// session may be elsewhere.
    #[inline]
    fn still_goes_to(&self, chosen: &Chosen, lease: &Lease) -> Result<(), UpstreamFailure> {
        if lease.is_of_this_life() && chosen.upstream.backend.keeps_its_own() {
            return Ok(());
        }
        self.has_stayed(chosen, lease)
    }

    #[cold]
    fn has_stayed(&self, chosen: &Chosen, lease: &Lease) -> Result<(), UpstreamFailure> {
        let (cluster, backend) = (&self.cluster.cluster, &chosen.upstream.backend);
        let has_left = match backend.state() {
            // Emptied meanwhile, it is about to be stopped.
            State::Disabled if backend.evacuation().is_some() => self.session.is_bound(),
            State::Evacuating => self.session.has_left(cluster, chosen.slot),
            _ => !lease.is_of_this_life() && self.session.has_left(cluster, chosen.slot),
        };
        if has_left {
            Err(UpstreamFailure::connect(FailureKind::WentDown))
        } else {
            Ok(())
        }
    }

    /// Whether what `slot` does not answer could be answered by another.
    fn has_another(&self, slot: Slot) -> bool {
        !self.session.is_strict(&self.cluster.cluster)
            && select::is_another_there(self.cluster, &self.tried, slot)
    }
}

/// One attempt: a connection first, so that a request whose backend refuses stays untouched.
async fn attempt(
    forwarding: &Forwarding<'_>,
    outgoing: &Outgoing,
    chosen: Chosen,
    history: &History,
) -> Result<Won, UpstreamFailure> {
    let attempt = forwarding.attempt(outgoing, &chosen, history);
    let mut lease = attempt.connect().await?;
    forwarding.still_goes_to(&chosen, &lease)?;
    chosen.in_flight.tell(Pin::sent);
    let (session, client) = (forwarding.session.key(), forwarding.asked.client.ip());
    lease.sit(session, client, chosen.in_flight.counts());
    let request = forwarding.request(outgoing, chosen.slot);
    let mut sending = pin!(lease.carrier().send(request));
    let lease_connection = lease.connection;
    let fail = |failed| attempt.failure(lease_connection, failed);
    let failure = match attempt.exchange(sending.as_mut()).await {
        Ok((response, at)) => {
            chosen.in_flight.tell(Pin::answered);
            if attempt.may_be_farewell(response.status())
                && forwarding.could_move(outgoing, chosen.slot)
            {
                // On the heap: as rare as it is, it would make every request's future larger.
                Box::pin(attempt.ask_whether_it_stops()).await;
            }
            let unwanted = attempt.is_unwanted(response.status());
            let failure = unwanted.map(|kind| fail((Stage::AwaitHead, Sent::Perhaps, kind)));
            // Where it cannot be had elsewhere, the client gets this one after all.
            match failure.filter(|failure| {
                forwarding.has_another(chosen.slot)
                    && consider(forwarding, outgoing, failure, history).is_some()
            }) {
                Some(failure) => failure,
                None => {
                    return Ok(Won {
                        response,
                        at,
                        lease,
                        chosen,
                    });
                }
            }
        }
        Err(failed) => {
            attempt.take_back();
            let failure = fail(failed);
            if forwarding.is_the_end(outgoing, chosen.slot, &failure, history) {
                Box::pin(attempt.ask_whether_it_stops()).await;
            }
            attempt.in_the_light_of_its_state(failure)
        }
    };
    if failure.request == Sent::Nothing {
        chosen.in_flight.tell(Pin::unsent);
    }
    if failure.is_the_backends() {
        chosen.upstream.backend.note_bad();
    }
    attempt.take_back();
    lease.failed(failure.stage, failure.fault());
    Err(failure)
}
