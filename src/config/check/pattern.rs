//! Regular expressions; the one of the paths that touch no session with doubts of its own.

use regex::{Regex, RegexBuilder};

use crate::config::Pattern;

use super::at::At;

/// Bytes of a compiled expression.
const MOST_COMPILED: usize = 1 << 20;

/// A regular expression that is searched in paths.
pub(super) fn pattern(at: &At<'_>) -> Option<Pattern> {
    let regex = at.parse(compiled)?;
    if let Some((expected, hint)) = doubt(&regex) {
        at.warn(expected, &hint);
    }
    Some(Pattern(regex))
}

/// A regular expression that may name any paths.
pub(super) fn any_pattern(at: &At<'_>) -> Option<Pattern> {
    at.parse(compiled).map(Pattern)
}

/// A regular expression of bounded size.
pub(super) fn compiled(text: &str) -> Result<Regex, Option<String>> {
    if text.is_empty() {
        return Err(None);
    }
    if text.starts_with('~') {
        let rest = text.trim_start_matches(['~', '*', ' ']);
        let case = if text.starts_with("~*") { "(?i)" } else { "" };
        return Err(Some(format!("without nginx's mark: {case}{rest}")));
    }
    if text.chars().any(char::is_control) {
        let hint = "in double quotes YAML reads the backslash itself; write single quotes";
        return Err(Some(hint.to_owned()));
    }
    let built = RegexBuilder::new(text).size_limit(MOST_COMPILED).build();
    built.map_err(|error| Some(text_of_glob(text).unwrap_or_else(|| reason(&error))))
}

/// `*.css` in our words.
fn text_of_glob(text: &str) -> Option<String> {
    let ending = text.strip_prefix('*')?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!ending.is_empty() && ending.chars().all(is_plain))
        .then(|| format!("this is no glob; write {}$", regex::escape(ending)))
}

/// The crate's own words are several lines with a drawing; the last says what is wrong.
fn reason(error: &regex::Error) -> String {
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return format!("compiled it takes more than {MOST_COMPILED} bytes");
    }
    let told = error.to_string();
    let last = told.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// What is likely meant otherwise: expected, and a hint.
fn doubt(regex: &Regex) -> Option<(&'static str, String)> {
    let text = regex.as_str();
    let bare = text.trim_start_matches("(?i)");
    let starts = |with: &str| bare.starts_with(with);
    let ends = |with: &str| {
        let before = bare.strip_suffix(with);
        before.is_some_and(|before| !before.ends_with('\\'))
    };
    if ["/", "/a/b.jsp", "/0"]
        .iter()
        .all(|path| regex.is_match(path))
    {
        return Some((
            "an expression that leaves paths to sessions",
            "every path fits it, so no session is kept at all".to_owned(),
        ));
    }
    if ends("/*") {
        let plain = bare.trim_end_matches('*').trim_start_matches('^');
        return Some((
            "a regular expression, not a glob",
            format!("write ^{plain} for all paths that begin so; /* is any number of slashes"),
        ));
    }
    // MSM matches its expression against all of the path; ours is searched in it.
    let opens = starts(".*") || starts("^.*");
    if opens && !ends("$") && !ends(".*") {
        return Some((
            "a $ at its end",
            "MSM's must fit all of the path, this one fits wherever it is found; only $ ties it to the path's end".to_owned(),
        ));
    }
    if !opens && !starts("^") && ends(".*") {
        return Some((
            "a ^ at its start",
            "MSM's must fit all of the path, this one fits wherever it is found; only ^ ties it to the path's start".to_owned(),
        ));
    }
    None
}
