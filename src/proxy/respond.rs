//! The head of an answer: what a backend said made fit for the client, and our own answers.

use std::rc::Rc;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Response, Version};
use hyper::body::Body;

use super::Caller;
use super::account::{Account, Rest};
use super::authority::Authority;
use super::facts::Facts;
use super::headers::request_id::RequestIdSlot;
use super::headers::{charset, fields, forwarding, hop, reverse::Reverse};
use super::plan::{ClusterPlan, RulePlan};
use super::relay::ResponseBody;
use super::worker::View;
use crate::balance::Slot;
use crate::config::Cluster;

/// What the client is told apart from what the backend said.
#[derive(Debug)]
pub(super) struct ResponseEdit<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) plan: &'a ClusterPlan,
    pub(super) rule: &'a RulePlan,
    pub(super) facts: Facts<'a>,
    pub(super) slot: Slot,
    /// The Host that the backend saw, where anybody asks for it.
    pub(super) sent_host: Option<HeaderValue>,
}

impl ResponseEdit<'_> {
    /// Makes a backend's head fit for the client. What frames the body is hyper's from here on:
    /// hop-by-hop fields go, Content-Length stays.
    pub(super) fn apply(&self, headers: &mut HeaderMap, version: Version) {
        let found = fields::scan(headers);
        hop::strip(headers, found);
        self.reverse(headers, found);
        self.plan.cookies.apply(headers, found);
        if let Some(charset) = &self.cluster.rewrite.charset {
            charset::apply(headers, found, charset);
        }
        if self.cluster.forwarded.via {
            forwarding::add_via(headers, version);
        }
        for edits in [&self.plan.response, &self.rule.response] {
            if !edits.is_empty() {
                let left_out = edits.apply(headers, &self.facts);
                if left_out.0 > 0 {
                    tracing::debug!(left_out = left_out.0, "header values that cannot be sent");
                }
            }
        }
    }

    fn reverse(&self, headers: &mut HeaderMap, found: fields::Scan) {
        let way_back = self.rule.way_back.as_ref();
        if !self.cluster.rewrite.location {
            return;
        }
        let own = self
            .plan
            .backends
            .get(usize::from(self.slot.0))
            .map(|it| it.own.as_str());
        let Some(own) = own.and_then(Authority::parse) else {
            return;
        };
        let sent = self.sent_host.as_ref().and_then(|host| host.to_str().ok());
        Reverse {
            own,
            sent: sent.and_then(Authority::parse),
            scheme: self.facts.client.scheme(),
            host: self.facts.host,
            way_back,
        }
        .apply(headers, found);
    }
}

/// Puts the request's id into a request or a response, if the configuration names a header.
pub(super) fn name_request(view: &View, id: &RequestIdSlot<'_>, headers: &mut HeaderMap) {
    if let Some(name) = &view.snapshot.config.request_id
        && let Some(id) = id.id().value()
    {
        headers.insert(name.clone(), id);
    }
}

/// Whether the connection ends with this answer; then the client is told. A stream ends anyway,
/// and of its connection the client is told in HTTP/2's own way.
pub(super) fn end_if_due(caller: &Caller, view: &View, headers: &mut HeaderMap) {
    let limit = view.snapshot.config.limits.requests_per_connection;
    if caller.talk.is_stream() {
        return;
    }
    caller.talk.no_switch();
    if caller.worker.is_stopping() || caller.talk.requests() >= limit {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// For a client of HTTP/1.0: where the connection ends with this answer, as it does if nothing else says
/// how long it is, hyper must not promise besides that it stays.
#[cold]
pub(super) fn promise_nothing<B: Body>(response: &mut Response<B>) {
    let body = response.body();
    if body.size_hint().exact().is_none() && !body.is_end_stream() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    if response.headers().contains_key(CONNECTION) {
        *response.version_mut() = Version::HTTP_10;
    }
}

/// The connection ends with this answer, since something of the request body is left: it would be
/// taken for the next request. Of a stream the rest is refused without more words.
pub(super) fn end_unread(caller: &Caller, headers: &mut HeaderMap) {
    if caller.talk.is_stream() {
        return;
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    caller.talk.owe_lingering();
}

/// An answer of our own, whose status is accounted already: the account is closed.
#[expect(clippy::boxed_local, reason = "it comes boxed, and ends here")]
pub(super) fn made(
    caller: &Rc<Caller>,
    response: Response<Bytes>,
    mut account: Box<Account>,
    id: &RequestIdSlot<'_>,
) -> Response<ResponseBody> {
    let mut response = response;
    name_request(account.view(), id, response.headers_mut());
    if let Some(decision) = account.decision() {
        decision.put(response.headers_mut());
    }
    if account.rest() == Rest::Unread {
        end_unread(caller, response.headers_mut());
    }
    end_if_due(caller, account.view(), response.headers_mut());
    caller.harden(account.view(), response.headers_mut());
    account.sent(response.body().len());
    account.close();
    caller.talk.end_request();
    response.map(ResponseBody::whole)
}
