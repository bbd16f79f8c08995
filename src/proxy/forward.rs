//! A request on its way to a cluster: prepared once, attempted as often as may be, answered.

mod prepare;

use std::error::Error as _;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;

use super::account::{Account, Rest};
use super::answer::Asked;
use super::attempt::{Attempt, Connections};
use super::errors::ProxyError;
use super::facts::Facts;
use super::headers::edit::Reads;
use super::plan::{ClusterPlan, RulePlan};
use super::relay::{Begun, Exchange, Relayed, ResponseBody};
use super::respond::{self, ResponseEdit};
use super::retry::{self, Body, Load, Past, Repeat, Situation};
use super::select::{self, Chosen, Nobody};
use super::tunnel::Tunnel;
use super::worker::ClusterView;
use crate::balance::Slot;
use crate::cluster;
use crate::config::{Cluster, ProxyAction};
use crate::observe::metrics::{RetryReason, Stage};
use crate::upstream::{self, Carrier, FailureKind, Lease, RequestBody, Sent, UpstreamFailure};
use prepare::{Prepared, collect, prepare};

type BackendBody = <upstream::Chosen as Carrier>::Body;

/// Where a request goes and by which plan.
pub(super) struct Forwarding<'a> {
    asked: &'a Asked<'a>,
    cluster: &'a ClusterView,
    config: &'a Cluster,
    plan: &'a ClusterPlan,
    rule: &'a RulePlan,
    account: Account,
}

impl<'a> Forwarding<'a> {
    /// `Err`: the action names no cluster, which the checks of the configuration exclude.
    pub(super) fn new(
        asked: &'a Asked<'a>,
        action: &ProxyAction,
        account: Account,
    ) -> Result<Self, Account> {
        let snapshot = &asked.view.snapshot;
        let cluster = asked.view.clusters.get(action.cluster);
        let plan = snapshot.cluster_plans.get(action.cluster);
        let rule = snapshot.rule_plans.get(asked.rule.0);
        let (Some(cluster), Some(plan), Some(rule)) = (cluster, plan, rule) else {
            return Err(account);
        };
        Ok(Self {
            asked,
            cluster,
            config: &cluster.cluster.config,
            plan,
            rule,
            account,
        })
    }

    fn backend_name(&self, slot: Slot) -> Option<&str> {
        let backend = self.cluster.cluster.backend(slot)?;
        Some(backend.name.as_str())
    }
}

/// The request as the client sent it, as far as the response's headers may speak of it.
struct Original {
    method: Method,
    target: Uri,
    /// Kept only where a rule for response headers reads one.
    headers: Option<HeaderMap>,
}

impl Original {
    fn of(parts: &Parts, forwarding: &Forwarding<'_>) -> Self {
        let edits = [&forwarding.plan.response, &forwarding.rule.response];
        let is_read = edits
            .iter()
            .any(|edits| edits.reads() == Reads::RequestHeaders);
        Self {
            method: parts.method.clone(),
            target: parts.uri.clone(),
            headers: is_read.then(|| parts.headers.clone()),
        }
    }
}

/// What came of the attempts.
struct Won {
    response: Response<BackendBody>,
    lease: Lease,
    chosen: Chosen,
    sent_host: HeaderValue,
}

/// Passes a request on and the response back.
pub(super) async fn forward(
    mut forwarding: Forwarding<'_>,
    parts: Parts,
    body: Incoming,
) -> Result<Response<ResponseBody>, (ProxyError, Account)> {
    let original = Original::of(&parts, &forwarding);
    let mut prepared = match prepare(&mut forwarding, parts, body) {
        Ok(prepared) => prepared,
        Err(error) => return Err((error, forwarding.account)),
    };
    if let Some(source) = &prepared.source {
        forwarding.account.reads(source);
    }
    collect(&mut forwarding, &prepared).await;
    let outcome = attempts(&mut forwarding, &mut prepared).await;
    match outcome {
        Ok(won) => Ok(pass_back(forwarding, prepared, won, &original).await),
        Err(error) => {
            if let Some(source) = &prepared.source {
                let mut source = source.borrow_mut();
                let rest = if source.has_ended() {
                    Rest::None
                } else {
                    Rest::Unread
                };
                forwarding.account.leaves(rest);
                source.abandon();
            }
            Err((error, forwarding.account))
        }
    }
}

/// What is known before a backend answered.
fn facts<'f>(forwarding: &'f Forwarding<'_>, method: &'f Method, target: &'f Uri) -> Facts<'f> {
    let asked = forwarding.asked;
    Facts {
        peer: &asked.caller.peer,
        client: &asked.client,
        method,
        target,
        host: asked.checked.host.as_ref(),
        request_headers: None,
        request_id: &asked.id,
        cluster: Some(forwarding.config.name.as_str()),
        backend: None,
        status: None,
    }
}

