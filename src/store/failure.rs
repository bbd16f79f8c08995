//! Why a store gave no answer.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// As much of an answer is shown.
const MOST_SHOWN: usize = 60;
/// A word as long may be a secret.
const SECRET_LENGTH: usize = 16;

/// A question that found no answer.
#[derive(Debug, thiserror::Error)]
#[error("{store}: {stage}: {fault}")]
pub struct StoreError {
    /// The store's address, without its password.
    pub store: Arc<str>,
    /// How far it got.
    pub stage: Stage,
    /// What went wrong.
    #[source]
    pub fault: Fault,
}

/// How far a question got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The name is resolved, the connection made.
    Connect,
    /// Password and database are said.
    Authenticate,
    /// The question is sent.
    Ask,
    /// The answer is read.
    Answer,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Authenticate => "authenticate",
            Self::Ask => "ask",
            Self::Answer => "answer",
        })
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system says so.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// Nothing, or not all of it, in time.
    #[error("not done within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The connection ended first.
    #[error("the store closed the connection")]
    Ended,
    /// Somebody else listens there.
    #[error("this is {found}, not {expected}")]
    Other {
        /// The product that was asked.
        expected: &'static str,
        /// Who answers.
        found: &'static str,
    },
    /// The store says no.
    #[error("the store says: {0}")]
    Refused(String),
    /// No answer to this question.
    #[error("not an answer: {0:?}")]
    Strange(String),
    /// The line does not end.
    #[error("a line of more than {0} bytes")]
    LongLine(usize),
    /// More than may be read.
    #[error("a value of {0} bytes")]
    LongValue(u64),
    /// The store does not end.
    #[error("more than {0} keys")]
    ManyKeys(u64),
    /// An earlier question was given up: its answer may still come.
    #[error("the connection is out of step")]
    OutOfStep,
}

impl Fault {
    /// For a line that answers no question of ours to `expected`.
    pub(super) fn of_line(expected: &'static str, line: &[u8]) -> Self {
        let starts = |starts: &[&[u8]]| starts.iter().any(|start| line.starts_with(start));
        let found = if starts(&[b"HTTP/"]) {
            "an HTTP server"
        } else if starts(&[b"SSH-"]) {
            "an SSH server"
        } else if starts(&[b"\x15\x03", b"\x16\x03"]) {
            "a TLS server"
        } else if expected == "memcached" && starts(&[b"-ERR ", b"-NOAUTH ", b"-DENIED "]) {
            "redis"
        } else if expected == "redis" && (line == b"ERROR" || starts(&[b"CLIENT_ERROR "])) {
            "memcached"
        } else {
            return Self::Strange(shown(line));
        };
        Self::Other { expected, found }
    }

    /// For a line in which the store says no.
    pub(super) fn refused(line: &[u8]) -> Self {
        Self::Refused(shown(line))
    }
}

/// `line` as messages may show it: a store may repeat the question, and a key is a secret.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.split(['\'', '`', '"']).next().unwrap_or_default();
    let mut shown = String::new();
    for word in text.split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        if word.len() >= SECRET_LENGTH {
            shown.push('*');
        } else {
            shown.extend(word.chars().filter(|letter| !letter.is_control()));
        }
    }
    shown.chars().take(MOST_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_question_is_not_shown() {
        for (line, expected) in [
            (
                &b"-ERR unknown command 'mg', with args: 'D20877C5-n1'"[..],
                "-ERR unknown command",
            ),
            (b"ERROR D20877C5D20877C5-n1.jvm1 is new", "ERROR * is new"),
            (b"a\x1b[31mb", "a[31mb"),
            (b"\xff", "\u{fffd}"),
        ] {
            assert_eq!(shown(line), expected);
        }
        assert_eq!(shown(&b"word ".repeat(100)).len(), MOST_SHOWN);
    }

    #[test]
    fn others_are_recognised() {
        for (expected, line, found) in [
            (
                "memcached",
                &b"HTTP/1.1 400 Bad Request"[..],
                "an HTTP server",
            ),
            ("redis", b"SSH-2.0-OpenSSH_9.2", "an SSH server"),
            ("memcached", b"-ERR unknown command", "redis"),
            ("redis", b"ERROR", "memcached"),
        ] {
            let told = Fault::of_line(expected, line).to_string();
            assert_eq!(told, format!("this is {found}, not {expected}"));
        }
    }
}
