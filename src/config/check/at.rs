//! A value of the file in the reader's hand: where it stands, what it should be, and how to
//! complain about it.
//!
//! Every reading function returns something usable even after a complaint, so that one run finds
//! every problem; what was built after a complaint is thrown away.

use crate::config::foreign;
use crate::config::keys::Kind;
use crate::config::masked::{quoted_at, without_paths};
use crate::config::problem::quoted;
use crate::config::raw::{Entry, Node, Place, Value, path_of_item, path_of_key};

use super::context::{Context, Words};
use super::section::Section;

/// One value with all that is needed to read it.
#[derive(Clone)]
pub(super) struct At<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) node: Node,
    /// Where its key stands; in a list, where the value itself stands.
    pub(super) key_place: Place,
    pub(super) path: String,
    pub(super) kind: &'static Kind,
}

impl<'a> At<'a> {
    /// What stands here, in words.
    pub(super) fn found(&self) -> String {
        let name = |entry: &Entry| quoted(&without_paths(&entry.key, &self.path));
        match &self.node.value {
            Value::Nothing => "nothing".to_owned(),
            Value::Scalar(scalar) => match &scalar.typed {
                Some(typed) => {
                    let text = quoted_at(&self.path, &scalar.text);
                    format!("{text} (from {typed})")
                }
                None => quoted_at(&self.path, &scalar.text),
            },
            Value::Unfilled => "a text that is not known".to_owned(),
            Value::List(items) if items.is_empty() => "an empty list".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(entries) => match entries.as_slice() {
                [] => "no keys".to_owned(),
                [one] => format!("the key {}", name(one)),
                several => {
                    let names = several.iter().take(4).map(name);
                    let more = if several.len() > 4 { ", …" } else { "" };
                    format!("the keys {}{more}", names.collect::<Vec<_>>().join(", "))
                }
            },
        }
    }

    /// Complains that this is not of its kind.
    pub(super) fn wrong(&self, hint: Option<String>) {
        self.unlike(self.kind.expected(), hint);
    }

    /// Complains in own words about what was expected.
    pub(super) fn unlike(&self, expected: impl Into<String>, hint: Option<String>) {
        if self.node.value == Value::Unfilled {
            return;
        }
        let expected = expected.into();
        let found = self.found();
        let words = Words {
            found,
            expected,
            hint,
        };
        self.context.complain(self.node.place, &self.path, words);
    }

    /// Accepts, but tells that it is risky.
    pub(super) fn warn(&self, expected: &str, hint: &str) {
        let words = Words {
            found: self.found(),
            expected: expected.to_owned(),
            hint: Some(hint.to_owned()),
        };
        let warning = self.context.problem(self.node.place, &self.path, words);
        self.context.warnings.borrow_mut().push(warning);
    }

    /// The text, or a complaint that it is none.
    pub(super) fn text(&self) -> Option<&str> {
        let text = self.plain_text();
        if text.is_none() {
            self.wrong(None);
        }
        text
    }

    /// The text without a complaint; `None` for lists and maps.
    pub(super) fn plain_text(&self) -> Option<&str> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// A text that `read` turns into something; the error is the hint.
    pub(super) fn parse<T>(&self, read: impl Fn(&str) -> Result<T, Option<String>>) -> Option<T> {
        let text = self.text()?;
        read(text).map_err(|hint| self.wrong(hint)).ok()
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Vec<At<'a>> {
        let Kind::List(item) = self.kind else {
            return Vec::new();
        };
        match &self.node.value {
            Value::Nothing | Value::Unfilled => Vec::new(),
            Value::List(nodes) => {
                let at = |(index, node): (usize, &Node)| {
                    self.below(node, item, |path| path_of_item(path, index))
                };
                nodes.iter().enumerate().map(at).collect()
            }
            Value::Scalar(scalar) => {
                let item = match scalar.text.as_str() {
                    "none" | "off" | "no" => "",
                    text => text,
                };
                self.wrong(Some(format!("write [{item}]")));
                Vec::new()
            }
            Value::Map(_) => {
                self.wrong(Some("begin each item with '- '".to_owned()));
                Vec::new()
            }
        }
    }

    /// The same, read as the map that its kind also allows.
    pub(super) fn as_map(&self) -> At<'a> {
        let kind = match self.kind {
            Kind::Either(kinds) => kinds.iter().find(|kind| matches!(kind, Kind::Map(..))),
            _ => None,
        };
        At {
            kind: kind.unwrap_or(self.kind),
            ..self.clone()
        }
    }

    /// The entries of a map with own keys: the key as a value of its own, and what is behind it.
    pub(super) fn entries(&self) -> Vec<(At<'a>, At<'a>)> {
        let Kind::Map(key_words, kind) = self.kind else {
            return Vec::new();
        };
        match &self.node.value {
            Value::Nothing => Vec::new(),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| {
                    let path = path_of_key(&self.path, &entry.key);
                    let mut key = Node::text(&entry.key);
                    key.place = entry.key_place;
                    let key = At {
                        context: self.context,
                        node: key,
                        key_place: entry.key_place,
                        path: path.clone(),
                        kind: self.kind,
                    };
                    let mut value = self.below(&entry.value, kind, |_| path);
                    value.key_place = entry.key_place;
                    (key, value)
                })
                .collect(),
            _ => {
                self.unlike(format!("keys, each {key_words}"), None);
                Vec::new()
            }
        }
    }

    /// The section that stands here. Unknown keys are complained about.
    pub(super) fn section(&self) -> Section<'a> {
        let keys = self.kind.keys();
        let entries = match &self.node.value {
            Value::Map(entries) => entries.clone(),
            Value::Nothing | Value::Unfilled => Vec::new(),
            _ => {
                self.wrong(self.no_section());
                Vec::new()
            }
        };
        Section::new(self.clone(), entries, keys)
    }

    /// The hint for a text in the place of a section.
    fn no_section(&self) -> Option<String> {
        let text = self.plain_text()?;
        let nginx = "this looks like nginx's syntax; write keys and values as YAML";
        let is_nginx = text.contains(['{', ';']);
        foreign::section_hint(&self.path, text)
            .or_else(|| is_nginx.then_some(nginx))
            .map(str::to_owned)
    }

    /// A value that stands within this one.
    pub(super) fn below(
        &self,
        node: &Node,
        kind: &'static Kind,
        path: impl FnOnce(&str) -> String,
    ) -> At<'a> {
        At {
            context: self.context,
            node: node.clone(),
            key_place: node.place,
            path: path(&self.path),
            kind,
        }
    }
}
