//! Session ids are secrets: whoever reads one in a log is logged in. What is logged shows at most
//! six characters of an id and at most a quarter of its base, and the tail, which names machines
//! and not people: `D20877*-n1.jvm1`.
//!
//! Looked for in texts that hold URLs (paths, queries, `Referer`, `Location`): `NAME=value` for
//! each name of a session cookie, in any case, as path parameter or in a query, also
//! percent-encoded inside another URL. What looks like an id and is none is shortened too; the
//! mistake in the other direction would be worse.

use std::borrow::Cow;

/// The parameter of the Servlet specification; looked for whatever is configured.
const SERVLET_NAME: &str = "jsessionid";
const MOST_SHOWN: usize = 6;
const SMALLEST_SHARE: usize = 4;
/// Stands for what is not shown.
pub(super) const MARK: char = '*';
/// No jvm route or store node is longer.
const LONGEST_TAIL_PART: usize = 64;

/// Shortens session ids in texts that are logged; made when the configuration is loaded.
#[derive(Debug, Clone)]
pub struct Redactor {
    /// In lower case.
    names: Vec<Box<[u8]>>,
}

impl Redactor {
    /// Looks for `jsessionid` and for `names`, those of the session cookies.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<Box<[u8]>> = [SERVLET_NAME]
            .into_iter()
            .chain(names)
            .filter(|name| !name.is_empty())
            .map(|name| name.to_ascii_lowercase().into_bytes().into())
            .collect();
        names.sort_unstable();
        names.dedup();
        Self { names }
    }

    /// `text` with every session id in it shortened. Allocates only if there is one.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut redacted = String::new();
        let mut done = 0;
        let mut from = 0;
        while let Some(value_at) = self.next_value(text.as_bytes(), from) {
            let end = value_end(text.as_bytes(), value_at);
            if let (Some(before), Some(id)) = (text.get(done..value_at), text.get(value_at..end))
                && !id.is_empty()
            {
                redacted.push_str(before);
                shorten_into(id, &mut redacted);
                done = end;
            }
            from = end;
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        redacted.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(redacted)
    }

    /// Where the next value of one of our names begins.
    fn next_value(&self, text: &[u8], from: usize) -> Option<usize> {
        // `=`, once encoded, twice encoded. Any `=` is rare enough to look back from.
        const EQUALS: [&[u8]; 3] = [b"=", b"%3d", b"%253d"];
        let mut at = from;
        loop {
            let rest = text.get(at..)?;
            at += rest.iter().position(|byte| matches!(byte, b'=' | b'%'))?;
            let rest = text.get(at..)?;
            let sign = EQUALS.iter().find(|sign| starts_with(rest, sign));
            if let Some(sign) = sign
                && self.ends_with_name(text.get(..at)?)
            {
                return Some(at + sign.len());
            }
            at += 1;
        }
    }

    fn ends_with_name(&self, before: &[u8]) -> bool {
        self.names.iter().any(|name| {
            let start = before.len().checked_sub(name.len());
            start
                .and_then(|start| before.split_at_checked(start))
                .is_some_and(|(before, end)| {
                    end.eq_ignore_ascii_case(name) && is_word_start(before)
                })
        })
    }
}

/// Whether a name may begin after `before`: at the start, after a delimiter, or after an encoded
/// one (`%3B`, `%253B`).
fn is_word_start(before: &[u8]) -> bool {
    match before.last() {
        None => true,
        Some(last) if !last.is_ascii_alphanumeric() && !b"-_".contains(last) => true,
        Some(_) => [b"%3b", b"%26", b"%3f", b"%20", b"%2f", b"%23"]
            .iter()
            .any(|code| {
                let twice = [b"%25", code.get(1..).unwrap_or_default()].concat();
                ends_with(before, *code) || ends_with(before, &twice)
            }),
    }
}

/// Where the value that begins at `from` ends: at a delimiter, plain or encoded.
fn value_end(text: &[u8], from: usize) -> usize {
    const CODES: [&[u8]; 8] = [
        b"%3b", b"%2f", b"%3f", b"%26", b"%23", b"%20", b"%2c", b"%22",
    ];
    let value = text.get(from..).unwrap_or_default();
    let length = value
        .iter()
        .enumerate()
        .position(|(place, byte)| match byte {
            b';' | b'/' | b'?' | b'&' | b'#' | b',' | b'"' | b'\'' | b'<' | b'>' => true,
            b'%' => {
                let rest = value.get(place..).unwrap_or_default();
                let twice = rest.strip_prefix(b"%25").unwrap_or_default();
                CODES.iter().any(|code| {
                    starts_with(rest, code) || starts_with(twice, code.get(1..).unwrap_or_default())
                })
            }
            byte => byte.is_ascii_whitespace() || byte.is_ascii_control(),
        });
    from + length.unwrap_or(value.len())
}

/// Writes what may be shown of `id`: a few characters of the base, and the tail.
fn shorten_into(id: &str, shown: &mut String) {
    let base_len = base_len(id);
    let (base, tail) = id.split_at_checked(base_len).unwrap_or((id, ""));
    shown.extend(base.chars().take(most_shown(base.chars().count())));
    shown.push(MARK);
    shown.push_str(tail);
}

/// How many characters may be shown of a base of `length`.
pub(super) fn most_shown(length: usize) -> usize {
    MOST_SHOWN.min(length / SMALLEST_SHARE)
}

/// How long the secret part is. All of an id that does not look like `base[-node][.route]`; a
/// dash or a dot may as well stand in the middle of a secret.
fn base_len(id: &str) -> usize {
    let (front, route) = match id.split_once('.') {
        Some((front, route)) if is_name(route, b"-_") && route.len() <= front.len() => {
            (front, route)
        }
        Some(_) => return id.len(),
        None => (id, ""),
    };
    let base = match front.split_once('-') {
        Some((base, node)) if is_name(node, b"_") && node.len() * 3 <= base.len() => base,
        // The dash belongs to the base, as in a UUID.
        _ => front,
    };
    debug_assert!(
        base.len() + route.len() <= id.len(),
        "both are parts of the id"
    );
    base.len()
}

fn is_name(part: &str, also: &[u8]) -> bool {
    (1..=LONGEST_TAIL_PART).contains(&part.len())
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len())
        .is_some_and(|found| found.eq_ignore_ascii_case(start))
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    let start = text.len().checked_sub(end.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|found| found.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests;
