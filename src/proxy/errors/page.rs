//! What an error answer looks like: a page, a problem object or a line of text.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;

use crate::config::Errors;

use super::accept::Format;
use super::{Connection, ProxyError, RetryAfter, grpc};

/// What an answer depends on besides the error.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// HEAD gets no body.
    pub method: &'a Method,
    /// The form that the client likes.
    pub format: Format,
    /// Shown, so that a visitor's report and the log can be brought together.
    pub request_id: &'a str,
}

/// The error answers of one configuration.
#[derive(Debug, Clone)]
pub struct ErrorPages {
    own: BTreeMap<u16, Bytes>,
    /// `None`: not told.
    retry_after: Option<HeaderValue>,
}

impl ErrorPages {
    /// The answers that `errors` describes.
    pub fn new(errors: &Errors) -> Self {
        // A fraction of a second counts as a whole one: zero would mean "at once".
        let seconds = errors.retry_after.as_millis().div_ceil(1000);
        Self {
            own: errors.pages.clone(),
            retry_after: (seconds > 0)
                .then(|| HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX))),
        }
    }

    /// The answer to a request that failed by `error`. Whole, with `Content-Length`; for HEAD with
    /// the length that GET would have got.
    pub fn render(&self, error: ProxyError, asked: Asked<'_>) -> Response<Bytes> {
        if asked.format == Format::Grpc {
            return grpc::answer(error);
        }
        let answer = error.answer();
        let body = self.body(error, asked);
        let length = body.len();
        let sent = if asked.method == Method::HEAD {
            Bytes::new()
        } else {
            body
        };
        let mut response = Response::new(sent);
        *response.status_mut() = error.told();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, asked.format.content_type());
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // The form follows Accept; nobody may guess another one from the bytes.
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if let (RetryAfter::Told, Some(time)) = (answer.retry_after, &self.retry_after) {
            headers.insert(header::RETRY_AFTER, time.clone());
        }
        if answer.connection == Connection::Close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn body(&self, error: ProxyError, asked: Asked<'_>) -> Bytes {
        let status = error.told();
        match asked.format {
            Format::Html => match self.own.get(&status.as_u16()) {
                Some(page) => page.clone(),
                None => html(error, status, asked.request_id).into(),
            },
            Format::Json => problem(error, status, asked.request_id).into(),
            Format::Grpc => Bytes::new(),
            Format::Plain => {
                let advice = error.advice();
                format!("{status}\n{advice}\nRequest id: {}\n", asked.request_id).into()
            }
        }
    }
}

/// RFC 9457. `type` is left out: it is `about:blank` then, and `title` the status's own text.
#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
}

fn problem(error: ProxyError, status: StatusCode, request_id: &str) -> Vec<u8> {
    let problem = Problem {
        title: title(status),
        status: status.as_u16(),
        detail: error.advice(),
        request_id,
    };
    // Texts and a number always serialize.
    serde_json::to_vec(&problem).unwrap_or_default()
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

fn html(error: ProxyError, status: StatusCode, request_id: &str) -> String {
    const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <link rel=\"icon\" href=\"data:,\">\n";
    const STYLE: &str = "<style>\n\
        body{margin:0;min-height:100vh;display:grid;place-items:center;\
        font:1rem/1.5 system-ui,sans-serif;background:#f6f7f9;color:#1f2933}\n\
        main{max-width:32rem;padding:2rem}\n\
        h1{margin:0;font-size:1.5rem}\n\
        b{display:block;font-size:4rem;line-height:1;color:#9aa5b1}\n\
        small{color:#616e7c}\n\
        @media(prefers-color-scheme:dark){body{background:#16191d;color:#e4e7eb}\
        small{color:#9aa5b1}}\n\
        </style>\n";
    let number = status.as_u16();
    let (title, advice, id) = (title(status), error.advice(), escaped(request_id));
    format!(
        "{HEAD}<title>{number} {title}</title>\n{STYLE}</head>\n<body>\n<main>\n\
         <h1><b>{number}</b>{title}</h1>\n<p>{advice}</p>\n\
         <p><small>Request id: {id}</small></p>\n</main>\n</body>\n</html>\n"
    )
}

/// A text that cannot leave its place in a page.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
