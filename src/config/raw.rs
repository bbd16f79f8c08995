//! The file as typed: a tree of texts with their places, before anybody asks what they mean.
//!
//! A tree and not one struct per section, because a derived struct gives up at the first unknown
//! key or wrong type, and every problem is to be reported at once. What may stand where is said
//! in `keys`, read by `check`.

/// Where something stands; line and column count from 1, zero means nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// One value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a value is, as far as YAML's structure goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing stands behind the key, or `null`.
    Nothing,
    /// Text, number or switch; which of them is for the reader to say.
    Scalar(Scalar),
    /// A text that the environment could not fill; complained about already.
    Unfilled,
    /// `[a, b]`
    List(Vec<Node>),
    /// `{ a: b }`
    Map(Vec<Entry>),
}

/// A text, after the environment was put in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// The text as typed, where the environment changed it.
    pub(super) typed: Option<String>,
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn nowhere(value: Value) -> Self {
        Self {
            place: Place::default(),
            value,
        }
    }

    pub(super) fn text(text: &str) -> Self {
        Self::nowhere(Value::Scalar(Scalar {
            text: text.to_owned(),
            typed: None,
        }))
    }

    pub(super) fn map(entries: Vec<(&str, Node)>) -> Self {
        let entry = |(key, value): (&str, Node)| Entry {
            key: key.to_owned(),
            key_place: Place::default(),
            value,
        };
        Self::nowhere(Value::Map(entries.into_iter().map(entry).collect()))
    }
}

/// The path of the value behind `key` in the section at `path`.
pub(super) fn path_of_key(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The path of an item of the list at `path`.
pub(super) fn path_of_item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
