//! What Tomcat's own files say of memcached-session-manager.
//!
//! A `<Manager>` of MSM's is looked for wherever it may stand: in a `context.xml`, or below the
//! `<Context>`s of a `server.xml`. Nothing else of the file is looked at.

use std::path::Path;

use roxmltree::{Attribute, Document, Node, ParsingOptions};

use super::check::read_limited;
use super::problem::{Problem, Report, quoted};
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
    let unreadable = |why: String| {
        let problem = Problem {
            file: path.display().to_string(),
            line: 0,
            column: 0,
            path: String::new(),
            found: why,
            expected: "an XML file of Tomcat's, of at most 1MiB".to_owned(),
            hint: None,
            source: None,
        };
        Report::of(problem)
    };
    let bytes = read_limited(path, MOST_BYTES).map_err(unreadable)?;
    let text =
        String::from_utf8(bytes).map_err(|_| unreadable("bytes that are no text".to_owned()))?;
    read(path, &text).map_err(|problems| Report {
        problems,
        warnings: Vec::new(),
    })
}

/// Reads a file of Tomcat's.
pub(super) fn read(path: &Path, text: &str) -> Result<FoundManager, Vec<Problem>> {
    let file = File { path, text };
    let options = ParsingOptions {
        // No entities either: a file of a few bytes cannot become gigabytes.
        allow_dtd: false,
        nodes_limit: MOST_ELEMENTS,
        ..ParsingOptions::default()
    };
    let document = match Document::parse_with_options(text, options) {
        Ok(document) => document,
        Err(error) => {
            let at = error.pos();
            let found = format!("no well-formed XML: {error}");
            return Err(vec![file.problem(
                at,
                found,
                "an XML file of Tomcat's",
                None,
            )]);
        }
    };
    let is_manager = |node: &Node<'_, '_>| {
        node.has_tag_name("Manager") && node.attribute("className") == Some(MANAGER)
    };
    let mut managers = document.descendants().filter(is_manager);
    let Some(manager) = managers.next() else {
        let hint = format!("its className is {MANAGER}");
        let at = document.text_pos_at(0);
        let expected = "a <Manager> of memcached-session-manager's";
        return Err(vec![file.problem(at, "none", expected, Some(hint))]);
    };
    let at = |node: &Node<'_, '_>| document.text_pos_at(node.range().start);
    if let Some(second) = managers.next() {
        let hint = format!("the first stands in line {}", at(&manager).row);
        let found = "a second <Manager> of memcached-session-manager's";
        return Err(vec![file.problem(at(&second), found, "one", Some(hint))]);
    }
    Found {
        file,
        document: &document,
        manager,
    }
    .read()
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn problem(
        &self,
        at: roxmltree::TextPos,
        found: impl Into<String>,
        expected: &str,
        hint: Option<String>,
    ) -> Problem {
        let line = usize::try_from(at.row).unwrap_or(0);
        let source = line.checked_sub(1).and_then(|it| self.text.lines().nth(it));
        Problem {
            file: self.path.display().to_string(),
            line,
            column: usize::try_from(at.col).unwrap_or(0),
            path: String::new(),
            found: found.into(),
            expected: expected.to_owned(),
            hint,
            source: source.map(str::to_owned),
        }
    }
}

struct Found<'a, 'd> {
    file: File<'a>,
    document: &'d Document<'d>,
    manager: Node<'d, 'd>,
}

