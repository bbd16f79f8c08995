//! The kinds of values a key may have, and how they are called in messages.

use std::time::Duration;

use crate::config::ByteSize;
use crate::config::units;

/// Milliseconds of a second.
pub(in crate::config) const SECOND: u64 = 1000;
/// Milliseconds of a minute.
pub(in crate::config) const MINUTE: u64 = 60 * SECOND;
/// Milliseconds of an hour.
pub(in crate::config) const HOUR: u64 = 60 * MINUTE;

/// One key of a section.
#[derive(Debug)]
pub(in crate::config) struct Key {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) kind: Kind,
    /// As it would be typed; empty: none.
    pub(in crate::config) default: &'static str,
    pub(in crate::config) presence: Presence,
    pub(in crate::config) meaning: &'static str,
}

impl Key {
    /// A key without a default.
    pub(super) const fn new(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self {
            name,
            kind,
            default: "",
            presence: Presence::Optional,
            meaning,
        }
    }

    /// A key that must be there.
    pub(super) const fn needed(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        let mut key = Self::new(name, kind, meaning);
        key.presence = Presence::Required;
        key
    }

    /// The same key with a default.
    pub(super) const fn or(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }
}

/// Whether a section works without the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Presence {
    /// It may be left out.
    Optional,
    /// It must be there.
    Required,
}

/// What may stand behind a key.
#[derive(Debug)]
pub(in crate::config) enum Kind {
    /// A text; the words say which.
    Text(&'static str),
    /// A duration with its unit; bounds in milliseconds.
    Duration(u64, u64),
    /// A size with its unit; bounds in bytes.
    Size(u64, u64),
    /// A whole number; bounds.
    Count(u64, u64),
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any number of these.
    List(&'static Kind),
    /// Own keys, called as the words say, each with one of these.
    Map(&'static str, &'static Kind),
    /// These keys.
    Section(&'static [Key]),
    /// Any of these.
    Either(&'static [Kind]),
}

impl Kind {
    /// The kind in words, as in "expected …".
    pub(in crate::config) fn expected(&self) -> String {
        match self {
            Self::Text(words) => (*words).to_owned(),
            Self::Duration(least, most) => {
                let show = |ms: &u64| units::show_duration(Duration::from_millis(*ms));
                format!(
                    "a duration from {} to {}, such as 5s",
                    show(least),
                    show(most)
                )
            }
            Self::Size(least, most) => {
                let (least, most) = (ByteSize(*least), ByteSize(*most));
                format!("a size from {least} to {most}, such as 64KiB")
            }
            Self::Count(least, most) => format!("a whole number from {least} to {most}"),
            Self::Switch => "true or false".to_owned(),
            Self::Choice(words) => alternatives(words.iter().map(|w| format!("\"{w}\""))),
            Self::List(item) => format!("a list, each item {}", item.expected()),
            Self::Map(key, value) => {
                format!("keys, each {key}, with {} behind it", value.expected())
            }
            Self::Section(keys) => {
                let names = keys.iter().take(4).map(|key| key.name.to_owned());
                let more = if keys.len() > 4 { ", …" } else { "" };
                format!("the keys {}{more}", names.collect::<Vec<_>>().join(", "))
            }
            Self::Either(kinds) => alternatives(kinds.iter().map(Self::expected)),
        }
    }

    /// The keys of a section; none for other kinds.
    pub(in crate::config) fn keys(&self) -> &'static [Key] {
        match self {
            Self::Section(keys) => keys,
            Self::Either(kinds) => kinds
                .iter()
                .map(Self::keys)
                .find(|keys| !keys.is_empty())
                .unwrap_or_default(),
            _ => &[],
        }
    }
}

fn alternatives(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.as_slice() {
        [front @ .., last] if !front.is_empty() => format!("{} or {last}", front.join(", ")),
        _ => words.concat(),
    }
}
