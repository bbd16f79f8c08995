//! URLs whose path or query may be a secret: those of webhooks. Who mistypes the key in front of one, or
//! leaves out a part of it, has written the secret all the same.

use super::problem::quoted;
use super::webhook;

/// The keys of the section whose values are names of files.
const FILES: [&str; 2] = ["ca", "token_file"];

/// Whether this is the path of the section with such URLs, or leads into it.
fn is_within_events(path: &str) -> bool {
    let rest = path.strip_prefix("events");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A line of a file, or a key, of which `path` is complained about, with stars for what may be such a
/// secret, one for each character. In their section: what stands behind anything like a host, to the
/// end of the line. Where nobody knows which section is meant, or the line has that one too: the path
/// of each `http` URL, unless it is one that a rule redirects to.
pub(super) fn without_paths(line: &str, path: &str) -> String {
    let is_within = is_within_events(path);
    let is_elsewhere = path.contains(['.', '[']) && !line.contains("webhook");
    if is_elsewhere && !is_within {
        return line.to_owned();
    }
    let mut shown = String::with_capacity(line.len());
    let mut hides_all = false;
    for word in line.split_inclusive(char::is_whitespace) {
        let secret = if hides_all {
            Some(0)
        } else if FILES.iter().any(|key| is_value_of(key, &shown))
            || (!is_within && is_value_of("to", &shown))
        {
            None
        } else if is_within {
            behind_host(word)
        } else {
            behind_http_host(word)
        };
        let parts = secret.and_then(|at| word.split_at_checked(at));
        let (before, secret) = parts.unwrap_or((word, ""));
        let star = |letter: char| if letter.is_whitespace() { letter } else { '*' };
        shown.push_str(before);
        shown.extend(secret.chars().map(star));
        hides_all |= is_within && !secret.is_empty();
    }
    shown
}

/// A text as messages quote it that stands at `path`.
pub(super) fn quoted_at(path: &str, text: &str) -> String {
    let key = path.rsplit('.').next().unwrap_or_default();
    let may_be_url = text.contains(['/', '?']) && !FILES.contains(&key);
    if is_within_events(path) && may_be_url {
        webhook::shown(text)
    } else {
        quoted(text)
    }
}

/// Whether what follows `before` is the value of this key.
fn is_value_of(key: &str, before: &str) -> bool {
    let before = before.trim_end().strip_suffix(':');
    let before = before.map(|it| it.trim_end().trim_end_matches(['"', '\'']));
    let before = before.and_then(|it| it.strip_suffix(key));
    before.is_some_and(|it| !it.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_'))
}

/// Where the path or the query begins of what may be a URL without a scheme, too.
fn behind_host(word: &str) -> Option<usize> {
    let host = word.find("://").map_or(0, |at| at + 3);
    let length = word.get(host..)?.find(['/', '?'])?;
    Some(host + length + 1)
}

/// The same of a URL with one.
fn behind_http_host(word: &str) -> Option<usize> {
    let at = word.find("://")?;
    let scheme = word.get(..at)?.to_ascii_lowercase();
    let host = at + 3;
    let length = word.get(host..)?.find(['/', '?', '#'])?;
    (scheme.ends_with("http") || scheme.ends_with("https")).then_some(host + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_shows_the_path_of_a_webhook_whatever_its_key_is() {
        for (path, typed, shown) in [
            (
                "events.webhook.urls",
                "urls: http://a/hush",
                "urls: http://a/****",
            ),
            (
                "events.webhook.urls",
                "urls: a/T0/my hush",
                "urls: a/***** ****",
            ),
            (
                "events.webhook",
                "webhok: { to: http://a?hush, x: 1 }",
                "webhok: { to: http://a?***** ** * *",
            ),
            (
                "events.webhook.kinds[0]",
                "kinds: [states]",
                "kinds: [states]",
            ),
            (
                "events.webhook.token_file",
                "token_file: /etc/token",
                "token_file: /etc/token",
            ),
            (
                "evnts",
                "evnts: { hook: 'HTTPS://a/hush', x: 1 }",
                "evnts: { hook: 'HTTPS://a/****** x: 1 }",
            ),
            ("", "  - http://10.0.0.1:80 x", "  - http://10.0.0.1:80 x"),
            ("", "to: https://$host/@me", "to: https://$host/@me"),
            (
                "",
                "{ \"to\" : http://a/b, goto: http://a/b }",
                "{ \"to\" : http://a/b, goto: http://a/* }",
            ),
            (
                "clusters.a",
                "a: http://b/c, webhook: { urls: http://a/hush }",
                "a: http://b/** webhook: { urls: http://a/**** }",
            ),
            ("clusters.a", "a: http://b/c", "a: http://b/c"),
            ("eventsx", "redis: redis://a/0", "redis: redis://a/0"),
        ] {
            assert_eq!(without_paths(typed, path), shown);
        }
    }

    #[test]
    fn no_text_in_the_section_shows_one() {
        assert_eq!(
            quoted_at("events", "http://a/hush"),
            webhook::shown("http://a/hush")
        );
        assert!(!quoted_at("events.webhook.urls", "a/hush").contains("hush"));
        assert_eq!(quoted_at("events.webhook.timeout", "soon"), "\"soon\"");
        assert_eq!(quoted_at("health.path", "/here"), "\"/here\"");
        assert_eq!(quoted_at("events.webhook.token_file", "/here"), "\"/here\"");
    }
}
