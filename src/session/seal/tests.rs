use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 3600;
const BASE: &[u8] = b"D20877C5A3E64F7C9E2B1D0F8A7B6C5D";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn ring(keys: &[u8]) -> AffinityCookie {
    AffinityCookie {
        name: "owner".to_owned(),
        max_age: Duration::from_secs(HOUR),
        keys: keys.iter().map(|key| SealKey([*key; 32])).collect(),
    }
}

/// Of the cluster `shop`, with keys that consist of these bytes.
fn seals(keys: &[u8]) -> Seals {
    Seals::new(&ring(keys), "shop")
}

fn owner(backend: &str) -> Owner<'_> {
    Owner {
        backend,
        base: BASE,
        attributes: Attributes {
            path: Some(b"/app"),
            domain: Some(b"example.org"),
            secure: true,
            partitioned: false,
            same_site: Some(b"Lax"),
            max_age: Some(600),
        },
    }
}

fn sealed_by(seals: &Seals) -> String {
    seals.seal(&owner("t1"), at(NOW)).unwrap()
}

/// What is wrong with `value` for the session of [`BASE`], or its backend.
fn open(seals: &Seals, value: &[u8], now: u64) -> Result<String, RejectedId> {
    seals
        .open(value, Some(BASE), at(now), &mut Room::default())
        .map(|opened| opened.backend.to_owned())
}

fn is_old(seals: &Seals, value: &str, now: u64) -> bool {
    seals
        .open(value.as_bytes(), None, at(now), &mut Room::default())
        .unwrap()
        .is_old
}

/// With a payload of our choice, as somebody with the key may do.
fn sealed_raw(payload: &[u8], key: u8) -> String {
    let nonce = [7; NONCE_BYTES];
    let mut bytes = payload.to_vec();
    let tag = XChaCha20Poly1305::new(Key::from_slice(&[key; 32]))
        .encrypt_in_place_detached(XNonce::from_slice(&nonce), PURPOSE, &mut bytes)
        .unwrap();
    URL_SAFE_NO_PAD.encode([&nonce[..], &bytes, &tag].concat())
}

#[test]
fn what_was_sealed_comes_out_again() {
    let seals = seals(&[1]);
    let mut room = Room::default();
    for (domain, same_site) in [
        (None, None),
        (Some(&b""[..]), Some(&b"Strict"[..])),
        (Some(b"example.org"), Some(b"None")),
    ] {
        let attributes = Attributes {
            domain,
            same_site,
            secure: domain.is_some(),
            partitioned: same_site.is_some(),
            ..owner("t1").attributes
        };
        let owner = Owner {
            attributes,
            ..owner("10.0.0.32:8080")
        };
        let value = seals.seal(&owner, at(NOW)).unwrap();
        let opened = seals.open(value.as_bytes(), Some(BASE), at(NOW), &mut room);
        let expected = Opened {
            backend: "10.0.0.32:8080",
            attributes,
            is_old: false,
        };
        assert_eq!(opened, Ok(expected));
    }
}

#[test]
fn instances_with_the_same_keys_agree() {
    assert_eq!(
        open(&seals(&[1, 2]), sealed_by(&seals(&[1, 2])).as_bytes(), NOW),
        Ok("t1".to_owned())
    );
}

#[test]
fn no_two_seals_are_alike() {
    let seals = seals(&[1]);
    let values: BTreeSet<_> = (0..100).map(|_| sealed_by(&seals)).collect();
    assert_eq!(values.len(), 100);
}

#[test]
fn a_cookie_of_similar_names_is_equally_long() {
    let seals = seals(&[1]);
    let [short, long] = ["t1", "t10"].map(|name| seals.seal(&owner(name), at(NOW)).unwrap());
    assert_eq!(short.len(), long.len());
}

#[test]
fn every_key_opens_and_the_first_one_seals() {
    let (before, during, after) = (seals(&[1]), seals(&[2, 1]), seals(&[2]));
    let (old, new) = (sealed_by(&before), sealed_by(&during));
    assert_eq!(open(&during, old.as_bytes(), NOW), Ok("t1".to_owned()));
    assert!(is_old(&during, &old, NOW));
    assert_eq!(open(&after, new.as_bytes(), NOW), Ok("t1".to_owned()));
    assert!(!is_old(&during, &new, NOW));
    assert_eq!(
        open(&after, old.as_bytes(), NOW),
        Err(RejectedId::SealForged)
    );
}

#[test]
fn keys_beyond_the_sixteenth_are_not_tried() {
    let many: Vec<u8> = (1..=17).collect();
    let ring = seals(&many);
    let opened = |key| open(&ring, sealed_by(&seals(&[key])).as_bytes(), NOW);
    assert!(opened(16).is_ok());
    assert_eq!(opened(17), Err(RejectedId::SealForged));
}

