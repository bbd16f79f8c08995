//! Who is told of events.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::tls::{ClusterFiles, ClusterTls, TlsVersion, Trust};
use crate::config::webhook::{self, WebhookUrl};
use crate::config::{Secret, Webhook};

use super::at::At;
use super::cluster_tls::authorities_in;
use super::context::Words;
use super::files;
use super::section::Section;
use super::words::near;

/// The section `events`: its receiver, and the file of the token.
pub(super) fn webhook(events: &Section<'_>) -> (Option<Webhook>, Option<PathBuf>) {
    let Some(at) = events.value("webhook") else {
        return (None, None);
    };
    if at.plain_text().is_some() {
        if at.plain_text() != Some("off") {
            unfit(&at, &at.kind.expected(), near_off(&at));
        }
        return (None, None);
    }
    let section = at.section();
    let url = section.required("url").and_then(|at| url(&at));
    let kinds = kinds(&section.get("kinds"));
    let (token_file, token) = section
        .value("token_file")
        .and_then(|at| token(&at))
        .unzip();
    let tls = receiver_tls(&section, url.as_ref());
    let webhook = url.map(|url| Webhook {
        url,
        tls,
        kinds,
        token,
        timeout: section.get("timeout").duration(),
        retry_time: section.get("retry_time").duration(),
        queue: section.get("queue").length(),
    });
    (webhook, token_file)
}

/// By which authorities the receiver is verified; `None` where it does not speak TLS, or where that
/// was complained about.
fn receiver_tls(section: &Section<'_>, url: Option<&WebhookUrl>) -> Option<Arc<ClusterTls>> {
    let is_secure = url.is_some_and(|url| url.is_secure);
    let trust = match section.value("ca") {
        Some(at) if url.is_some() && !is_secure => {
            at.warn(
                "a URL of https next to it",
                "nothing is verified without TLS",
            );
            return None;
        }
        Some(at) => authorities_in(&at)?,
        None => Trust::system(),
    };
    if !is_secure {
        return None;
    }
    let files = ClusterFiles { trust, own: None };
    let made = ClusterTls::new(files, None, TlsVersion::V12, false);
    let at = section.get("url");
    let made = made.map_err(|why| unfit(&at, "authorities to verify the receiver by", Some(why)));
    made.ok().map(Arc::new)
}

/// Who leaves out a level writes the URL itself there.
fn near_off(at: &At<'_>) -> Option<String> {
    let text = at.plain_text()?;
    if text.contains("://") {
        return Some("write { url: … }".to_owned());
    }
    near(text, ["off"])
}

fn url(at: &At<'_>) -> Option<WebhookUrl> {
    match WebhookUrl::parse(at.text()?) {
        Ok(url) => Some(url),
        Err(why) => {
            unfit(at, &at.kind.expected(), Some(why.to_string()));
            None
        }
    }
}

/// As [`At::unlike`], without what may be secret.
fn unfit(at: &At<'_>, expected: &str, hint: Option<String>) {
    let found = at.plain_text().map(webhook::shown).unwrap_or_default();
    let words = Words {
        found,
        expected: expected.to_owned(),
        hint,
    };
    at.context.complain(at.node.place, &at.path, words);
}

fn kinds(at: &At<'_>) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    let items = at.items();
    if items.is_empty() && at.plain_text().is_none() {
        let hint = "leave the key out for all, or write webhook: off for none";
        at.unlike("at least one kind of event", Some(hint.to_owned()));
    }
    let meanings = crate::observe::events::KINDS;
    let words: Vec<_> = meanings.iter().map(|kind| (*kind, *kind)).collect();
    for item in items {
        if let Some(kind) = item.choice(&words)
            && !kinds.iter().any(|known| known == kind)
        {
            kinds.push(kind.to_owned());
        }
    }
    kinds
}

/// A token that a header can hold.
fn token(at: &At<'_>) -> Option<(PathBuf, Secret)> {
    let (path, token) = files::secret(at)?;
    if token.0.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some((path, token));
    }
    at.unlike(
        "a file with one line of visible ASCII characters, without white space",
        Some("nothing else can be sent as Authorization: Bearer".to_owned()),
    );
    None
}
