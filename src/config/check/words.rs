//! Complaints about the text itself, before its keys are looked at.

use crate::config::env::Unfilled;
use crate::config::load::NotYaml;
use crate::config::nearest::nearest;
use crate::config::problem::quoted;
use crate::config::raw::{Node, Place, Value};

use super::context::{Context, Words};

/// A text that is no YAML, or has a key twice; `rest` is what it holds besides.
pub(super) fn complain_refused(context: &Context<'_>, refused: &NotYaml, rest: Option<&Node>) {
    let words = match &refused.duplicate {
        Some(key) => Words {
            found: format!("the key {} a second time", quoted(key)),
            expected: "each key once in its section".to_owned(),
            hint: rest
                .and_then(|rest| first_of(rest, key, refused.place))
                .map(|place| format!("the first one is in line {}", place.line)),
        },
        None => Words {
            found: refused.message.clone(),
            expected: "YAML".to_owned(),
            hint: yaml_hint(context, refused),
        },
    };
    let path = refused.duplicate.as_deref().unwrap_or_default();
    context.complain(refused.place, path, words);
}

/// Where `key` stands before `second`: in the same column if there is one, else the last.
fn first_of(node: &Node, key: &str, second: Place) -> Option<Place> {
    let mut places = Vec::new();
    key_places(node, key, &mut places);
    places.retain(|place| *place < second);
    let is_in_column = |place: &&Place| place.column == second.column;
    let in_column = places.iter().filter(is_in_column).max();
    in_column.or(places.iter().max()).copied()
}

fn key_places(node: &Node, key: &str, places: &mut Vec<Place>) {
    match &node.value {
        Value::List(items) => {
            for item in items {
                key_places(item, key, places);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                if entry.key == key {
                    places.push(entry.key_place);
                }
                key_places(&entry.value, key, places);
            }
        }
        Value::Nothing | Value::Unfilled | Value::Scalar(_) => {}
    }
}

/// What is likely wrong with a line that is no YAML.
fn yaml_hint(context: &Context<'_>, refused: &NotYaml) -> Option<String> {
    let line = context.lines.get(refused.place.line.checked_sub(1)?)?;
    let hint = if line.contains('\t') {
        "indent with spaces; YAML allows no tabs there"
    } else if line.trim_end().ends_with([';', '{']) {
        "this looks like nginx's syntax; write `key: value`, indented by spaces"
    } else if line.trim_start().starts_with("[::") || line.contains(": [::") {
        "quote an IPv6 address: \"[::]:80\""
    } else if line.contains(": *") || line.contains("- *") {
        "quote a text that begins with '*': \"*.example.com\""
    } else {
        return None;
    };
    Some(hint.to_owned())
}

/// A variable that could not be put in.
pub(super) fn complain_unfilled(context: &Context<'_>, node: &Node, unfilled: Unfilled) {
    let Value::Scalar(scalar) = &node.value else {
        return;
    };
    let words = match unfilled {
        Unfilled::Missing(name) => Words {
            found: format!(
                "{}, and no variable {name} in the environment",
                quoted(&scalar.text)
            ),
            expected: format!("the variable {name} to be set"),
            hint: Some(format!("${{{name}:-default}} gives a default")),
        },
        Unfilled::Malformed => Words {
            found: quoted(&scalar.text),
            expected: "${NAME} or ${NAME:-default}".to_owned(),
            hint: Some("write $${ for the characters ${".to_owned()),
        },
    };
    context.complain(node.place, "", words);
}

/// "write NEAREST", if one of `known` is near enough.
pub(super) fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean {near}?"))
}

/// Whether `text` is a token of HTTP, such as a cookie's or a protocol's name.
pub(super) fn is_token(text: &str) -> bool {
    let mark = |c: char| "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || mark(c))
}

/// Whether `text` has 1 to `most` characters, all visible ASCII.
pub(super) fn is_visible(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

/// Whether `text` has 1 to `most` letters, digits and characters of `marks`.
pub(super) fn is_name(text: &str, most: usize, marks: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    (1..=most).contains(&text.len()) && text.chars().all(fits)
}

/// Whether `text` is a path as it may stand in a request line, without a query.
pub(super) fn is_path(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '<' | '>' | '\\');
    text.starts_with('/') && text.chars().all(fits)
}
