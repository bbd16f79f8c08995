//! Whatever a client sends as a sealed cookie, nothing panics and nothing opens but what was
//! sealed; and no attribute of a backend's cookie leaves its place in the line. Input: the
//! cookie's value, its first line; then path, domain and SameSite of the session's cookie.

#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cattail::config::{AffinityCookie, SealKey};
use cattail::session::seal::{Attributes, Owner, Room, Seals};
use libfuzzer_sys::fuzz_target;

static SEALS: LazyLock<Seals> = LazyLock::new(|| {
    let cookie = AffinityCookie {
        name: "owner".to_owned(),
        max_age: Duration::from_secs(3600),
        keys: vec![SealKey([1; 32]), SealKey([2; 32])],
    };
    Seals::new(&cookie, "shop")
});

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let value = lines.next().unwrap_or_default();
    let mut room = Room::default();
    let now = now();
    assert!(SEALS.open(value, None, now, &mut room).is_err());

    let attributes = Attributes {
        path: lines.next(),
        domain: lines.next(),
        same_site: lines.next(),
        secure: value.len() % 2 == 0,
        ..Attributes::default()
    };
    let owner = Owner {
        backend: "t1",
        base: value,
        attributes,
    };
    let line = SEALS.set_cookie(&owner, now).expect("a line for any bytes");
    let line = line.to_str().expect("only visible characters in a line");
    assert!(line.split(';').count() <= 6);
    let sealed = line
        .split(';')
        .next()
        .and_then(|pair| pair.strip_prefix("owner="));
    let mut sealed = sealed.expect("our pair first").as_bytes().to_vec();
    let opened = SEALS
        .open(&sealed, Some(value), now, &mut room)
        .expect("our own seal");
    assert_eq!(opened.backend, "t1");
    assert!(
        SEALS
            .set_cookie(
                &Owner {
                    attributes: opened.attributes,
                    ..owner
                },
                now
            )
            .is_some()
    );

    // One byte that the input chooses is another one.
    let (place, byte) = (
        usize::from(value.first().copied().unwrap_or(0)),
        value.len(),
    );
    let place = place % sealed.len();
    if let (Some(at), Ok(byte)) = (sealed.get_mut(place), u8::try_from(byte % 256))
        && *at != byte
    {
        *at = byte;
        assert!(SEALS.open(&sealed, None, now, &mut room).is_err());
    }
});

/// Long after what the corpus holds was sealed.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000)
}
