//! The `Set-Cookie` line around a sealed cookie.

use cookie::Cookie;
use http::HeaderValue;

use super::Attributes;

/// Bytes of path and domain together.
pub(super) const MOST_ATTRIBUTES: usize = 512;

/// The values of `SameSite` that browsers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SameSite {
    Strict,
    Lax,
    None,
}

impl SameSite {
    const ALL: [Self; 3] = [Self::Strict, Self::Lax, Self::None];

    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_bytes().eq_ignore_ascii_case(value))
    }

    pub(super) fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Strict => b"Strict",
            Self::Lax => b"Lax",
            Self::None => b"None",
        }
    }

    /// Inside the seal; never 0.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Strict => 1,
            Self::Lax => 2,
            Self::None => 3,
        }
    }

    pub(super) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.number() == number)
    }
}

/// `NAME=value; HttpOnly; …`, or `None` if the name does not fit into a field.
pub(super) fn build(name: &str, value: &str, attributes: Attributes<'_>) -> Option<HeaderValue> {
    let attributes = fitting(attributes);
    // Said either way: the crate would add `Secure` where a backend left it out.
    let mut cookie = Cookie::build((name, value))
        .http_only(true)
        .secure(attributes.secure);
    if attributes.partitioned {
        cookie = cookie.partitioned(true);
    }
    if let Some(same_site) = attributes.same_site.and_then(SameSite::parse) {
        cookie = cookie.same_site(match same_site {
            SameSite::Strict => cookie::SameSite::Strict,
            SameSite::Lax => cookie::SameSite::Lax,
            SameSite::None => cookie::SameSite::None,
        });
    }
    if let Some(path) = text(attributes.path) {
        cookie = cookie.path(path);
    }
    if let Some(domain) = text(attributes.domain) {
        cookie = cookie.domain(domain);
    }
    if let Some(seconds) = attributes.max_age {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        cookie = cookie.max_age(cookie::time::Duration::seconds(seconds));
    }
    HeaderValue::try_from(cookie.build().to_string()).ok()
}

/// `attributes`, or those of them that may stand in a line.
pub(super) fn fitting(attributes: Attributes<'_>) -> Attributes<'_> {
    let (path, domain) = (attributes.path, attributes.domain);
    let length = path.map_or(0, <[u8]>::len) + domain.map_or(0, <[u8]>::len);
    if length <= MOST_ATTRIBUTES && path.is_none_or(is_value) && domain.is_none_or(is_value) {
        return attributes;
    }
    Attributes {
        path: Some(b"/"),
        domain: None,
        ..attributes
    }
}

/// `path-value` of RFC 6265: what cannot end the attribute or the line.
fn is_value(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| matches!(byte, b' '..=b'~') && *byte != b';')
}

fn text(value: Option<&[u8]>) -> Option<&str> {
    str::from_utf8(value?).ok()
}
