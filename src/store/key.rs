//! The names under which memcached-session-manager keeps things; P is the prefix
//! (`storageKeyPrefix`), S the session id.
//!
//! | key | what |
//! |---|---|
//! | P S | the session |
//! | `validity:` P S | until when it is valid, not sticky only |
//! | `bak:` P S | the session's backup, not sticky only |
//! | `bak:` P `validity:` P S | the backup of its validity; the prefix stands there twice |
//! | `lock:` P S | somebody works with it |

use crate::config::Dialect;
use crate::session::id::Id;

const VALIDITY: &[u8] = b"validity:";
const BACKUP: &[u8] = b"bak:";
const LOCK: &[u8] = b"lock:";
/// What looks like an id and has neither store node nor jvm route must be as long.
const SHORTEST_BARE_BASE: usize = 16;
/// MSM asks for `ping-<node>` to see whether a node is up.
const PING: &[u8] = b"ping";

/// What is kept under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The session itself.
    Session,
    /// Its validity.
    Validity,
    /// The backup of the session.
    Backup,
    /// The backup of its validity.
    BackupValidity,
    /// Its lock.
    Lock,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::Session,
        Self::Validity,
        Self::Backup,
        Self::BackupValidity,
        Self::Lock,
    ];
}

/// Which prefix keys have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix<'p> {
    /// This one, which may be empty.
    Exactly(&'p [u8]),
    /// Whatever stands before the last `_` in front of the id's store node and jvm route, as MSM
    /// ends each prefix.
    Any,
}

/// A key, taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key<'k> {
    /// What is kept under it.
    pub kind: Kind,
    /// The prefix, often empty.
    pub prefix: &'k [u8],
    /// The session id. It is a secret.
    pub id: &'k [u8],
}

/// What a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'k> {
    /// One of MSM's.
    Msm(Key<'k>),
    /// Somebody else's, or one of another prefix.
    Foreign,
}

impl<'k> Named<'k> {
    /// Says what `key` is.
    pub fn read(key: &'k [u8], prefix: Prefix<'_>) -> Self {
        Key::read(key, prefix).map_or(Self::Foreign, Self::Msm)
    }
}

impl<'k> Key<'k> {
    fn read(key: &'k [u8], prefix: Prefix<'_>) -> Option<Self> {
        if let Some(rest) = key.strip_prefix(LOCK) {
            return Self::named(Kind::Lock, rest, prefix);
        }
        if let Some(rest) = key.strip_prefix(VALIDITY) {
            return Self::named(Kind::Validity, rest, prefix);
        }
        let Some(rest) = key.strip_prefix(BACKUP) else {
            return Self::named(Kind::Session, key, prefix);
        };
        let twice = rest
            .windows(VALIDITY.len())
            .position(|some| some == VALIDITY)
            .and_then(|at| Some((rest.get(..at)?, rest.get(at + VALIDITY.len()..)?)));
        match twice {
            Some((first, rest)) => Self::named(Kind::BackupValidity, rest, prefix)
                .filter(|found| found.prefix == first),
            None => Self::named(Kind::Backup, rest, prefix),
        }
    }

    fn named(kind: Kind, rest: &'k [u8], prefix: Prefix<'_>) -> Option<Self> {
        let at = match prefix {
            Prefix::Exactly(prefix) => rest.strip_prefix(prefix).map(|_| prefix.len())?,
            Prefix::Any => {
                let is_end = |byte: &u8| matches!(byte, b'-' | b'.');
                let front = rest.iter().position(is_end).unwrap_or(rest.len());
                let front = rest.get(..front)?;
                front
                    .iter()
                    .rposition(|byte| *byte == b'_')
                    .map_or(0, |at| at + 1)
            }
        };
        let (prefix, id) = rest.split_at_checked(at)?;
        is_id(id).then_some(Self { kind, prefix, id })
    }

