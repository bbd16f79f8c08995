//! From the request's head to an answer: checks, rule, what the rule does.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;

use super::account::{Account, Rest};
use super::client::Client;
use super::errors::{Format, ProxyError};
use super::facts::Facts;
use super::forward::{Forwarding, forward};
use super::headers::request_id::{RequestId, RequestIdSlot};
use super::refuse::{self, Checked};
use super::relay::ResponseBody;
use super::worker::View;
use super::{Caller, client_address, errors, respond};
use crate::config::{Action, Rule, Template};

/// What is known of a request that passed the checks.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) caller: &'a Rc<Caller>,
    pub(super) view: &'a Rc<View>,
    pub(super) client: Client,
    pub(super) checked: Checked,
    pub(super) id: RequestIdSlot<'a>,
    /// The rule and its place among all.
    pub(super) rule: (usize, &'a Rule),
}

/// Answers one request.
pub(super) async fn answer(
    caller: &Rc<Caller>,
    view: &Rc<View>,
    parts: Parts,
    body: Incoming,
) -> Response<ResponseBody> {
    let config = &view.snapshot.config;
    let client = client_address::client(&caller.peer, &config.trusted_proxies, &parts.headers);
    let mut account = Account::open(caller, view, &parts, &client);
    if !body.is_end_stream() {
        account.unread(Rest::Unread, 0);
    }
    let given = config
        .request_id
        .as_ref()
        .and_then(|name| RequestId::taken_over(&parts.headers, name, caller.peer.trust()));
    let id = RequestIdSlot::new(given, &caller.worker.request_ids);
    let reader = Reader {
        accept: parts.headers.get(ACCEPT).cloned(),
        method: parts.method.clone(),
    };
    let (checked, rule) = match check(view, &parts, &client) {
        Ok(passed) => passed,
        Err(error) => return failed(caller, account, error, (&reader, &id)),
    };
    let asked = Asked {
        caller,
        view,
        client,
        checked,
        id,
        rule,
    };
    match act(&asked, parts, body, account).await {
        Ok(response) => response,
        Err((error, account)) => failed(caller, account, error, (&reader, &asked.id)),
    }
}

/// What an error answer depends on, kept while the request is on its way.
struct Reader {
    method: Method,
    accept: Option<HeaderValue>,
}

/// The answer to a request that failed here.
fn failed(
    caller: &Rc<Caller>,
    mut account: Account,
    error: ProxyError,
    (reader, id): (&Reader, &RequestIdSlot<'_>),
) -> Response<ResponseBody> {
    account.failed(error);
    let asked = errors::Asked {
        method: &reader.method,
        format: Format::preferred(&reader.accept),
        request_id: id.id().as_str(),
    };
    let page = account.view().snapshot.error_pages.render(error, asked);
    respond::made(caller, page, account)
}

fn check<'v>(
    view: &'v View,
    parts: &Parts,
    client: &Client,
) -> Result<(Checked, (usize, &'v Rule)), ProxyError> {
    let config = &view.snapshot.config;
    let checked = refuse::check(parts, &config.limits).map_err(ProxyError::Refused)?;
    let host = checked.host.as_ref().map(super::authority::Host::name);
    let place = view
        .snapshot
        .rules
        .find(host, parts.uri.path())
        .ok_or(ProxyError::NoRule)?;
    let rule = config.rules.get(place).ok_or(ProxyError::NoRule)?;
    if !rule.access.admits(client.ip()) {
        return Err(ProxyError::AccessDenied);
    }
    Ok((checked, (place, rule)))
}

async fn act(
    asked: &Asked<'_>,
    parts: Parts,
    body: Incoming,
    mut account: Account,
) -> Result<Response<ResponseBody>, (ProxyError, Account)> {
    let made = match &asked.rule.1.action {
        Action::Redirect { status, to } => redirect(asked, &parts, *status, to),
        Action::Respond {
            status,
            content_type,
            body,
        } => Ok(fixed(&parts.method, *status, content_type, body)),
        Action::Proxy(action) => {
            return match Forwarding::new(asked, action, account) {
                Ok(forwarding) => forward(forwarding, parts, body).await,
                Err(account) => Err((ProxyError::NoRule, account)),
            };
        }
    };
    match made {
        Ok(response) => {
            account.answered(response.status());
            Ok(respond::made(asked.caller, response, account))
        }
        Err(error) => Err((error, account)),
    }
}

fn redirect(
    asked: &Asked<'_>,
    parts: &Parts,
    status: StatusCode,
    to: &Template,
) -> Result<Response<Bytes>, ProxyError> {
    let facts = Facts {
        peer: &asked.caller.peer,
        client: &asked.client,
        method: &parts.method,
        target: &parts.uri,
        host: asked.checked.host.as_ref(),
        request_headers: Some(&parts.headers),
        request_id: &asked.id,
        cluster: None,
        backend: None,
        status: Some(status),
    };
    // A target that no header can carry leads nowhere.
    let to = facts.value(to).ok_or(ProxyError::NoRule)?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
}

fn fixed(method: &Method, status: StatusCode, content_type: &str, body: &Bytes) -> Response<Bytes> {
    let body = if method == Method::HEAD {
        Bytes::new()
    } else {
        body.clone()
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
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
