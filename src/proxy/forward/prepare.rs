//! A request made ready for a backend, before one is chosen: target, fields, body.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri};
use hyper::body::Incoming;

use super::super::errors::ProxyError;
use super::super::headers::{forwarding as told, hop};
use super::super::prefix;
use super::super::refuse::{DeclaredBody, Expectation};
use super::super::respond;
use super::super::retry::Repeat;
use super::super::select;
use super::super::tunnel::Offer;
use super::{Forwarding, facts};
use crate::balance::KeyHash;
use crate::upstream::{BodyLimits, BodySource, ContinueSignal};

/// A request ready to be attempted.
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) headers: HeaderMap,
    pub(super) source: Option<Rc<RefCell<BodySource>>>,
    pub(super) continues: Option<Arc<ContinueSignal>>,
    pub(super) offer: Option<Offer>,
    pub(super) hash: Option<KeyHash>,
    pub(super) repeat: Repeat,
}

/// Makes a request ready; `Err`: its target cannot be sent.
pub(super) fn prepare(
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
    let subject = told::Subject {
        peer: &asked.caller.peer,
        client: &asked.client,
        host: checked.host.as_ref(),
        version: parts.version,
    };
    told::apply(
        headers,
        checked.fields,
        forwarding.config.forwarded,
        subject,
    );
    hop::frame_request(headers, checked.body);
    hop::pass_expectation(headers, checked.fields, checked.expectation);
    respond::name_request(asked.view, &asked.id, headers);
    for edits in [&forwarding.plan.request, &forwarding.rule.request] {
        if !edits.is_empty() {
            let facts = facts(forwarding, &parts.method, &parts.uri);
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

/// The optional request buffer: a slow client costs no backend anything while it fills.
pub(super) async fn collect(forwarding: &mut Forwarding<'_>, prepared: &Prepared) {
    let limit = forwarding.config.buffers.request.as_usize();
    if let Some(source) = prepared.source.as_ref().filter(|_| limit > 0) {
        // A client that waits for a 100 is answered by the backend, not by the buffer.
        if !source.borrow().is_held() {
            poll_fn(|cx| source.borrow_mut().poll_collect(cx, limit)).await;
            forwarding.account.collected();
        }
    }
}
