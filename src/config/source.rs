//! Where a configuration comes from: a file, a text, or the command line.

use std::path::Path;

use super::check::{Source, check, check_tree, read_limited};
use super::load::MAX_FILE_BYTES;
use super::raw::{Node, Value};
use super::{Config, Problem, Report};

/// The name of the cluster that a command line describes.
const CLUSTER: &str = "default";

/// Loads a file. `env` answers `${NAME}`; relative paths in the file are relative to its
/// directory.
pub fn load_file(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Report> {
    let file = path.display().to_string();
    let unreadable = |why: String| {
        Report::of(Problem {
            file: file.clone(),
            line: 0,
            column: 0,
            path: String::new(),
            found: why,
            expected: "a readable text file of at most 4MiB".to_owned(),
            hint: None,
            source: None,
        })
    };
    let content = read_limited(path, MAX_FILE_BYTES);
    let content = content.map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(content)
        .map_err(|_| unreadable("bytes that are not UTF-8".to_owned()))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    check(
        &Source {
            file: &file,
            text: &text,
            directory,
        },
        env,
    )
}

/// Loads a text as if it stood in the file `name` of the working directory.
pub fn load_text(
    name: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Report> {
    let source = Source {
        file: name,
        text,
        directory: Path::new(""),
    };
    check(&source, env)
}

/// A configuration of one cluster from `--listen ADDRESS` and `--backend [NAME=]ADDRESS`. The
/// name is the jvm route too. `env` may name where the admin side listens, as for a file.
pub fn from_arguments(
    listen: &[String],
    backends: &[String],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Report> {
    let list = |items: Vec<Node>| Node::nowhere(Value::List(items));
    let listeners = listen
        .iter()
        .map(|address| Node::map(vec![("address", Node::text(address))]))
        .collect();
    let cluster = Node::map(vec![(
        "backends",
        list(backends.iter().map(|b| backend(b)).collect()),
    )]);
    let tree = Node::map(vec![
        ("listeners", list(listeners)),
        ("clusters", Node::map(vec![(CLUSTER, cluster)])),
    ]);
    check_tree("command line", tree, env)
}

fn backend(argument: &str) -> Node {
    match argument.split_once('=') {
        Some((name, address)) if !argument.starts_with("unix:") => Node::map(vec![
            ("address", Node::text(address)),
            ("jvm_route", Node::text(name)),
        ]),
        _ => Node::text(argument),
    }
}