    /// The key as MSM writes it.
    pub fn written(&self) -> Vec<u8> {
        let (prefix, id) = (self.prefix, self.id);
        match self.kind {
            Kind::Session => [prefix, id].concat(),
            Kind::Validity => [VALIDITY, prefix, id].concat(),
            Kind::Backup => [BACKUP, prefix, id].concat(),
            Kind::BackupValidity => [BACKUP, prefix, VALIDITY, prefix, id].concat(),
            Kind::Lock => [LOCK, prefix, id].concat(),
        }
    }
}

impl std::fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = Id::read(Dialect::Tomcat, self.id);
        match id {
            Ok(id) => write!(f, "Key({:?} {})", self.kind, id.shortened()),
            Err(_) => write!(f, "Key({:?})", self.kind),
        }
    }
}

/// Whether a session may have this id.
fn is_id(text: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.~!".contains(byte);
    if !text.iter().all(is_letter) {
        return false;
    }
    let Ok(id) = Id::read(Dialect::Tomcat, text) else {
        return false;
    };
    let has_tail = id.store_node().is_some() || id.route().is_some();
    id.base() != PING && (has_tail || id.base().len() >= SHORTEST_BARE_BASE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(key: &str) -> Option<(Kind, String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match Named::read(key.as_bytes(), Prefix::Any) {
            Named::Msm(key) => Some((key.kind, text(key.prefix), text(key.id))),
            Named::Foreign => None,
        }
    }

    #[test]
    fn keys_say_what_is_kept_under_them() {
        for (key, kind, prefix, id) in [
            ("D20877C5-n1.jvm1", Kind::Session, "", "D20877C5-n1.jvm1"),
            ("D20877C5.jvm1", Kind::Session, "", "D20877C5.jvm1"),
            ("001_D2-n1", Kind::Session, "001_", "D2-n1"),
            ("a:b_D2-n_1.jvm_1", Kind::Session, "a:b_", "D2-n_1.jvm_1"),
            ("validity:D2-n1", Kind::Validity, "", "D2-n1"),
            ("validity:001_D2-n1", Kind::Validity, "001_", "D2-n1"),
            ("bak:D2-n1", Kind::Backup, "", "D2-n1"),
            ("bak:validity:D2-n1", Kind::BackupValidity, "", "D2-n1"),
            (
                "bak:x_validity:x_D2-n1",
                Kind::BackupValidity,
                "x_",
                "D2-n1",
            ),
            ("lock:D2-n1", Kind::Lock, "", "D2-n1"),
            (
                "A6E3DACCB816E3C35F0B9938847EE39D",
                Kind::Session,
                "",
                "A6E3DACCB816E3C35F0B9938847EE39D",
            ),
        ] {
            let expected = Some((kind, prefix.to_owned(), id.to_owned()));
            assert_eq!(read(key), expected, "{key}");
        }
    }

    #[test]
    fn keys_of_others_are_foreign() {
        for key in [
            "",
            "user",
            "user:42",
            "ping-n1",
            "bak:",
            "x y-n1",
            "bak:a_validity:b_D2-n1",
        ] {
            assert_eq!(read(key), None, "{key}");
        }
        let other = Named::read(b"002_D2-n1", Prefix::Exactly(b"001_"));
        assert_eq!(other, Named::Foreign);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            kind in proptest::sample::select(&Kind::ALL[..]),
            prefix in "([a-z0-9]{1,8}(:[a-z0-9]{1,8})?_)?",
            id in "[A-F0-9]{16,32}(-[a-z0-9_]{1,4})?(\\.[a-z0-9_-]{1,8})?",
        ) {
            let key = Key { kind, prefix: prefix.as_bytes(), id: id.as_bytes() };
            let written = key.written();
            prop_assert_eq!(Named::read(&written, Prefix::Any), Named::Msm(key));
            let exactly = Prefix::Exactly(prefix.as_bytes());
            prop_assert_eq!(Named::read(&written, exactly), Named::Msm(key));
        }

        #[test]
        fn no_key_is_too_strange(key in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Named::Msm(found) = Named::read(&key, Prefix::Any) {
                prop_assert_eq!(found.written(), key);
            }
        }
    }
}
