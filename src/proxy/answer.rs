//! From the request's head to an answer: checks, rule, what the rule does.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;

use super::account::{Account, Rest};
use super::client::Client;
use super::errors::{Format, ProxyError};
use super::facts::Facts;
use super::forward::{Forwarding, forward};
use super::headers::forwarding::Subject;
use super::headers::request_id::{RequestId, RequestIdSlot};
use super::refuse::{self, Checked, Refusal};
use super::relay::ResponseBody;
use super::worker::View;
use super::{Caller, client_address, decision, errors, http2, respond};
use crate::config::{Action, Rule, Template};
use crate::observe::LogLevel;

/// A request and what is known of it. Borrowed on the whole way: nothing of it is moved again.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) caller: &'a Rc<Caller>,
    pub(super) view: &'a Rc<View>,
    /// The head as the client sent it.
    pub(super) head: &'a Parts,
    pub(super) client: &'a Client,
    pub(super) id: &'a RequestIdSlot<'a>,
    pub(super) checked: Checked,
    /// The rule and its place among all.
    pub(super) rule: (usize, &'a Rule),
}

impl Asked<'_> {
    /// Of whom the backend is told.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            peer: &self.caller.peer,
            client: self.client,
            host: self.checked.host.as_ref(),
            version: self.head.version,
        }
    }

    /// The facts of the request, as far as no backend has a part in them.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            peer: &self.caller.peer,
            client: self.client,
            method: &self.head.method,
            target: &self.head.uri,
            host: self.checked.host.as_ref(),
            request_headers: Some(&self.head.headers),
            request_id: self.id,
            cluster: None,
            backend: None,
            status: None,
        }
    }
}

/// An error, and the account of the request that it befell.
pub(super) type Failed = (ProxyError, Box<Account>);

/// Answers one request.
pub(super) async fn answer(
    caller: &Rc<Caller>,
    view: &Rc<View>,
    head: &Parts,
    body: Incoming,
) -> Response<ResponseBody> {
    let config = &view.snapshot.config;
    let client = client_address::client(&caller.peer, &config.trusted_proxies, &head.headers);
    let mut account = Account::open(caller, view, head, &client);
    if !body.is_end_stream() {
        account.unread(Rest::Unread, 0);
    }
    let given = config
        .request_id
        .as_ref()
        .and_then(|name| RequestId::taken_over(&head.headers, name, caller.peer.trust()));
    let id = RequestIdSlot::new(given, &caller.worker.request_ids);
    account.identify(&id);
    let outcome = match check(caller, view, head, &client, &mut account) {
        Ok((mut checked, rule)) => {
            checked.body = checked.body.or_streamed(head.version, body.is_end_stream());
            let asked = Asked {
                caller,
                view,
                head,
                client: &client,
                id: &id,
                checked,
                rule,
            };
            act(&asked, body, account).await
        }
        Err(error) => Err((error, account)),
    };
    outcome.unwrap_or_else(|failed| answer_failed(caller, (head, &client), failed, &id))
}

/// The same for one that was read.
pub(super) fn refuse(asked: &Asked<'_>, failed: Failed) -> Response<ResponseBody> {
    answer_failed(asked.caller, (asked.head, asked.client), failed, asked.id)
}

/// The answer to a request that failed here.
fn answer_failed(
    caller: &Rc<Caller>,
    (head, client): (&Parts, &Client),
    (error, mut account): Failed,
    id: &RequestIdSlot<'_>,
) -> Response<ResponseBody> {
    if decision::is_asked_for(account.view()) {
        decision::failed(&mut account, client, error);
    }
    account.failed(error);
    tell(caller, error);
    let asked = errors::Asked {
        method: &head.method,
        format: Format::of(head),
        request_id: id.id().as_str(),
    };
    let mut page = account.view().snapshot.error_pages.render(error, asked);
    if error == ProxyError::ClientGone {
        // Nobody reads it: nothing of it counts as handed out.
        page.headers_mut().remove(CONTENT_LENGTH);
        *page.body_mut() = Bytes::new();
    }
    respond::made(caller, page, account, id)
}

/// One line for a request that was not passed on; failed attempts have told their own.
fn tell(caller: &Caller, error: ProxyError) {
    if error.is_of_an_attempt() {
        return;
    }
    let client = caller.peer.ip().map(tracing::field::display);
    let listener = &*caller.listener;
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(listener, client, %error, "answered by the proxy")
        };
    }
    match error.answer().level {
        LogLevel::Error => tell!(error),
        LogLevel::Warn => tell!(warn),
        LogLevel::Info => tell!(info),
        LogLevel::Debug => tell!(debug),
    }
}

fn check<'v>(
    caller: &Caller,
    view: &'v View,
    head: &Parts,
    client: &Client,
    account: &mut Account,
) -> Result<(Checked, (usize, &'v Rule)), ProxyError> {
    let config = &view.snapshot.config;
    let checked = refuse::check(head, &config.limits).map_err(ProxyError::Refused)?;
    let host = checked.host.as_ref().map(super::authority::Host::name);
    if caller.is_misdirected(view, host) {
        return Err(ProxyError::Refused(Refusal::Misdirected));
    }
    let place = view
        .snapshot
        .rules
        .find(client.scheme(), host, head.uri.path())
        .ok_or(ProxyError::NoRule)?;
    let rule = config.rules.get(place).ok_or(ProxyError::NoRule)?;
    if let Action::Proxy(action) = &rule.action {
        account.goes_to(action.cluster);
        if view.snapshot.is_kept_from(caller.door, host) {
            return Err(ProxyError::Refused(Refusal::CertificateElsewhere));
        }
    }
    if !rule.access.admits(client.ip()) {
        return Err(ProxyError::AccessDenied);
    }
    Ok((checked, (place, rule)))
}

async fn act(
    asked: &Asked<'_>,
    body: Incoming,
    mut account: Box<Account>,
) -> Result<Response<ResponseBody>, Failed> {
    let made = match &asked.rule.1.action {
        Action::Redirect { status, to } => redirect(asked, *status, to),
        Action::Respond {
            status,
            content_type,
            body,
        } => {
            if status.is_success() && http2::is_connect(asked.head) {
                // The client would take it for a tunnel.
                return Err((ProxyError::UpgradeRefused, account));
            }
            Ok(fixed(&asked.head.method, *status, content_type, body))
        }
        Action::Proxy(action) => {
            return match Forwarding::new(asked, action, account) {
                Ok(forwarding) => forward(forwarding, body).await,
                Err(account) => Err((ProxyError::NoRule, account)),
            };
        }
    };
    match made {
        Ok(response) => {
            account.answered(response.status());
            Ok(respond::made(asked.caller, response, account, asked.id))
        }
        Err(error) => Err((error, account)),
    }
}

fn redirect(
    asked: &Asked<'_>,
    status: StatusCode,
    to: &Template,
) -> Result<Response<Bytes>, ProxyError> {
    let facts = Facts {
        status: Some(status),
        ..asked.facts()
    };
    // A target that no header can carry leads nowhere.
    let to = facts.value(to).ok_or(ProxyError::NoRule)?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
}

fn fixed(method: &Method, status: StatusCode, content_type: &str, body: &Bytes) -> Response<Bytes> {
    let is_head = method == Method::HEAD;
    let sent = if is_head { Bytes::new() } else { body.clone() };
    let mut response = Response::new(sent);
    *response.status_mut() = status;
    // With 204 and 304 the body is empty and has no length.
    if is_head && !body.is_empty() {
        let length = HeaderValue::from(body.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    if !status.is_success() {
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
