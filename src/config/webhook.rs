//! Who is told of events: a receiver, and what it is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::stores::host_and_port;
use super::tls::ClusterTls;
use super::{BadStoreAddress, Secret};

/// No URL that anyone means is longer.
const LONGEST_URL: usize = 2048;
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// Who is told of events.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Where events are sent.
    pub url: WebhookUrl,
    /// How its receiver is spoken to by TLS; `None`: not at all.
    pub tls: Option<Arc<ClusterTls>>,
    /// Which ones, of [`crate::observe::events::KINDS`]; never empty.
    pub kinds: Vec<String>,
    /// What shows the receiver who sends; read from `token_file`.
    pub token: Option<Secret>,
    /// Longest wait for an answer, connecting included.
    pub timeout: Duration,
    /// What is older when sending fails is not sent again.
    pub retry_time: Duration,
    /// Events that wait at most.
    pub queue: usize,
}

/// The URL of a receiver. Its path and query may be a secret: neither `Display` nor `Debug` shows
/// them.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Host and port as they were typed, for the field `Host`.
    pub authority: String,
    /// Path and query, as they stand in a request line.
    pub target: String,
    /// Whether it is one of https.
    pub is_secure: bool,
}

impl WebhookUrl {
    /// Reads `http://host[:port][/path][?query]`, or the same with https.
    pub fn parse(text: &str) -> Result<Self, BadWebhookUrl> {
        if text.len() > LONGEST_URL {
            return Err(BadWebhookUrl::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadWebhookUrl::Scheme)?;
        let is_secure = scheme.eq_ignore_ascii_case("https");
        if !is_secure && !scheme.eq_ignore_ascii_case("http") {
            return Err(BadWebhookUrl::Scheme);
        }
        let port = if is_secure { HTTPS_PORT } else { HTTP_PORT };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (host, port) = match host_and_port(authority, Some(port)) {
            // A password may hold what ends a host.
            Err(_) if rest.contains('@') => return Err(BadWebhookUrl::UserInfo),
            place => place?,
        };
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !target.bytes().all(fits) {
            return Err(BadWebhookUrl::Target);
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            host,
            port,
            authority: authority.to_owned(),
            target: [slash, target].concat(),
            is_secure,
        })
    }
}

/// Where it is, and nothing behind that.
impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}

/// Why a text is no URL of a receiver. Says nothing of what stands there: it may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhookUrl {
    /// More than anybody needs.
    #[error("longer than {LONGEST_URL} characters")]
    TooLong,
    /// Neither `http://` nor `https://`.
    #[error("write http:// or https:// before the host")]
    Scheme,
    /// `user:password@`.
    #[error("a user and a password are not sent; let the receiver ask for the token of token_file")]
    UserInfo,
    /// Host or port.
    #[error(transparent)]
    Place(#[from] BadStoreAddress),
    /// What no request line has.
    #[error("a path or query with white space, a '#', or characters that must be percent-encoded")]
    Target,
}

/// What of a URL may be shown that was typed for a receiver: scheme and host, if there is no doubt
/// where they end.
pub(super) fn shown(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return "a text without ://".to_owned();
    };
    let of_scheme = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    if !scheme.chars().all(of_scheme) {
        return "another text".to_owned();
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.split_at_checked(end).map_or("", |(it, _)| it);
    let of_place = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
    // With a user's password nobody knows where the host begins.
    if rest.contains('@') || !authority.chars().all(of_place) {
        return format!("\"{scheme}://…\"");
    }
    format!("\"{scheme}://{authority}/…\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_host_port_and_target() {
        for (text, host, port, authority, target) in [
            ("http://a", "a", 80, "a", "/"),
            ("HTTP://a.b:8080", "a.b", 8080, "a.b:8080", "/"),
            ("http://a/x/y?z=1&u", "a", 80, "a", "/x/y?z=1&u"),
            ("http://a?z", "a", 80, "a", "/?z"),
            (
                "http://[::1]:9/é".trim_end_matches('é'),
                "::1",
                9,
                "[::1]:9",
                "/",
            ),
            ("http://a/x@y", "a", 80, "a", "/x@y"),
        ] {
            let url = WebhookUrl::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port), (host, port), "{text}");
            let parts = (url.authority.as_str(), url.target.as_str());
            assert_eq!(parts, (authority, target), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_for_its_reason() {
        for (text, why) in [
            ("", BadWebhookUrl::Scheme),
            ("a:80/x", BadWebhookUrl::Scheme),
            ("ftp://a", BadWebhookUrl::Scheme),
            ("http://ada:hush@a/x", BadWebhookUrl::UserInfo),
            ("http://ada:hu/sh@a/x", BadWebhookUrl::UserInfo),
            ("http://", BadWebhookUrl::Place(BadStoreAddress::NoHost)),
            ("http:///x", BadWebhookUrl::Place(BadStoreAddress::NoHost)),
            ("http://a b/x", BadWebhookUrl::Place(BadStoreAddress::Host)),
            ("http://a:0/x", BadWebhookUrl::Place(BadStoreAddress::Port)),
            ("http://a/x y", BadWebhookUrl::Target),
            ("http://a/x#y", BadWebhookUrl::Target),
            ("http://a/\r\nX: y", BadWebhookUrl::Target),
            ("http://a/é", BadWebhookUrl::Target),
            (
                &format!("http://a/{}", "x".repeat(2048)),
                BadWebhookUrl::TooLong,
            ),
        ] {
            assert_eq!(WebhookUrl::parse(text), Err(why), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_behind_the_host_is_ever_shown(
            before in "[a-z]{0,5}(://)?([a-z]{1,5}:)?[a-z.]{0,5}",
            glue in "[/?#@ ]",
            secret in "SECRET[A-Z/@?# ]{0,5}",
        ) {
            let text = [&before, &glue, &secret].map(String::as_str).concat();
            prop_assert!(!shown(&text).contains("SECRET"), "{text:?}: {}", shown(&text));
            if let Ok(url) = WebhookUrl::parse(&text) {
                prop_assert!(!format!("{url} {url:?}").contains("SECRET"), "{text:?}");
            }
        }

        #[test]
        fn what_is_taken_can_stand_in_a_request(text in "http://[a-z:0-9.@\\[\\]]{0,9}[ -~é\r\n]{0,20}") {
            if let Ok(url) = WebhookUrl::parse(&text) {
                prop_assert!(url.target.starts_with('/'));
                for part in [&url.target, &url.authority] {
                    prop_assert!(part.bytes().all(|byte| byte.is_ascii_graphic()), "{url:?}");
                }
            }
        }
    }
}
