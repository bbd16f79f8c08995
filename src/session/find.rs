//! Where session ids stand in a request.
//!
//! Tomcat's order: cookies before the path. Per name all cookies in order of appearance, over
//! several `Cookie` lines; then, per name, the last `;name=` of the raw path, in any segment.
//! Which of the values is believed is decided by the caller, and read by [`super::id`].
//! `JSESSIONIDSSO` is another name, and so never found.

use std::borrow::Cow;
use std::ops::Range;

use http::Uri;
use http::header::{COOKIE, HeaderMap, HeaderValue};

use crate::config::Sessions;

use super::scan;

mod split;

pub(super) use split::{Pairs, parameters};

/// The names under which a cluster's session ids are looked for, in order of trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'a> {
    /// Of cookies. Matched exactly.
    pub cookies: &'a [String],
    /// Of path parameters. Matched exactly.
    pub parameters: &'a [String],
}

impl<'a> From<&'a Sessions> for Names<'a> {
    fn from(sessions: &'a Sessions) -> Self {
        Self {
            cookies: &sessions.cookies,
            parameters: &sessions.parameters,
        }
    }
}

/// What may be a session id, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// As it stands there: quotes belong to it, and it may be empty.
    pub value: &'a [u8],
    /// Where it can be read again.
    pub place: Place,
}

/// Where a value stands in a request. Means something only beside the request it was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// In what part of the head.
    pub source: Source,
    /// Which of the configured names of that source it has.
    pub name: u8,
    /// Which of the `Cookie` lines, in order of appearance; 0 in the path.
    pub line: u16,
    /// Where it begins, in the line or the path.
    pub from: u16,
    /// How many bytes it has.
    pub len: u16,
}

impl Place {
    /// The bytes of the value, in its line or the path.
    pub fn range(&self) -> Range<usize> {
        let from = usize::from(self.from);
        from..from + usize::from(self.len)
    }
}

/// The parts of a head that hold session ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A `Cookie` line.
    Cookie,
    /// A parameter of the path.
    Path,
}

/// Every value in `headers` and `path` that may be a session id, in order of trust.
///
/// `path` is the raw path without its query, or has it. The effort is linear in the size of the head per
/// name, and nothing is allocated. What stands behind 64 KiB of a line, or has a name behind the
/// 256th, is passed over.
#[inline]
pub fn each<'a>(headers: &'a HeaderMap, path: impl Into<InPath<'a>>, names: Names<'a>) -> Each<'a> {
    Each {
        headers,
        fields: headers.iter(),
        line_number: 0,
        pairs: Pairs::new(&[]),
        names: names.cookies,
        name_number: 0,
        path: path.into(),
        parameters: names.parameters,
        parameter_number: 0,
    }
}

/// The value at `place` of the request that it was found in.
pub fn read_again<'a>(headers: &'a HeaderMap, path: &'a str, place: Place) -> Option<&'a [u8]> {
    let text = match place.source {
        Source::Path => path.as_bytes(),
        Source::Cookie => {
            let mut lines = headers.get_all(COOKIE).iter();
            lines.nth(place.line.into())?.as_bytes()
        }
    };
    text.get(place.range())
}

/// `target`, a path and a query, without the path parameters of these names; `None`: it has none.
pub fn without_parameters(target: &str, names: &[String]) -> Option<String> {
    let end = target.find('?').unwrap_or(target.len());
    let (path, _) = target.split_at_checked(end)?;
    let (mut kept, mut done) = (String::new(), 0);
    for value in parameters(path.as_bytes(), names) {
        let from = path.get(..value.start)?.rfind(';')?;
        kept.push_str(target.get(done..from)?);
        done = value.end;
    }
    if done == 0 {
        return None;
    }
    kept.push_str(target.get(done..)?);
    Some(kept)
}

/// The iterator of [`each`].
#[derive(Debug)]
pub struct Each<'a> {
    headers: &'a HeaderMap,
    /// The fields not yet looked at, for the name in hand. A walk over the few there are costs less
    /// than a look-up by name.
    fields: http::header::Iter<'a, HeaderValue>,
    /// How many lines were begun.
    line_number: u16,
    /// What is left of the line in hand.
    pairs: Pairs<'a>,
    /// The name in hand, and those to come.
    names: &'a [String],
    name_number: u8,
    path: InPath<'a>,
    parameters: &'a [String],
    parameter_number: u8,
}

