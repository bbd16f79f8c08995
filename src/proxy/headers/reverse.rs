//! Apache's `ProxyPassReverse`: a backend's own address in a response becomes the public one.
//!
//! Looked at: `Location`, `Content-Location`, `Refresh` and `Link`. A URL is the backend's own if
//! it is `http://` (or `//`) and its authority is the backend's address or the Host that we sent.
//! Its scheme and authority become those that the client used. If the rule replaced a path prefix,
//! the way back is taken too: in these URLs, in those that name the public address already, and in
//! paths that begin with `/`. Every other URL stays byte for byte.
//!
//! An own URL outside the replaced prefix still gets the public authority: the backend's address
//! is of no use to a client, and none of its business.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::proxy::authority::{Authority, Host};
use crate::proxy::client::Scheme;
use crate::proxy::prefix::Replacement;

use super::fields::{Field, Fields, Scan};

/// What is the backend's own, and what the client knows instead.
#[derive(Debug, Clone, Copy)]
pub struct Reverse<'a> {
    /// The backend's address.
    pub own: Authority<'a>,
    /// The Host that we sent to it.
    pub sent: Option<Authority<'a>>,
    /// The scheme that the client used.
    pub scheme: Scheme,
    /// The Host that the client asked for. Without one, own URLs become paths.
    pub host: Option<&'a Host>,
    /// From the backend's path prefix back to the public one, if the rule replaced it.
    pub way_back: Option<&'a Replacement>,
}

const MAPPED: [(Field, HeaderName, Form); 4] = [
    (Field::Location, header::LOCATION, Form::Url),
    (Field::ContentLocation, header::CONTENT_LOCATION, Form::Url),
    (Field::Refresh, header::REFRESH, Form::Refresh),
    (Field::Link, header::LINK, Form::Links),
];

const ANY_MAPPED: Fields = Fields::of(&[
    Field::Location,
    Field::ContentLocation,
    Field::Refresh,
    Field::Link,
]);

#[derive(Clone, Copy)]
enum Form {
    /// A URL.
    Url,
    /// `5; url=…`
    Refresh,
    /// `<…>; rel=next, <…>`
    Links,
}

impl Reverse<'_> {
    /// Maps the URLs of a response.
    pub fn apply(&self, headers: &mut HeaderMap, found: Scan) {
        if !found.present.has_any(ANY_MAPPED) {
            return;
        }
        for (field, name, form) in &MAPPED {
            if !found.present.has(*field) {
                continue;
            }
            if let header::Entry::Occupied(mut lines) = headers.entry(name) {
                lines.iter_mut().for_each(|line| self.map_line(line, *form));
            }
        }
    }

    fn map_line(&self, line: &mut HeaderValue, form: Form) {
        let mapped = self.map_field(line.as_bytes(), form);
        // Only a Host or a prefix that no header may carry could fail, and both were checked.
        if let Some(new) = mapped.and_then(|new| HeaderValue::try_from(new).ok()) {
            *line = new;
        }
    }

    fn map_field(&self, value: &[u8], form: Form) -> Option<Vec<u8>> {
        match form {
            Form::Url => self.map(value),
            Form::Refresh => {
                let (before, url) = split_refresh(value)?;
                let after = value.get(before.len() + url.len()..).unwrap_or_default();
                Some([before, &self.map(url)?, after].concat())
            }
            Form::Links => self.map_links(value),
        }
    }

    fn map_links(&self, value: &[u8]) -> Option<Vec<u8>> {
        let mut new = Vec::with_capacity(value.len());
        let mut rest = value;
        let mut mapped_any = None;
        while let Some((before, url)) = split_link(rest) {
            let mapped = self.map(url);
            new.extend_from_slice(before);
            new.extend_from_slice(mapped.as_deref().unwrap_or(url));
            mapped_any = mapped_any.or(mapped.map(|_| ()));
            rest = rest.get(before.len() + url.len()..).unwrap_or_default();
        }
        new.extend_from_slice(rest);
        mapped_any.map(|()| new)
    }

    /// One URL mapped; `None`: it stays.
    pub fn map(&self, url: &[u8]) -> Option<Vec<u8>> {
        let Some(parts) = Absolute::split(url) else {
            return self.map_path(url);
        };
        let new = match self.owner(parts)? {
            Owner::Public => {
                let address_len = url.len() - parts.path.len();
                [url.get(..address_len)?, &self.map_path(parts.path)?].concat()
            }
            Owner::Backend => {
                let path = self.map_path(parts.path);
                self.publish(parts, path.as_deref().unwrap_or(parts.path))?
            }
        };
        (new != url).then_some(new)
    }

    /// `path` at the public address.
    fn publish(&self, parts: Absolute<'_>, path: &[u8]) -> Option<Vec<u8>> {
        let Some(host) = self.host else {
            // Without an authority, a path must not begin like one.
            let is_path = path.starts_with(b"/") && !path.starts_with(b"//");
            return is_path.then(|| path.to_vec());
        };
        let (scheme, colon) = match parts.scheme {
            Some(_) => (self.scheme.as_str(), ":"),
            None => ("", ""),
        };
        let address = [scheme, colon, "//", host.as_str()]
            .map(str::as_bytes)
            .concat();
        Some([&address, path].concat())
    }

    fn map_path(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.way_back?.apply_bytes(path)
    }

    /// Whose a URL is; `None`: nobody's that we know.
    fn owner(&self, parts: Absolute<'_>) -> Option<Owner> {
        let authority = Authority::parse(std::str::from_utf8(parts.authority).ok()?)?;
        let scheme = match parts.scheme {
            Some(text) => Scheme::parse(std::str::from_utf8(text).ok()?)?,
            None => Scheme::Http,
        };
        let port = scheme.default_port();
        let public = self.host.map(Host::authority);
        if scheme == self.scheme && public.is_some_and(|it| it.is_same(authority, port)) {
            return Some(Owner::Public);
        }
        let mut own = [Some(self.own), self.sent].into_iter().flatten();
        let is_own = scheme == Scheme::Http && own.any(|it| it.is_same(authority, port));
        is_own.then_some(Owner::Backend)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Backend,
    Public,
}