#[test]
fn without_keys_the_process_has_one_that_outlives_a_reload() {
    let value = sealed_by(&seals(&[]));
    assert_eq!(
        open(&seals(&[]), value.as_bytes(), NOW),
        Ok("t1".to_owned())
    );
    assert_eq!(
        open(&seals(&[0]), value.as_bytes(), NOW),
        Err(RejectedId::SealForged)
    );
}

#[test]
fn without_a_key_nothing_is_sealed_and_nothing_opens() {
    let mut keyless = seals(&[]);
    keyless.ciphers.clear();
    assert_eq!(keyless.seal(&owner("t1"), at(NOW)), None);
    let value = sealed_by(&seals(&[1]));
    assert_eq!(
        open(&keyless, value.as_bytes(), NOW),
        Err(RejectedId::SealForged)
    );
}

#[test]
fn a_seal_is_believed_for_its_time_on_every_clock() {
    let seals = seals(&[1]);
    let value = sealed_by(&seals);
    let (good, expired) = (Ok("t1".to_owned()), Err(RejectedId::SealExpired));
    for (now, expected) in [
        (NOW, &good),
        (NOW + HOUR, &good),
        (NOW + HOUR + 1, &expired),
        (u64::from(u32::MAX), &expired),
        (NOW - 300, &good),
        (NOW - 301, &expired),
        (0, &expired),
    ] {
        assert_eq!(&open(&seals, value.as_bytes(), now), expected, "{now}");
    }
    let before_1970 = UNIX_EPOCH - Duration::from_secs(1);
    let opened = seals
        .open(value.as_bytes(), None, before_1970, &mut Room::default())
        .err();
    assert_eq!(opened, Some(RejectedId::SealExpired));
}

#[test]
fn past_half_of_its_time_a_seal_is_old() {
    let seals = seals(&[1]);
    let value = sealed_by(&seals);
    assert!(!is_old(&seals, &value, NOW + HOUR / 2));
    assert!(is_old(&seals, &value, NOW + HOUR / 2 + 1));
}

#[test]
fn a_seal_of_another_cluster_is_foreign_whatever_else_is_wrong() {
    let value = sealed_by(&seals(&[1]));
    let blog = Seals::new(&ring(&[1]), "blog");
    for now in [NOW, NOW + 2 * HOUR] {
        let opened = blog
            .open(value.as_bytes(), Some(b"X"), at(now), &mut Room::default())
            .err();
        assert_eq!(opened, Some(RejectedId::SealForeign));
    }
}

#[test]
fn a_seal_of_another_session_is_told_apart() {
    let seals = seals(&[1]);
    let long = [&[b'A'; 24][..], b"between", &[b'Z'; 8]].concat();
    let longer = [&[b'A'; 24][..], b"in between", &[b'Z'; 8]].concat();
    let other_end = [&[b'A'; 24][..], b"between", b"ZZZZZZZY"].concat();
    let bases = [&b""[..], b"A", b"A\0", BASE, &long, &longer, &other_end];
    for sealed_for in bases {
        let owner = Owner {
            base: sealed_for,
            ..owner("t1")
        };
        let value = seals.seal(&owner, at(NOW)).unwrap();
        let mut room = Room::default();
        let any = seals.open(value.as_bytes(), None, at(NOW), &mut room);
        assert_eq!(any.unwrap().backend, "t1");
        for shown in bases {
            let opened = seals
                .open(value.as_bytes(), Some(shown), at(NOW), &mut room)
                .err();
            let expected = (shown != sealed_for).then_some(RejectedId::SealOther);
            assert_eq!(opened, expected, "{sealed_for:?} {shown:?}");
        }
    }
}

#[test]
fn an_expired_seal_of_another_session_is_expired() {
    let seals = seals(&[1]);
    let value = sealed_by(&seals);
    let opened = seals
        .open(
            value.as_bytes(),
            Some(b"X"),
            at(NOW + 2 * HOUR),
            &mut Room::default(),
        )
        .err();
    assert_eq!(opened, Some(RejectedId::SealExpired));
}

#[test]
fn garbage_is_forged() {
    let seals = seals(&[1]);
    let good = sealed_by(&seals);
    let (cut, short) = (good.split_at(good.len() - 1).0, good.split_at(54).0);
    let padded = format!("{good}=");
    let standard_alphabet = "+/".repeat(60);
    let long = "A".repeat(MOST_CHARACTERS);
    let longer = "A".repeat(MOST_CHARACTERS + 1);
    let longest = "A".repeat(1 << 20);
    for value in [
        "",
        "A",
        "AAAA",
        "t1",
        short,
        cut,
        &padded,
        &standard_alphabet,
        &long,
        &longer,
        &longest,
    ] {
        assert_eq!(
            open(&seals, value.as_bytes(), NOW),
            Err(RejectedId::SealForged),
            "{value}"
        );
    }
    assert_eq!(open(&seals, &[0xff; 300], NOW), Err(RejectedId::SealForged));
}

