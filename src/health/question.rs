//! The request of a check, and which answers to it pass.

use std::time::SystemTime;

use http::{HeaderValue, Method, Request, Uri, Version, header};

use crate::config::{Check, Health, HttpCheck};
use crate::session::set_cookie::SetCookie;

use super::answer::Asked;
use super::failure::ProbeFailure;

/// What a good answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Passes,
    /// It serves the sessions it has and wants no others.
    Drains,
}

/// Whether a connection is to be kept for the next question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Open,
    Close,
}

/// A request, written out, with what is expected of its answer.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) text: Vec<u8>,
    pub(super) asked: Asked,
    test: Option<HttpCheck>,
    host: String,
    /// Names of cookies that hold sessions.
    cookies: Vec<String>,
}

impl Question {
    /// The request of a check by HTTP; `host` is what `Host` says unless the file says otherwise.
    pub(super) fn of_check(
        health: &Health,
        host: &str,
        keep: Keep,
        cookies: &[String],
    ) -> Option<Self> {
        let Some(Check::Http(check)) = &health.check else {
            return None;
        };
        let asked = match check.method {
            Method::HEAD => Asked::HeadOnly,
            _ => Asked::WithBody,
        };
        let host = health.host.as_deref().unwrap_or(host);
        Some(Self {
            text: text(check, host, keep),
            host: host.to_owned(),
            asked,
            test: Some(check.as_ref().clone()),
            cookies: cookies.to_vec(),
        })
    }

    /// `OPTIONS *`, which any answer passes. Tomcat's connector answers it by itself: no
    /// application sees it and no session is made.
    pub(super) fn of_the_server(host: &str) -> Self {
        let text = format!(
            "OPTIONS * HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
        Self {
            text: text.into_bytes(),
            asked: Asked::HeadOnly,
            test: None,
            host: host.to_owned(),
            cookies: Vec::new(),
        }
    }

    /// The request by HTTP/2.
    pub(super) fn request(&self, is_secured: bool) -> Option<Request<()>> {
        let check = self.test.as_ref()?;
        let uri = Uri::builder()
            .scheme(if is_secured { "https" } else { "http" })
            .authority(self.host.as_str())
            .path_and_query(check.path.as_str());
        let mut request = Request::new(());
        *request.method_mut() = check.method.clone();
        *request.uri_mut() = uri.build().ok()?;
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        for (name, value) in &check.headers {
            headers.insert(name, value.clone());
        }
        Some(request)
    }

    /// What the status alone says; `None`: the body decides.
    pub(super) fn judge_status(&self, status: u16) -> Option<Result<Verdict, ProbeFailure>> {
        let Some(test) = &self.test else {
            return Some(Ok(Verdict::Passes));
        };
        if test.drain_on.contains(status) {
            return Some(Ok(Verdict::Drains));
        }
        if !test.statuses.contains(status) {
            return Some(Err(ProbeFailure::Status(status)));
        }
        let body_decides = test.body.is_some() || test.body_regex.is_some();
        (!body_decides).then_some(Ok(Verdict::Passes))
    }

    /// What a body says behind a status that passes.
    pub(super) fn judge_body(&self, body: &[u8]) -> Result<Verdict, ProbeFailure> {
        let Some(test) = &self.test else {
            return Ok(Verdict::Passes);
        };
        let body = String::from_utf8_lossy(body);
        let holds = |text: &String| body.contains(text.as_str());
        let fits = |pattern: &crate::config::Pattern| pattern.0.is_match(&body);
        if test.body.as_ref().is_none_or(holds) && test.body_regex.as_ref().is_none_or(fits) {
            Ok(Verdict::Passes)
        } else {
            Err(ProbeFailure::Body)
        }
    }

    /// Whether a `Set-Cookie` line gives a session to us, who have no use for one.
    pub(super) fn is_session(&self, line: &[u8]) -> bool {
        let cookie = SetCookie::read(line);
        cookie.is_some_and(|cookie| {
            let is_known = |name: &String| name.as_bytes() == cookie.name;
            self.cookies.iter().any(is_known) && !cookie.ends(SystemTime::now())
        })
    }
}

const AGENT: &str = "cattail-health";

fn text(check: &HttpCheck, host: &str, keep: Keep) -> Vec<u8> {
    let HttpCheck { method, path, .. } = check;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n").into_bytes();
    let mut put = |name: &str, value: &[u8]| {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
    };
    for (name, value) in [("User-Agent", AGENT), ("Accept", "*/*")] {
        if check.headers.iter().all(|(own, _)| own != name) {
            put(name, value.as_bytes());
        }
    }
    for (name, value) in &check.headers {
        put(name.as_str(), value.as_bytes());
    }
    if keep == Keep::Close {
        put("Connection", b"close");
    }
    text.extend_from_slice(b"\r\n");
    text
}
