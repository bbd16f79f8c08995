//! A route of the proxy's own in ids that have none: `owner: append`.
//!
//! On the way out the id `D208-n1` of the backend `tomcatA` becomes `D208-n1.~tomcatA`; on the way
//! in the route is taken off, so the Tomcat never sees it. The mark makes it certain that the
//! route is ours: a Tomcat whose jvm route is `tomcatA` keeps its `.tomcatA`.
//!
//! The route stands behind the id in every dialect, also where the id is base64 or has other
//! delimiters. What was appended to something without a route of ours is taken off without a
//! trace. An id is left alone if it has a route, or could not be read again with ours.

use std::ops::Range;

use crate::config::Dialect;

use super::find::{self, Names, Pairs};
use super::id::{self, Id, OWN_PREFIX};
use super::scan;

/// `line`, a `Set-Cookie`, with the route of the backend `token` in its session id. `None` if it
/// stays as it is.
pub fn append_to_set_cookie(
    line: &[u8],
    names: Names<'_>,
    dialect: Dialect,
    token: &str,
) -> Option<Vec<u8>> {
    // Behind the first `;` stand attributes.
    let end = scan::position(line, b';').unwrap_or(line.len());
    let value = Pairs::new(line.get(..end)?).next_of_any(names.cookies)?;
    let mut edited = Edited::new(line);
    edited.append(value, dialect, token);
    edited.finish()
}

/// `value`, a `Location`, with the route of the backend `token` in the session ids of its path.
/// `None` if it stays as it is.
pub fn append_to_location(
    value: &[u8],
    parameters: &[String],
    dialect: Dialect,
    token: &str,
) -> Option<Vec<u8>> {
    let mut edited = Edited::new(value);
    for range in find::parameters(path_of(value), parameters) {
        edited.append(range, dialect, token);
    }
    edited.finish()
}

/// The id in `value`, without quotes and without the route that the proxy appended. `None` if
/// there is no such route, or it names no backend for which `is_ours`.
pub fn taken_off(value: &[u8], is_ours: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    without_route(id::unquoted(value), is_ours)
}

/// `line`, a `Cookie`, without the routes that the proxy appended to session ids in it. `None` if
/// it stays as it is.
pub fn strip_cookie_line(
    line: &[u8],
    names: Names<'_>,
    is_ours: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    let mut edited = Edited::new(line);
    let mut pairs = Pairs::new(line);
    while let Some(value) = pairs.next_of_any(names.cookies) {
        edited.take_off(value, &is_ours);
    }
    edited.finish()
}

/// The target of a request without the routes that the proxy appended to session ids in its path;
/// the query stays. `None` if all stays as it is.
pub fn strip_path(
    path_and_query: &str,
    parameters: &[String],
    is_ours: impl Fn(&[u8]) -> bool,
) -> Option<String> {
    let target = path_and_query.as_bytes();
    let mut edited = Edited::new(target);
    for range in find::parameters(path_of(target), parameters) {
        edited.take_off(range, &is_ours);
    }
    // Cut is from a dot to a delimiter: what is left is text.
    String::from_utf8(edited.finish()?).ok()
}

/// What stands before the query and the fragment.
fn path_of(url: &[u8]) -> &[u8] {
    let end = url.iter().position(|byte| matches!(byte, b'?' | b'#'));
    url.get(..end.unwrap_or(url.len())).unwrap_or_default()
}

/// `id` without the route of ours, if it has one.
fn without_route(id: &[u8], is_ours: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    // The first one is ours: what has one already gets none.
    let at = id
        .windows(OWN_PREFIX.len())
        .position(|two| two == OWN_PREFIX)?;
    let (id, route) = id.split_at_checked(at)?;
    let name = route.strip_prefix(OWN_PREFIX)?;
    (!id.is_empty() && is_ours(name)).then_some(id)
}

/// `id` with the route of `token`, if it has none and is the same id with it.
fn with_route(id: &[u8], dialect: Dialect, token: &str) -> Option<Vec<u8>> {
    let before = Id::read(dialect, id).ok()?;
    if before.route().is_some() || !is_writable(token) {
        return None;
    }
    let appended = [id, OWN_PREFIX, token.as_bytes()].concat();
    let after = Id::read(dialect, &appended).ok()?;
    let name = after.route().and_then(id::own_token);
    let is_same = name == Some(token.as_bytes())
        && after.base() == before.base()
        && after.store_node() == before.store_node();
    is_same.then_some(appended)
}

/// The whole tail of an id that was appended to for the backend `token`, without its dot.
pub fn route_of(token: &str) -> String {
    let mark = char::from(id::OWN_MARK);
    format!("{mark}{token}")
}

/// Whether `token` can stand in a cookie and in a path, as it is.
fn is_writable(token: &str) -> bool {
    let is_writable =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+=:@[]".contains(&byte);
    !token.is_empty() && token.bytes().all(is_writable)
}

/// A text of which some values are replaced, in order of appearance.
struct Edited<'a> {
    text: &'a [u8],
    /// The new text up to `done`. Empty as long as nothing is replaced.
    out: Vec<u8>,
    done: usize,
}

impl<'a> Edited<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            out: Vec::new(),
            done: 0,
        }
    }

    fn append(&mut self, value: Range<usize>, dialect: Dialect, token: &str) {
        let (range, id) = self.inside_quotes(value);
        if let Some(appended) = with_route(id, dialect, token) {
            self.replace(range, &appended);
        }
    }

    fn take_off(&mut self, value: Range<usize>, is_ours: impl Fn(&[u8]) -> bool) {
        let (range, id) = self.inside_quotes(value);
        if let Some(id) = without_route(id, is_ours) {
            self.replace(range, id);
        }
    }

    /// The value within its quotes, which stay.
    fn inside_quotes(&self, value: Range<usize>) -> (Range<usize>, &'a [u8]) {
        let quoted = self.text.get(value.clone()).unwrap_or_default();
        let inside = id::unquoted(quoted);
        let quote = (quoted.len() - inside.len()) / 2;
        (value.start + quote..value.end - quote, inside)
    }

    fn replace(&mut self, range: Range<usize>, with: &[u8]) {
        let before = self.text.get(self.done..range.start);
        self.out.extend_from_slice(before.unwrap_or_default());
        self.out.extend_from_slice(with);
        self.done = range.end;
    }

    /// The new text, if anything in it is new.
    fn finish(mut self) -> Option<Vec<u8>> {
        if self.done == 0 {
            return None;
        }
        let rest = self.text.get(self.done..);
        self.out.extend_from_slice(rest.unwrap_or_default());
        Some(self.out)
    }
}

#[cfg(test)]
mod tests;