async fn attempts(
    forwarding: &mut Forwarding<'_>,
    prepared: &mut Prepared,
) -> Result<Won, ProxyError> {
    let mut tried: Vec<Slot> = Vec::new();
    let mut past = Past::default();
    let mut retrying = None;
    let worker = &forwarding.asked.caller.worker;
    let mut chosen = match select::select(worker, forwarding.cluster, prepared.hash, &tried) {
        Ok(chosen) => chosen,
        Err(Nobody::Usable) => return Err(ProxyError::NoBackend),
        Err(Nobody::Free) => return Err(ProxyError::BackendsFull),
    };
    loop {
        let slot = chosen.slot;
        forwarding.account.attempt(slot);
        let failure = match attempt(forwarding, prepared, chosen, past).await {
            Ok(won) => return Ok(won),
            Err(failure) => failure,
        };
        let reason = consider(forwarding, prepared, &failure, past);
        match reason {
            Some(RetryReason::Stale) => past.stale += 1,
            Some(RetryReason::Closed) => past.closed += 1,
            Some(RetryReason::Status | RetryReason::Timeout) => {
                past.asked_for += 1;
                retrying.get_or_insert_with(|| {
                    cluster::Cluster::begin_retry(&forwarding.cluster.cluster)
                });
            }
            Some(RetryReason::Connect | RetryReason::BackendDown) | None => {}
        }
        if reason != Some(RetryReason::Stale) {
            tried.push(slot);
        }
        let next = reason.and_then(|reason| {
            let next = match reason {
                RetryReason::Stale => select::again(forwarding.cluster, slot),
                _ => select::select(worker, forwarding.cluster, prepared.hash, &tried),
            };
            Some((reason, next.ok()?))
        });
        // Where nobody is left to ask, nothing is tried again.
        let reason = next.as_ref().map(|(reason, _)| *reason);
        log_failure(forwarding, slot, &failure, reason);
        chosen = match next {
            Some((_, next)) => next,
            None => return Err(error(prepared, &failure)),
        };
    }
}

/// One attempt: a connection first, so that a request whose backend refuses stays untouched.
async fn attempt(
    forwarding: &Forwarding<'_>,
    prepared: &mut Prepared,
    chosen: Chosen,
    past: Past,
) -> Result<Won, UpstreamFailure> {
    let (source, offer) = (prepared.source.clone(), prepared.offer.clone());
    let attempt = Attempt {
        cluster: &forwarding.cluster.cluster,
        chosen: &chosen,
        talk: &forwarding.asked.caller.talk,
        source: source.as_ref(),
        repeat: prepared.repeat,
        connections: if past.stale > 0 {
            Connections::Fresh
        } else {
            Connections::Any
        },
        offer: offer.as_ref(),
    };
    let mut lease = attempt.connect().await?;
    let (request, sent_host) = request(forwarding, prepared, chosen.slot);
    let outcome = attempt.exchange(&mut lease, request).await;
    let connection = lease.connection;
    let fail = |(stage, request, kind)| UpstreamFailure {
        stage,
        request,
        connection,
        kind,
    };
    match outcome {
        Ok(response) => {
            let unwanted = attempt.is_unwanted(response.status());
            let failure = unwanted.map(|kind| fail((Stage::AwaitHead, Sent::Perhaps, kind)));
            // Where it cannot be had elsewhere, the client gets this one after all.
            match failure.filter(|it| consider(forwarding, prepared, it, past).is_some()) {
                Some(failure) => {
                    lease.failed(failure.stage);
                    Err(failure)
                }
                None => Ok(Won {
                    response,
                    lease,
                    chosen,
                    sent_host,
                }),
            }
        }
        Err((failed, unsent)) => {
            if let Some(unsent) = unsent {
                prepared.headers = unsent.into_parts().0.headers;
            }
            let failure = fail(failed);
            lease.failed(failure.stage);
            Err(failure)
        }
    }
}

