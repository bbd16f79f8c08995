//! The JSON Schema of the file, for editors; made from the tables of keys.

use serde_json::{Map, Value, json};

use super::keys::{Key, Kind, Presence, TOP};
use super::load::{self, Duplicates};
use super::raw::{self, Node};

/// The JSON Schema (draft 2020-12) of a configuration file.
pub fn schema() -> Value {
    let mut schema = section(TOP);
    if let Value::Object(schema) = &mut schema {
        schema.insert("patternProperties".to_owned(), json!({ "^x-": true }));
        schema.insert("title".to_owned(), json!("Cattail configuration"));
        schema.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
    }
    schema
}

fn section(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut property = kind(&key.kind);
        if let Value::Object(property) = &mut property {
            property.insert("description".to_owned(), json!(key.meaning));
            property.insert("$comment".to_owned(), json!(key.kind.expected()));
            if let Some(default) = default(key) {
                property.insert("default".to_owned(), default);
            }
        }
        properties.insert(key.name.to_owned(), property);
    }
    let needed = keys.iter().filter(|key| key.presence == Presence::Required);
    json!({
        "type": "object",
        "properties": properties,
        "required": needed.map(|key| key.name).collect::<Vec<_>>(),
        "additionalProperties": false,
    })
}

fn kind(kind_of: &Kind) -> Value {
    // What the environment fills in is a text until then.
    let or_variable = |value: Value| json!({ "anyOf": [value, variable()] });
    match kind_of {
        Kind::Text(_) => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Duration(..) => {
            or_variable(json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" }))
        }
        Kind::Size(..) => {
            or_variable(json!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" }))
        }
        Kind::Count(least, most) => {
            or_variable(json!({ "type": "integer", "minimum": least, "maximum": most }))
        }
        Kind::Switch => or_variable(json!({ "type": "boolean" })),
        Kind::Choice(words) => or_variable(json!({ "enum": choices(words) })),
        Kind::List(item) => json!({ "type": ["array", "null"], "items": kind(item) }),
        Kind::Map(_, value) => {
            json!({ "type": ["object", "null"], "additionalProperties": kind(value) })
        }
        Kind::Section(keys) => section(keys),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(kind).collect::<Vec<_>>() }),
    }
}

fn variable() -> Value {
    json!({ "type": "string", "pattern": "\\$\\{" })
}

/// The words of a choice as YAML reads them: `off` is a switch and `301` a number for some
/// readers, a text for others.
fn choices(words: &[&str]) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    for word in words {
        values.push(json!(word));
        if let Ok(number) = word.parse::<u64>() {
            values.push(json!(number));
        }
        if *word == "off" {
            values.push(json!(false));
        }
    }
    values
}

fn default(key: &Key) -> Option<Value> {
    if key.default.is_empty() {
        return None;
    }
    let node = load::read(key.default, Duplicates::Refused).ok()?;
    Some(plain(&node, &key.kind))
}

fn plain(node: &Node, kind: &Kind) -> Value {
    match &node.value {
        raw::Value::Nothing | raw::Value::Unfilled => Value::Null,
        raw::Value::Scalar(scalar) => match (kind, scalar.text.parse::<u64>()) {
            (Kind::Count(..) | Kind::Choice(_), Ok(number)) => json!(number),
            (Kind::Switch, _) => json!(scalar.text == "true"),
            _ => json!(scalar.text),
        },
        raw::Value::List(items) => items.iter().map(|item| plain(item, kind)).collect(),
        raw::Value::Map(_) => json!({}),
    }
}
