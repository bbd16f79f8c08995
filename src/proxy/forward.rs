//! A request on its way to a cluster: attempted as often as may be, answered.

use std::cell::RefCell;
use std::error::Error as _;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::account::{Account, Rest};
use super::answer::{Asked, Failed};
use super::attempt::{Attempt, Connections};
use super::back::{Passed, first_piece, pass_back};
use super::errors::ProxyError;
use super::outgoing::{Outgoing, Plans};
use super::relay::{Exchange, Relayed, ResponseBody};
use super::retry::{self, Body, Load, Past, Situation};
use super::select::{self, Chosen, Nobody};
use super::worker::ClusterView;
use crate::balance::Slot;
use crate::cluster::Cluster;
use crate::config::ProxyAction;
use crate::observe::metrics::{RetryReason, Stage};
use crate::upstream::{self, Carrier, FailureKind, Lease, Sent, UpstreamFailure};

type BackendBody = <upstream::Chosen as Carrier>::Body;

/// Where a request goes and by which plan.
pub(super) struct Forwarding<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) cluster: &'a ClusterView,
    pub(super) plans: Plans<'a>,
    pub(super) account: Box<Account>,
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
            cluster,
            rule,
        };
        Ok(Self {
            asked,
            cluster: view,
            plans,
            account,
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
    let began = collect(&forwarding, &outgoing).await;
    match attempts(&mut forwarding, &outgoing, began).await {
        Ok(won) => {
            let talk = Rc::clone(&forwarding.asked.caller.talk);
            let (head, exchange) = match pass_back(forwarding, outgoing, won) {
                Passed::Switched(response) => return Ok(response),
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
            Err((error, forwarding.account))
        }
    }
}

/// Nothing of the head has left yet: an answer whose body breaks at once is no answer.
fn alive(exchange: Rc<RefCell<Exchange>>) -> Result<Rc<RefCell<Exchange>>, Failed> {
    if !exchange.borrow().is_stillborn() {
        return Ok(exchange);
    }
    let account = match Rc::try_unwrap(exchange) {
        Ok(exchange) => Box::new(exchange.into_inner().into_account()),
        Err(shared) => return Ok(shared),
    };
    let (cluster, backend) = account.names();
    tracing::warn!(
        cluster,
        backend,
        "the response's body broke at its beginning"
    );
    Err((ProxyError::UpstreamClosed, account))
}

/// The optional request buffer: a slow client costs no backend anything while it fills. Returns
/// when the attempts begin, after the request came: how long the client took leaves no backend
/// less time.
async fn collect(forwarding: &Forwarding<'_>, outgoing: &Outgoing) -> Duration {
    let limit = forwarding.plans.config.buffers.request.as_usize();
    if let Some(source) = outgoing.source.as_ref().filter(|_| limit > 0) {
        // A client that waits for a 100 is answered by the backend, not by the buffer.
        if !source.borrow().is_held() {
            poll_fn(|cx| source.borrow_mut().poll_collect(cx, limit)).await;
            return forwarding.account.elapsed();
        }
    }
    Duration::ZERO
}

/// Attempts that went before.
#[derive(Default)]
struct History {
    /// When they began, after the request came.
    began: Duration,
    tried: Vec<Slot>,
    past: Past,
    /// Whose kept-alive connection was stale just now.
    stale: Option<Slot>,
    /// It is told once it is known whether another attempt follows.
    last: Option<(Slot, RetryReason, UpstreamFailure)>,
}

async fn attempts(
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
        let chosen = if let Some(slot) = history.stale.take() {
            select::again(forwarding.cluster, slot)
        } else {
            Err(Nobody::Free)
        };
        let chosen = chosen.or_else(|_| {
            let worker = &forwarding.asked.caller.worker;
            select::select(worker, forwarding.cluster, hash, &history.tried)
        });
        let chosen = match (chosen, history.last.take()) {
            (Ok(chosen), None) => chosen,
            (Ok(chosen), Some((slot, reason, failure))) => {
                log_failure(forwarding, slot, &failure, Some(reason));
                chosen
            }
            (Err(_), Some((slot, _, failure))) => {
                log_failure(forwarding, slot, &failure, None);
                return Err(last_told(forwarding, outgoing, &failure));
            }
            (Err(Nobody::Usable), None) => return Err(ProxyError::NoBackend),
            (Err(Nobody::Free), None) => return Err(ProxyError::BackendsFull),
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
        history.note(slot, reason, failure);
    }
}

impl History {
    fn note(&mut self, slot: Slot, reason: RetryReason, failure: UpstreamFailure) {
        match reason {
            RetryReason::Stale => {
                self.past.stale += 1;
                self.stale = Some(slot);
            }
            RetryReason::Closed => self.past.closed += 1,
            RetryReason::Status | RetryReason::Timeout => self.past.asked_for += 1,
            RetryReason::Connect | RetryReason::BackendDown => {}
        }
        if reason != RetryReason::Stale {
            self.tried.push(slot);
        }
        self.last = Some((slot, reason, failure));
    }
}

/// One attempt: a connection first, so that a request whose backend refuses stays untouched.
async fn attempt(
    forwarding: &Forwarding<'_>,
    outgoing: &Outgoing,
    chosen: Chosen,
    history: &History,
) -> Result<Won, UpstreamFailure> {
    let attempt = Attempt {
        cluster: &forwarding.cluster.cluster,
        view: forwarding.cluster,
        tried: &history.tried,
        chosen: &chosen,
        talk: &forwarding.asked.caller.talk,
        source: outgoing.source.as_ref(),
        repeat: outgoing.repeat,
        connections: if history.past.stale > 0 {
            Connections::Fresh
        } else {
            Connections::Any
        },
        offer: outgoing.offer.as_ref(),
        started: if history.past == Past::default() {
            forwarding.account.started()
        } else {
            Instant::now()
        },
    };
    let mut lease = attempt.connect().await?;
    let request = outgoing.request(forwarding.asked, forwarding.plans, chosen.slot);
    let mut sending = pin!(lease.carrier().send(request));
    let connection = lease.connection;
    let fail = |(stage, request, kind)| UpstreamFailure {
        stage,
        request,
        connection,
        kind,
    };
    let failure = match attempt.exchange(sending.as_mut()).await {
        Ok((response, at)) => {
            let unwanted = attempt.is_unwanted(response.status());
            let failure = unwanted.map(|kind| fail((Stage::AwaitHead, Sent::Perhaps, kind)));
            // Where it cannot be had elsewhere, the client gets this one after all.
            let elsewhere = |failure: &UpstreamFailure| {
                select::is_another_free(forwarding.cluster, &history.tried, chosen.slot)
                    && consider(forwarding, outgoing, failure, history).is_some()
            };
            match failure.filter(elsewhere) {
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
        Err(failed) => fail(failed),
    };
    lease.failed(failure.stage);
    Err(failure)
}

fn consider(
    forwarding: &Forwarding<'_>,
    outgoing: &Outgoing,
    failure: &UpstreamFailure,
    history: &History,
) -> Option<RetryReason> {
    let cluster = &forwarding.cluster.cluster;
    let now = Situation {
        policy: &forwarding.plans.config.retry,
        method: outgoing.repeat,
        body: if outgoing.is_replayable() {
            Body::AtHand
        } else {
            Body::Gone
        },
        elapsed: forwarding.account.elapsed().saturating_sub(history.began),
        past: history.past,
        load: Load {
            in_flight: cluster.in_flight(),
            retrying: cluster.retrying(),
        },
    };
    retry::may_retry(failure, &now)
}

/// What the client is told of the last failure.
fn told(outgoing: &Outgoing, failure: &UpstreamFailure) -> ProxyError {
    ProxyError::of(
        failure,
        outgoing.source.as_ref().and_then(|it| it.borrow().fault()),
    )
}

/// What a client is told whose last attempt failed and who cannot have another one. A cluster
/// that was found dead by this very request is told as for all that follow: try again later.
fn last_told(
    forwarding: &Forwarding<'_>,
    outgoing: &Outgoing,
    failure: &UpstreamFailure,
) -> ProxyError {
    match &failure.kind {
        FailureKind::Refused(_)
        | FailureKind::Unreachable(_)
        | FailureKind::WentDown
        | FailureKind::Farewell(_)
            if !forwarding.cluster.cluster.has_usable() =>
        {
            ProxyError::NoBackend
        }
        _ => told(outgoing, failure),
    }
}

/// One line per failed attempt, here alone: nobody further out logs it again.
fn log_failure(
    forwarding: &Forwarding<'_>,
    slot: Slot,
    failure: &UpstreamFailure,
    reason: Option<RetryReason>,
) {
    if let (Some(reason), Some(cells)) = (reason, forwarding.account.cells()) {
        cells.retries.inc(reason);
    }
    let backend = forwarding
        .cluster
        .cluster
        .backend(slot)
        .map(|backend| backend.name.as_str());
    let cluster = forwarding.plans.config.name.as_str();
    let attempt = forwarding.account.attempts();
    let cause = failure.kind.source().map(tracing::field::display);
    let next = reason.map_or("given up", |_| "trying again");
    if matches!(failure.kind, FailureKind::RequestBody) {
        tracing::debug!(cluster, backend, attempt, %failure, next, "request body failed");
    } else if reason.is_some() {
        tracing::info!(cluster, backend, attempt, %failure, cause, next, "attempt failed");
    } else {
        tracing::warn!(cluster, backend, attempt, %failure, cause, next, "attempt failed");
    }
}
