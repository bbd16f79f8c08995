//! What is wrong with a configuration: one type for every complaint, two forms to print it in.
//!
//! Made by `load`, `env` and `check`; printed by the command line, at start and at reload.

use std::fmt;

use serde_json::{Value, json};

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

/// The text with stars for the user and the password of each URL, one for each character: what
/// stands at a place stays there.
pub(super) fn masked(text: &str) -> String {
    let mask = |word: &str| {
        let url = word.split_once("://");
        let secret = url.and_then(|(scheme, rest)| {
            let (secret, host) = rest.rsplit_once('@')?;
            // What is no URL of a store has an '@' in its path rather.
            let is_secret = scheme.contains("redis") || !secret.contains('/');
            is_secret.then_some((scheme, secret, host))
        });
        match secret {
            Some((scheme, secret, host)) => {
                let stars = "*".repeat(secret.chars().count());
                format!("{scheme}://{stars}@{host}")
            }
            None => word.to_owned(),
        }
    };
    text.split_inclusive(char::is_whitespace)
        .map(mask)
        .collect()
}

/// A text as it is quoted in messages: cut when long, control characters escaped, without the
/// secrets of URLs.
pub(super) fn quoted(text: &str) -> String {
    let text = &masked(text);
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
    fn no_message_shows_the_password_of_a_url() {
        for (typed, shown) in [
            ("redis://:hush@a:1/0", "redis://*****@a:1/0"),
            (
                "  redis: 'redis://ada:h@/s@a' # x@y",
                "  redis: 'redis://********@a' # x@y",
            ),
            ("rdis://:hush@a, b", "rdis://*****@a, b"),
            ("redis://a:1 redis://:p@b", "redis://a:1 redis://**@b"),
            ("to: https://$host/@me", "to: https://$host/@me"),
            ("no@url ://", "no@url ://"),
        ] {
            assert_eq!(masked(typed), shown);
            assert_eq!(masked(typed).chars().count(), typed.chars().count());
        }
        assert!(!quoted("redis://:hush@a").contains("hush"));
    }
}
