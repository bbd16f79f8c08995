//! What all values of one file share: its name, its lines, and what was complained about so far.

use std::cell::RefCell;
use std::path::Path;

use crate::config::problem::{Problem, masked_line};
use crate::config::raw::Place;

/// What all values of one file share.
pub(super) struct Context<'a> {
    /// The file as the user named it.
    pub(super) file: &'a str,
    /// What relative paths are relative to.
    pub(super) directory: &'a Path,
    /// The lines of the file; empty for the command line.
    pub(super) lines: Vec<&'a str>,
    pub(super) problems: RefCell<Vec<Problem>>,
    pub(super) warnings: RefCell<Vec<Problem>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, directory: &'a Path) -> Self {
        Self {
            file,
            directory,
            lines: text.lines().collect(),
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(super) fn problem(&self, place: Place, path: &str, words: Words) -> Problem {
        let source = place.line.checked_sub(1).and_then(|i| self.lines.get(i));
        Problem {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            path: path.to_owned(),
            found: words.found,
            expected: words.expected,
            hint: words.hint,
            source: source.map(|line| masked_line(line, path)),
        }
    }

    pub(super) fn complain(&self, place: Place, path: &str, words: Words) {
        let problem = self.problem(place, path, words);
        self.problems.borrow_mut().push(problem);
    }
}

/// The words of a complaint.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    pub(super) found: String,
    pub(super) expected: String,
    pub(super) hint: Option<String>,
}
