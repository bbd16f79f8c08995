//! One session as it is shown: what its key, its store and the head of its value say.

use std::io;

use serde_json::{Value as Json, json};

use crate::config::Dialect;
use crate::session::id::Id;
use crate::store::census::{Finding, Mode};
use crate::store::key::{Key, Kind, Named, Prefix};
use crate::store::value::{Header, Serializer, Validity, Value};
use crate::store::{Entry, Expiry, Head};

use super::ask::{self, Wanted};
use super::stores::label;
use super::table::{or_dash, printable, seconds};
use super::{Survey, now};

/// A key that may become a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) node: usize,
    pub(super) entry: Entry,
}

impl Candidate {
    /// Its key, taken apart.
    pub(super) fn key<'c>(&'c self, prefix: Prefix<'_>) -> Option<Key<'c>> {
        match Named::read(&self.entry.key, prefix) {
            Named::Msm(key) => Some(key),
            Named::Foreign => None,
        }
    }
}

/// What lies under a key, as far as it was read.
#[derive(Debug)]
pub(super) enum Content {
    Session(Box<Header>),
    HalfWritten(&'static str),
    /// No session of MSM, although its key looks like one.
    Foreign,
    /// It ended meanwhile.
    Gone,
    /// Its store did not tell.
    Unread,
}

/// One session.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) node: String,
    pub(super) prefix: String,
    pub(super) route: String,
    pub(super) kind: Kind,
    pub(super) expiry: Expiry,
    pub(super) size: Option<u64>,
    pub(super) content: Content,
    pub(super) validity: Option<Validity>,
    pub(super) has_backup: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) now: u64,
}

/// A guessed prefix that is longer may be half of an id.
const MOST_OF_GUESSED: usize = 16;
/// Shown for one.
pub(super) const HIDDEN_PREFIX: &str = "*_";

/// Whether ids are shown whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    Whole,
    Shortened,
}

impl Ids {
    pub(super) fn of(full_ids: bool) -> Self {
        if full_ids {
            Self::Whole
        } else {
            Self::Shortened
        }
    }

    /// An id as it is shown.
    pub(super) fn show(self, id: &[u8]) -> String {
        let shortened = || match Id::read(Dialect::Tomcat, id) {
            Ok(id) => id.shortened().to_string(),
            Err(_) => "*".to_owned(),
        };
        match self {
            Self::Whole => String::from_utf8_lossy(id).into_owned(),
            Self::Shortened => shortened(),
        }
    }

    /// The prefix of a key as it is shown; `prefix` is what was told of it. Where ids hold a `_`,
    /// a guessed one may be the start of the id.
    pub(super) fn show_prefix(self, key: &Key<'_>, prefix: Prefix<'_>) -> String {
        let base = Id::read(Dialect::Tomcat, key.id).map_or(0, |id| id.base().len());
        let length = key.prefix.len();
        let is_harmless = length <= MOST_OF_GUESSED && length < base.max(1);
        match (self, prefix) {
            (Self::Shortened, Prefix::Any) if !is_harmless => HIDDEN_PREFIX.to_owned(),
            _ => printable(key.prefix),
        }
    }
}

impl Survey<'_> {
    /// Reads the values of these keys and makes their rows, in their order.
    pub(super) fn rows(&mut self, candidates: &[Candidate], ids: Ids) -> io::Result<Vec<Row>> {
        let of_session = candidates.iter().map(|it| Wanted {
            node: it.node,
            key: it.entry.key.clone(),
        });
        let of_validity = candidates.iter().map(|it| Wanted {
            node: it.node,
            key: self.validity_key(it).unwrap_or_default(),
        });
        let mut wanted: Vec<Wanted> = of_session.collect();
        if self.closed.mode() == Mode::NonSticky {
            wanted.extend(of_validity);
        }
        let mut heads = ask::heads(self.nodes, self.bounds, &mut self.missing, wanted)?;
        let validities = heads.split_off(candidates.len().min(heads.len()));
        let validities = validities.into_iter().chain(std::iter::repeat(None));
        let all = candidates.iter().zip(heads).zip(validities);
        let rows = all.filter_map(|((candidate, head), validity)| {
            let read = |head: &Head| Value::read(&head.bytes, head.size);
            let mut row = self.row(candidate, head.as_ref(), ids)?;
            if let Some(Value::Validity(validity)) = validity.as_ref().map(read) {
                row.validity = Some(validity);
            }
            Some(row)
        });
        Ok(rows.collect())
    }

    fn validity_key(&self, candidate: &Candidate) -> Option<Vec<u8>> {
        let key = candidate.key(self.prefix)?;
        let kind = match key.kind {
            Kind::Backup => Kind::BackupValidity,
            _ => Kind::Validity,
        };
        Some(Key { kind, ..key }.written())
    }

    fn row(&self, candidate: &Candidate, head: Option<&Head>, ids: Ids) -> Option<Row> {
        let key = candidate.key(self.prefix)?;
        let id = Id::read(Dialect::Tomcat, key.id).ok()?;
        let content = match head {
            None if self.missing.has(candidate.node) => Content::Unread,
            None => Content::Gone,
            Some(head) => match Value::read(&head.bytes, head.size) {
                Value::Session(header) => Content::Session(Box::new(header)),
                Value::HalfWritten(why) => Content::HalfWritten(why),
                Value::Validity(_) | Value::Probe | Value::Foreign => Content::Foreign,
            },
        };
        let node = self.nodes.get(candidate.node);
        Some(Row {
            id: ids.show(key.id),
            node: node.map(label).unwrap_or_default(),
            prefix: ids.show_prefix(&key, self.prefix),
            route: id.shown_route().map(printable).unwrap_or_default(),
            kind: key.kind,
            expiry: head.map_or(candidate.entry.expiry, |head| head.expiry),
            size: head.map(|head| head.size).or(candidate.entry.size),
            content,
            validity: None,
            has_backup: self.closed.has_backup(&key),
            findings: self.closed.findings_of(&key),
            now: now(),
        })
    }
}

