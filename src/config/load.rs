//! YAML to a tree of places and back. The only file that names the YAML crate.
//!
//! Aliases and merge keys are resolved here; what they bring in keeps the place where it is
//! defined. Depth, number of nodes and alias expansion are bounded by the crate's budget.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::options::DuplicateKeyPolicy;
use serde_yaml::{Location, NonFiniteFloatPolicy, Spanned};

use super::raw::{Entry, Node, Place, Scalar, Value};

/// A file larger than this is not a configuration.
pub(super) const MAX_FILE_BYTES: u64 = 4 << 20;

/// The text is not YAML, or exceeds the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotYaml {
    pub(super) place: Place,
    pub(super) message: String,
    /// The key that stands twice, if that is what is wrong; the rest can still be read.
    pub(super) duplicate: Option<String>,
}

/// Which of two equal keys counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duplicates {
    /// None: the text is refused.
    Refused,
    /// The first; used to find the other problems of a refused text.
    FirstCounts,
}

/// Reads one YAML document. An empty one is an empty map.
pub(super) fn read(text: &str, duplicates: Duplicates) -> Result<Node, NotYaml> {
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_nodes: 100_000,
            max_events: 400_000,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_merge_keys: 1_000,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: 200_000,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: match duplicates {
            Duplicates::Refused => DuplicateKeyPolicy::Error,
            Duplicates::FirstCounts => DuplicateKeyPolicy::FirstWins,
        },
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        emit_comments: false,
    };
    let parsed: Option<Spanned<Parsed>> =
        serde_yaml::from_str_with_options(text, options).map_err(|error| not_yaml(&error))?;
    match parsed {
        Some(parsed) => Ok(node(parsed, text)),
        None => Ok(Node {
            place: Place { line: 1, column: 1 },
            value: Value::Map(Vec::new()),
        }),
    }
}

/// Writes a value as YAML that [`read`] understands.
pub(super) fn write(value: &serde_json::Value) -> String {
    // Writing to a string fails only on types that JSON values do not have.
    serde_yaml::to_string(value).unwrap_or_default()
}

fn not_yaml(error: &serde_yaml::Error) -> NotYaml {
    let error = error.without_snippet();
    let duplicate = match error {
        serde_yaml::Error::DuplicateMappingKey { key, .. } => Some(key.clone().unwrap_or_default()),
        _ => None,
    };
    let rendered = error.render_with_options(serde_yaml::render_options! {
        formatter: &serde_yaml::UserMessageFormatter,
        snippets: serde_yaml::SnippetMode::Off,
    });
    // The place is told apart from the message.
    let message = match rendered.find(" at line ") {
        Some(at) => rendered.get(..at).unwrap_or_default().to_owned(),
        None => rendered,
    };
    NotYaml {
        place: error.location().map(place).unwrap_or_default(),
        message,
        duplicate,
    }
}

fn place(location: Location) -> Place {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Place {
        line: number(location.line()),
        column: number(location.column()),
    }
}

/// What the crate tells us; numbers and switches as their place only, since their spelling is
/// what counts (`1.10` is no number for us, `off` no switch of every key).
enum Parsed {
    Nothing,
    Text(String),
    Plain,
    List(Vec<Spanned<Parsed>>),
    Map(Vec<(Spanned<String>, Spanned<Parsed>)>),
}

fn node(parsed: Spanned<Parsed>, source: &str) -> Node {
    let location = parsed.defined;
    let scalar = |text: String| Value::Scalar(Scalar { text, typed: None });
    let value = match parsed.value {
        Parsed::Nothing => Value::Nothing,
        Parsed::Text(text) => scalar(text),
        Parsed::Plain => scalar(slice(source, location).trim().to_owned()),
        Parsed::List(items) => {
            Value::List(items.into_iter().map(|item| node(item, source)).collect())
        }
        Parsed::Map(entries) => {
            let entry = |(key, value): (Spanned<String>, _)| Entry {
                key: key.value,
                key_place: place(key.defined),
                value: node(value, source),
            };
            Value::Map(entries.into_iter().map(entry).collect())
        }
    };
    Node {
        place: place(location),
        value,
    }
}

fn slice(source: &str, location: Location) -> &str {
    let span = location.span();
    let bounds = span.byte_offset().zip(span.byte_len());
    let bounds = bounds.and_then(|(offset, length)| {
        let start = usize::try_from(offset).ok()?;
        Some(start..start.checked_add(usize::try_from(length).ok()?)?)
    });
    bounds.and_then(|b| source.get(b)).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParsedVisitor)
    }
}

struct ParsedVisitor;

impl<'de> Visitor<'de> for ParsedVisitor {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Nothing)
    }

    fn visit_none<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Parsed, D::Error> {
        Parsed::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Parsed, E> {
        Ok(Parsed::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Parsed, E> {
        Ok(Parsed::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Parsed, E> {
        Ok(Parsed::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Parsed, E> {
        Ok(Parsed::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Parsed, E> {
        Ok(Parsed::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Parsed, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Parsed::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Parsed, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Parsed::Map(map))
    }
}

#[cfg(test)]
mod tests;
