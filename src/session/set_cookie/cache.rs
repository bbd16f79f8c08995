//! An answer that carries a cookie of the proxy's own is one client's, and no shared cache's.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};

/// Directives after which no shared cache gives the answer to another client.
const KEPT_BACK: [&str; 3] = ["private", "no-store", "no-cache"];
/// Directives that invite shared caches.
const SHARED: [&str; 2] = ["public", "s-maxage"];

/// Keeps shared caches from storing the answer with these `headers`: `Cache-Control` becomes
/// `private`, whatever else it says about the client's own cache. What is kept back already stays
/// as it is. For answers to which a cookie of the proxy's own is added.
pub fn private(headers: &mut HeaderMap) {
    // In front: what stands behind quotes that nobody closed is not heard.
    let mut kept = b"private".to_vec();
    for line in headers.get_all(CACHE_CONTROL) {
        for directive in Directives(line.as_bytes()) {
            if is_one_of(directive, &KEPT_BACK) {
                return;
            }
            let name = directive.split(|byte| *byte == b'=').next();
            if !is_one_of(name.unwrap_or_default().trim_ascii(), &SHARED) {
                kept.extend_from_slice(b", ");
                kept.extend_from_slice(directive);
            }
        }
    }
    // What is left of valid values is valid.
    let value = HeaderValue::from_bytes(&kept);
    headers.insert(
        CACHE_CONTROL,
        value.unwrap_or(HeaderValue::from_static("private")),
    );
}

/// A directive with fields behind it, such as `no-cache="set-cookie"`, is about these alone.
fn is_one_of(directive: &[u8], names: &[&str]) -> bool {
    names
        .iter()
        .any(|name| directive.eq_ignore_ascii_case(name.as_bytes()))
}

/// The directives of a line, parted at commas that stand in no quotes. Empty ones are left out.
struct Directives<'a>(&'a [u8]);

impl<'a> Iterator for Directives<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.0.is_empty() {
            let (directive, rest) = self.0.split_at_checked(directive_len(self.0))?;
            self.0 = rest.get(1..).unwrap_or_default();
            let directive = directive.trim_ascii();
            if !directive.is_empty() {
                return Some(directive);
            }
        }
        None
    }
}

fn directive_len(text: &[u8]) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let comma = text.iter().position(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return true,
            _ => {}
        }
        false
    });
    comma.unwrap_or(text.len())
}
