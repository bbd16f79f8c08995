//! A response on its way back: its head edited, its first piece awaited.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::response::Parts;
use http::{Method, Response, StatusCode};

use super::account::Account;
use super::affinity::{self, Answered};
use super::ahead::Bounds;
use super::answer::{self, Asked, Failed};
use super::conversation::Conversation;
use super::decision;
use super::errors::{self, ProxyError};
use super::facts::Facts;
use super::forward::{Forwarding, Won};
use super::headers::fields::{self, Field};
use super::headers::own;
use super::outgoing::Outgoing;
use super::relay::{Begun, Exchange, ResponseBody};
use super::respond::{self, ResponseEdit};
use super::select::Chosen;
use super::tunnel::{Tally, Tunnel};
use crate::config::Cluster;
use crate::observe::LogField;
use crate::observe::metrics::Verdict;
use crate::upstream::{BackendBody, Framing};

/// How a response goes back.
pub(super) enum Passed {
    /// Nothing follows: a switch of protocols, or an answer of ours in its place.
    Whole(Response<ResponseBody>),
    /// Its body follows.
    Relayed(Parts, Rc<RefCell<Exchange>>),
}

pub(super) fn pass_back(
    mut forwarding: Forwarding<'_>,
    mut outgoing: Outgoing,
    won: Won,
) -> Passed {
    let Won {
        mut response,
        at,
        lease,
        chosen,
    } = won;
    let asked = forwarding.asked;
    let status = response.status();
    forwarding.account.responded(status, at);
    let found = fields::scan(response.headers());
    let verdict = conclude(&mut forwarding, &chosen, found, &mut response);
    edit(&forwarding, &chosen, &mut response);
    if outgoing.would_mislead(status) {
        return Passed::Whole(refuse(&response, (asked, forwarding.account)));
    }
    if decision::is_asked_for(asked.view) {
        decision::tell(&mut forwarding, verdict, response.headers_mut());
    }
    if let Some(offer) = outgoing
        .offer
        .take_if(|_| status == StatusCode::SWITCHING_PROTOCOLS)
    {
        offer.answer(&mut response);
        let cluster = &forwarding.cluster.cluster;
        let account = forwarding.account.switch();
        let mut in_flight = chosen.in_flight;
        // It has its whole answer, and what follows is none.
        in_flight.tell(affinity::Pin::completed);
        in_flight.sit_in_tunnel();
        let tunnel = Tunnel {
            lease,
            in_flight,
            tally: Tally::open(&asked.caller.worker, cluster, account),
            stream: asked.head.extensions.get().cloned(),
        };
        asked.caller.talk.switch(Box::new(tunnel));
        return Passed::Whole(response.map(|_| ResponseBody::Whole(None)));
    }
    respond::end_if_due(asked.caller, asked.view, response.headers_mut());
    let source = outgoing.source.as_ref();
    if source.is_some_and(|source| !source.borrow().has_ended()) {
        respond::end_unread(asked.caller, response.headers_mut());
    }
    let config = forwarding.plans.config;
    let begun = Begun {
        lease,
        framing: framing(&response),
        in_flight: chosen.in_flight,
        request: outgoing.source,
        idle: config.timeouts.body_idle,
        ahead: ahead(config),
        is_bodiless: is_bodiless(&asked.head.method, status),
        account: forwarding.account,
    };
    let (mut head, body) = response.into_parts();
    head.version = http::Version::HTTP_11;
    head.extensions.clear();
    let exchange = Exchange::begin(begun, body, &asked.caller.talk);
    Passed::Relayed(head, Rc::new(RefCell::new(exchange)))
}

