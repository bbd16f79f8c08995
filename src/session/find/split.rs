//! Taking `Cookie` lines and paths apart, as Tomcat does it.

use std::ops::Range;

use crate::session::scan;

/// The `name=value` pairs of a `Cookie` line, as Tomcat's RFC 6265 processor parts them: at every
/// `;`, also between quotes, where it may not stand.
#[derive(Debug, Clone)]
pub(in crate::session) struct Pairs<'a> {
    pub(super) line: &'a [u8],
    /// Where the next pair begins.
    at: usize,
}

impl<'a> Pairs<'a> {
    #[inline]
    pub(in crate::session) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    /// Where the next value of `name` stands.
    #[inline]
    pub(in crate::session) fn next_of(&mut self, name: &str) -> Option<Range<usize>> {
        self.next_where(|pair| value_of(pair, name))
    }

    /// Where the next value of any of `names` stands.
    pub(in crate::session) fn next_of_any(&mut self, names: &[String]) -> Option<Range<usize>> {
        self.next_where(|pair| names.iter().find_map(|name| value_of(pair, name)))
    }

    /// Where the next value stands of which `value` finds the beginning: given what is left of the
    /// line from the pair's name on, it returns what is left from behind the `=` on.
    #[inline]
    fn next_where(&mut self, value: impl Fn(&'a [u8]) -> Option<&'a [u8]>) -> Option<Range<usize>> {
        while self.at < self.line.len() {
            let pair = blanks_skipped(self.line.get(self.at..)?);
            let found = value(pair);
            let rest = found.map_or(pair, blanks_skipped);
            let from = self.line.len() - rest.len();
            let len = scan::position(rest, b';').unwrap_or(rest.len());
            self.at = from + len + 1;
            if found.is_some() {
                let value = rest.get(..len)?;
                return Some(from..from + value.trim_ascii_end().len());
            }
        }
        None
    }
}

/// What stands behind `name` and `=`, if `pair` begins with them.
#[inline]
fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let rest = pair.strip_prefix(name.as_bytes())?;
    blanks_skipped(rest).strip_prefix(b"=")
}

#[inline]
fn blanks_skipped(text: &[u8]) -> &[u8] {
    match text {
        [b' ' | b'\t', rest @ ..] => rest.trim_ascii_start(),
        _ => text,
    }
}

/// Where the values of the path parameters with one of `names` stand, in order of appearance.
pub(in crate::session) fn parameters<'a>(
    path: &'a [u8],
    names: &'a [String],
) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let from = at + scan::position(path.get(at..)?, b';')? + 1;
            let rest = path.get(from..)?;
            let end = rest.iter().position(|byte| matches!(byte, b';' | b'/'));
            let parameter = rest.get(..end.unwrap_or(rest.len()))?;
            at = from + parameter.len();
            let value = names.iter().find_map(|name| {
                let rest = parameter.strip_prefix(name.as_bytes())?;
                rest.strip_prefix(b"=")
            });
            if let Some(value) = value {
                return Some(at - value.len()..at);
            }
        }
    })
}
