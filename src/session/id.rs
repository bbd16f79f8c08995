//! The grammar of session ids, in each dialect.
//!
//! | dialect | written |
//! |---|---|
//! | `tomcat` | `base[-store node][.jvm route]` |
//! | `jetty`, `keycloak` | `base[.route]` |
//! | `wildfly` | `base[.route1[.route2[.route3]]]` |
//! | `spring-session` | `base[.route]`, in base64 |
//! | `weblogic` | `base[!primary[!secondary[!timestamp]]]` |
//!
//! In each of them the proxy may have appended a route of its own, see [`super::append`].

use std::fmt;

use crate::config::Dialect;
use crate::observe::metrics::RejectedId;

use super::redact;
use super::scan;

mod encoded;

use encoded::Decoded;

/// The longest id, as the client shows it.
const LONGEST: usize = 512;
/// No honest store node and jvm route together are longer.
const LONGEST_SHOWN_TAIL: usize = 130;
/// As much of a route as a log shows.
const MOST_OF_ROUTE: usize = 64;
/// Begins a route that is the proxy's own: no Tomcat's jvm route, even if it has the same name.
pub(super) const OWN_MARK: u8 = b'~';
/// What stands before the name in an appended route.
pub(super) const OWN_PREFIX: &[u8] = b".~";

/// A session id, taken apart. It is a secret: neither `Debug` nor `Display` of
/// [`Id::shortened`] shows it whole.
#[derive(Clone)]
pub struct Id<'a> {
    text: Text<'a>,
    dialect: Dialect,
    base_end: u16,
    /// Behind the base and the store node: where the delimiter of the route stands, or the end.
    front_end: u16,
}

#[derive(Clone)]
enum Text<'a> {
    AsShown(&'a [u8]),
    Decoded(Decoded),
}

/// The ends of the base and of what stands before the route.
type Ends = (usize, usize);

impl<'a> Id<'a> {
    /// Takes `value` apart, with or without its quotes. Does not allocate.
    ///
    /// Accepted is what has a base, at most 512 bytes and no control characters; bytes that are
    /// no ASCII stand for themselves.
    #[inline]
    pub fn read(dialect: Dialect, value: &'a [u8]) -> Result<Id<'a>, RejectedId> {
        if value.len() > LONGEST {
            return Err(RejectedId::TooLong);
        }
        let value = unquoted(value);
        if dialect == Dialect::SpringSession {
            return Self::read_encoded(value);
        }
        let ends = ends(dialect, value)?;
        Self::new(Text::AsShown(value), dialect, ends)
    }

    #[cold]
    fn read_encoded(value: &[u8]) -> Result<Id<'a>, RejectedId> {
        let decoded = Decoded::read(value).ok_or(RejectedId::Undecodable)?;
        let ends = ends(Dialect::SpringSession, decoded.bytes())?;
        Self::new(Text::Decoded(decoded), Dialect::SpringSession, ends)
    }

    #[inline]
    fn new(text: Text<'a>, dialect: Dialect, ends: Ends) -> Result<Id<'a>, RejectedId> {
        let (base_end, front_end) = ends;
        if base_end == 0 {
            return Err(RejectedId::NoBase);
        }
        let short = |end| u16::try_from(end).map_err(|_| RejectedId::TooLong);
        Ok(Id {
            text,
            dialect,
            base_end: short(base_end)?,
            front_end: short(front_end)?,
        })
    }

    /// The stable part. Never empty.
    #[inline]
    pub fn base(&self) -> &[u8] {
        self.part(0, self.base_end.into())
    }

    /// The store node that memcached-session-manager wrote into the id.
    #[inline]
    pub fn store_node(&self) -> Option<&[u8]> {
        let node = self.part(usize::from(self.base_end) + 1, self.front_end.into());
        (!node.is_empty()).then_some(node)
    }

    /// The whole tail: the jvm route, or in some dialects several.
    #[inline]
    pub fn route(&self) -> Option<&[u8]> {
        let from = usize::from(self.front_end) + 1;
        let route = self.bytes().get(from..).unwrap_or_default();
        (!route.is_empty()).then_some(route)
    }

    /// The id as its Tomcat knows it: without a route that the proxy has appended.
    pub fn of_tomcat(&self) -> &[u8] {
        match self.route().and_then(own_token) {
            Some(_) => self.part(0, self.front_end.into()),
            None => self.bytes(),
        }
    }

    /// The route that its Tomcat knows, none of the proxy's.
    pub fn route_of_tomcat(&self) -> Option<&[u8]> {
        self.route().filter(|route| own_token(route).is_none())
    }

    /// Whether its tail may hold several routes.
    #[inline]
    pub fn is_ranked(&self) -> bool {
        matches!(self.dialect, Dialect::Wildfly | Dialect::Weblogic)
    }

    /// What may name the owner, in order of trust: the whole tail, and of several routes each.
    pub fn routes(&self) -> impl Iterator<Item = &[u8]> {
        let tail = self.route().unwrap_or_default();
        let is_ours = own_token(tail).is_some();
        let (whole, parts, delimiter): (&[u8], &[u8], u8) = match self.dialect {
            Dialect::Wildfly if !is_ours && tail.contains(&b'.') => (tail, tail, b'.'),
            Dialect::Weblogic if !is_ours => (&[], without_timestamp(tail), b'!'),
            Dialect::Tomcat
            | Dialect::Jetty
            | Dialect::Wildfly
            | Dialect::SpringSession
            | Dialect::Keycloak
            | Dialect::Weblogic => (tail, &[], b'.'),
        };
        let parts = parts.split(move |byte| *byte == delimiter);
        std::iter::once(whole)
            .chain(parts)
            .filter(|route| !route.is_empty())
    }

    /// The id as logs may show it: at most six characters and at most a quarter of the base, and
    /// the tail, if it looks like names of machines.
    pub fn shortened(&self) -> impl fmt::Display + '_ {
        Shortened(self)
    }

