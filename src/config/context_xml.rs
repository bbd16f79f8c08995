//! What Tomcat's own files say of memcached-session-manager.
//!
//! A `<Manager>` of MSM's is looked for wherever it may stand: in a `context.xml`, or below the
//! `<Context>`s of a `server.xml`. Nothing else of the file is looked at.

use std::cell::RefCell;
use std::path::Path;

use roxmltree::{Attribute, Document, Node, ParsingOptions, TextPos};

use super::check::read_limited;
use super::problem::{Problem, Report, masked, quoted};
use super::stores::StoreNode;

const MANAGER: &str = "de.javakaffee.web.msm.MemcachedBackupSessionManager";
/// Elements of a file; a server.xml has some dozens.
const MOST_ELEMENTS: u32 = 100_000;

/// What a Tomcat is told about its stores.
#[derive(Debug, PartialEq, Eq)]
pub struct FoundManager {
    /// In MSM's order.
    pub nodes: Vec<StoreNode>,
    /// `None`: only the application's name or host could tell.
    pub key_prefix: Option<String>,
    /// Whether each session stays with one Tomcat.
    pub sticky: bool,
    /// What is risky.
    pub warnings: Vec<Problem>,
}

/// Largest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// Reads a file of Tomcat's from disk.
pub fn read_context_xml(path: &Path) -> Result<FoundManager, Report> {
    let name = path.display().to_string();
    let unreadable = |why: String| {
        Report::of(Problem {
            file: name.clone(),
            line: 0,
            column: 0,
            path: String::new(),
            found: why,
            expected: "an XML file of Tomcat's, of at most 1MiB".to_owned(),
            hint: None,
            source: None,
        })
    };
    let bytes = read_limited(path, MOST_BYTES);
    let bytes = bytes.map_err(|error| unreadable(error.to_string()))?;
    let text =
        String::from_utf8(bytes).map_err(|_| unreadable("bytes that are no text".to_owned()))?;
    let file = File {
        name: &name,
        text: &text,
        field: "",
    };
    read(file).map_err(|problems| Report {
        problems,
        warnings: Vec::new(),
    })
}

/// A file of Tomcat's, and what complaints about it are called.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'a> {
    /// As the user would find it.
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    /// The field that names it.
    pub(super) field: &'a str,
}

/// Reads a file of Tomcat's.
pub(super) fn read(file: File<'_>) -> Result<FoundManager, Vec<Problem>> {
    let options = ParsingOptions {
        // No entities either: a file of a few bytes cannot become gigabytes.
        allow_dtd: false,
        nodes_limit: MOST_ELEMENTS,
        ..ParsingOptions::default()
    };
    let document = match Document::parse_with_options(file.text, options) {
        Ok(document) => document,
        Err(error) => {
            // Its own words end with the place, which stands before them already.
            let words = error.to_string();
            let words = words.split(" at ").next().unwrap_or_default();
            let found = format!("no well-formed XML: {words}");
            let expected = "an XML file of Tomcat's without a DOCTYPE";
            return Err(vec![file.problem(error.pos(), found, expected, None)]);
        }
    };
    let is_manager = |node: &Node<'_, '_>| {
        node.has_tag_name("Manager") && node.attribute("className") == Some(MANAGER)
    };
    let mut managers = document.descendants().filter(is_manager);
    let Some(manager) = managers.next() else {
        let hint = format!("its className is {MANAGER}");
        let at = document.text_pos_at(document.root_element().range().start);
        let expected = "a <Manager> of memcached-session-manager's";
        return Err(vec![file.problem(at, "none", expected, Some(hint))]);
    };
    let at = |node: &Node<'_, '_>| document.text_pos_at(node.range().start);
    if let Some(second) = managers.next() {
        let (first, second) = (at(&manager), at(&second));
        let hint = format!(
            "the first stands in line {}; name the stores here, or a file with one of the two",
            first.row
        );
        let found = "a second <Manager> of memcached-session-manager's";
        return Err(vec![file.problem(second, found, "one", Some(hint))]);
    }
    Found {
        file,
        document: &document,
        manager,
        problems: RefCell::default(),
        warnings: RefCell::default(),
    }
    .read()
}

