//! The keys under which MSM stores.
//!
//! `P` is what MSM's `storageKeyPrefix` comes to, `S` a whole session id.
//!
//! | key | what |
//! |---|---|
//! | `PS` | the session |
//! | `validity:PS` | whether it lives; non-sticky only |
//! | `bak:PS` | the copy on the next node; non-sticky only |
//! | `bak:Pvalidity:PS` | the copy of that; the prefix stands there twice |
//! | `lock:PS` | held by a request; non-sticky only |

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// A session.
    Session,
    /// Whether it lives, and when it was used last.
    Validity,
    /// The copy of a session on another node.
    Backup,
    /// The copy of a validity on another node.
    BackupValidity,
    /// A lock.
    Lock,
}

/// A key of MSM's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreKey<'a> {
    /// What it stands for.
    pub kind: KeyKind,
    /// The whole session id.
    pub id: &'a [u8],
}

const VALIDITY: &[u8] = b"validity:";
const BACKUP: &[u8] = b"bak:";
const LOCK: &[u8] = b"lock:";
/// No session id is shorter: a generator may be told to use two random bytes.
const LEAST_BASE: usize = 4;

impl<'a> StoreKey<'a> {
    /// Reads a key, given the prefix. `None`: it is not MSM's, or one of another application's.
    pub fn read(key: &'a [u8], prefix: &[u8]) -> Option<Self> {
        let of = |kind, rest: &'a [u8]| {
            let id = rest.strip_prefix(prefix)?;
            is_id(id).then_some(StoreKey { kind, id })
        };
        if let Some(rest) = key.strip_prefix(BACKUP) {
            let validity = rest
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix(VALIDITY));
            return match validity {
                Some(rest) => of(KeyKind::BackupValidity, rest),
                None => of(KeyKind::Backup, rest),
            };
        }
        if let Some(rest) = key.strip_prefix(VALIDITY) {
            return of(KeyKind::Validity, rest);
        }
        if let Some(rest) = key.strip_prefix(LOCK) {
            return of(KeyKind::Lock, rest);
        }
        of(KeyKind::Session, key)
    }

    /// The key, given the prefix.
    pub fn write(&self, prefix: &[u8]) -> Vec<u8> {
        let parts: &[&[u8]] = match self.kind {
            KeyKind::Session => &[prefix, self.id],
            KeyKind::Validity => &[VALIDITY, prefix, self.id],
            KeyKind::Backup => &[BACKUP, prefix, self.id],
            KeyKind::BackupValidity => &[BACKUP, prefix, VALIDITY, prefix, self.id],
            KeyKind::Lock => &[LOCK, prefix, self.id],
        };
        parts.concat()
    }
}

/// Whether MSM could have made it: letters and digits, then perhaps a node and a jvm route.
fn is_id(id: &[u8]) -> bool {
    let (before, route) = match id.iter().position(|byte| *byte == b'.') {
        Some(dot) => (id.get(..dot).unwrap_or_default(), id.get(dot + 1..)),
        None => (id, None),
    };
    let (base, node) = match before.iter().position(|byte| *byte == b'-') {
        Some(dash) => (
            before.get(..dash).unwrap_or_default(),
            before.get(dash + 1..),
        ),
        None => (before, None),
    };
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_route = |byte: &u8| is_word(byte) || *byte == b'-';
    base.len() >= LEAST_BASE
        && base.iter().all(u8::is_ascii_alphanumeric)
        && node.is_none_or(|node| !node.is_empty() && node.iter().all(is_word))
        && route.is_none_or(|route| !route.is_empty() && route.iter().all(is_route))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_as_msm_writes_them() {
        use KeyKind::{Backup, BackupValidity, Lock, Session, Validity};
        for (prefix, key, kind) in [
            ("", "0A1B-n1.jvm1", Session),
            ("", "0A1B.jvm1", Session),
            ("", "0A1B", Session),
            ("001_", "001_0A1B-n1", Session),
            ("", "validity:0A1B-n1.jvm1", Validity),
            ("001_", "validity:001_0A1B-n1.jvm1", Validity),
            ("", "bak:0A1B-n1.j-v-m1", Backup),
            ("", "bak:validity:0A1B-n1", BackupValidity),
            ("001_", "bak:001_validity:001_0A1B-n1", BackupValidity),
            ("", "lock:0A1B-n1.jvm1", Lock),
        ] {
            let read = StoreKey::read(key.as_bytes(), prefix.as_bytes());
            assert_eq!(read.map(|it| it.kind), Some(kind), "{key}");
            assert!(read.unwrap().id.starts_with(b"0A1B"));
            assert_eq!(read.unwrap().write(prefix.as_bytes()), key.as_bytes());
        }
    }

    #[test]
    fn keys_of_others_are_foreign() {
        for (prefix, key) in [
            ("", ""),
            ("", "user:17"),
            ("", "ping-n1.."),
            ("", "0A1B-n 1"),
            ("", "0A1B-.jvm1"),
            ("", "0A1B-n1."),
            ("", "0A1B.a.b"),
            ("", "validity:"),
            ("", "bak:"),
            ("001_", "0A1B-n1.jvm1"),
            ("001_", "bak:001_validity:0A1B-n1"),
        ] {
            let read = StoreKey::read(key.as_bytes(), prefix.as_bytes());
            assert_eq!(read, None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            prefix in "([a-z0-9]{1,8}_)?",
            id in "[0-9A-F]{4,40}(-[a-z0-9_]{1,5})?([.][a-z0-9-]{1,8})?",
            kind in prop::sample::select(vec![
                KeyKind::Session,
                KeyKind::Validity,
                KeyKind::Backup,
                KeyKind::BackupValidity,
                KeyKind::Lock,
            ]),
        ) {
            let key = StoreKey { kind, id: id.as_bytes() };
            let written = key.write(prefix.as_bytes());
            prop_assert_eq!(StoreKey::read(&written, prefix.as_bytes()), Some(key));
        }

        #[test]
        fn anything_is_read(key: Vec<u8>, prefix: Vec<u8>) {
            if let Some(read) = StoreKey::read(&key, &prefix) {
                prop_assert_eq!(read.write(&prefix), key);
            }
        }
    }
}