    /// The whole tail as logs may show it: at most 64 bytes, and nothing of what may be the secret
    /// itself.
    pub fn shown_route(&self) -> Option<&[u8]> {
        let route = self.route().filter(|_| self.shown_tail().is_some())?;
        route.get(..route.len().min(MOST_OF_ROUTE))
    }

    /// Behind the base, if it looks like names of machines.
    fn shown_tail(&self) -> Option<&str> {
        let (base, tail) = self.bytes().split_at_checked(self.base_end.into())?;
        // The longer part is behind the delimiter: that may as well be the secret.
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.!~-".contains(byte);
        let is_shown = tail.len() <= base.len().min(LONGEST_SHOWN_TAIL) && tail.iter().all(is_name);
        str::from_utf8(tail).ok().filter(|_| is_shown)
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match &self.text {
            Text::AsShown(bytes) => bytes,
            Text::Decoded(decoded) => decoded.bytes(),
        }
    }

    #[inline]
    fn part(&self, from: usize, end: usize) -> &[u8] {
        self.bytes().get(from..end).unwrap_or_default()
    }
}

impl fmt::Debug for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", Shortened(self))
    }
}

struct Shortened<'i>(&'i Id<'i>);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.0.base();
        for byte in base.iter().take(redact::most_shown(base.len())) {
            let harmless = byte.is_ascii_graphic() && !b"\"'\\<>&".contains(byte);
            fmt::Write::write_char(f, if harmless { (*byte).into() } else { '?' })?;
        }
        fmt::Write::write_char(f, redact::MARK)?;
        f.write_str(self.0.shown_tail().unwrap_or_default())
    }
}

/// The backend's name in a route that the proxy appended.
#[inline]
pub fn own_token(route: &[u8]) -> Option<&[u8]> {
    let (first, name) = route.split_first()?;
    (*first == OWN_MARK && !name.is_empty()).then_some(name)
}

/// `value` without the one pair of quotes around it.
#[inline]
pub(super) fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inside @ .., b'"'] => inside,
        value => value,
    }
}

#[inline]
fn ends(dialect: Dialect, text: &[u8]) -> Result<Ends, RejectedId> {
    let marks = scan::marks(text);
    if marks.control {
        return Err(RejectedId::ControlCharacter);
    }
    let front_end = match dialect {
        Dialect::Weblogic => weblogic_front(text),
        Dialect::Tomcat
        | Dialect::Jetty
        | Dialect::Wildfly
        | Dialect::SpringSession
        | Dialect::Keycloak => marks.dot.unwrap_or(text.len()),
    };
    let node_at = match (dialect, marks.dash) {
        (Dialect::Tomcat, Some(dash)) if is_node(text.get(dash + 1..front_end)) => Some(dash),
        _ => None,
    };
    Ok((node_at.unwrap_or(front_end), front_end))
}

/// Store nodes are named as MSM demands it. A dash behind the dot leaves `None` here.
#[inline]
fn is_node(text: Option<&[u8]>) -> bool {
    text.is_some_and(|text| {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        !text.is_empty() && text.iter().all(is_word)
    })
}

/// A dot is nothing special in a `WebLogic` id, unless the proxy's own route follows it.
fn weblogic_front(text: &[u8]) -> usize {
    let routes = scan::position(text, b'!').unwrap_or(text.len());
    let front = text.get(..routes).unwrap_or_default();
    let mut pairs = front.windows(OWN_PREFIX.len());
    pairs.position(|pair| pair == OWN_PREFIX).unwrap_or(routes)
}

/// `primary!secondary` of `primary!secondary!timestamp`.
fn without_timestamp(tail: &[u8]) -> &[u8] {
    let timestamp = tail.splitn(3, |byte| *byte == b'!').nth(2);
    match timestamp {
        Some(digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => tail
            .get(..tail.len() - digits.len() - 1)
            .unwrap_or_default(),
        _ => tail,
    }
}

#[cfg(test)]
mod tests;