impl File<'_> {
    fn problem(
        &self,
        at: TextPos,
        found: impl Into<String>,
        expected: &str,
        hint: Option<String>,
    ) -> Problem {
        let line = usize::try_from(at.row).unwrap_or(0);
        let source = line.checked_sub(1).and_then(|it| self.text.lines().nth(it));
        Problem {
            file: self.name.to_owned(),
            line,
            column: usize::try_from(at.col).unwrap_or(0),
            path: self.field.to_owned(),
            found: found.into(),
            expected: expected.to_owned(),
            hint,
            source: source.map(masked),
        }
    }
}

struct Found<'a, 'd> {
    file: File<'a>,
    document: &'d Document<'d>,
    manager: Node<'d, 'd>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'d> Found<'_, 'd> {
    fn read(self) -> Result<FoundManager, Vec<Problem>> {
        let (nodes, sticky) = (self.nodes(), self.is_sticky());
        if let Some(nodes) = &nodes {
            self.look_at_failover_nodes(nodes, sticky);
        }
        self.look_at_patterns();
        let is_named = |nodes: &Vec<StoreNode>| nodes.iter().all(|node| node.name.is_some());
        let key_prefix = self.key_prefix(nodes.as_ref().is_some_and(is_named));
        let problems = self.problems.into_inner();
        match nodes {
            Some(nodes) if problems.is_empty() => Ok(FoundManager {
                nodes,
                key_prefix,
                sticky,
                warnings: self.warnings.into_inner(),
            }),
            _ => Err(problems),
        }
    }

    /// An attribute that Tomcat takes as it stands there; one with `${…}` is complained about.
    fn typed(&self, name: &str) -> Option<Attribute<'d, 'd>> {
        let typed = self.manager.attribute_node(name)?;
        if !typed.value().contains("${") {
            return Some(typed);
        }
        let expected = "a value without ${…}";
        let hint = "Tomcat fills ${…} in from properties of its own, which are not known here: \
                    name the stores in the configuration";
        self.complain(typed, expected, Some(hint));
        None
    }

    fn nodes(&self) -> Option<Vec<StoreNode>> {
        if !self.manager.has_attribute("memcachedNodes") {
            let at = self.document.text_pos_at(self.manager.range().start);
            let expected = "the attribute memcachedNodes";
            let problem = self.file.problem(at, "none", expected, None);
            self.problems.borrow_mut().push(problem);
        }
        let typed = self.typed("memcachedNodes")?;
        let nodes = StoreNode::parse_list(typed.value());
        nodes
            .map_err(|why| {
                let expected = "nodes as MSM reads them, such as n1:10.0.0.1:11211";
                self.complain(typed, expected, Some(&why.to_string()));
            })
            .ok()
    }

    /// As Tomcat reads a switch: everything else is false.
    fn is_sticky(&self) -> bool {
        let typed = self.typed("sticky");
        typed.is_none_or(|typed| typed.value().eq_ignore_ascii_case("true"))
    }

    fn complain(&self, at: Attribute<'d, 'd>, expected: &str, hint: Option<&str>) {
        let problem = self.at(at, expected, hint);
        self.problems.borrow_mut().push(problem);
    }

    fn warn(&self, at: Attribute<'d, 'd>, expected: &str, hint: &str) {
        let warning = self.at(at, expected, Some(hint));
        self.warnings.borrow_mut().push(warning);
    }

    fn at(&self, attribute: Attribute<'d, 'd>, expected: &str, hint: Option<&str>) -> Problem {
        let at = self.document.text_pos_at(attribute.range().start);
        let found = format!("{}={}", attribute.name(), quoted(attribute.value()));
        self.file
            .problem(at, found, expected, hint.map(str::to_owned))
    }

