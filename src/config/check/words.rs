//! Complaints about the text itself, before its keys are looked at.

use crate::config::env::Unfilled;
use crate::config::load::NotYaml;
use crate::config::masked::quoted_at;
use crate::config::nearest::nearest;
use crate::config::problem::quoted;
use crate::config::raw::{Node, Place, Value, path_of_item, path_of_key};
use crate::config::webhook;

use super::context::{Context, Words};

/// A text that is no YAML, or has a key twice; `rest` is what it holds besides.
pub(super) fn complain_refused(context: &Context<'_>, refused: &NotYaml, rest: Option<&Node>) {
    let Some(key) = &refused.duplicate else {
        let words = Words {
            found: refused.message.clone(),
            expected: "YAML".to_owned(),
            hint: yaml_hint(context, refused),
        };
        return context.complain(refused.place, "", words);
    };
    let first = rest.and_then(|rest| first_of(rest, key, refused.place));
    let (place, path) = first.unzip();
    let words = Words {
        found: format!("the key {} a second time", quoted(key)),
        expected: "each key once in its section".to_owned(),
        hint: place.map(|place| format!("the first one is in line {}", place.line)),
    };
    context.complain(refused.place, path.as_deref().unwrap_or(key), words);
}

/// Where `key` stands before `second`, with its path: in the same column if there is one, else
/// the last.
fn first_of(node: &Node, key: &str, second: Place) -> Option<(Place, String)> {
    let mut found = Vec::new();
    places_of(node, "", key, &mut found);
    found.retain(|(place, _)| *place < second);
    let in_column = found
        .iter()
        .filter(|(place, _)| place.column == second.column);
    in_column.max().or(found.iter().max()).cloned()
}

fn places_of(node: &Node, path: &str, key: &str, found: &mut Vec<(Place, String)>) {
    match &node.value {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                places_of(item, &path_of_item(path, index), key, found);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                let path = path_of_key(path, &entry.key);
                places_of(&entry.value, &path, key, found);
                if entry.key == key {
                    found.push((entry.key_place, path));
                }
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
    } else if is_variable_at(line, refused.place.column) {
        "quote a variable within { } and [ ]: \"${NAME}\""
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

/// Whether the brace of `${` stands in this column: within braces and brackets it begins a map.
fn is_variable_at(line: &str, column: usize) -> bool {
    let until: String = line.chars().take(column).collect();
    until.ends_with("${")
}

/// A variable that could not be put in.
pub(super) fn complain_unfilled(
    context: &Context<'_>,
    node: &Node,
    path: &str,
    unfilled: Unfilled,
) {
    let Value::Scalar(scalar) = &node.value else {
        return;
    };
    let typed = match path {
        "events.webhook.url" => webhook::shown(&scalar.text),
        _ => quoted_at(path, &scalar.text),
    };
    let words = match unfilled {
        Unfilled::Missing(name) => Words {
            found: format!("{typed}, and no variable {name} in the environment"),
            expected: format!("the variable {name} to be set"),
            hint: Some(format!("${{{name}:-default}} gives a default")),
        },
        Unfilled::Malformed => Words {
            found: typed,
            expected: "${NAME} or ${NAME:-default}".to_owned(),
            hint: Some("write $${ for the characters ${".to_owned()),
        },
    };
    context.complain(node.place, path, words);
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