impl Row {
    pub(super) fn header(&self) -> Option<&Header> {
        match &self.content {
            Content::Session(header) => Some(header),
            _ => None,
        }
    }

    /// Seconds since the session was made.
    pub(super) fn age(&self) -> Option<u64> {
        self.since(self.header()?.created)
    }

    /// Seconds since its last use; in sticky mode, as of the last copy.
    pub(super) fn idle(&self) -> Option<u64> {
        let of_validity = self.validity.map(|validity| validity.this_accessed);
        let last = of_validity.or_else(|| self.header().map(|header| header.this_accessed))?;
        self.since(last)
    }

    /// Seconds without a request until it ends; `None` also if it never does.
    pub(super) fn time_out(&self) -> Option<u64> {
        let time = self.max_inactive()?;
        u64::try_from(time).ok().filter(|time| *time > 0)
    }

    /// The same for people.
    pub(super) fn time_out_text(&self) -> String {
        match (self.max_inactive(), self.time_out()) {
            (Some(_), None) => "never".to_owned(),
            (_, time) => or_dash(time.map(seconds)),
        }
    }

    fn max_inactive(&self) -> Option<i32> {
        let of_validity = self.validity.map(|validity| validity.max_inactive);
        of_validity.or_else(|| self.header().map(|header| header.max_inactive))
    }

    /// Seconds until the store forgets it; `None`: never.
    pub(super) fn left(&self) -> Option<u64> {
        match self.expiry {
            Expiry::Never => None,
            Expiry::At(end) => Some(end.saturating_sub(self.now)),
        }
    }

    pub(super) fn since(&self, time_ms: i64) -> Option<u64> {
        let time = u64::try_from(time_ms).ok()?;
        Some(self.now.saturating_sub(time / 1000))
    }

    /// All that is odd about it; empty: nothing.
    pub(super) fn state(&self) -> Vec<&'static str> {
        let mut words: Vec<_> = self.findings.iter().map(|it| it.word()).collect();
        words.extend(match &self.content {
            Content::Session(header) if !header.is_valid => Some("ended"),
            Content::Session(_) => None,
            Content::HalfWritten(_) => Some("half-written"),
            Content::Foreign => Some("foreign"),
            Content::Gone => Some("gone"),
            Content::Unread => Some("unread"),
        });
        words
    }

    pub(super) fn to_json(&self) -> Json {
        let header = self.header();
        let kind = if self.kind == Kind::Session {
            "session"
        } else {
            "backup"
        };
        json!({
            "id": self.id,
            "node": self.node,
            "prefix": self.prefix,
            "route": self.route,
            "kind": kind,
            "age_seconds": self.age(),
            "idle_seconds": self.idle(),
            "timeout_seconds": self.time_out(),
            "ttl_seconds": self.left(),
            "size_bytes": self.size,
            "auth": header.map(|header| header.auth.word()),
            "serializer": header.and_then(|it| it.serializer).map(Serializer::word),
            "new": header.map(|header| header.is_new),
            "valid": header.map(|header| header.is_valid),
            "validity": self.validity.is_some(),
            "backup": self.has_backup,
            "state": self.state(),
        })
    }
}
