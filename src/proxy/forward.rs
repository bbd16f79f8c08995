//! A request on its way to a cluster: prepared once, attempted as often as may be, answered.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
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
use super::headers::{forwarding, hop};
use super::plan::{ClusterPlan, RulePlan};
use super::prefix;
use super::refuse::{DeclaredBody, Expectation};
use super::relay::{Begun, Exchange, Relayed, ResponseBody};
use super::respond::{self, ResponseEdit};
use super::retry::{self, Body, Load, Past, Repeat, Situation};
use super::select::{self, Chosen, Nobody};
use super::tunnel::{Offer, Tunnel};
use super::worker::ClusterView;
use crate::balance::{KeyHash, Slot};
use crate::cluster;
use crate::config::{Cluster, ProxyAction};
use crate::observe::metrics::{RetryReason, Stage};
use crate::upstream::{
    self, BodyLimits, BodySource, Carrier, ContinueSignal, FailureKind, Lease, RequestBody, Sent,
    UpstreamFailure,
};

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
        mut account: Account,
    ) -> Result<Self, Account> {
        account.goes_to(action.cluster);
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
}

/// A request ready to be attempted.
struct Prepared {
    method: Method,
    target: Uri,
    headers: HeaderMap,
    source: Option<Rc<RefCell<BodySource>>>,
    continues: Option<Arc<ContinueSignal>>,
    offer: Option<Offer>,
    hash: Option<KeyHash>,
    repeat: Repeat,
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
    let original = (parts.method.clone(), parts.uri.clone());
    let mut prepared = match prepare(&mut forwarding, parts, body) {
        Ok(prepared) => prepared,
        Err(error) => return Err((error, forwarding.account)),
    };
    collect(&forwarding, &prepared).await;
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
                forwarding.account.unread(rest, source.bytes());
                source.abandon();
            }
            Err((error, forwarding.account))
        }
    }
}

fn prepare(
    forwarding: &mut Forwarding<'_>,
    mut parts: Parts,
    body: Incoming,
) -> Result<Prepared, ProxyError> {
    let asked = forwarding.asked;
    let checked = &asked.checked;
    let target = prefix::upstream_target(&parts.uri, forwarding.rule.way_there.as_ref())
        .map_err(ProxyError::Refused)?;
    let client_ip = asked.client.ip_value().map(HeaderValue::as_bytes);
    let hash = select::hash_key(&forwarding.config.balance, &parts, client_ip);
    let offer = Offer::read(&parts.headers, &forwarding.config.upgrades);
    edit_request(forwarding, &mut parts, offer.as_ref());
    let repeat = Repeat::of(&parts.method);
    let limits = &asked.view.snapshot.config.limits;
    let body_limits = BodyLimits {
        bytes: limits.body_bytes.0,
        idle: limits.body_idle,
        replay: match repeat {
            Repeat::Idempotent => forwarding.config.retry.buffer.as_usize(),
            Repeat::Once => 0,
        },
    };
    let source = match checked.body {
        DeclaredBody::None | DeclaredBody::Length(0) => None,
        DeclaredBody::Length(_) | DeclaredBody::Chunked => Some(BodySource::new(
            body,
            body_limits,
            asked.caller.worker.clock.deadline(),
        )),
    };
    let continues = source
        .as_ref()
        .filter(|_| checked.expectation == Expectation::Continue)
        .map(|source| source.borrow_mut().hold_for_continue());
    Ok(Prepared {
        target: Uri::from(target),
        method: parts.method,
        headers: parts.headers,
        source,
        continues,
        offer,
        hash,
        repeat,
    })
}

/// What the backend sees of the client's fields. The Host follows with the backend.
fn edit_request(forwarding: &mut Forwarding<'_>, parts: &mut Parts, offer: Option<&Offer>) {
    let asked = forwarding.asked;
    let checked = &asked.checked;
    let headers = &mut parts.headers;
    hop::strip(headers, checked.fields);
    let subject = forwarding::Subject {
        peer: &asked.caller.peer,
        client: &asked.client,
        host: checked.host.as_ref(),
        version: parts.version,
    };
    forwarding::apply(
        headers,
        checked.fields,
        forwarding.config.forwarded,
        subject,
    );
    hop::frame_request(headers, checked.body);
    hop::pass_expectation(headers, checked.fields, checked.expectation);
    if let Some(name) = &asked.view.snapshot.config.request_id
        && let Some(id) = asked.id.id().value()
    {
        forwarding.account.request_id(&id);
        headers.insert(name.clone(), id);
    }
    for edits in [&forwarding.plan.request, &forwarding.rule.request] {
        if !edits.is_empty() {
            let facts = facts(forwarding, &parts.method, &parts.uri, None);
            let left_out = edits.apply(headers, &facts);
            if left_out.0 > 0 {
                tracing::debug!(left_out = left_out.0, "header values that cannot be sent");
            }
        }
    }
    if let Some(offer) = offer {
        offer.apply(headers);
    }
}