    fn look_at_failover_nodes(&self, nodes: &[StoreNode], sticky: bool) {
        let Some(typed) = self.typed("failoverNodes") else {
            return;
        };
        let names: Vec<&str> = typed
            .value()
            .split([' ', ','])
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        let is_node = |name: &&str| nodes.iter().any(|it| it.name.as_deref() == Some(*name));
        if let Some(strange) = names.iter().find(|name| !is_node(name)) {
            let hint = format!("{} is none of them: MSM does not start", quoted(strange));
            self.complain(typed, "names of memcachedNodes", Some(&hint));
        } else if nodes.len() == 1 && !names.is_empty() {
            let hint = "with one node MSM does not start";
            self.complain(typed, "no failoverNodes", Some(hint));
        } else if !sticky && !names.is_empty() {
            let hint = "there it keeps copies from being written: take it out";
            self.warn(typed, "no failoverNodes with sticky=\"false\"", hint);
        } else if !names.is_empty()
            && nodes
                .iter()
                .all(|it| names.iter().any(|name| it.name.as_deref() == Some(name)))
        {
            let hint = "a Tomcat uses these last: one at least must be left for every day";
            self.warn(typed, "fewer nodes than memcachedNodes has", hint);
        }
    }

    /// MSM compares the whole of `GET /path?query` with a pattern: one that begins with a path
    /// never fits.
    fn look_at_patterns(&self) {
        for name in ["requestUriIgnorePattern", "lockingMode"] {
            let Some(typed) = self.manager.attribute_node(name) else {
                continue;
            };
            let pattern = match (name, typed.value().strip_prefix("uriPattern:")) {
                ("lockingMode", None) => continue,
                (_, Some(pattern)) => pattern,
                (_, None) => typed.value(),
            };
            if never_fits(pattern) {
                let expected = "a pattern of the whole of \"GET /path?query\"";
                let hint = "write .* before the path, and .* behind it";
                self.warn(typed, expected, hint);
            }
        }
    }

    /// What stands before ids in keys. `is_named`: MSM looks for the node's name in the key.
    fn key_prefix(&self, is_named: bool) -> Option<String> {
        // By default the version of an application that is deployed in several, else nothing.
        let Some(typed) = self.manager.attribute_node("storageKeyPrefix") else {
            return Some(String::new());
        };
        let typed = self.typed(typed.name())?;
        let (mut known, mut is_known) = (Vec::new(), true);
        for word in typed.value().split(',') {
            match (word, word.strip_prefix("static:")) {
                ("webappVersion", _) => {}
                ("host.hash" | "context.hash", _) => is_known = false,
                ("host", _) => {
                    is_known = false;
                    known.extend(self.attribute_above("Host", "name"));
                }
                ("context", _) => {
                    is_known = false;
                    known.extend(self.attribute_above("Context", "path"));
                }
                (_, Some(word)) if !word.is_empty() && !word.contains(':') => known.push(word),
                _ => {
                    let hint = format!("{} is none of them: MSM does not start", quoted(word));
                    let expected = "static:…, host, host.hash, context, context.hash or \
                                    webappVersion, with nothing but a comma between them";
                    self.complain(typed, expected, Some(&hint));
                    return None;
                }
            }
        }
        if is_named && known.iter().any(|word| word.contains(['-', '.'])) {
            let hint = "MSM takes what follows the first '-' of a key for the node: host.hash and \
                        context.hash have neither";
            self.warn(typed, "a prefix without '-' and '.'", hint);
        }
        match known.as_slice() {
            _ if !is_known => None,
            [] => Some(String::new()),
            words => Some(format!("{}_", words.join(":"))),
        }
    }

    /// As a server.xml has it; in a file of its own a context has neither host nor path.
    fn attribute_above(&self, element: &str, name: &str) -> Option<&'d str> {
        let mut above = self.manager.ancestors();
        above.find(|it| it.has_tag_name(element))?.attribute(name)
    }
}

/// Whether every alternative of a pattern begins with a path, so that no `GET /path` fits.
fn never_fits(pattern: &str) -> bool {
    let mut depth = 0_usize;
    let alternatives = pattern.split(|letter: char| {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == '|' && depth == 0
    });
    let begins_with_path = |it: &str| it.strip_prefix('^').unwrap_or(it).starts_with('/');
    !pattern.is_empty() && alternatives.into_iter().all(begins_with_path)
}

#[cfg(test)]
mod tests;