/// The request as the backend gets it. Its fields are copied only where a second attempt may
/// need them.
fn request(
    forwarding: &Forwarding<'_>,
    prepared: &mut Prepared,
    slot: Slot,
) -> (Request<RequestBody>, HeaderValue) {
    let mut headers = match prepared.repeat {
        Repeat::Idempotent => prepared.headers.clone(),
        Repeat::Once => std::mem::take(&mut prepared.headers),
    };
    let host = forwarding.asked.checked.host.as_ref();
    let sent_host = forwarding
        .plan
        .backends
        .get(usize::from(slot.0))
        .map_or_else(
            || HeaderValue::from_static("localhost"),
            |plan| plan.host.value(host),
        );
    headers.insert(header::HOST, sent_host.clone());
    let body = prepared
        .source
        .as_ref()
        .map_or(RequestBody::Empty, RequestBody::of);
    let mut request = Request::new(body);
    *request.method_mut() = prepared.method.clone();
    *request.uri_mut() = prepared.target.clone();
    *request.headers_mut() = headers;
    if let Some(signal) = &prepared.continues {
        let signal = Arc::clone(signal);
        hyper::ext::on_informational(&mut request, move |interim| {
            if interim.status() == StatusCode::CONTINUE {
                signal.give();
            }
        });
    }
    (request, sent_host)
}

fn consider(
    forwarding: &Forwarding<'_>,
    prepared: &Prepared,
    failure: &UpstreamFailure,
    past: Past,
) -> Option<RetryReason> {
    let replayable = prepared
        .source
        .as_ref()
        .is_none_or(|it| it.borrow().is_replayable());
    let now = Situation {
        policy: &forwarding.config.retry,
        method: prepared.repeat,
        body: if replayable { Body::AtHand } else { Body::Gone },
        elapsed: forwarding.account.elapsed(),
        past,
        load: Load {
            in_flight: forwarding.cluster.cluster.in_flight(),
            retrying: forwarding.cluster.cluster.retrying(),
        },
    };
    retry::may_retry(failure, &now)
}

fn error(prepared: &Prepared, failure: &UpstreamFailure) -> ProxyError {
    ProxyError::of(
        failure,
        prepared.source.as_ref().and_then(|it| it.borrow().fault()),
    )
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
    let backend = forwarding.backend_name(slot);
    let cluster = forwarding.config.name.as_str();
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

async fn pass_back(
    mut forwarding: Forwarding<'_>,
    mut prepared: Prepared,
    won: Won,
    original: &Original,
) -> Response<ResponseBody> {
    let Won {
        mut response,
        lease,
        chosen,
        sent_host,
    } = won;
    let asked = forwarding.asked;
    let status = response.status();
    let version = response.version();
    forwarding.account.responded(status);
    {
        let facts = Facts {
            request_headers: original.headers.as_ref(),
            backend: forwarding.backend_name(chosen.slot),
            status: Some(status),
            ..facts(&forwarding, &original.method, &original.target)
        };
        let edit = ResponseEdit {
            cluster: forwarding.config,
            plan: forwarding.plan,
            rule: forwarding.rule,
            facts,
            slot: chosen.slot,
            sent_host: &sent_host,
        };
        edit.apply(response.headers_mut(), version);
    }
    respond::name_request(asked.view, &asked.id, response.headers_mut());
    if let Some(offer) = prepared
        .offer
        .take_if(|_| status == StatusCode::SWITCHING_PROTOCOLS)
    {
        offer.apply(response.headers_mut());
        let cluster = Arc::clone(&forwarding.cluster.cluster);
        let worker = asked.caller.worker.id;
        let tunnel = Tunnel {
            lease,
            in_flight: chosen.in_flight,
            cluster,
            worker,
        };
        asked.caller.talk.switch(tunnel);
        forwarding.account.close();
        return response.map(|_| ResponseBody::Whole(None));
    }
    respond::end_if_due(asked.caller, asked.view, response.headers_mut());
    relay(forwarding, prepared, response, (lease, chosen)).await
}

async fn relay(
    forwarding: Forwarding<'_>,
    prepared: Prepared,
    response: Response<BackendBody>,
    (lease, chosen): (Lease, Chosen),
) -> Response<ResponseBody> {
    let talk = &forwarding.asked.caller.talk;
    let (mut head, body) = response.into_parts();
    head.version = http::Version::HTTP_11;
    head.extensions.clear();
    let begun = Begun {
        lease,
        in_flight: chosen.in_flight,
        request: prepared.source,
        idle: forwarding.config.timeouts.body_idle,
        ahead_limit: forwarding.config.buffers.response.as_usize(),
        account: forwarding.account,
    };
    let mut exchange = Exchange::begin(begun, body, talk);
    // Small answers are complete within one turn of the event loop: head and body then leave in
    // one write. Larger and slower ones do not wait for it.
    let mut turns = 0;
    poll_fn(|cx| {
        if exchange.poll_first(cx, talk).is_ready() || turns == 1 {
            return Poll::Ready(());
        }
        turns += 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    Response::from_parts(head, ResponseBody::Relayed(Relayed::new(exchange, talk)))
}
