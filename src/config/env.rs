//! `${NAME}` and `${NAME:-default}` in the values of the file.
//!
//! Done on the tree, after the YAML was read: what a variable holds can neither change the
//! structure nor move a place. `$${` stands for `${`; a `$` without a brace is left alone.

use super::raw::{Entry, Node, Place, Scalar, Value, path_of_item, path_of_key};

/// A text whose variable cannot be put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfilled {
    /// The environment does not name it.
    Missing(String),
    /// `${` without an end, or without a proper name.
    Malformed,
}

/// Puts the environment into every value of the tree at `path`; `complain` is told which could
/// not be filled, and its path.
pub(super) fn fill(
    node: &mut Node,
    path: &str,
    env: &dyn Fn(&str) -> Option<String>,
    complain: &mut dyn FnMut(&Node, &str, Unfilled),
) {
    let unfilled = match &mut node.value {
        Value::Nothing | Value::Unfilled => None,
        Value::Scalar(scalar) => fill_scalar(scalar, env).err(),
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                fill(item, &path_of_item(path, index), env, complain);
            }
            None
        }
        Value::Map(entries) => {
            for entry in entries {
                let path = path_of_key(path, &entry.key);
                fill(&mut entry.value, &path, env, complain);
            }
            None
        }
    };
    if let Some(unfilled) = unfilled {
        complain(node, path, unfilled);
        node.value = Value::Unfilled;
    }
}

fn fill_scalar(scalar: &mut Scalar, env: &dyn Fn(&str) -> Option<String>) -> Result<(), Unfilled> {
    if scalar.text.contains("${") {
        let filled = fill_text(&scalar.text, env)?;
        scalar.typed = Some(std::mem::replace(&mut scalar.text, filled));
    }
    Ok(())
}

/// Puts the environment into one text.
pub(super) fn fill_text(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Unfilled> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let (reference, after) = after.split_once('}').ok_or(Unfilled::Malformed)?;
        filled.push_str(&value(reference, env)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The text that [`fill_text`] turns into `text`.
pub(super) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

fn value(reference: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Unfilled> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let mut letters = name.chars();
    let starts = letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !starts || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Unfilled::Malformed);
    }
    // As in a shell, `:-` also stands in for an empty variable.
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Unfilled::Missing(name.to_owned())),
    }
}

/// Names where the admin side listens unless the file does; the container's image sets it, since
/// loopback is nobody there.
const ADMIN_ADDRESS: &str = "CATTAIL_ADMIN_ADDRESS";

/// Puts the admin address of the environment into a file that names none and does not turn the
/// admin side off.
pub(super) fn put_admin_address(tree: &mut Node, env: &dyn Fn(&str) -> Option<String>) {
    let Some(text) = env(ADMIN_ADDRESS).filter(|text| !text.is_empty()) else {
        return;
    };
    let Value::Map(entries) = &mut tree.value else {
        return;
    };
    let entry = |key: &str, value| Entry {
        key: key.to_owned(),
        key_place: Place::default(),
        value: Node::nowhere(value),
    };
    let typed = Some(format!("${{{ADMIN_ADDRESS}}}"));
    let address = entry("address", Value::Scalar(Scalar { text, typed }));
    let admin = entries.iter_mut().find(|entry| entry.key == "admin");
    match admin.map(|admin| &mut admin.value.value) {
        None => entries.push(entry("admin", Value::Map(vec![address]))),
        Some(nothing @ Value::Nothing) => *nothing = Value::Map(vec![address]),
        Some(Value::Map(keys)) if keys.iter().all(|key| key.key != "address") => keys.push(address),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("8080".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("a\nb: [${PORT}]".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_escapes() {
        let table = [
            ("10.0.0.1:${PORT}", "10.0.0.1:8080"),
            ("${PORT}${PORT}", "80808080"),
            ("${NONE:-x}-${EMPTY:-y}-${PORT:-z}", "x-y-8080"),
            ("${EMPTY}", ""),
            ("${NONE:-}", ""),
            ("$${PORT}", "${PORT}"),
            ("$$${PORT}", "$${PORT}"),
            ("https://$host$request_uri", "https://$host$request_uri"),
            ("${TRICK}", "a\nb: [${PORT}]"),
        ];
        for (text, expected) in table {
            assert_eq!(fill_text(text, &env).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_told() {
        assert_eq!(
            fill_text("${NONE}", &env),
            Err(Unfilled::Missing("NONE".to_owned()))
        );
        for text in ["${", "${PORT", "${}", "${1A}", "${A B}", "${A-b}"] {
            assert_eq!(fill_text(text, &env), Err(Unfilled::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_text_comes_back(text in "[a-z${}:-]{0,20}") {
            prop_assert_eq!(fill_text(&escape(&text), &env), Ok(text));
        }
    }
}
