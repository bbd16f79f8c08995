//! The request as a backend gets it.
//!
//! Built anew from the client's head for each attempt: the head stays as it came, so a second
//! attempt needs no copy of the first one's.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version, header};
use hyper::body::Incoming;

use super::affinity::{self, Renewed};
use super::answer::Asked;
use super::errors::ProxyError;
use super::facts::Facts;
use super::headers::fields::Field;
use super::headers::{forwarding, hop};
use super::http2;
use super::plan::{ClusterPlan, RulePlan};
use super::prefix;
use super::refuse::{DeclaredBody, Expectation};
use super::respond;
use super::retry::Repeat;
use super::tunnel::Offer;
use crate::balance::Slot;
use crate::cluster;
use crate::config::Cluster;
use crate::spare;
use crate::upstream::{BodyLimits, BodySource, Framing, RequestBody};

/// Room for the fields that we put in, so that the map need not grow.
pub(super) const OUR_FIELDS: usize = 8;

/// What all attempts of a request have in common.
pub(super) struct Outgoing {
    /// Where the rule replaces the client's target.
    target: Option<PathAndQuery>,
    pub(super) source: Option<Rc<RefCell<BodySource>>>,
    pub(super) offer: Option<Offer>,
    pub(super) repeat: Repeat,
}

/// By which plan a request is changed.
#[derive(Clone, Copy)]
pub(super) struct Plans<'a> {
    pub(super) config: &'a Cluster,
    pub(super) shared: &'a cluster::Cluster,
    pub(super) cluster: &'a ClusterPlan,
    pub(super) rule: &'a RulePlan,
}

impl Plans<'_> {
    /// The Host that the backend in `slot` sees.
    pub(super) fn host<'h>(&'h self, asked: &'h Asked<'_>, slot: Slot) -> &'h HeaderValue {
        static NOBODY: HeaderValue = HeaderValue::from_static("localhost");
        let plan = self.cluster.backends.get(usize::from(slot.0));
        plan.map_or(&NOBODY, |plan| plan.host.value(asked.checked.host.as_ref()))
    }
}

/// What takes the place of the client's target; `None`: it goes on as it is.
fn target(head: &Parts, plans: Plans<'_>) -> Result<Option<PathAndQuery>, ProxyError> {
    let way_there = plans.rule.way_there.as_ref();
    let rooted = head
        .uri
        .path_and_query()
        .is_some_and(|sent| !sent.as_str().starts_with('?'));
    if way_there.is_none() && rooted {
        return Ok(None);
    }
    prefix::upstream_target(&head.uri, way_there)
        .map(Some)
        .map_err(ProxyError::Refused)
}

impl Outgoing {
    /// Prepares a request for its attempts.
    pub(super) fn new(
        asked: &Asked<'_>,
        plans: Plans<'_>,
        body: Incoming,
    ) -> Result<Self, ProxyError> {
        let head = asked.head;
        let target = target(head, plans)?;
        let cluster = plans.shared;
        let asked_for = target.as_ref().or(head.uri.path_and_query());
        let cleaned = asked_for.and_then(|target| affinity::clean_target(target, cluster));
        let target = cleaned.or(target);
        let repeat = Repeat::of(&head.method);
        let source = source(asked, plans, repeat, body);
        // Of HTTP/2 hyper tells no interim answer: the body is asked for at once.
        let is_shared = plans.config.pool.http2.is_some();
        if let Some(source) = &source
            && asked.checked.expectation == Expectation::Continue
            && !is_shared
        {
            source.borrow_mut().hold_for_continue();
        }
        // A switch within a body, or one that HTTP/1.0 does not know, would be read in two ways.
        let may_switch = source.is_none() && head.version != Version::HTTP_10;
        let offers = may_switch && asked.checked.fields.present.has(Field::Upgrade);
        let offer = offers.then(|| Offer::read(head, &plans.config.upgrades));
        let offer = offer.flatten();
        if offer.is_none() && http2::is_connect(head) {
            // There is no request that could go on without.
            return Err(ProxyError::UpgradeRefused);
        }
        if offer.is_some() {
            asked.caller.talk.offer();
        }
        Ok(Self {
            target,
            source,
            offer,
            repeat,
        })
    }

    /// Whether it has neither a body nor the offer of a switch.
    pub(super) fn is_bare(&self) -> bool {
        self.source.is_none() && self.offer.is_none()
    }

