use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::store::key::{Kind, Named, Prefix};

/// A session of version 2 without a principal.
fn session() -> Vec<u8> {
    let id = b"D20877C5-n1.jvm1";
    let attributes_at = u16::try_from(44 + id.len() + 2 + 6).unwrap();
    let mut value = vec![0, 2];
    value.extend(attributes_at.to_be_bytes());
    value.extend(1_000_i64.to_be_bytes());
    value.extend(2_000_i64.to_be_bytes());
    value.extend(1800_i32.to_be_bytes());
    value.extend(b"01");
    value.extend(3_000_i64.to_be_bytes());
    value.extend(4_000_i64.to_be_bytes());
    value.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
    value.extend(id);
    value.extend([0, 4, 0, 0, 0, 0, 0, 0]);
    value.extend([0xac, 0xed, 0, 5, b's']);
    value
}

fn read(value: &[u8]) -> Value {
    Value::read(value, value.len() as u64)
}

#[test]
fn a_session_is_read_field_by_field() {
    let Value::Session(header) = read(&session()) else {
        panic!("{:?}", read(&session()));
    };
    assert_eq!((header.version, header.attributes_at), (2, 68));
    assert_eq!((header.created, header.last_accessed), (1_000, 2_000));
    assert_eq!((header.this_accessed, header.last_backup), (3_000, 4_000));
    assert_eq!(header.max_inactive, 1800);
    assert!(!header.is_new && header.is_valid);
    assert_eq!(header.id, b"D20877C5-n1.jvm1");
    assert_eq!(header.auth, Auth::Form);
    assert_eq!(header.serializer, Some(Serializer::Java));
    assert!(!format!("{header:?}").contains("D20877C5"));
}

#[test]
fn lengths_that_lie_are_noticed() {
    let change = |at: usize, bytes: [u8; 2]| {
        let mut value = session();
        value[at..at + 2].copy_from_slice(&bytes);
        read(&value)
    };
    for (what, value) in [
        ("attributes beyond the end", change(2, [0x7f, 0xff])),
        ("attributes at a negative offset", change(2, [0xff, 0xff])),
        ("attributes elsewhere", change(2, [0, 69])),
        ("an id beyond the end", change(42, [0x7f, 0xff])),
        ("an id of negative length", change(42, [0xff, 0xff])),
        ("an unknown sign-in", change(60, [0, 5])),
        ("a principal of negative length", change(62, [0x80, 0])),
        ("a principal beyond the attributes", change(62, [0, 99])),
        ("cut off", read(&session()[..64])),
    ] {
        assert!(matches!(value, Value::HalfWritten(_)), "{what}: {value:?}");
    }
}

#[test]
fn others_are_told_apart() {
    assert_eq!(read(&[1]), Value::Probe);
    let mut validity = 1800_i32.to_be_bytes().to_vec();
    validity.extend(5_i64.to_be_bytes());
    validity.extend(6_i64.to_be_bytes());
    assert_eq!(
        read(&validity),
        Value::Validity(Validity {
            max_inactive: 1800,
            last_accessed: 5,
            this_accessed: 6
        })
    );
    for foreign in [
        &b""[..],
        b"locked",
        b"{\"a\": 1}",
        &[0, 3, 0, 0],
        &[0, 2, 0, 90, 0],
    ] {
        assert_eq!(read(foreign), Value::Foreign, "{foreign:?}");
    }
}

#[test]
fn a_serializer_is_known_by_its_first_bytes() {
    for (attributes, expected) in [
        (&b"\xac\xed\0\x05w"[..], Some(Serializer::Java)),
        (b"<?xml version", Some(Serializer::Javolution)),
        (b"<concurrent-hash-map>", Some(Serializer::Xstream)),
        (b"{}", Some(Serializer::Json)),
        (b"\x01\x02", Some(Serializer::Kryo)),
        (b"", None),
    ] {
        assert_eq!(Serializer::of(attributes), expected);
    }
}

/// The lines `name: text` of one of the samples, which real Tomcats with MSM have written.
fn sample(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    lines
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn what_msm_has_written_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/samples");
    let mut kinds = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Beside them lie transcripts of talks with memcached.
        if path.is_dir() {
            continue;
        }
        let sample = sample(&path);
        let value = bytes_of(&sample["bytes"]);
        let shown = |name: &str| sample[name].as_str();
        let Named::Msm(key) = Named::read(shown("key").as_bytes(), Prefix::Any) else {
            panic!("{}: a foreign key", path.display());
        };
        let is_validity = matches!(key.kind, Kind::Validity | Kind::BackupValidity);
        match read(&value) {
            Value::Session(header) => {
                assert!(!is_validity);
                for (name, found) in [
                    ("version", header.version.to_string()),
                    ("attributes_at", header.attributes_at.to_string()),
                    ("created", header.created.to_string()),
                    ("last_accessed", header.last_accessed.to_string()),
                    ("idle", header.max_inactive.to_string()),
                    ("is_new", header.is_new.to_string()),
                    ("is_valid", header.is_valid.to_string()),
                    ("this_accessed", header.this_accessed.to_string()),
                    ("last_backup", header.last_backup.to_string()),
                    ("auth", header.auth.word().to_owned()),
                    ("serializer", header.serializer.unwrap().word().to_owned()),
                    ("id", String::from_utf8(header.id).unwrap()),
                ] {
                    assert_eq!(found, shown(name), "{}: {name}", path.display());
                }
            }
            Value::Validity(validity) => {
                assert!(is_validity);
                assert_eq!(validity.max_inactive.to_string(), shown("idle"));
                assert_eq!(validity.last_accessed.to_string(), shown("last_accessed"));
                assert_eq!(validity.this_accessed.to_string(), shown("this_accessed"));
            }
            other => panic!("{}: {other:?}", path.display()),
        }
        *kinds.entry(key.kind).or_insert(0) += 1;
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

proptest! {
    #[test]
    fn the_start_of_a_long_value_is_enough(length in 60..73_usize) {
        let value = session();
        let whole = 1_000_000;
        let length = length.min(value.len());
        let found = Value::read(&value[..length], whole);
        prop_assert!(!matches!(found, Value::Foreign), "{:?}", found);
    }

    #[test]
    fn no_value_is_too_strange(value in proptest::collection::vec(any::<u8>(), 0..120), size: u64) {
        Value::read(&value, size);
    }

    #[test]
    fn a_session_with_any_byte_changed_is_read_or_not(at in 0..73_usize, byte: u8) {
        let mut value = session();
        let at = at.min(value.len() - 1);
        value[at] = byte;
        read(&value);
    }
}
