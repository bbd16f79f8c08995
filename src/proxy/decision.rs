//! `X-Cattail-Decision`: how a request's backend was chosen, for clients in `decision_header`.
//!
//! Where nobody may know, nothing is done. Where somebody may, the field is taken off what backends
//! answer, for all clients: whoever reads it reads ours.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::account::Account;
use super::affinity::Session;
use super::client::Client;
use super::errors::ProxyError;
use super::forward::Forwarding;
use super::worker::View;
use crate::balance::Slot;
use crate::cluster::Cluster;
use crate::observe::metrics::Verdict;
use crate::session::find::Source;

const NAME: HeaderName = HeaderName::from_static("x-cattail-decision");

/// Whether any client is told.
#[inline]
pub(super) fn is_asked_for(view: &View) -> bool {
    !view.snapshot.config.decision_header.0.is_empty()
}

/// Tells of a request that a backend has answered.
#[cold]
pub(super) fn tell(
    forwarding: &mut Forwarding<'_>,
    verdict: Option<Verdict>,
    headers: &mut HeaderMap,
) {
    headers.remove(NAME);
    if !may_know(forwarding.asked.view, forwarding.asked.client) {
        return;
    }
    let mut words = of(forwarding);
    if let Some(verdict) = verdict {
        words.add("verdict", verdict.label());
    }
    words.put(headers);
    // Should the body break before its first byte, the client gets an answer of ours.
    forwarding.account.decided(words);
}

/// Keeps what is known of a request that no backend has answered, for the answer of ours.
#[cold]
pub(super) fn remember(forwarding: &mut Forwarding<'_>) {
    if may_know(forwarding.asked.view, forwarding.asked.client) {
        let words = of(forwarding);
        forwarding.account.decided(words);
    }
}

/// Tells of a request that an error ends.
#[cold]
pub(super) fn failed(account: &mut Account, client: &Client, error: ProxyError) {
    if !may_know(account.view(), client) {
        return;
    }
    let mut words = account.decision().unwrap_or_default();
    if words.0.is_empty() {
        let Some(cluster) = account.names().0 else {
            return;
        };
        words.add("cluster", cluster);
    }
    words.add("error", error.reason());
    account.decided(words);
}

/// A Unix socket's client counts as 127.0.0.1, as it does for `trusted_proxies`.
fn may_know(view: &View, client: &Client) -> bool {
    let address = client.ip().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    view.snapshot.config.decision_header.contains(address)
}

fn of(forwarding: &Forwarding<'_>) -> Words {
    let cluster = &*forwarding.cluster.cluster;
    let mut words = Words::default();
    words.add("cluster", &cluster.config.name);
    match &forwarding.session {
        Session::Unfollowed => {}
        Session::Free(binding) => words.add("binding", binding.label()),
        Session::Bound(bound) => {
            if let Some(id) = bound.id(forwarding.asked.head, cluster) {
                words.add("session", id.shortened());
            }
            let from = match bound.place.source {
                Source::Cookie => "cookie",
                Source::Path => "path",
            };
            words.add("from", from);
            let owner = bound.seen.owner;
            words.add_backend("named", cluster, bound.named);
            words.add_backend("owner", cluster, owner.filter(|_| owner != bound.named));
            if let Some(binding) = bound.decided {
                words.add("binding", binding.label());
            }
        }
    }
    if let Some(backend) = forwarding.account.names().1 {
        words.add("backend", backend);
    }
    words.add("attempts", forwarding.account.attempts());
    words
}

/// `name=word; name=word`, of visible ASCII: the value of the field.
#[derive(Debug, Default)]
pub(super) struct Words(String);

impl Words {
    fn add(&mut self, name: &str, word: impl fmt::Display) {
        if !self.0.is_empty() {
            self.0.push_str("; ");
        }
        self.0.push_str(name);
        self.0.push('=');
        let written = write!(Harmless(&mut self.0), "{word}");
        debug_assert!(written.is_ok(), "a String takes everything");
    }

    fn add_backend(&mut self, name: &str, cluster: &Cluster, slot: Option<Slot>) {
        if let Some(backend) = slot.and_then(|slot| cluster.backend(slot)) {
            self.add(
                name,
                format_args!("{}({})", backend.name, backend.state().as_str()),
            );
        }
    }

    /// Puts the field into a response.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(NAME, value);
        }
    }
}

/// Puts `?` in the place of what would end a word or the line.
struct Harmless<'a>(&'a mut String);

impl Write for Harmless<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.chars().map(|letter| match letter {
            ';' => '?',
            letter if letter.is_ascii_graphic() => letter,
            _ => '?',
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_ends_the_line_or_begins_another_word() {
        let mut words = Words::default();
        words.add("cluster", "shöp\r\nX: y");
        words.add("session", "a;b=c");
        assert_eq!(words.0, "cluster=sh?p??X:?y; session=a?b=c");
    }
}
