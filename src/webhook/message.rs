//! An event as it is sent.

use serde::Serialize;

use crate::config::Webhook;
use crate::observe::events::Event;

/// An event as the API shows it, and on which host it happened.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(flatten)]
    event: &'a Event,
    host: &'a str,
}

/// The request that tells of an event. Each has a connection of its own.
pub(super) fn request(webhook: &Webhook, event: &Event, host: &str) -> Vec<u8> {
    // Texts alone: nothing in it can fail.
    let body = serde_json::to_vec(&Message { event, host }).unwrap_or_default();
    let (target, authority) = (&webhook.url.target, &webhook.url.authority);
    let mut request = format!(
        "POST {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: cattail/{}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n",
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    if let Some(token) = &webhook.token {
        request.push_str("Authorization: Bearer ");
        request.push_str(&token.0);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let mut request = request.into_bytes();
    request.extend_from_slice(&body);
    request
}

/// The name of this host, as it calls itself.
pub(super) fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}