impl<'d> Found<'_, 'd> {
    fn read(&self) -> Result<FoundManager, Vec<Problem>> {
        let Some(typed) = self.manager.attribute_node("memcachedNodes") else {
            let at = self.document.text_pos_at(self.manager.range().start);
            let expected = "the attribute memcachedNodes";
            return Err(vec![self.file.problem(at, "none", expected, None)]);
        };
        if let Some(unfilled) = self.unfilled() {
            let found = format!("{}={}", unfilled.name(), quoted(unfilled.value()));
            let hint = "Tomcat fills ${…} in from properties of its own, which are not known here: \
                        name the stores in the configuration";
            let expected = "a value without ${…}";
            return Err(vec![self.at(
                unfilled,
                found,
                expected,
                Some(hint.to_owned()),
            )]);
        }
        let nodes = StoreNode::parse_list(typed.value()).map_err(|why| {
            // It may hold a password.
            let mut problem = self.at(typed, "memcachedNodes", "nodes as MSM reads them", None);
            (problem.hint, problem.source) = (Some(why.to_string()), None);
            vec![problem]
        })?;
        let sticky = self.manager.attribute("sticky") != Some("false");
        let mut warnings = Vec::new();
        self.look_at_failover_nodes(&nodes, sticky, &mut warnings);
        self.look_at_patterns(&mut warnings);
        let key_prefix = self.key_prefix(&mut warnings);
        Ok(FoundManager {
            nodes,
            key_prefix,
            sticky,
            warnings,
        })
    }

    fn unfilled(&self) -> Option<Attribute<'d, 'd>> {
        let read = [
            "memcachedNodes",
            "failoverNodes",
            "sticky",
            "storageKeyPrefix",
        ];
        let attributes = read
            .iter()
            .filter_map(|name| self.manager.attribute_node(*name));
        attributes.into_iter().find(|it| it.value().contains("${"))
    }

    fn at(
        &self,
        attribute: Attribute<'d, 'd>,
        found: impl Into<String>,
        expected: &str,
        hint: Option<String>,
    ) -> Problem {
        let at = self.document.text_pos_at(attribute.range().start);
        self.file.problem(at, found, expected, hint)
    }

    fn look_at_failover_nodes(
        &self,
        nodes: &[StoreNode],
        sticky: bool,
        warnings: &mut Vec<Problem>,
    ) {
        let Some(attribute) = self.manager.attribute_node("failoverNodes") else {
            return;
        };
        let names: Vec<&str> = attribute
            .value()
            .split(|letter: char| letter == ',' || letter.is_whitespace())
            .filter(|name| !name.is_empty())
            .collect();
        let is_node = |name: &&str| nodes.iter().any(|it| it.name.as_deref() == Some(*name));
        let found = format!("failoverNodes={}", quoted(attribute.value()));
        let (expected, hint) = if !sticky {
            (
                "no failoverNodes with sticky=\"false\"",
                "there it keeps copies from being written: take it out",
            )
        } else if !names.iter().all(is_node) {
            (
                "names of memcachedNodes",
                "a node that is not there is never used",
            )
        } else if !names.is_empty() && names.len() >= nodes.len() {
            (
                "fewer nodes than memcachedNodes has",
                "a Tomcat uses these last: one at least must be left for every day",
            )
        } else {
            return;
        };
        warnings.push(self.at(attribute, found, expected, Some(hint.to_owned())));
    }

    /// MSM compares the whole of `GET /path?query` with a pattern: one that begins with a path
    /// never fits.
    fn look_at_patterns(&self, warnings: &mut Vec<Problem>) {
        for name in ["requestUriIgnorePattern", "lockingMode"] {
            let Some(attribute) = self.manager.attribute_node(name) else {
                continue;
            };
            let pattern = match (name, attribute.value().strip_prefix("uriPattern:")) {
                ("lockingMode", None) => continue,
                (_, Some(pattern)) => pattern,
                (_, None) => attribute.value(),
            };
            if never_fits(pattern) {
                let found = format!("{name}={}", quoted(attribute.value()));
                let expected = "a pattern of the whole of \"GET /path?query\"";
                let hint = "write .* before the path, and .* behind it";
                warnings.push(self.at(attribute, found, expected, Some(hint.to_owned())));
            }
        }
    }

    fn key_prefix(&self, warnings: &mut Vec<Problem>) -> Option<String> {
        let Some(attribute) = self.manager.attribute_node("storageKeyPrefix") else {
            // The version of an application that is deployed in several; else nothing.
            return Some(String::new());
        };
        let words = attribute.value().split(',').map(str::trim);
        let words: Vec<&str> = words.filter(|word| *word != "webappVersion").collect();
        let prefix = match words.as_slice() {
            [] => String::new(),
            [word] => format!("{}_", word.strip_prefix("static:")?),
            _ => return None,
        };
        if prefix.contains(['-', '.']) {
            let found = format!("storageKeyPrefix={}", quoted(attribute.value()));
            let hint = "MSM takes what follows the first '-' of a key for the node";
            let expected = "a prefix without '-' and '.'";
            warnings.push(self.at(attribute, found, expected, Some(hint.to_owned())));
        }
        Some(prefix)
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
mod tests {
    use super::*;

    fn manager(attributes: &str) -> String {
        format!("<Context>\n  <Manager className=\"{MANAGER}\" {attributes}/>\n</Context>")
    }

    fn found(text: &str) -> Result<FoundManager, Vec<Problem>> {
        read(Path::new("context.xml"), text)
    }

    fn warning_of(attributes: &str) -> Option<String> {
        let warnings = found(&manager(attributes)).unwrap().warnings;
        assert!(warnings.len() <= 1, "{warnings:?}");
        warnings.into_iter().next().map(|it| it.to_string())
    }

    #[test]
    fn what_msm_is_told_is_read() {
        let attributes =
            "memcachedNodes=\"n1:a:1,n2:b:2\" sticky=\"false\" storageKeyPrefix=\"static:x\"";
        let read = found(&manager(attributes)).unwrap();
        assert_eq!(read.nodes.len(), 2);
        assert_eq!(
            (read.sticky, read.key_prefix.as_deref()),
            (false, Some("x_"))
        );
        assert_eq!(read.warnings, []);
        let plain = found(&manager("memcachedNodes=\"n1:a:1\"")).unwrap();
        assert_eq!(
            (plain.sticky, plain.key_prefix.as_deref()),
            (true, Some(""))
        );
        let prefix = |value: &str| {
            let attributes = format!("memcachedNodes=\"n1:a:1\" storageKeyPrefix=\"{value}\"");
            found(&manager(&attributes)).unwrap().key_prefix
        };
        assert_eq!(prefix("webappVersion").as_deref(), Some(""));
        assert_eq!(prefix("static:a, webappVersion").as_deref(), Some("a_"));
        assert_eq!(prefix("context.hash"), None);
        let nested = format!(
            "<Server><Service><Engine><Host>{}</Host></Engine></Service></Server>",
            manager("memcachedNodes=\"a:1\"")
        );
        assert_eq!(found(&nested).unwrap().nodes.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_has_its_place() {
        let twice = format!(
            "<Host>\n{}\n{}\n</Host>",
            manager("memcachedNodes=\"a:1\""),
            manager("")
        );
        let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]>\n<a>&b;</a>";
        for (text, place, words) in [
            (
                "<Context>\n<Manager</Context>",
                "context.xml:2:",
                "well-formed",
            ),
            (bomb, "context.xml:1:", "well-formed"),
            ("<Context/>", "context.xml:1:1", "none"),
            (&manager(""), "context.xml:2:3", "memcachedNodes"),
            (
                &manager("memcachedNodes=\"n-1:a:1\""),
                "context.xml:2:",
                "node 1",
            ),
            (
                &manager("memcachedNodes=\"${nodes}\""),
                "context.xml:2:",
                "${nodes}",
            ),
            (&twice, "context.xml:6:3", "line 3"),
        ] {
            let problems = found(text).unwrap_err();
            let [problem] = problems.as_slice() else {
                panic!("{problems:?}");
            };
            let shown = problem.to_string();
            assert!(shown.starts_with(place) && shown.contains(words), "{shown}");
        }
        let secret = found(&manager("memcachedNodes=\"redis://:hush@a:x\"")).unwrap_err();
        assert!(!format!("{secret:?}").contains("hush"));
    }

    #[test]
    fn usual_mistakes_are_warned_of() {
        let two = "memcachedNodes=\"n1:a:1 n2:b:2\"";
        for (attributes, words) in [
            (
                format!("{two} sticky=\"false\" failoverNodes=\"n1\""),
                "take it out",
            ),
            (format!("{two} failoverNodes=\"n3\""), "not there"),
            (format!("{two} failoverNodes=\"n1,n2\""), "every day"),
            (
                format!("{two} requestUriIgnorePattern=\"^/static\""),
                "GET /path",
            ),
            (
                format!("{two} lockingMode=\"uriPattern:/path1|/path2\""),
                "GET /path",
            ),
            (
                format!("{two} storageKeyPrefix=\"static:a-b\""),
                "first '-'",
            ),
        ] {
            let warning = warning_of(&attributes).unwrap();
            assert!(warning.contains(words), "{warning}");
        }
        for attributes in [
            format!("{two} failoverNodes=\"n1\""),
            format!(r#"{two} requestUriIgnorePattern=".*\.(ico|png|/x)$""#),
            format!("{two} lockingMode=\"auto\""),
            format!("{two} lockingMode=\"uriPattern:[A-Z]+ /(a|/b).*\""),
        ] {
            assert_eq!(warning_of(&attributes), None);
        }
    }
}