    /// What the backend is asked for.
    pub(super) fn target<'t>(&'t self, asked: &'t Asked<'_>) -> Option<&'t PathAndQuery> {
        self.target.as_ref().or(asked.head.uri.path_and_query())
    }

    /// The request for the backend in `slot`, with the id that its session has by now.
    pub(super) fn request(
        &self,
        (asked, renewed): (&Asked<'_>, Option<&Renewed>),
        (plans, slot): (Plans<'_>, Slot),
    ) -> Request<RequestBody> {
        let body = self
            .source
            .as_ref()
            .map_or(RequestBody::Empty, RequestBody::of);
        let mut request = Request::new(body);
        *request.method_mut() = asked.head.method.clone();
        if let Some(target) = self.target(asked) {
            *request.uri_mut() = Uri::from(target.clone());
        }
        let headers = self.headers(asked, plans, plans.host(asked, slot).clone());
        *request.headers_mut() = headers;
        if let Some(name) = &plans.config.drain.state_header
            && let Some(backend) = plans.shared.backend(slot)
        {
            let state = HeaderValue::from_static(backend.state().as_str());
            request.headers_mut().insert(name, state);
        }
        if let Some(renewed) = renewed {
            renewed.apply(request.headers_mut());
        }
        request
    }

    fn headers(&self, asked: &Asked<'_>, plans: Plans<'_>, host: HeaderValue) -> HeaderMap {
        let (sent, found) = (&asked.head.headers, asked.checked.fields);
        let mut headers = spare::fields(sent.len() + OUR_FIELDS);
        headers.insert(header::HOST, host);
        for (name, value) in sent {
            if *name != header::HOST {
                headers.append(name.clone(), value.clone());
            }
        }
        hop::strip(&mut headers, found);
        forwarding::apply(&mut headers, found, plans.config.forwarded, asked.subject());
        tell_certificate(&mut headers, asked);
        affinity::clean_cookies(&mut headers, plans.shared);
        hop::frame_request(&mut headers, asked.checked.body);
        hop::pass_expectation(&mut headers, found, asked.checked.expectation);
        respond::name_request(asked.view, asked.id, &mut headers);
        for edits in [&plans.cluster.request, &plans.rule.request] {
            if !edits.is_empty() {
                let cluster = Some(plans.config.name.as_str());
                let left_out = edits.apply(
                    &mut headers,
                    &Facts {
                        cluster,
                        ..asked.facts()
                    },
                );
                if left_out.0 > 0 {
                    tracing::debug!(left_out = left_out.0, "header values that cannot be sent");
                }
            }
        }
        if plans.config.pool.http2.is_some() {
            headers.remove(header::EXPECT);
        }
        if let Some(offer) = &self.offer {
            offer.apply(&mut headers);
        }
        headers
    }

    /// Whether the client would take an answer with this status for something that it is not.
    pub(super) fn would_mislead(&self, status: StatusCode) -> bool {
        let offer = self.offer.as_ref();
        offer.is_some_and(|offer| offer.would_mislead(status))
    }

    /// Whether the body can be sent from its start.
    pub(super) fn is_replayable(&self) -> bool {
        self.source
            .as_ref()
            .is_none_or(|source| source.borrow().is_replayable())
    }
}

/// What a client says of its own certificate is never believed.
fn tell_certificate(headers: &mut HeaderMap, asked: &Asked<'_>) {
    let names = &asked.view.snapshot.client_headers;
    if names.is_empty() {
        return;
    }
    hop::remove_told(headers, names);
    let secured = asked.caller.peer.secured();
    let certificate = secured.and_then(|it| it.client.as_deref());
    let (Some(certificate), Some(tls)) = (certificate, asked.caller.tls(asked.view)) else {
        return;
    };
    for (fact, name) in &tls.config.client_headers {
        let told = certificate.told.iter().find(|(told, _)| told == fact);
        if let Some((_, value)) = told {
            headers.insert(name.clone(), value.clone());
        }
    }
}

fn source(
    asked: &Asked<'_>,
    plans: Plans<'_>,
    repeat: Repeat,
    body: Incoming,
) -> Option<Rc<RefCell<BodySource>>> {
    match asked.checked.body {
        DeclaredBody::None | DeclaredBody::Length(0) => None,
        DeclaredBody::Length(_) | DeclaredBody::Chunked => {
            let cluster = plans.config;
            let limits = &asked.view.snapshot.config.limits;
            let limits = BodyLimits {
                bytes: limits.body_bytes.0,
                idle: limits.body_idle,
                // By HTTP/2 a backend can say of any request that it was not looked at.
                replay: if repeat == Repeat::Idempotent || cluster.pool.http2.is_some() {
                    cluster.retry.buffer.as_usize()
                } else {
                    0
                },
            };
            Some(BodySource::new(
                (body, Framing::from(asked.head.version)),
                limits,
                asked.caller.worker.clock.deadline(),
                (hop::strip_request_trailers, Arc::clone(&plans.rule.decided)),
            ))
        }
    }
}