/// A URL with an authority: `scheme://authority/path` or `//authority/path`.
#[derive(Clone, Copy)]
struct Absolute<'u> {
    scheme: Option<&'u [u8]>,
    authority: &'u [u8],
    /// Path, query and fragment.
    path: &'u [u8],
}

impl<'u> Absolute<'u> {
    fn split(url: &'u [u8]) -> Option<Self> {
        let (scheme, rest) = if let Some(rest) = url.strip_prefix(b"//") {
            (None, rest)
        } else {
            let colon = url.iter().position(|byte| *byte == b':')?;
            let (scheme, rest) = url.split_at_checked(colon)?;
            (Some(scheme), rest.strip_prefix(b"://")?)
        };
        let mut bytes = rest.iter();
        // Browsers read a backslash as a slash.
        let end = bytes.position(|byte| b"/?#\\".contains(byte));
        let (authority, path) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        Some(Self {
            scheme,
            authority,
            path,
        })
    }
}

/// `5; url=` and the URL, of which quotes around it are no part.
fn split_refresh(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let separator = value.iter().position(|byte| b";,".contains(byte))?;
    let skip_spaces = |at: usize| {
        let rest = value.get(at..).unwrap_or_default();
        at + rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count()
    };
    let word = skip_spaces(separator + 1);
    if !value.get(word..word + 3)?.eq_ignore_ascii_case(b"url") {
        return None;
    }
    let equals = skip_spaces(word + 3);
    if value.get(equals) != Some(&b'=') {
        return None;
    }
    let start = skip_spaces(equals + 1);
    let (before, rest) = value.split_at_checked(start)?;
    match rest.first() {
        Some(quote @ (b'"' | b'\'')) => {
            let (before, rest) = value.split_at_checked(before.len() + 1)?;
            let end = rest
                .iter()
                .position(|byte| byte == quote)
                .unwrap_or(rest.len());
            Some((before, rest.get(..end)?))
        }
        _ => Some((before, rest.trim_ascii_end())),
    }
}

/// What stands before the next link's URL, with its `<`, and the URL.
fn split_link(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut quoted = None;
    let open = rest
        .iter()
        .enumerate()
        .find(|(place, byte)| match (quoted, byte) {
            (None, b'<') => true,
            (None, b'"') => {
                quoted = Some(*place);
                false
            }
            // An escaped quote ends nothing.
            (Some(_), b'"') if place.checked_sub(1).and_then(|at| rest.get(at)) != Some(&b'\\') => {
                quoted = None;
                false
            }
            _ => false,
        })?;
    let (before, url) = rest.split_at_checked(open.0 + 1)?;
    let close = url.iter().position(|byte| *byte == b'>')?;
    Some((before, url.get(..close)?))
}

#[cfg(test)]
mod tests;
