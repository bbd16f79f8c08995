//! The order of the layers, and what every source file keeps to.
//!
//! Looked at are `crate::…` paths (in `main.rs` `cattail::…`), in `use` and elsewhere, tests
//! included; not `super`, which stays within a layer or two as files are laid out here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest to the highest: a file may import its own module and those of lower rows.
///
/// `health` stands above `cluster`, to which it reports, and `upstream` too: a pool is one of a
/// backend, whose state decides whether its connections are kept.
const LAYERS: [&[&str]; 13] = [
    &["proxy_protocol", "frames", "spare"],
    &["clock", "socket", "observe"],
    &["config"],
    &["session", "balance", "tls"],
    &["store"],
    &["cluster"],
    &["upstream", "health"],
    &["proxy", "webhook"],
    &["server", "admin"],
    &["app"],
    // A Tomcat to try things out with stands beside the proxy: nothing below may know it.
    &["standin"],
    &["cli"],
    &["main"],
];

/// Modules that import nothing of the crate.
const ALONE: [&str; 1] = ["standin"];

struct Source {
    /// Below `src`.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The module below the crate's root that the file belongs to.
    fn module(&self) -> String {
        let first = self.path.iter().next().and_then(|part| part.to_str());
        first.unwrap().trim_end_matches(".rs").to_owned()
    }

    fn is_tests(&self) -> bool {
        self.path.ends_with("tests.rs")
    }

    /// Its lines of code with their numbers; comments are none.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines
            .map(|(number, line)| (number + 1, line.trim()))
            .filter(|(_, line)| !is_comment(line))
    }

    /// The modules that it names, with the numbers of the lines.
    fn imports(&self) -> Vec<(usize, String)> {
        let root = if self.module() == "main" {
            "cattail::"
        } else {
            "crate::"
        };
        // All lines at once: a group may run over several of them.
        let code: String = self.text.lines().fold(String::new(), |mut code, line| {
            code.push_str(if is_comment(line) { "" } else { line });
            code.push('\n');
            code
        });
        let mut found = Vec::new();
        for (at, _) in code.match_indices(root) {
            let (before, after) = code.split_at(at);
            if !before.ends_with(is_word) {
                let number = before.matches('\n').count() + 1;
                let names = first_names(after.strip_prefix(root).unwrap_or(after));
                found.extend(names.into_iter().map(|name| (number, name)));
            }
        }
        found
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// `a::b` names `a`; `{a::{b, c}, d}` names `a` and `d`.
fn first_names(path: &str) -> Vec<String> {
    let word = |text: &str| -> String { text.chars().take_while(|it| is_word(*it)).collect() };
    let Some(group) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let (mut depth, mut names, mut item) = (0, Vec::new(), String::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut item)),
            other => item.push(other),
        }
    }
    names.push(item);
    let names = names.iter().map(|name| word(name.trim()));
    names.filter(|name| !name.is_empty()).collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_owned();
                sources.push(Source { path, text });
            }
        }
    }
    assert!(sources.len() > 100, "only {} files", sources.len());
    sources
}

fn layers() -> BTreeMap<&'static str, usize> {
    let rows = LAYERS.iter().enumerate();
    rows.flat_map(|(row, names)| names.iter().map(move |name| (*name, row)))
        .collect()
}

/// Fails with every complaint at once.
fn expect_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn imports_run_downward() {
    let layers = layers();
    let mut complaints = Vec::new();
    for source in sources() {
        let module = source.module();
        if module == "lib" {
            continue;
        }
        let file = source.path.display();
        let Some(own) = layers.get(module.as_str()) else {
            complaints.push(format!("{file}: {module} stands in no layer"));
            continue;
        };
        for (line, name) in source.imports() {
            let why = match layers.get(name.as_str()) {
                _ if name == module => continue,
                _ if ALONE.contains(&module.as_str()) => "it imports nothing of the crate",
                None => "that stands in no layer",
                Some(row) if row == own => "both are of one layer",
                Some(row) if row > own => "that is a higher layer",
                Some(_) => continue,
            };
            complaints.push(format!("src/{file}:{line}: {module} imports {name}: {why}"));
        }
    }
    expect_none(&complaints);
}

#[test]
fn every_layer_exists_and_the_map_of_the_crate_shows_it() {
    let sources = sources();
    let map = &sources.iter().find(|it| it.module() == "lib").unwrap().text;
    let mut complaints = Vec::new();
    for name in layers().keys().filter(|name| **name != "main") {
        if !sources.iter().any(|source| source.module() == *name) {
            complaints.push(format!("there is no src/{name}"));
        }
        if !map.contains(&format!("[`{name}`]")) {
            complaints.push(format!("src/lib.rs does not say what {name} is"));
        }
    }
    expect_none(&complaints);
}

#[test]
fn every_file_is_short_and_begins_with_what_it_is_for() {
    let mut complaints = Vec::new();
    for source in sources() {
        let file = source.path.display();
        let length = source.text.lines().count();
        if length > 500 {
            complaints.push(format!("src/{file}: {length} lines, more than 500"));
        }
        // A file of tests is explained by the module that it tests.
        if !source.is_tests() && !source.text.starts_with("//! ") {
            complaints.push(format!("src/{file}: does not begin with `//! `"));
        }
    }
    expect_none(&complaints);
}

#[test]
fn nothing_is_unfinished_and_only_the_command_line_prints() {
    let unfinished = ["todo!", "unimplemented!", "dbg!"];
    let prints = ["print!", "println!", "eprint!", "eprintln!"];
    let mut complaints = Vec::new();
    for source in sources() {
        for (number, line) in source.lines() {
            let calls = |names: &[&str]| {
                let mut all = names.iter();
                all.any(|name| {
                    line.match_indices(name)
                        .any(|(at, _)| !line.split_at(at).0.ends_with(is_word))
                })
            };
            if calls(&unfinished) || (calls(&prints) && source.module() != "cli") {
                let file = source.path.display();
                complaints.push(format!("src/{file}:{number}: {line}"));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn groups_are_read_as_what_they_import() {
    assert_eq!(first_names("config::Config;"), ["config"]);
    assert_eq!(
        first_names("{\n    clock::{Clock, Deadline},\n    observe,\n};"),
        ["clock", "observe"]
    );
}
