//! A section of the file: known keys with their defaults, unknown ones with a hint.

use crate::config::foreign;
use crate::config::keys::{Key, Presence};
use crate::config::load::{self, Duplicates};
use crate::config::masked::without_paths;
use crate::config::nearest::nearest;
use crate::config::problem::quoted;
use crate::config::raw::{Entry, Node, Place, Value, path_of_key};

use super::at::At;
use super::context::Words;

/// A section in the reader's hand.
pub(super) struct Section<'a> {
    pub(super) at: At<'a>,
    entries: Vec<Entry>,
    keys: &'static [Key],
}

impl<'a> Section<'a> {
    /// A section of these entries; unknown ones are complained about.
    pub(super) fn new(at: At<'a>, entries: Vec<Entry>, keys: &'static [Key]) -> Self {
        let section = Self { at, entries, keys };
        section.refuse_unknown();
        section
    }

    /// The value of a key: as typed, else its default, else nothing.
    pub(super) fn value(&self, name: &str) -> Option<At<'a>> {
        let key = self.keys.iter().find(|key| key.name == name);
        debug_assert!(key.is_some(), "{name} is in no table of keys");
        let key = key?;
        let typed = self.entries.iter().find(|entry| entry.key == name);
        let (node, key_place) = match typed {
            Some(entry) => (entry.value.clone(), entry.key_place),
            None if key.default.is_empty() => return None,
            None => (preset(key.default, self.at.key_place), self.at.key_place),
        };
        let mut value = self
            .at
            .below(&node, &key.kind, |path| path_of_key(path, name));
        value.key_place = key_place;
        Some(value)
    }

    /// The value of a key that has a default.
    pub(super) fn get(&self, name: &str) -> At<'a> {
        self.value(name).unwrap_or_else(|| self.at.clone())
    }

    /// The value of a key that must be there; complains at the section if it is not.
    pub(super) fn required(&self, name: &str) -> Option<At<'a>> {
        let key = self.keys.iter().find(|key| key.name == name);
        debug_assert!(
            key.is_some_and(|key| key.presence == Presence::Required),
            "{name}"
        );
        let value = self.value(name);
        if value.is_none() && self.is_read() && !self.has_misspelt(name) {
            let words = Words {
                found: "nothing".to_owned(),
                expected: key.map(|key| key.kind.expected()).unwrap_or_default(),
                hint: None,
            };
            let path = path_of_key(&self.at.path, name);
            self.at.context.complain(self.at.key_place, &path, words);
        }
        value
    }

    /// Whether the key is in the file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == name)
    }

    /// What a key says and where, for a complaint about another key that goes ill with it.
    pub(super) fn says(&self, name: &str) -> String {
        let at = self.get(name);
        let value = at.plain_text().map_or_else(|| at.found(), str::to_owned);
        if self.has(name) {
            format!("{} in line {} is {value}", at.path, at.node.place.line)
        } else {
            format!("{} is {value} where the file does not say", at.path)
        }
    }

    /// Whether keys could stand here; if not, that is complained about already.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.at.node.value, Value::Map(_) | Value::Nothing)
    }

    /// Whether an unknown key is likely this one; then that complaint is enough.
    fn has_misspelt(&self, name: &str) -> bool {
        let names = || self.keys.iter().map(|key| key.name);
        let mut unknown = self
            .entries
            .iter()
            .filter(|entry| names().all(|n| n != entry.key));
        unknown.any(|entry| nearest(&entry.key, names()) == Some(name))
    }

    fn refuse_unknown(&self) {
        let is_top = self.at.path.is_empty();
        for entry in &self.entries {
            let known = self.keys.iter().any(|key| key.name == entry.key);
            // As in compose files: a place for anchors.
            let is_extension = is_top && entry.key.starts_with("x-");
            if known || is_extension {
                continue;
            }
            let names = || self.keys.iter().map(|key| key.name);
            let near = nearest(&entry.key, names()).map(|near| format!("did you mean {near}?"));
            let foreign = foreign::hint_at(&self.at.path, &entry.key)
                .or_else(|| foreign::hint(&entry.key))
                .map(str::to_owned);
            let key = without_paths(&entry.key, &self.at.path);
            let words = Words {
                found: format!("the key {}", quoted(&key)),
                expected: format!("one of {}", names().collect::<Vec<_>>().join(", ")),
                hint: foreign.or(near),
            };
            let path = path_of_key(&self.at.path, &key);
            self.at.context.complain(entry.key_place, &path, words);
        }
    }
}

/// A default, as if it had been typed at `place`.
fn preset(text: &str, place: Place) -> Node {
    let value = match text {
        "[]" => Value::List(Vec::new()),
        "{}" => Value::Map(Vec::new()),
        // A broken default would show up as missing; a test loads every one of them.
        _ => load::read(text, Duplicates::Refused).map_or(Value::Nothing, |node| node.value),
    };
    Node { place, value }
}