/// A path, or what has one: it is only taken out where no cookie is found.
#[derive(Debug, Clone, Copy)]
pub enum InPath<'a> {
    /// This one.
    Text(&'a str),
    /// That of this target.
    Of(&'a Uri),
}

impl<'a> From<&'a str> for InPath<'a> {
    fn from(path: &'a str) -> Self {
        Self::Text(path)
    }
}

impl<'a> From<&'a Uri> for InPath<'a> {
    fn from(uri: &'a Uri) -> Self {
        Self::Of(uri)
    }
}

impl<'a> Iterator for Each<'a> {
    type Item = Found<'a>;

    #[inline]
    fn next(&mut self) -> Option<Found<'a>> {
        match self.next_cookie() {
            Some(found) => Some(found),
            None => self.next_parameter(),
        }
    }
}

impl<'a> Each<'a> {
    #[inline]
    fn next_cookie(&mut self) -> Option<Found<'a>> {
        while let Some(name) = self.names.first() {
            if let Some(range) = self.pairs.next_of(name) {
                let line = self.line_number.saturating_sub(1);
                let found = found(
                    self.pairs.line,
                    range,
                    (Source::Cookie, self.name_number, line),
                );
                if found.is_some() {
                    return found;
                }
            } else if let Some((_, line)) = self.fields.find(|(name, _)| **name == COOKIE)
                && let Some(number) = self.line_number.checked_add(1)
            {
                self.pairs = Pairs::new(line.as_bytes());
                self.line_number = number;
            } else {
                self.next_name();
            }
        }
        None
    }

    fn next_name(&mut self) {
        let more = self.names.split_first().map(|(_, more)| more);
        let number = self.name_number.checked_add(1);
        self.names = number.and(more).unwrap_or_default();
        self.name_number = number.unwrap_or_default();
        if self.names.is_empty() {
            return;
        }
        self.fields = self.headers.iter();
        self.line_number = 0;
        self.pairs = Pairs::new(&[]);
    }

    fn next_parameter(&mut self) -> Option<Found<'a>> {
        while let Some((name, more)) = self.parameters.split_first() {
            let name = std::slice::from_ref(name);
            let number = self.parameter_number;
            self.parameters = more;
            match number.checked_add(1) {
                Some(next) => self.parameter_number = next,
                None => self.parameters = &[],
            }
            let path = match self.path {
                InPath::Text(path) => path.as_bytes(),
                InPath::Of(uri) => uri.path().as_bytes(),
            };
            let last = parameters(path, name).last();
            let found = last.and_then(|range| found(path, range, (Source::Path, number, 0)));
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// `None` if the place has no room for the numbers.
#[inline]
fn found(text: &[u8], range: Range<usize>, at: (Source, u8, u16)) -> Option<Found<'_>> {
    let (source, name, line) = at;
    let place = Place {
        source,
        name,
        line,
        from: u16::try_from(range.start).ok()?,
        len: u16::try_from(range.len()).ok()?,
    };
    let value = text.get(range)?;
    Some(Found { value, place })
}

/// `path` without the parameters of its segments, as patterns over paths mean it. Allocates only
/// where a parameter stands in the middle.
pub fn path_without_parameters(path: &str) -> Cow<'_, str> {
    let Some(first) = scan::position(path.as_bytes(), b';') else {
        return Cow::Borrowed(path);
    };
    let (plain, rest) = path.split_at_checked(first).unwrap_or((path, ""));
    if !rest.contains('/') {
        return Cow::Borrowed(plain);
    }
    let mut whole = String::with_capacity(path.len());
    for (number, segment) in path.split('/').enumerate() {
        if number > 0 {
            whole.push('/');
        }
        whole.push_str(segment.split(';').next().unwrap_or_default());
    }
    Cow::Owned(whole)
}

#[cfg(test)]
mod tests;
