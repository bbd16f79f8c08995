//! What a `Set-Cookie` line says, read as browsers read it (RFC 6265, section 5.2).

use std::time::SystemTime;

use super::id;

mod cache;

pub use cache::private;

/// A `Set-Cookie` line, taken apart. Attributes of one kind: the last one counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SetCookie<'a> {
    /// The cookie's name.
    pub name: &'a [u8],
    /// Its value as it stands there: quotes belong to it.
    pub value: &'a [u8],
    /// An absolute `Path`; of any other the browser makes its own.
    pub path: Option<&'a [u8]>,
    /// A `Domain` that is not empty.
    pub domain: Option<&'a [u8]>,
    /// Whether `Secure` is there.
    pub secure: bool,
    /// Whether `HttpOnly` is there.
    pub http_only: bool,
    /// `SameSite`, as written.
    pub same_site: Option<&'a [u8]>,
    /// `Max-Age` in seconds; what is not positive is 0.
    pub max_age: Option<u64>,
    /// `Expires`, as written.
    pub expires: Option<&'a [u8]>,
}

impl<'a> SetCookie<'a> {
    /// Takes `line` apart. `None` without a name: no browser keeps such a cookie as a session's.
    pub fn read(line: &'a [u8]) -> Option<SetCookie<'a>> {
        let mut parts = line.split(|byte| *byte == b';');
        let (name, value) = split_at_equals(parts.next()?);
        let value = value?;
        if name.is_empty() {
            return None;
        }
        let mut cookie = SetCookie {
            name,
            value,
            path: None,
            domain: None,
            secure: false,
            http_only: false,
            same_site: None,
            max_age: None,
            expires: None,
        };
        for part in parts {
            let (name, value) = split_at_equals(part);
            cookie.take_attribute(name, value.unwrap_or_default());
        }
        Some(cookie)
    }

    fn take_attribute(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        if is("path") {
            self.path = value.starts_with(b"/").then_some(value);
        } else if is("domain") {
            self.domain = (!value.is_empty()).then_some(value);
        } else if is("secure") {
            self.secure = true;
        } else if is("httponly") {
            self.http_only = true;
        } else if is("samesite") {
            self.same_site = Some(value);
        } else if is("max-age") {
            self.max_age = seconds(value).or(self.max_age);
        } else if is("expires") {
            self.expires = Some(value);
        }
    }

    /// Whether this line takes the cookie away from the client: it is empty or over at `now`.
    pub fn ends(&self, now: SystemTime) -> bool {
        if id::unquoted(self.value).is_empty() {
            return true;
        }
        match (self.max_age, self.expires) {
            (Some(seconds), _) => seconds == 0,
            (None, Some(date)) => is_past(date, now),
            (None, None) => false,
        }
    }

    /// Writes the attributes for another cookie that lives where and as long as this one:
    /// `; Path=/shop; Secure; HttpOnly`.
    pub fn append_attributes(&self, out: &mut Vec<u8>) {
        let mut put = |name: &str, value: Option<&[u8]>| {
            if let Some(value) = value {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(value);
            }
        };
        let max_age = self.max_age.map(|seconds| seconds.to_string());
        put("; Path=", self.path);
        put("; Domain=", self.domain);
        put("; Max-Age=", max_age.as_deref().map(str::as_bytes));
        put("; Expires=", self.expires);
        put("; Secure", self.secure.then_some(&b""[..]));
        put("; HttpOnly", self.http_only.then_some(&b""[..]));
        put("; SameSite=", self.same_site);
    }
}

impl std::fmt::Debug for SetCookie<'_> {
    /// Without the value, which may be a session id.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut attributes = Vec::new();
        self.append_attributes(&mut attributes);
        let (name, attributes) = (self.name.escape_ascii(), attributes.escape_ascii());
        write!(f, "SetCookie({name}=***{attributes})")
    }
}

fn split_at_equals(part: &[u8]) -> (&[u8], Option<&[u8]>) {
    let equals = part.iter().position(|byte| *byte == b'=');
    let (name, rest) = part
        .split_at_checked(equals.unwrap_or(part.len()))
        .unwrap_or_default();
    let value = rest.strip_prefix(b"=").map(<[u8]>::trim_ascii);
    (name.trim_ascii(), value)
}

/// `None` if it is no number, and so no attribute.
fn seconds(value: &[u8]) -> Option<u64> {
    let (digits, is_negative) = match value.strip_prefix(b"-") {
        Some(digits) => (digits, true),
        None => (value, false),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if is_negative {
        return Some(0);
    }
    // Digits alone: what does not fit is too large.
    let number = str::from_utf8(digits).ok()?.parse();
    Some(number.unwrap_or(u64::MAX))
}

/// The length of `Thu, 01-Jan-1970 00:00:10 GMT`.
const DATE_LEN: usize = 29;

fn is_past(date: &[u8], now: SystemTime) -> bool {
    // Tomcat writes the older form, with dashes.
    let spaced: [u8; DATE_LEN];
    let date = match <&[u8; DATE_LEN]>::try_from(date) {
        Ok(date) => {
            spaced = date.map(|byte| if byte == b'-' { b' ' } else { byte });
            &spaced[..]
        }
        Err(_) => date,
    };
    let parsed = str::from_utf8(date).ok().map(httpdate::parse_http_date);
    match parsed {
        Some(Ok(date)) => date <= now,
        // However it is written, the beginning of time is meant to be over.
        Some(Err(_)) | None => date.windows(4).any(|year| year == b"1970"),
    }
}

#[cfg(test)]
mod tests;
