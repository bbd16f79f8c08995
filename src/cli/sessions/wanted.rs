//! Which sessions an argument means.

use std::io::{self, Read};

use crate::cli::Failure;
use crate::cli::explain::Secret;
use crate::config::Dialect;
use crate::session::id::Id;
use crate::store::key::{Key, Named, Prefix};

use super::rows::HIDDEN_PREFIX;
use super::stores::unusable;

/// No id is longer.
const MOST_BYTES: u64 = 1024;

/// Which sessions an argument means.
pub(super) enum Meant {
    /// All ids with this base: the session stays the same when it moves.
    Base(Vec<u8>),
    /// Ids with this start and this end; the start may begin with the prefix.
    Parts(Vec<u8>, Vec<u8>),
}

impl Meant {
    /// Reads an id, a key, the start of an id, or what is shown of one (`D20877*-n1.jvm1`), with
    /// its prefix or without. `prefix` is that of the keys.
    pub(super) fn read(argument: &Secret, prefix: Prefix<'_>) -> Result<Self, Failure> {
        let text = match argument.text() {
            "-" => {
                let mut text = String::new();
                let read = io::stdin().take(MOST_BYTES).read_to_string(&mut text);
                read.map_err(|error| format!("standard input cannot be read: {error}"))?;
                text
            }
            text => text.to_owned(),
        };
        Self::of(text.trim(), prefix)
            .ok_or_else(|| unusable("ID: expected a session id, or its start"))
    }

    fn of(text: &str, prefix: Prefix<'_>) -> Option<Self> {
        let text = text.strip_prefix(HIDDEN_PREFIX).unwrap_or(text);
        if let Some((start, end)) = text.split_once('*') {
            return Some(Self::Parts(start.into(), end.into()));
        }
        // Whoever knows the prefix need not write it.
        let ways = [prefix, Prefix::Exactly(b"")];
        let keys = ways.map(|prefix| Named::read(text.as_bytes(), prefix));
        let id = keys.iter().find_map(|named| match named {
            Named::Msm(key) => Some(key.id),
            Named::Foreign => None,
        });
        let id = id.unwrap_or(text.as_bytes());
        let read = Id::read(Dialect::Tomcat, id).ok()?;
        let has_tail = read.store_node().is_some() || read.route().is_some();
        Some(if has_tail {
            Self::Base(read.base().to_vec())
        } else {
            Self::Parts(id.to_vec(), Vec::new())
        })
    }

    pub(super) fn is(&self, key: &Key<'_>) -> bool {
        match self {
            Self::Base(base) => {
                Id::read(Dialect::Tomcat, key.id).is_ok_and(|id| id.base() == base.as_slice())
            }
            Self::Parts(start, end) => {
                let is_it = |text: &[u8]| {
                    let is_long_enough = text.len() >= start.len() + end.len();
                    is_long_enough && text.starts_with(start) && text.ends_with(end)
                };
                is_it(key.id) || is_it(&[key.prefix, key.id].concat())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_meant_by_all_ways_of_writing_them() {
        let key = b"A6E3DACCB816E3C3-n2.jvm1";
        for (text, expected) in [
            ("A6E3DACCB816E3C3-n2.jvm1", true),
            ("A6E3DACCB816E3C3-n1.jvm9", true),
            ("bak:A6E3DACCB816E3C3-n1.jvm9", true),
            ("A6E3DACCB816E3C3", true),
            ("A6E3", true),
            ("A6E3*-n2.jvm1", true),
            ("A6E3*-n1.jvm1", false),
            ("A6E3DACCB816E3C3-n2.jvm1*jvm1", false),
            ("B6E3", false),
            ("A6E3DACCB816E3-n2", false),
        ] {
            let Named::Msm(key) = Named::read(key, Prefix::Any) else {
                panic!("a foreign key");
            };
            let meant = Meant::of(text, Prefix::Any).unwrap();
            assert_eq!(meant.is(&key), expected, "{text}");
        }
        assert!(Meant::of("", Prefix::Any).is_none());
    }

    #[test]
    fn an_id_is_meant_with_its_prefix_and_without() {
        let is = |text: &str, key: &str, prefix| {
            let Named::Msm(key) = Named::read(key.as_bytes(), prefix) else {
                panic!("a foreign key");
            };
            Meant::of(text, prefix).unwrap().is(&key)
        };
        let key = "001_A6E3_ACCB816E3C3-n2.jvm1";
        for prefix in [Prefix::Exactly(b"001_"), Prefix::Any] {
            for text in [
                key,
                "bak:001_A6E3_ACCB816E3C3-n1.jvm1",
                "A6E3_ACCB816E3C3-n2.jvm1",
            ] {
                assert!(is(text, key, prefix), "{text} {prefix:?}");
            }
        }
        let exactly = Prefix::Exactly(b"001_");
        for text in [
            "bak:A6E3_ACCB816E3C3-n1.jvm1",
            "001_A6E*-n2.jvm1",
            "A6E*-n2.jvm1",
            "001_A6E",
            "A6E",
        ] {
            assert!(is(text, key, exactly), "{text}");
        }
        assert!(!is("001_B*-n2.jvm1", key, exactly));
        assert!(!is("A6E4_ACCB816E3C3-n2.jvm1", key, exactly));
        // As a guessed prefix is shown that is too long.
        assert!(is("*_ACC*-n2.jvm1", key, Prefix::Any));
    }
}
