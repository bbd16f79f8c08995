//! Numbers of clusters, backends, labels and Paths.

use super::*;

#[test]
fn the_same_name_has_the_same_number() {
    let ledger = Ledger::new(100);
    let (shop, wiki) = (ledger.cluster("shop"), ledger.cluster("wiki"));
    assert_ne!(shop, wiki);
    assert_eq!(ledger.cluster("shop"), shop);
    let one = ledger.member(shop, "tomcat1");
    assert_ne!(ledger.member(wiki, "tomcat1"), one);
    assert_ne!(ledger.member(shop, "tomcat2"), one);
    ledger.retain_members(&[]);
    assert_eq!(ledger.member(shop, "tomcat1"), one);
}

#[test]
fn only_numbers_that_nobody_speaks_of_are_given_away() {
    let ledger = Ledger::new(100);
    let shop = ledger.cluster("shop");
    let all: Vec<_> = (0..4096)
        .map(|number| ledger.member(shop, &format!("tomcat{number}")))
        .collect();
    assert!(!all.contains(&Member::NOBODY));
    assert_eq!(ledger.member(shop, "one more"), Member::NOBODY);

    // In force; owner, pin and former owner of a session; then the rest.
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(all[1]));
    ledger.take_over(session, NOW, taken(all[1], all[2]), |_, _| 0);
    let detour = Detour {
        owner: all[2],
        survivor: all[3],
    };
    let pinned = ledger.pin(session, NOW, detour, |_| true);
    ledger.retain_members(&all[..1]);
    ledger.set_idle(all[4], 1);
    assert_eq!(ledger.member(shop, "one more"), all[4]);
    assert_eq!(ledger.member(shop, "one more"), all[4]);
    assert_ne!(ledger.member(shop, "tomcat4"), all[4]);
    assert!(!ledger.tallies.is_expired(all[4], NOW, NOW.after(1000)));

    ledger.unpin(session, NOW, pinned);
    assert_eq!(ledger.member(shop, "yet another"), all[3]);
    ledger.end(session);
    assert_eq!(ledger.member(shop, "a third"), all[1]);
    assert_eq!(ledger.member(shop, "a fourth"), all[2]);
}

#[test]
fn nobody_is_an_owner_that_is_not_counted() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(Member::NOBODY));
    assert_eq!(ledger.touched(session, NOW).unwrap().owner, Member::NOBODY);
    assert_eq!(ledger.issued(Member::NOBODY), 0);
    assert_eq!(ledger.status().issued, 1);
    let detour = Detour {
        owner: A,
        survivor: Member::NOBODY,
    };
    assert!(!ledger.pin(session, NOW, detour, |_| true).is_remembered());
    ledger.take_over(session, NOW, taken(A, B), |_, _| 0);
    let former = ledger.peeked(session, NOW).unwrap().former;
    assert_eq!(former.iter().count(), 0);
}

#[test]
fn a_cluster_has_sixty_four_labels_and_the_rest() {
    let ledger = Ledger::new(100);
    let (shop, wiki) = (ledger.cluster("shop"), ledger.cluster("wiki"));
    assert_eq!(ledger.store(shop, b""), Store::NONE);
    let invented = ledger.known_store(shop, b"n1");
    let n1 = ledger.store(shop, b"n1");
    assert_ne!(n1, invented);
    assert_ne!(n1, Store::NONE);
    assert_eq!(ledger.known_store(shop, b"n1"), n1);
    assert_ne!(ledger.store(wiki, b"n1"), n1);
    for number in 2..=64 {
        let store = ledger.store(shop, format!("n{number}").as_bytes());
        assert_ne!(store, invented);
    }
    let long = [b'n'; 65];
    for other in [&b"n65"[..], b"n-1", b"\xff", b" ", &long] {
        assert_eq!(ledger.store(shop, other), invented);
    }
    ledger.issue(
        key(&ledger, 1),
        NOW,
        Issue {
            store: n1,
            ..issued_by(A)
        },
    );
    ledger.issue(
        key(&ledger, 2),
        NOW,
        Issue {
            store: n1,
            ..issued_by(B)
        },
    );
    ledger.issue(
        key(&ledger, 3),
        NOW,
        Issue {
            store: invented,
            ..issued_by(B)
        },
    );
    let stores = ledger.stores(shop);
    assert_eq!(stores.len(), 65);
    assert_eq!(stores[0], ("n1".to_owned(), 2));
    assert_eq!(stores[64], ("(other)".to_owned(), 1));
    assert_eq!(ledger.stores(wiki), [("n1".to_owned(), 0)]);
    assert_eq!(ledger.stores(ledger.cluster("new")), []);
}

#[test]
fn labels_of_all_clusters_together_are_bounded() {
    let ledger = Ledger::new(100);
    let mut last = Store::NONE;
    for number in 0..tallies::MOST_STORES {
        let cluster = ledger.cluster(&format!("cluster{}", number / 64));
        last = ledger.store(cluster, format!("n{}", number % 64).as_bytes());
        assert_eq!(last == Store::NONE, number == tallies::MOST_STORES - 1);
    }
    assert_eq!(last, Store::NONE);
}

#[test]
fn two_hundred_fifty_four_paths_have_a_number() {
    let ledger = Ledger::new(100);
    let paths: Vec<_> = (0..300)
        .map(|number| ledger.path(format!("/app{number}").as_bytes()))
        .collect();
    assert!(!paths.contains(&PathNumber::UNKNOWN));
    assert_eq!(paths[253], PathNumber(254));
    assert!(paths[254..].iter().all(|path| *path == PathNumber::OTHER));
    assert_eq!(ledger.path(b"/app7"), paths[7]);
    assert_eq!(Ledger::new(1).path(&[b'/'; 257]), PathNumber::OTHER);
}

#[test]
fn sessions_of_a_backend_at_a_store_node_are_counted() {
    let ledger = Ledger::new(2000);
    let shop = ledger.cluster("shop");
    let (one, two) = (ledger.store(shop, b"n1"), ledger.store(shop, b"n2"));
    for number in 0..300 {
        let owner = if number % 3 == 0 { B } else { A };
        let store = if number % 2 == 0 { one } else { two };
        let issue = Issue {
            store,
            ..issued_by(owner)
        };
        ledger.issue(key(&ledger, number), NOW, issue);
    }
    ledger.claim(key(&ledger, 1000), NOW, claimed_of(A));
    ledger.end(key(&ledger, 0));
    assert_eq!(ledger.issued_by_at(A, one), 100);
    assert_eq!(ledger.issued_by_at(B, one), 49);
    assert_eq!(ledger.issued_by_at(B, two), 50);
    assert_eq!(ledger.issued_at(one), 149);
    assert_eq!(ledger.issued_by_at(C, one), 0);
    assert_eq!(Ledger::new(0).issued_by_at(A, one), 0);
}
