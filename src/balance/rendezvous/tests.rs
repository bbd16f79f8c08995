use proptest::prelude::*;

use super::*;

fn rendezvous(backends: &[(&str, u32)]) -> Rendezvous {
    let candidates = (0..).zip(backends).map(|(slot, (name, weight))| {
        let member = Member {
            slot: Slot(slot),
            weight: *weight,
        };
        Candidate::new(member, &BackendName::new(name))
    });
    Rendezvous::new(candidates)
}

fn order<'a>(backends: &[(&'a str, u32)], key: &[u8]) -> Vec<&'a str> {
    rendezvous(backends)
        .rank(KeyHash::of(key))
        .map(|slot| backends[usize::from(slot.0)].0)
        .collect()
}

/// Never to be changed: another release beside this one must choose alike. Worked out apart from
/// this code, with another implementation of XXH64 and logarithms of 60 digits.
#[test]
fn the_order_is_that_of_every_release() {
    let equal = [("jvm1", 1), ("jvm2", 1), ("jvm3", 1)];
    let weighted = [("jvm1", 1), ("jvm2", 3), ("10.0.0.33:8080", 4)];
    let steep = [("jvm1", 1), ("jvm2", 3), ("10.0.0.33:8080", 60_000)];
    for (backends, key, expected) in [
        (equal, "", ["jvm1", "jvm3", "jvm2"]),
        (
            equal,
            "0A1B2C3D4E5F60718293A4B5C6D7E8F9",
            ["jvm3", "jvm1", "jvm2"],
        ),
        (equal, "192.0.2.7", ["jvm1", "jvm3", "jvm2"]),
        (weighted, "192.0.2.7", ["jvm1", "jvm2", "10.0.0.33:8080"]),
        (
            weighted,
            "/shop/cart?item=1",
            ["jvm2", "10.0.0.33:8080", "jvm1"],
        ),
        (steep, "192.0.2.7", ["10.0.0.33:8080", "jvm1", "jvm2"]),
        (
            steep,
            "/shop/cart?item=1",
            ["10.0.0.33:8080", "jvm2", "jvm1"],
        ),
    ] {
        assert_eq!(order(&backends, key.as_bytes()), expected, "{key:?}");
    }
}

#[test]
fn an_empty_cluster_has_no_order() {
    let none = rendezvous(&[]);
    assert_eq!(none.best(KeyHash::of(b"key"), |_| true), None);
    assert_eq!(none.rank(KeyHash::of(b"key")).next(), None);
}

#[test]
fn keys_are_shared_by_weight() {
    let backends = [("jvm1", 1), ("jvm2", 2), ("jvm3", 3), ("jvm4", 10)];
    let rendezvous = rendezvous(&backends);
    let mut counts = [0_u32; 4];
    for key in 0..100_000_u32 {
        let key = KeyHash::of(&key.to_le_bytes());
        counts[usize::from(rendezvous.best(key, |_| true).unwrap().0)] += 1;
    }
    for ((_, weight), count) in backends.iter().zip(counts) {
        let due = weight * 100_000 / 16;
        assert!(count.abs_diff(due) < 500, "{counts:?}");
    }
}

#[test]
fn many_equal_backends_get_equal_shares() {
    let names: Vec<String> = (0..300).map(|n| format!("tomcat-{n}.shop:8080")).collect();
    let backends: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let rendezvous = rendezvous(&backends);
    let mut counts = vec![0_u32; 300];
    for key in 0..100_000_u32 {
        let key = KeyHash::of(format!("session {key}").as_bytes());
        counts[usize::from(rendezvous.best(key, |_| true).unwrap().0)] += 1;
    }
    // 333 each; five standard deviations are 91.
    assert!(
        counts.iter().all(|count| count.abs_diff(333) < 91),
        "{counts:?}"
    );
}

#[test]
fn the_second_choices_are_shared_by_weight_too() {
    let backends = [("jvm1", 4), ("jvm2", 2), ("jvm3", 1)];
    let rendezvous = rendezvous(&backends);
    let mut counts = [0_u32; 3];
    for key in 0..100_000_u32 {
        let key = KeyHash::of(&key.to_le_bytes());
        if rendezvous.best(key, |_| true) == Some(Slot(0)) {
            counts[usize::from(rendezvous.rank(key).nth(1).unwrap().0)] += 1;
        }
    }
    let all = counts[1] + counts[2];
    assert!(counts[1].abs_diff(all * 2 / 3) < all / 50, "{counts:?}");
}

fn cluster() -> impl Strategy<Value = Vec<(String, u32)>> {
    prop::collection::hash_map("[a-z0-9.:-]{1,20}", 1_u32..=65_535, 1..12)
        .prop_map(|backends| backends.into_iter().collect())
}

fn borrowed(backends: &[(String, u32)]) -> Vec<(&str, u32)> {
    let pairs = backends.iter();
    pairs
        .map(|(name, weight)| (name.as_str(), *weight))
        .collect()
}

proptest! {
    #[test]
    fn an_order_names_every_backend_once(
        backends in cluster(),
        key in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut order = order(&borrowed(&backends), &key);
        order.sort_unstable();
        let mut names: Vec<_> = backends.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        prop_assert_eq!(order, names);
    }

    #[test]
    fn the_place_in_the_file_does_not_matter(
        backends in cluster(),
        key in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let backends = borrowed(&backends);
        let mut turned = backends.clone();
        turned.reverse();
        prop_assert_eq!(order(&backends, &key), order(&turned, &key));
    }

    #[test]
    fn a_backend_that_goes_moves_only_its_own_keys(
        backends in cluster(),
        key in prop::collection::vec(any::<u8>(), 0..100),
        gone in any::<prop::sample::Index>(),
    ) {
        let backends = borrowed(&backends);
        let gone = backends[gone.index(backends.len())];
        let left: Vec<_> = backends.iter().copied().filter(|one| *one != gone).collect();
        let mut expected = order(&backends, &key);
        expected.retain(|name| *name != gone.0);
        prop_assert_eq!(order(&left, &key), expected);
    }

    #[test]
    fn the_best_is_the_first_usable_of_the_order(
        backends in cluster(),
        key in any::<u64>(),
        usable in any::<u16>(),
    ) {
        let rendezvous = rendezvous(&borrowed(&backends));
        let key = KeyHash::of(&key.to_le_bytes());
        let is_usable = |slot: Slot| usable >> slot.0 & 1 == 1;
        let first = rendezvous.rank(key).find(|slot| is_usable(*slot));
        prop_assert_eq!(rendezvous.best(key, is_usable), first);
    }
}
