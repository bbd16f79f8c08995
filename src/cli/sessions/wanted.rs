//! Which sessions an argument means.

use std::io::{self, Read};

use crate::cli::Failure;
use crate::cli::explain::Secret;
use crate::config::Dialect;
use crate::session::id::Id;
use crate::store::key::{Key, Named, Prefix};

use super::stores::unusable;

/// No id is longer.
const MOST_BYTES: u64 = 1024;

/// Which sessions an argument means.
pub(super) enum Meant {
    /// All ids with this base: the session stays the same when it moves.
    Base(Vec<u8>),
    /// Ids with this start and this end.
    Parts(Vec<u8>, Vec<u8>),
}

impl Meant {
    /// Reads an id, a key, the start of an id, or what a list shows of one (`D20877*-n1.jvm1`).
    pub(super) fn read(argument: &Secret) -> Result<Self, Failure> {
        let text = match argument.text() {
            "-" => {
                let mut text = String::new();
                let read = io::stdin().take(MOST_BYTES).read_to_string(&mut text);
                read.map_err(|error| format!("standard input cannot be read: {error}"))?;
                text
            }
            text => text.to_owned(),
        };
        Self::of(text.trim()).ok_or_else(|| unusable("ID: expected a session id, or its start"))
    }

    fn of(text: &str) -> Option<Self> {
        if let Some((start, end)) = text.split_once('*') {
            return Some(Self::Parts(start.into(), end.into()));
        }
        let id = match Named::read(text.as_bytes(), Prefix::Any) {
            Named::Msm(key) => key.id,
            Named::Foreign => text.as_bytes(),
        };
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
                let is_long_enough = key.id.len() >= start.len() + end.len();
                is_long_enough && key.id.starts_with(start) && key.id.ends_with(end)
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
            assert_eq!(Meant::of(text).unwrap().is(&key), expected, "{text}");
        }
        assert!(Meant::of("").is_none());
    }
}