/// The client would take it for a switch. What it says of cookies, and so of its session, is so all
/// the same.
#[cold]
fn refuse(
    response: &Response<BackendBody>,
    (asked, account): (&Asked<'_>, Box<Account>),
) -> Response<ResponseBody> {
    let mut page = answer::refuse(asked, (ProxyError::UpgradeRefused, account));
    for cookie in response.headers().get_all(SET_COOKIE) {
        page.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    page
}

/// A gRPC call that ends with its head has no body that could be cut off, whatever follows it.
fn framing(response: &Response<BackendBody>) -> Framing {
    match Framing::from(response.version()) {
        Framing::Http2 if response.headers().contains_key(errors::GRPC_STATUS) => Framing::Http1,
        framing => framing,
    }
}

/// What is read ahead of the client: of what comes in small pieces as much as the backend may send
/// unasked.
fn ahead(config: &Cluster) -> Bounds {
    let window = config.pool.http2.map(|it| it.stream_window);
    Bounds {
        bytes: config.buffers.response.as_usize(),
        crumbs: window.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
    }
}

/// Whether no body follows, whatever the head says of its length.
fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn conclude(
    forwarding: &mut Forwarding<'_>,
    chosen: &Chosen,
    found: fields::Scan,
    response: &mut Response<BackendBody>,
) -> Option<Verdict> {
    let answered = Answered {
        cluster: &forwarding.cluster.cluster,
        worker: forwarding.asked.caller.worker.id,
        now: forwarding.asked.caller.worker.ledger_time(),
        head: forwarding.asked.head,
        slot: chosen.slot,
        tried: &forwarding.tried,
        logs_route: forwarding.account.shows(LogField::RouteOut),
        sets_cookies: found.present.has(Field::SetCookie),
    };
    let concluded = affinity::conclude(&forwarding.session, answered, response.headers_mut());
    let verdict = concluded.verdict;
    forwarding.account.concluded(concluded);
    verdict
}

pub(super) fn edit(
    forwarding: &Forwarding<'_>,
    chosen: &Chosen,
    response: &mut Response<BackendBody>,
) {
    let (asked, plans) = (forwarding.asked, forwarding.plans);
    let (status, version) = (response.status(), response.version());
    let edit = ResponseEdit {
        cluster: plans.config,
        plan: plans.cluster,
        rule: plans.rule,
        facts: Facts {
            cluster: Some(plans.config.name.as_str()),
            backend: Some(chosen.upstream.backend.name.as_str()),
            status: Some(status),
            ..asked.facts()
        },
        slot: chosen.slot,
        sent_host: plans
            .config
            .rewrite
            .location
            .then(|| plans.host(asked, chosen.slot).clone()),
    };
    edit.apply(response.headers_mut(), version);
    // Clients of HTTP/2 would wait for what it promises.
    if status == StatusCode::NO_CONTENT {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    respond::name_request(asked.view, asked.id, response.headers_mut());
    if asked.caller.talk.is_stream() {
        own::apply(response.headers_mut());
    }
    asked.caller.harden(asked.view, response.headers_mut());
}

/// Waits for the first piece of the body, so that it leaves in one write with the head. A body of
/// known length follows its head at once as a rule, and is waited for until the next tick of the
/// clock. Of any other nobody knows when it begins: it is given one turn of the event loop.
pub(super) async fn first_piece(exchange: &RefCell<Exchange>, talk: &Conversation) {
    let known = exchange.borrow().has_known_length();
    if known {
        talk.upstream.arm(Duration::ZERO);
    }
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        let mut exchange = exchange.borrow_mut();
        if exchange.poll_first(cx, talk).is_ready() {
            return Poll::Ready(());
        }
        match (known, polls) {
            (true, _) if !talk.upstream.is_over(cx) => Poll::Pending,
            (false, 1) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    })
    .await;
    exchange.borrow().await_more(talk);
}

/// Nothing of the head has left yet: an answer whose body breaks at once is no answer.
pub(super) fn alive(exchange: Rc<RefCell<Exchange>>) -> Result<Rc<RefCell<Exchange>>, Failed> {
    if !exchange.borrow().is_stillborn() {
        return Ok(exchange);
    }
    let fault = exchange.borrow().request_fault();
    let account = match Rc::try_unwrap(exchange) {
        Ok(exchange) => Box::new(exchange.into_inner().into_account()),
        Err(shared) => return Ok(shared),
    };
    if let Some(fault) = fault {
        return Err((ProxyError::of_body(fault), account));
    }
    let (cluster, backend) = account.names();
    tracing::warn!(
        cluster,
        backend,
        "the response's body broke at its beginning"
    );
    Err((ProxyError::UpstreamClosed, account))
}