fn facts<'f>(
    forwarding: &'f Forwarding<'_>,
    method: &'f Method,
    target: &'f Uri,
    response: Option<(Slot, StatusCode)>,
) -> Facts<'f> {
    let asked = forwarding.asked;
    let backend = response.and_then(|(slot, _)| forwarding.cluster.cluster.backend(slot));
    Facts {
        peer: &asked.caller.peer,
        client: &asked.client,
        method,
        target,
        host: asked.checked.host.as_ref(),
        request_headers: None,
        request_id: &asked.id,
        cluster: Some(forwarding.config.name.as_str()),
        backend: backend.map(|backend| backend.name.as_str()),
        status: response.map(|(_, status)| status),
    }
}

/// The optional request buffer: a slow client costs no backend anything while it fills.
async fn collect(forwarding: &Forwarding<'_>, prepared: &Prepared) {
    let limit = forwarding.config.buffers.request.as_usize();
    if let Some(source) = prepared.source.as_ref().filter(|_| limit > 0) {
        // A client that waits for a 100 is answered by the backend, not by the buffer.
        if !source.borrow().is_held() {
            poll_fn(|cx| source.borrow_mut().poll_collect(cx, limit)).await;
        }
    }
}

async fn attempts(
    forwarding: &mut Forwarding<'_>,
    prepared: &mut Prepared,
) -> Result<Won, ProxyError> {
    let mut tried: Vec<Slot> = Vec::new();
    let mut past = Past::default();
    let mut stale = None;
    let mut last: Option<UpstreamFailure> = None;
    let mut retrying = None;
    loop {
        let chosen = if let Some(slot) = stale.take() {
            select::again(forwarding.cluster, slot)
        } else {
            let worker = &forwarding.asked.caller.worker;
            select::select(worker, forwarding.cluster, prepared.hash, &tried)
        };
        let chosen = match (chosen, last.take()) {
            (Ok(chosen), _) => chosen,
            (Err(_), Some(failure)) => return Err(error(prepared, &failure)),
            (Err(Nobody::Usable), None) => return Err(ProxyError::NoBackend),
            (Err(Nobody::Free), None) => return Err(ProxyError::BackendsFull),
        };
        forwarding.account.attempt(chosen.slot);
        let slot = chosen.slot;
        let failure = match attempt(forwarding, prepared, chosen, past).await {
            Ok(won) => return Ok(won),
            Err(failure) => failure,
        };
        let reason = consider(forwarding, prepared, &failure, past);
        log_failure(forwarding, slot, &failure, reason);
        let Some(reason) = reason else {
            return Err(error(prepared, &failure));
        };
        match reason {
            RetryReason::Stale => {
                past.stale += 1;
                stale = Some(slot);
            }
            RetryReason::Closed => past.closed += 1,
            RetryReason::Status | RetryReason::Timeout => {
                past.asked_for += 1;
                retrying.get_or_insert_with(|| {
                    cluster::Cluster::begin_retry(&forwarding.cluster.cluster)
                });
            }
            RetryReason::Connect | RetryReason::BackendDown => {}
        }
        if reason != RetryReason::Stale {
            tried.push(slot);
        }
        last = Some(failure);
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
    let cluster = forwarding.config.name.as_str();
    let next = reason.map_or("given up", |_| "trying again");
    if matches!(failure.kind, FailureKind::RequestBody) {
        tracing::debug!(cluster, backend, %failure, next, "request body failed");
    } else if reason.is_some() {
        tracing::info!(cluster, backend, %failure, next, "attempt failed");
    } else {
        tracing::warn!(cluster, backend, %failure, next, "attempt failed");
    }
}

async fn pass_back(
    mut forwarding: Forwarding<'_>,
    mut prepared: Prepared,
    won: Won,
    (method, target): &(Method, Uri),
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
        let edit = ResponseEdit {
            cluster: forwarding.config,
            plan: forwarding.plan,
            rule: forwarding.rule,
            facts: facts(&forwarding, method, target, Some((chosen.slot, status))),
            slot: chosen.slot,
            sent_host: &sent_host,
        };
        edit.apply(response.headers_mut(), version);
    }
    if let Some(name) = &asked.view.snapshot.config.request_id
        && let Some(id) = asked.id.id().value()
    {
        response.headers_mut().insert(name.clone(), id);
    }
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
    let source = prepared.source.as_ref();
    if source.is_some_and(|source| !source.borrow().has_ended()) {
        respond::end_unread(asked.caller, response.headers_mut());
    }
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
