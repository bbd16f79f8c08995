//! `host[:port]`: the syntax of `Host` and of a URL's authority, and what equals what.
//!
//! Stricter than RFC 3986 on purpose: a name is letters, digits, `-`, `.`, `_` and `~`. The
//! sub-delimiters and percent-encoded bytes that the RFC also allows name no host on the web,
//! but are read differently by different servers.

use std::net::Ipv6Addr;

use http::HeaderValue;

/// The longest name accepted; DNS allows 253 characters and a final dot.
const LONGEST_NAME: usize = 255;

/// A host and an optional port, borrowed from a header or a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The name or address; an IPv6 address with its brackets. Never empty.
    pub name: &'a str,
    /// The port, if there is one.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host[:port]`. `None`: empty, user information, or not of the syntax. An empty
    /// port (`host:`) counts as none, as RFC 3986 has it.
    pub fn parse(text: &'a str) -> Option<Self> {
        let name_len = if text.starts_with('[') {
            text.find(']')? + 1
        } else {
            text.find(':').unwrap_or(text.len())
        };
        let (name, rest) = text.split_at_checked(name_len)?;
        if !is_host(name) {
            return None;
        }
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return None,
            Some("") => None,
            Some(digits) => Some(parse_port(digits)?),
        };
        Some(Self { name, port })
    }

    /// Whether both name the same place, if a missing port stands for `default_port`.
    pub fn is_same(self, other: Authority<'_>, default_port: u16) -> bool {
        self.name.eq_ignore_ascii_case(other.name)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    // `u16::from_str` would accept a sign.
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

fn is_host(name: &str) -> bool {
    if let Some(literal) = name.strip_prefix('[') {
        return literal
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

/// The Host of a request, checked. Owns its text by a reference count, so that it outlives the
/// request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    value: HeaderValue,
    name_len: usize,
    port: Option<u16>,
}

impl Host {
    /// Reads a `Host` field's value.
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        let authority = Authority::parse(value.to_str().ok()?)?;
        Some(Self {
            name_len: authority.name.len(),
            port: authority.port,
            value: value.clone(),
        })
    }

    /// As sent, for passing on.
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// As sent, with the port if there was one.
    pub fn as_str(&self) -> &str {
        self.value.to_str().unwrap_or_default()
    }

    /// Without the port, in the client's letters.
    pub fn name(&self) -> &str {
        self.as_str().get(..self.name_len).unwrap_or_default()
    }

    /// The port, if the client named one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// As name and port.
    pub fn authority(&self) -> Authority<'_> {
        Authority {
            name: self.name(),
            port: self.port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports_are_told_apart() {
        let longest = "a".repeat(LONGEST_NAME);
        let cases = [
            ("example.com", Some(("example.com", None))),
            ("Example.com:8080", Some(("Example.com", Some(8080)))),
            ("example.com.", Some(("example.com.", None))),
            ("example.com:", Some(("example.com", None))),
            ("10.0.0.1:80", Some(("10.0.0.1", Some(80)))),
            ("[::1]", Some(("[::1]", None))),
            ("[2001:db8::1]:8443", Some(("[2001:db8::1]", Some(8443)))),
            ("my_host~1", Some(("my_host~1", None))),
            (longest.as_str(), Some((longest.as_str(), None))),
        ];
        for (text, expected) in cases {
            let found = Authority::parse(text).map(|found| (found.name, found.port));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let too_long = "a".repeat(LONGEST_NAME + 1);
        let cases = [
            "",
            ":80",
            "[]",
            "[::1",
            "::1",
            "[::1]x",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "a b",
            "a/b",
            "user@host",
            "a,b",
            "a%2eb",
            "host:port",
            "host:65536",
            "host:+80",
            "host:80:80",
            "höst",
            "a\tb",
            "host:8 0",
            &too_long,
        ];
        for text in cases {
            assert_eq!(Authority::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_missing_port_is_the_scheme_s() {
        let parse = |text| Authority::parse(text).unwrap();
        assert!(parse("A.example").is_same(parse("a.example:80"), 80));
        assert!(!parse("a.example").is_same(parse("a.example:80"), 443));
        assert!(!parse("a.example").is_same(parse("b.example"), 80));
    }
}