#[test]
fn a_payload_that_is_none_of_ours_is_forged_even_under_our_key() {
    let mut good = [0; payload::MOST_BYTES];
    let length = payload::write(&mut good, "shop", &owner("t1"), NOW).unwrap();
    let good = &good[..length];
    assert!(open(&seals(&[1]), sealed_raw(good, 1).as_bytes(), NOW).is_ok());

    let mut later_version = good.to_vec();
    later_version[0] += 1;
    let mut not_text = good.to_vec();
    let backend_at = not_text.windows(2).position(|two| two == b"t1").unwrap();
    not_text[backend_at] = 0xff;
    let cut = &good[..backend_at];
    for payload in [&later_version[..], &not_text, cut, b"", &[1; 40]] {
        assert_eq!(
            open(&seals(&[1]), sealed_raw(payload, 1).as_bytes(), NOW),
            Err(RejectedId::SealForged)
        );
    }
}

#[test]
fn the_longest_that_may_be_sealed_opens_again() {
    let backend = "b".repeat(260);
    let cluster = "c".repeat(64);
    let (path, domain) = (["/", &"p".repeat(255)].concat(), "d".repeat(256));
    let base = [b'B'; 512];
    let owner = Owner {
        backend: &backend,
        base: &base,
        attributes: Attributes {
            path: Some(path.as_bytes()),
            domain: Some(domain.as_bytes()),
            ..owner("").attributes
        },
    };
    let seals = Seals::new(&ring(&[1]), &cluster);
    let value = seals.seal(&owner, at(NOW)).unwrap();
    let mut room = Room::default();
    let opened = seals
        .open(value.as_bytes(), Some(&base), at(NOW), &mut room)
        .unwrap();
    assert_eq!(opened.backend, backend);
    assert_eq!(opened.attributes, owner.attributes);
    // With its name and attributes far below the 4096 bytes that browsers keep.
    assert!(value.len() <= 1248);
}

#[test]
fn names_longer_than_configured_ones_are_not_sealed() {
    let (backend, cluster) = ("b".repeat(261), "c".repeat(65));
    assert_eq!(seals(&[1]).seal(&owner(&backend), at(NOW)), None);
    let seals = Seals::new(&ring(&[1]), &cluster);
    assert_eq!(seals.seal(&owner("t1"), at(NOW)), None);
}

#[test]
fn a_line_holds_a_seal_that_opens_and_another_takes_it_away() {
    let seals = seals(&[1]);
    let set = seals.set_cookie(&owner("t1"), at(NOW)).unwrap();
    let (pair, attributes) = set.to_str().unwrap().split_once("; ").unwrap();
    let value = pair.strip_prefix("owner=").unwrap();
    assert_eq!(open(&seals, value.as_bytes(), NOW), Ok("t1".to_owned()));

    let taken_away = seals.take_away(owner("t1").attributes).unwrap();
    let expected = format!("owner=; {attributes}").replace("Max-Age=600", "Max-Age=0");
    assert_eq!(taken_away, expected);
}

#[test]
fn no_key_is_printed() {
    let shown = format!("{:?}", seals(&[77, 77]));
    assert_eq!(
        shown,
        r#"Seals { name: "owner", cluster: "shop", max_age: 3600, keys: 2, .. }"#
    );
}

proptest! {
    #[test]
    fn any_change_of_a_byte_is_forged(position in 0_usize..1000, byte: u8) {
        let seals = seals(&[1, 2]);
        let mut value = sealed_by(&seals).into_bytes();
        let position = position % value.len();
        prop_assume!(value[position] != byte);
        value[position] = byte;
        prop_assert_eq!(open(&seals, &value, NOW), Err(RejectedId::SealForged));
    }

    #[test]
    fn any_cut_and_any_addition_is_forged(cut in 1_usize..1000, added in "[A-Za-z0-9_=-]{1,40}") {
        let seals = seals(&[1]);
        let good = sealed_by(&seals);
        let shorter = good.split_at(good.len() - cut.min(good.len())).0;
        prop_assert_eq!(open(&seals, shorter.as_bytes(), NOW), Err(RejectedId::SealForged));
        let longer = good + &added;
        prop_assert_eq!(open(&seals, longer.as_bytes(), NOW), Err(RejectedId::SealForged));
    }

    #[test]
    fn every_owner_comes_out_as_it_was(
        backend in ".{0,60}", base: Vec<u8>, path in "[ -:<-~]{0,300}", max_age: Option<u64>,
    ) {
        let attributes = Attributes {
            path: Some(path.as_bytes()),
            max_age,
            ..Attributes::default()
        };
        let owner = Owner { backend: &backend, base: &base, attributes };
        let seals = seals(&[1]);
        let value = seals.seal(&owner, at(NOW)).unwrap();
        let mut room = Room::default();
        let opened = seals.open(value.as_bytes(), Some(&base), at(NOW), &mut room);
        let expected = Opened { backend: &backend, attributes, is_old: false };
        prop_assert_eq!(opened, Ok(expected));
    }
}
