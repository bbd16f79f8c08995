//! Session ids as Tomcat and memcached-session-manager write them.

use std::fmt;

/// Longest id that is taken for one.
const LONGEST: usize = 512;

/// `base[-store node][.jvm route]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) base: String,
    pub(super) node: Option<String>,
    pub(super) route: Option<String>,
}

impl Id {
    /// Reads an id that a client shows; `None` where it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            return None;
        }
        let (before, route) = match text.split_once('.') {
            Some((before, route)) => (before, Some(route.to_owned())),
            None => (text, None),
        };
        let is_node = |node: &str| {
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            !node.is_empty() && node.bytes().all(is_word)
        };
        let (base, node) = match before.split_once('-') {
            Some((base, node)) if is_node(node) => (base, Some(node.to_owned())),
            _ => (before, None),
        };
        let base = base.to_owned();
        (!base.is_empty()).then_some(Self { base, node, route })
    }

    /// An id with a base of its own.
    pub(super) fn random(node: Option<String>, route: Option<String>) -> Self {
        let base = random_base();
        Self { base, node, route }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        if let Some(node) = &self.node {
            write!(f, "-{node}")?;
        }
        if let Some(route) = &self.route {
            write!(f, ".{route}")?;
        }
        Ok(())
    }
}

/// 16 random bytes as upper-case hex, as Tomcat's standard generator makes them.
fn random_base() -> String {
    let mut bytes = [0_u8; 16];
    // The kernel's generator can only fail in early boot or for lack of the system call; the
    // standard library's keyed hasher is seeded by the same source through a fall-back.
    if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
        use std::hash::{BuildHasher, RandomState};
        for (chunk, salt) in bytes.chunks_mut(8).zip(0_u64..) {
            let random = RandomState::new().hash_one(salt).to_le_bytes();
            chunk.copy_from_slice(&random);
        }
    }
    format!("{:032X}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_base_node_and_route() {
        let cases = [
            ("D2-n1.jvm1", Some(("D2", Some("n1"), Some("jvm1")))),
            ("D2.j-v.m1", Some(("D2", None, Some("j-v.m1")))),
            ("D2-n1", Some(("D2", Some("n1"), None))),
            ("a-b-c.jvm1", Some(("a-b-c", None, Some("jvm1")))),
            ("D2", Some(("D2", None, None))),
            (".jvm1", None),
            ("", None),
            ("D\t2", None),
        ];
        for (text, expected) in cases {
            let id = Id::parse(text);
            let parts = id.as_ref().map(|id| {
                let (node, route) = (id.node.as_deref(), id.route.as_deref());
                (id.base.as_str(), node, route)
            });
            assert_eq!(parts, expected, "{text}");
            if let Some(id) = id {
                assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn a_new_base_is_16_bytes_in_upper_case_hex() {
        let id = Id::random(None, None);
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        assert!(id.base.len() == 32 && id.base.bytes().all(is_hex), "{id}");
    }
}
