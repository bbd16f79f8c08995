use proptest::prelude::*;

use super::*;

fn entry(key: &str) -> Entry {
    Entry {
        key: key.as_bytes().to_vec(),
        expiry: Expiry::At(1_060),
        last_access: Some(990),
        size: Some(100),
    }
}

/// A census of these keys of nodes `n1`, `n2`, ...; a node without keys could not be read.
fn census(nodes: &[Option<&[&str]>], mode: Option<Mode>) -> Closed {
    let names = (1..=nodes.len()).map(|number| Some(format!("n{number}")));
    let mut census = Census::new(names, 1_000);
    for (number, keys) in nodes.iter().enumerate() {
        for key in keys.unwrap_or_default() {
            census.count(number, &entry(key), Prefix::Any);
        }
    }
    for (number, keys) in nodes.iter().enumerate() {
        if keys.is_none() {
            census.miss(number);
        }
    }
    census.close(mode)
}

fn found(closed: &Closed) -> Vec<(&'static str, u64)> {
    let all = closed.findings().into_iter();
    all.filter(|(_, count)| *count > 0)
        .map(|(finding, count)| (finding.word(), count))
        .collect()
}

const A: &str = "AAAAAAAAAAAAAAAA";

/// What it shows, the keys of two nodes, and the findings.
type Case<'a> = (&'a str, [Option<&'a [&'a str]>; 2], &'a [(&'a str, u64)]);

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_is_odd_is_found() {
    let id = |node: &str| format!("{A}-{node}.jvm1");
    let (a1, a2) = (id("n1"), id("n2"));
    let (bak, bak_validity) = (format!("bak:{a1}"), format!("bak:validity:{a1}"));
    let (validity, bare, route2) = (
        format!("validity:{a1}"),
        format!("{A}.jvm1"),
        format!("{A}-n1.jvm2"),
    );
    let table: [Case<'_>; 13] = [
        ("nothing", [Some(&[]), Some(&[])], &[]),
        ("a sticky copy", [Some(&[&a1]), Some(&[])], &[]),
        (
            "a non-sticky session with all its parts",
            [Some(&[&a1, &validity]), Some(&[&bak, &bak_validity])],
            &[],
        ),
        (
            "left behind on n1",
            [Some(&[&a1]), Some(&[&a2])],
            &[("ghost", 1)],
        ),
        (
            "left behind on its node",
            [Some(&[&a1, &route2]), Some(&[])],
            &[("ghost", 1)],
        ),
        ("told twice", [Some(&[&a1, &a1]), Some(&[])], &[]),
        (
            "a backup alone",
            [Some(&[]), Some(&[&bak])],
            &[("orphan", 1)],
        ),
        ("a backup whose node is down", [None, Some(&[&bak])], &[]),
        (
            "a session that is over",
            [Some(&[&a1, "validity:BBBBBBBBBBBBBBBB-n1"]), Some(&[&bak])],
            &[("expired", 1)],
        ),
        (
            "no backup",
            [Some(&[&a1, &validity]), Some(&[])],
            &[("no-backup", 1)],
        ),
        (
            "a backup may be on the node that is down",
            [Some(&[&a1, &validity]), None],
            &[],
        ),
        (
            "no node in the id",
            [Some(&[&bare]), Some(&[])],
            &[("unprotected", 1)],
        ),
        (
            "on another node",
            [Some(&[&a2]), Some(&[])],
            &[("misplaced", 1)],
        ),
    ];
    for (what, nodes, expected) in table {
        assert_eq!(found(&census(&nodes, None)), expected, "{what}");
    }
}

#[test]
fn the_mode_is_seen_or_told() {
    let key = format!("{A}-n1");
    let nodes: [Option<&[&str]>; 2] = [Some(&[&key]), Some(&[])];
    assert_eq!(census(&nodes, None).mode(), Mode::Sticky);
    let told = census(&nodes, Some(Mode::NonSticky));
    assert_eq!(found(&told), [("expired", 1), ("no-backup", 1)]);
}

#[test]
fn nodes_without_names_judge_no_place() {
    let mut census = Census::new([None], 1_000);
    census.count(0, &entry(&format!("{A}-n7.jvm1")), Prefix::Any);
    census.count(0, &entry(&format!("B{A}.jvm1")), Prefix::Any);
    assert_eq!(found(&census.close(None)), []);
}

#[test]
fn nodes_and_routes_are_counted() {
    let (one, two) = (format!("{A}-n1.jvm1"), format!("B{A}-n1.jvm2"));
    let lock = format!("lock:{one}");
    let backup = [format!("bak:{two}"), format!("bak:validity:{two}")];
    let [backup, of_validity] = backup.each_ref().map(String::as_str);
    let keys = [&one, &two, "user:42", &lock, backup, of_validity];
    let closed = census(&[Some(&keys), Some(&[])], None);
    let node = closed.node(0).unwrap();
    assert_eq!((node.sessions.sessions, node.sessions.bytes), (2, 200));
    assert_eq!((node.foreign, node.locks, node.backups), (1, 1, 1));
    assert_eq!(node.sessions.first_end, Some(60));
    assert_eq!(node.sessions.longest_idle, Some(10));
    let routes: Vec<_> = closed
        .routes()
        .map(|(name, it)| (name, it.sessions))
        .collect();
    assert_eq!(routes, [(&b"jvm1"[..], 1), (b"jvm2", 1)]);
    assert_eq!(closed.sessions(), 2);
}

#[test]
fn routes_without_end_are_counted_together() {
    let mut census = Census::new([None], 0);
    for number in 0..1_000 {
        census.count(0, &entry(&format!("{A}.jvm{number}")), Prefix::Any);
    }
    let closed = census.close(None);
    assert_eq!(closed.routes().count(), MOST_ROUTES + 1);
    assert_eq!(
        closed.routes().map(|(_, it)| it.sessions).sum::<u64>(),
        1_000
    );
}

#[test]
fn sessions_without_end_are_counted_but_not_compared() {
    let mut census = Census::new([None], 0);
    census.most = 3;
    for number in 0..10 {
        census.count(0, &entry(&format!("{A}{number}")), Prefix::Any);
    }
    let closed = census.close(None);
    assert_eq!((closed.sessions(), closed.is_cut()), (3, true));
    assert_eq!(closed.node(0).unwrap().sessions.sessions, 10);
}

#[test]
fn a_record_is_small() {
    assert!(size_of::<Seen>() <= 40, "{}", size_of::<Seen>());
}

proptest! {
    #[test]
    fn the_order_of_keys_does_not_matter(
        keys in proptest::collection::vec((0..2_usize, "(validity:|bak:)?[AB]{16}-n[12]"), 0..20),
    ) {
        let count = |keys: &[(usize, String)]| {
            let mut census = Census::new([Some("n1".to_owned()), Some("n2".to_owned())], 0);
            for (node, key) in keys {
                census.count(*node, &entry(key), Prefix::Any);
            }
            census.close(Some(Mode::NonSticky)).findings()
        };
        let backwards: Vec<_> = keys.iter().rev().cloned().collect();
        prop_assert_eq!(count(&keys), count(&backwards));
    }
}
