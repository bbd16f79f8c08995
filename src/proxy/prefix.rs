//! Path prefixes: what lies below one, and one put in the place of another.
//!
//! Everything works on the raw path, byte for byte: nothing is decoded, no dot segment is
//! resolved, no slash is merged. A prefix ends where a segment ends: before `/` or `;`, or at the
//! end of the path. So `/shop` holds `/shop`, `/shop/cart` and `/shop;jsessionid=1`, but neither
//! `/shopping` nor `/shop%2Fcart`.

use http::Uri;
use http::uri::PathAndQuery;

use super::refuse::Refusal;

/// Whether `path` lies below `prefix`. A prefix that ends in `/` wants that slash to be there.
pub fn holds(prefix: &str, path: &str) -> bool {
    // `*`, the target of `OPTIONS *`, is of no path; it lies below the one that holds all.
    if prefix == "/" || prefix.is_empty() {
        return true;
    }
    path.strip_prefix(prefix)
        .is_some_and(|rest| prefix.ends_with('/') || is_segment_end(rest.as_bytes()))
}

fn is_segment_end(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b'/' | b';' | b'?' | b'#'))
}

/// One prefix in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    // Both without a final slash, so that the slash of what follows is neither lost nor doubled.
    from: Box<str>,
    to: Box<str>,
}

impl Replacement {
    /// Puts `to` in the place of `from`. Both are paths, or empty.
    pub fn new(from: &str, to: &str) -> Self {
        let trimmed = |path: &str| path.strip_suffix('/').unwrap_or(path).into();
        Self {
            from: trimmed(from),
            to: trimmed(to),
        }
    }

    /// The way back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            from: self.to.clone(),
            to: self.from.clone(),
        }
    }

    /// `path` (a query may follow) with the prefix replaced; `None` if it does not lie below it.
    pub fn apply(&self, path: &str) -> Option<String> {
        String::from_utf8(self.apply_bytes(path.as_bytes())?).ok()
    }

    /// The same for a path of any bytes, as a backend may send them.
    pub fn apply_bytes(&self, path: &[u8]) -> Option<Vec<u8>> {
        let rest = path.strip_prefix(self.from.as_bytes())?;
        if !is_segment_end(rest) || !path.starts_with(b"/") {
            return None;
        }
        let mut new = Vec::with_capacity(1 + self.to.len() + rest.len());
        if self.to.bytes().chain(rest.first().copied()).next() != Some(b'/') {
            new.push(b'/');
        }
        new.extend_from_slice(self.to.as_bytes());
        new.extend_from_slice(rest);
        Some(new)
    }
}

/// The target that the backend gets: path and query as the client sent them, with the prefix
/// replaced if the rule says so. Allocates only where something changes.
pub fn upstream_target(
    target: &Uri,
    replacement: Option<&Replacement>,
) -> Result<PathAndQuery, Refusal> {
    let Some(sent) = target.path_and_query() else {
        return Ok(PathAndQuery::from_static("/"));
    };
    let text = sent.as_str();
    // `http://host?query` has an empty path, which a request line cannot show.
    let rooted = if text.starts_with('?') {
        Some(format!("/{text}"))
    } else {
        None
    };
    let replaced = replacement.and_then(|it| it.apply(rooted.as_deref().unwrap_or(text)));
    match replaced.or(rooted) {
        None => Ok(sent.clone()),
        // Every byte was accepted before; only the length can be new.
        Some(new) => PathAndQuery::try_from(new).map_err(|_| Refusal::TargetTooLong),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        let cases = [
            ("/", "/", true),
            ("/", "/anything", true),
            ("/", "*", true),
            ("/shop", "/shop", true),
            ("/shop", "/shop/", true),
            ("/shop", "/shop/cart", true),
            ("/shop", "/shop;jsessionid=1/x", true),
            ("/shop", "/shopping", false),
            ("/shop", "/Shop", false),
            ("/shop", "/shop%2Fcart", false),
            ("/shop", "/shop%3Bx", false),
            ("/shop", "/%73hop", false),
            ("/shop", "//shop", false),
            ("/shop", "/a/../shop", false),
            ("/shop", "/./shop", false),
            ("/shop", "*", false),
            ("/shop/", "/shop", false),
            ("/shop/", "/shop/", true),
            ("/shop/", "/shop/x", true),
        ];
        for (prefix, path, expected) in cases {
            assert_eq!(holds(prefix, path), expected, "{prefix} {path}");
        }
    }

    #[test]
    fn a_prefix_is_replaced_and_the_rest_stays_as_it_is() {
        let cases = [
            ("/shop", "", "/shop", "/"),
            ("/shop", "", "/shop?q=1", "/?q=1"),
            ("/shop", "", "/shop/", "/"),
            ("/shop", "", "/shop/cart", "/cart"),
            ("/shop", "", "/shop//x", "//x"),
            ("/shop", "", "/shop;jsessionid=1/x", "/;jsessionid=1/x"),
            ("/shop", "/", "/shop/x", "/x"),
            ("/shop/", "", "/shop/x", "/x"),
            ("/shop/", "/", "/shop/x", "/x"),
            (
                "/shop",
                "/app",
                "/shop/%2F;a//../b?/shop",
                "/app/%2F;a//../b?/shop",
            ),
            ("/shop/", "/app/", "/shop/x", "/app/x"),
            ("/shop", "/app/", "/shop", "/app"),
            ("/", "/app", "/", "/app/"),
            ("/", "/app", "/x", "/app/x"),
            ("/", "", "//x", "//x"),
            ("/shop", "app", "/shop/x", "/app/x"),
        ];
        for (from, to, path, expected) in cases {
            let found = Replacement::new(from, to).apply(path);
            assert_eq!(found.as_deref(), Some(expected), "{from} -> {to}: {path}");
        }
        assert_eq!(Replacement::new("/shop", "").apply("/shopping"), None);
        assert_eq!(Replacement::new("/", "/app").apply("*"), None);
    }

    #[test]
    fn the_target_is_passed_on_in_origin_form() {
        let target = |uri: &str| {
            let sent = upstream_target(&uri.parse().unwrap(), None).unwrap();
            sent.as_str().to_owned()
        };
        assert_eq!(target("/a;b/%2f//..?c=%2F"), "/a;b/%2f//..?c=%2F");
        assert_eq!(target("http://host/a?b"), "/a?b");
        assert_eq!(target("http://host"), "/");
        assert_eq!(target("http://host?b"), "/?b");
        assert_eq!(target("*"), "*");
    }

    proptest! {
        #[test]
        fn a_replacement_can_be_undone(from in "(/[a-c]{1,2}){1,2}", to in "(/[a-c]{1,2}){1,2}",
                                       rest in "|/[a-c/;.%2]{0,8}|;[a-c]") {
            let there = Replacement::new(&from, &to);
            let path = format!("{from}{rest}");
            let new = there.apply(&path).unwrap();
            prop_assert_eq!(&new, &format!("{to}{rest}"));
            prop_assert_eq!(there.reversed().apply(&new), Some(path));
        }
    }
}
