//! Where a value stands in its file, for what is found wrong with it only after the checks: an
//! address in use, a name that nobody knows.

use std::path::Path;

use super::check::read_limited;
use super::load::{Duplicates, MAX_FILE_BYTES, read};
use super::problem::masked_line;
use super::raw::{Node, Place, Value, path_of_item, path_of_key};
use super::{Problem, Report};

/// Something wrong with the value at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The field's path: `clusters.shop.backends[0].address`.
    pub path: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: &'static str,
    /// What to do.
    pub hint: Option<&'static str>,
}

impl Report {
    /// The findings as problems of `file`, each at its place. A file that cannot be read any more
    /// costs the places alone.
    pub fn of_findings(file: &Path, findings: Vec<Finding>) -> Self {
        let text = read_limited(file, MAX_FILE_BYTES)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_default();
        let tree = read(&text, Duplicates::Refused).ok();
        let mut problems: Vec<Problem> = findings
            .into_iter()
            .map(|finding| {
                let place = tree.as_ref().map(|tree| place(tree, "", &finding.path));
                let place = place.unwrap_or_default();
                let line = place.line.checked_sub(1);
                let line = line.and_then(|line| text.lines().nth(line));
                let source = line.map(|line| masked_line(line, &finding.path));
                Problem {
                    file: file.display().to_string(),
                    line: place.line,
                    column: place.column,
                    path: finding.path,
                    found: finding.found,
                    expected: finding.expected.to_owned(),
                    hint: finding.hint.map(str::to_owned),
                    source,
                }
            })
            .collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Self {
            problems,
            warnings: Vec::new(),
        }
    }
}

/// The place of the value at `wanted`, or of the nearest one around it: a backend may be written
/// as an address alone.
fn place(node: &Node, path: &str, wanted: &str) -> Place {
    let inside = |inner: &str| {
        let rest = wanted.strip_prefix(inner);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let (value, path) = match &node.value {
        Value::Map(entries) => {
            let paths = entries
                .iter()
                .map(|entry| (&entry.value, path_of_key(path, &entry.key)));
            paths.into_iter().find(|(_, path)| inside(path)).unzip()
        }
        Value::List(items) => {
            let paths = items.iter().enumerate();
            let mut paths = paths.map(|(index, item)| (item, path_of_item(path, index)));
            paths.find(|(_, path)| inside(path)).unzip()
        }
        Value::Nothing | Value::Scalar(_) | Value::Unfilled => (None, None),
    };
    match (value, path) {
        (Some(value), Some(path)) => place(value, &path, wanted),
        _ => node.place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_finding_shows_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cattail.yaml");
        let text = "clusters:\n  a: { backends: ['b:1'], stores: { redis: 'redis://:hush@c' } }\n";
        std::fs::write(&file, text).unwrap();
        let finding = Finding {
            path: "clusters.a.backends[0].address".to_owned(),
            found: "b".to_owned(),
            expected: "a known name",
            hint: None,
        };
        let shown = Report::of_findings(&file, vec![finding]).to_string();
        assert!(shown.contains("redis://*****@c"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_finding_stands_at_its_value() {
        let text = "listeners:\n  - address: 127.0.0.1:80\nclusters:\n  shop:\n    backends:\n      - nowhere:8080\n";
        let tree = read(text, Duplicates::Refused).unwrap();
        for (path, expected) in [
            ("listeners[0].address", (2, 14)),
            ("clusters.shop.backends[0].address", (6, 9)),
        ] {
            let found = place(&tree, "", path);
            assert_eq!((found.line, found.column), expected, "{path}");
        }
    }
}
