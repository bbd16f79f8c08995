//! What is wrong with a configuration: one type for every complaint, two forms to print it in.
//!
//! Made by `load`, `env` and `check`; printed by the command line, at start and at reload.

use std::fmt;

use serde_json::{Value, json};

use super::masked::without_paths;

/// Longest piece of a source line that is shown.
const SHOWN_WIDTH: usize = 120;

/// One thing that is wrong, or risky, at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user named it, or `command line`.
    pub file: String,
    /// Counted from 1; zero where there is no line, as on the command line.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The field, such as `clusters.shop.backends[1].jvm_route`; empty: the file as a whole.
    pub path: String,
    /// What stands there, ready to print.
    pub found: String,
    /// What may stand there.
    pub expected: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line of the file, if there is one.
    pub source: Option<String>,
}

impl Problem {
    /// As JSON, for editors and scripts.
    pub fn to_json(&self) -> Value {
        json!({
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "found": self.found,
            "expected": self.expected,
            "hint": self.hint,
        })
    }

    fn write_source(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let start = self.column.saturating_sub(SHOWN_WIDTH / 2);
        let start = if self.column < SHOWN_WIDTH { 0 } else { start };
        // One character for one, so that the caret stays below its place.
        let shown: String = source
            .chars()
            .skip(start)
            .take(SHOWN_WIDTH)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let margin = self.line.to_string().len();
        let caret = self.column.saturating_sub(start).max(1);
        writeln!(f)?;
        writeln!(f, "    {} | {}", self.line, shown.trim_end())?;
        write!(f, "    {:margin$} | {:>caret$}", "", "^")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "found {}; expected {}", self.found, self.expected)?;
        self.write_source(f)?;
        match &self.hint {
            Some(hint) => write!(f, "\n    hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Every problem of one configuration, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Report {
    /// Why the configuration cannot be used.
    pub problems: Vec<Problem>,
    /// What could be used, but is risky.
    pub warnings: Vec<Problem>,
}

impl Report {
    pub(super) fn of(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
            warnings: Vec::new(),
        }
    }

    /// As JSON, for editors and scripts.
    pub fn to_json(&self) -> Value {
        json!({
            "problems": list(&self.problems),
            "warnings": list(&self.warnings),
        })
    }
}

fn list(problems: &[Problem]) -> Vec<Value> {
    problems.iter().map(Problem::to_json).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// A text, or a line of a file, with stars for the user and the password of each URL, one for each
/// character: what stands at a place stays there.
pub(super) fn masked(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    let words: String = words.map(|word| starred(word, no_path)).collect();
    // The password of a store's URL may hold anything, white space too. It ends at the last '@':
    // of the quotes around the URL, if there are any, else of the line. Rather hide too much.
    let Some((at, quote)) = url_of_store(&words) else {
        return words;
    };
    let (before, url) = words.split_at_checked(at).unwrap_or((&words, ""));
    let end = match quote {
        Some(quote) => url.rfind(quote),
        None => Some(url.len()),
    };
    match end.and_then(|end| url.split_at_checked(end)) {
        Some((url, behind)) => [before, &starred(url, |_| true), behind].concat(),
        // The quotes end in another line.
        None => [before, &"*".repeat(url.chars().count())].concat(),
    }
}

/// A line of a file as messages show it that complain of `path`. What stands behind the host of a webhook's URL may be a
/// secret, and who mistypes it may mistype the host too: of such a line nothing is shown behind the
/// URL's scheme.
pub(super) fn masked_line(line: &str, path: &str) -> String {
    without_paths(&masked_values(line), path)
}

fn masked_values(line: &str) -> String {
    let line = masked(line);
    let Some(value) = ["url", "webhook"].iter().find_map(|key| behind(&line, key)) else {
        return line;
    };
    let (before, value) = line.split_at_checked(value).unwrap_or((&line, ""));
    let is_scheme = |letter: char| letter.is_ascii_alphabetic() || "\"'".contains(letter);
    let (scheme, secret) = match value.split_once("://") {
        Some((scheme, secret)) if scheme.chars().all(is_scheme) => (scheme, secret),
        _ => ("", value),
    };
    let mark = if secret.len() == value.len() {
        ""
    } else {
        "://"
    };
    let star = |letter: char| if letter.is_whitespace() { letter } else { '*' };
    let stars: String = secret.chars().map(star).collect();
    [before, scheme, mark, &stars].concat()
}

/// Where the value of a key begins that is no map; the line may also be nothing but a URL, whose key
/// stands in the line before.
fn behind(line: &str, key: &str) -> Option<usize> {
    let alone = line.trim_start_matches([' ', '"', '\'']);
    let is_scheme = |letter: char| letter.is_ascii_alphabetic();
    if alone.trim_start_matches(is_scheme).starts_with("://") {
        return Some(line.len() - alone.len());
    }
    line.match_indices(key).find_map(|(at, _)| {
        let rest = line.get(at + key.len()..)?;
        let colon = rest.trim_start_matches(['"', '\'', ' ']);
        let value = colon.strip_prefix(':')?.trim_start();
        let is_text = !value.is_empty() && !value.starts_with(['{', '#']);
        is_text.then_some(line.len() - value.len())
    })
}

/// The text with stars between the first `://` and the last `@`, if that may be a secret.
fn starred(text: &str, is_secret: impl Fn(&str) -> bool) -> String {
    let url = text.split_once("://");
    let parts = url.and_then(|(scheme, rest)| {
        let (secret, host) = rest.rsplit_once('@')?;
        is_secret(secret).then_some((scheme, secret, host))
    });
    match parts {
        Some((scheme, secret, host)) => {
            let stars = "*".repeat(secret.chars().count());
            format!("{scheme}://{stars}@{host}")
        }
        None => text.to_owned(),
    }
}

/// What is no URL of a store has an `@` in its path rather.
fn no_path(secret: &str) -> bool {
    !secret.contains('/')
}

/// Where the first URL of a redis begins, and the quote before it.
fn url_of_store(text: &str) -> Option<(usize, Option<char>)> {
    text.match_indices("://").find_map(|(end, _)| {
        let before = text.get(..end)?;
        let is_scheme = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
        let scheme_at = before.trim_end_matches(is_scheme).len();
        let scheme = before.get(scheme_at..)?.to_ascii_lowercase();
        let last = before.get(..scheme_at)?.chars().next_back();
        let quote = last.filter(|last| matches!(last, '"' | '\''));
        scheme.contains("redis").then_some((scheme_at, quote))
    })
}

/// A text as it is quoted in messages: cut when long, control characters escaped, without the
/// secrets of URLs.
pub(super) fn quoted(text: &str) -> String {
    // A password with white space is one of a URL whose scheme is mistyped, too.
    let text = &starred(&masked(text), no_path);
    let mut shown: String = text.chars().take(80).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_shows_the_path_of_a_webhook() {
        for (typed, shown) in [
            ("    url: http://a/hush", "    url: http://******"),
            (
                "events: { webhook: { url: 'http://a/hush', timout: 5s } }",
                "events: { webhook: { url: 'http://******** ******* ** * *",
            ),
            (
                "  webhook: https://a/my hush",
                "  webhook: https://**** ****",
            ),
            ("  \"url\" : a/hush", "  \"url\" : ******"),
            (
                "{ webhook: { url: \"a/hush\" } }",
                "{ webhook: { url: ******** * *",
            ),
            ("      \"http://a/hush\"", "      \"http://*******"),
            (
                "  webhook: { kinds: [order] }",
                "  webhook: { kinds: [order] }",
            ),
            ("  url: # below", "  url: # below"),
            ("      - http://10.0.0.1:80", "      - http://10.0.0.1:80"),
            ("to: https://$host/@me", "to: https://$host/@me"),
            (
                "  - { to: http://a/b, x: url }",
                "  - { to: http://a/b, x: url }",
            ),
        ] {
            assert_eq!(masked_line(typed, ""), shown);
        }
    }

    #[test]
    fn no_message_shows_the_password_of_a_url() {
        for (typed, shown) in [
            ("redis://:hush@a:1/0", "redis://*****@a:1/0"),
            (
                "  redis: 'redis://ada:h@/s@a' # x@y",
                "  redis: 'redis://********@a' # x@y",
            ),
            ("rdis://:hush@a, b", "rdis://*****@a, b"),
            // A password, or two URLs? Nobody knows.
            ("redis://a:1 redis://:p@b", "redis://**************@b"),
            (
                "redis: \"redis://:my hush pw@a:x\"",
                "redis: \"redis://***********@a:x\"",
            ),
            (
                "redis: redis://:my hush@a # x",
                "redis: redis://********@a # x",
            ),
            (
                "{ a: http://b, c: 'Redis://:h@/ u@d', e: f@g }",
                "{ a: http://b, c: 'Redis://******@d', e: f@g }",
            ),
            ("redis: \"redis://:my", "redis: \"***********"),
            ("REDIS://:hu/sh@a", "REDIS://******@a"),
            ("'redis://a' # 'b@c'", "'redis://*******@c'"),
            ("to: https://$host/@me", "to: https://$host/@me"),
            ("no@url ://", "no@url ://"),
        ] {
            assert_eq!(masked(typed), shown);
            assert_eq!(masked(typed).chars().count(), typed.chars().count());
        }
        for typed in [
            "redis://:hush@a",
            "rdis://:my hush pw@a",
            "redis://:a 'hush' b@c",
        ] {
            assert!(!quoted(typed).contains("hush"), "{}", quoted(typed));
        }
    }
}
