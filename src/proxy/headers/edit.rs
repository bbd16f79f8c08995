//! The administrator's changes to headers: remove, set, add, in this order.
//!
//! Compiled when the configuration is loaded: values without variables are header values from
//! then on. A value that no header may carry (CR, LF, NUL …; only a client's bytes can bring them)
//! is left out, never repaired.
//!
//! Fields that frame or route a message are no business of these rules: see [`is_reserved`].

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::config::{HeaderRules, Piece, Template};
use crate::proxy::facts::Facts;

/// Compiled [`HeaderRules`].
#[derive(Debug, Clone, Default)]
pub struct HeaderEdits {
    remove: Vec<HeaderName>,
    changes: Vec<Change>,
    reads: Reads,
}

#[derive(Debug, Clone)]
struct Change {
    name: HeaderName,
    kind: Kind,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Set,
    Add,
}

#[derive(Debug, Clone)]
enum Value {
    /// The same for all requests; shared, not copied.
    Constant(HeaderValue),
    /// Filled in for each request.
    Template(Template),
}

/// Whether any value is taken from the request's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reads {
    /// None.
    #[default]
    NoHeaders,
    /// At least one: the request's fields must be kept until the edit.
    RequestHeaders,
}

/// How many values were left out, because no header may carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[must_use]
pub struct LeftOut(pub usize);

/// Whether a field is decided by the proxy alone: it frames the message, belongs to the
/// connection, or is `Host` (see `host:` of a cluster). Rules about it are without effect.
pub fn is_reserved(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION
            | header::CONTENT_LENGTH
            | header::HOST
            | header::TE
            | header::TRANSFER_ENCODING
            | header::UPGRADE
    ) || matches!(
        name.as_str(),
        "keep-alive" | "proxy-connection" | "http2-settings"
    )
}

impl HeaderEdits {
    /// Compiles `rules`.
    pub fn new(rules: &HeaderRules) -> Self {
        let set = rules.set.iter().map(|rule| (Kind::Set, rule));
        let add = rules.add.iter().map(|rule| (Kind::Add, rule));
        let kept = set.chain(add).filter(|(_, (name, _))| !is_reserved(name));
        let reads_headers = |template: &Template| {
            let mut pieces = template.0.iter();
            pieces.any(|piece| matches!(piece, Piece::RequestHeader(_)))
        };
        let mut edits = Self {
            remove: rules
                .remove
                .iter()
                .filter(|name| !is_reserved(name))
                .cloned()
                .collect(),
            ..Self::default()
        };
        for (kind, (name, template)) in kept {
            if reads_headers(template) {
                edits.reads = Reads::RequestHeaders;
            }
            edits.changes.push(Change {
                name: name.clone(),
                kind,
                value: compile(template),
            });
        }
        edits
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.changes.is_empty()
    }

    /// Whether any value is taken from the request's fields.
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// Edits `headers`. Where `facts` hold no request's fields, `headers` are meant.
    pub fn apply(&self, headers: &mut HeaderMap, facts: &Facts<'_>) -> LeftOut {
        if self.reads == Reads::RequestHeaders && facts.request_headers.is_none() {
            return self.apply_to_own_source(headers, facts);
        }
        self.strip(headers);
        let mut left_out = LeftOut::default();
        for change in &self.changes {
            change.apply(headers, change.value.fill(facts), &mut left_out);
        }
        left_out
    }

    // Every value is read before the first field changes, so that a rule sees what the client
    // sent and not what the rule before it made of it.
    fn apply_to_own_source(&self, headers: &mut HeaderMap, facts: &Facts<'_>) -> LeftOut {
        let source = Facts {
            request_headers: Some(headers),
            ..*facts
        };
        let values: Vec<_> = self
            .changes
            .iter()
            .map(|it| it.value.fill(&source))
            .collect();
        self.strip(headers);
        let mut left_out = LeftOut::default();
        for (change, value) in self.changes.iter().zip(values) {
            change.apply(headers, value, &mut left_out);
        }
        left_out
    }

    fn strip(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
    }
}

impl Change {
    fn apply(&self, headers: &mut HeaderMap, value: Option<HeaderValue>, left_out: &mut LeftOut) {
        match (value, self.kind) {
            (Some(value), Kind::Add) if !value.is_empty() => {
                headers.append(self.name.clone(), value);
            }
            (Some(_), Kind::Add) => {}
            (Some(value), Kind::Set) if !value.is_empty() => {
                headers.insert(self.name.clone(), value);
            }
            // What the client sent under a name that we set never passes for ours.
            (Some(_), Kind::Set) => {
                headers.remove(&self.name);
            }
            (None, kind) => {
                left_out.0 += 1;
                if kind == Kind::Set {
                    headers.remove(&self.name);
                }
            }
        }
    }
}

impl Value {
    fn fill(&self, facts: &Facts<'_>) -> Option<HeaderValue> {
        match self {
            Self::Constant(value) => Some(value.clone()),
            Self::Template(template) => facts.value(template),
        }
    }
}

// A constant that no header may carry stays a template, and is left out each time.
fn compile(template: &Template) -> Value {
    let mut text = String::new();
    for piece in &template.0 {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Variable(_) | Piece::RequestHeader(_) => {
                return Value::Template(template.clone());
            }
        }
    }
    match HeaderValue::from_str(text.trim()) {
        Ok(value) => Value::Constant(value),
        Err(_) => Value::Template(template.clone()),
    }
}

#[cfg(test)]
mod tests;
