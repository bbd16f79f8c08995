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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What stands behind the cookie's value.
    fn line_of(attributes: Attributes<'_>) -> String {
        let line = build("owner", "VALUE", attributes).unwrap();
        let rest = line.to_str().unwrap().strip_prefix("owner=VALUE; ");
        rest.unwrap().to_owned()
    }

    #[test]
    fn the_line_follows_the_sessions_cookie() {
        let none = Attributes::default();
        let all = Attributes {
            path: Some(b"/app"),
            domain: Some(b"example.org"),
            secure: true,
            partitioned: false,
            same_site: Some(b"Lax"),
            max_age: Some(600),
        };
        for (attributes, expected) in [
            (none, "HttpOnly"),
            (
                all,
                "HttpOnly; SameSite=Lax; Secure; Path=/app; Domain=example.org; Max-Age=600",
            ),
            (
                Attributes {
                    same_site: Some(b"nONE"),
                    ..none
                },
                "HttpOnly; SameSite=None",
            ),
            (
                Attributes {
                    same_site: Some(b"Sometimes"),
                    ..none
                },
                "HttpOnly",
            ),
            (
                Attributes {
                    partitioned: true,
                    secure: true,
                    ..none
                },
                "HttpOnly; Partitioned; Secure",
            ),
            (
                Attributes {
                    max_age: Some(u64::MAX),
                    ..none
                },
                "HttpOnly; Max-Age=9223372036854775807",
            ),
        ] {
            assert_eq!(line_of(attributes), expected);
        }
    }

    #[test]
    fn attributes_that_do_not_fit_give_way_to_the_whole_site() {
        let long = "p".repeat(513);
        for (path, domain) in [
            (Some(long.as_bytes()), None),
            (Some(&b"/a; HttpOnly"[..]), None),
            (Some(b"/a\r\nX: y"), None),
            (Some("/\u{e4}".as_bytes()), None),
            (Some(b"/a\0"), Some(&b"example.org"[..])),
            (Some(b"/a"), Some(b"x;y")),
            (None, Some(b"x\ty")),
        ] {
            let attributes = Attributes {
                path,
                domain,
                ..Attributes::default()
            };
            assert_eq!(line_of(attributes), "HttpOnly; Path=/", "{path:?}");
        }
    }

    #[test]
    fn a_name_that_would_end_the_line_makes_none() {
        assert_eq!(build("a\r\nb", "VALUE", Attributes::default()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_backend_end_the_line_or_an_attribute(
            path: Option<Vec<u8>>, domain: Option<Vec<u8>>, same_site: Option<Vec<u8>>,
        ) {
            let attributes = Attributes {
                path: path.as_deref(),
                domain: domain.as_deref(),
                same_site: same_site.as_deref(),
                ..Attributes::default()
            };
            let line = line_of(attributes);
            prop_assert!(line.split(';').count() <= 4);
            prop_assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        }
    }
}
