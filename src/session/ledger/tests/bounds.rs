//! What goes when it is full, and what it costs.

use super::*;

/// One shard, so that what is displaced is certain.
fn small() -> Ledger {
    Ledger::new(16)
}

fn is_there(ledger: &Ledger, number: u32) -> bool {
    ledger.peeked(key(ledger, number), NOW).is_some()
}

#[test]
fn a_flood_of_claims_displaces_only_claims() {
    let ledger = Ledger::new(1000);
    for number in 0..600 {
        ledger.issue(key(&ledger, number), NOW, issued_by(A));
    }
    let pinned = key(&ledger, 600);
    let detour = Detour {
        owner: A,
        survivor: B,
    };
    let pin = ledger.pin(pinned, NOW, detour, |_| true);
    for number in 1000..100_000 {
        ledger.claim(key(&ledger, number), NOW, claimed_of(B));
    }
    assert!((0..=600).all(|number| is_there(&ledger, number)));
    assert_eq!(ledger.issued(A), 600);
    let status = ledger.status();
    assert!(status.claimed <= 250);
    assert!(status.claimed > 200);
    assert_eq!(status.evicted_issued + status.evicted_unseen, 0);
    assert!(status.evicted_claimed > 98_000);
    ledger.unpin(pinned, NOW, pin);
    expect_exact(&ledger);
}

#[test]
fn claims_go_in_the_order_they_came_but_once_spared_if_seen() {
    let ledger = small();
    for number in 0..4 {
        ledger.claim(key(&ledger, number), NOW, claimed_of(A));
    }
    ledger.touched(key(&ledger, 0), NOW);
    let mut left: Vec<_> = (0..4).collect();
    for (new, gone) in (4..).zip([1, 2, 3, 0, 4, 5]) {
        ledger.claim(key(&ledger, new), NOW, claimed_of(A));
        left.retain(|number| *number != gone);
        left.push(new);
        let all: Vec<_> = (0..20)
            .filter(|number| is_there(&ledger, *number))
            .collect();
        assert_eq!(all, left);
    }
}

#[test]
fn an_issued_session_takes_the_least_missed_place() {
    let ledger = Ledger::new(8);
    ledger.set_idle(C, 60);
    let at = |number: u32| NOW.after(number);
    // Seen again; robots; claimed; of a cluster whose sessions end soon.
    for number in [0, 1] {
        ledger.issue(key(&ledger, number), at(number), issued_by(A));
        ledger.touched(key(&ledger, number), at(number));
    }
    for number in [2, 3] {
        ledger.issue(key(&ledger, number), at(number), issued_by(A));
    }
    for number in [4, 5] {
        ledger.claim(key(&ledger, number), at(number), claimed_of(A));
    }
    for number in [6, 7] {
        ledger.issue(key(&ledger, number), at(number), issued_by(C));
        ledger.touched(key(&ledger, number), at(number));
    }
    let mut gone = Vec::new();
    for new in 8..16 {
        ledger.issue(key(&ledger, new), at(100), issued_by(B));
        ledger.touched(key(&ledger, new), at(100));
        let left = |number: &u32| !is_there(&ledger, *number) && !gone.contains(number);
        let next = (0..8).find(left).unwrap();
        gone.push(next);
        expect_exact(&ledger);
    }
    gone[..2].sort_unstable();
    assert_eq!(gone, [6, 7, 4, 5, 2, 3, 0, 1]);
    let status = ledger.status();
    assert_eq!((status.expired, status.evicted_claimed), (2, 2));
    assert_eq!((status.evicted_unseen, status.evicted_issued), (2, 2));
    assert_eq!(status.refused, 0);
}

#[test]
fn where_everything_is_pinned_nothing_new_is_remembered() {
    let ledger = Ledger::new(4);
    for number in 0..4 {
        ledger.take_over(key(&ledger, number), NOW, taken(A, B), |_, _| 0);
    }
    ledger.issue(key(&ledger, 4), NOW, issued_by(A));
    assert!(!is_there(&ledger, 4));
    assert_eq!(ledger.status().refused, 1);
    ledger.shown(key(&ledger, 2), NOW, 0);
    ledger.issue(key(&ledger, 4), NOW, issued_by(A));
    assert!(is_there(&ledger, 4));
    assert!(!is_there(&ledger, 2));
}

/// As even as the keyed hash and quicker where nothing is optimised: splitmix64.
fn spread(number: &mut u64) -> Key {
    *number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*number ^ (*number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Key(mixed ^ (mixed >> 31))
}

#[test]
fn a_million_sessions_fit_in_64_megabytes() {
    assert_eq!(size_of::<Entry>(), 48);
    let ledger = Ledger::new(1_000_000);
    let bytes = ledger.status().memory_bytes;
    assert!(bytes <= 64_000_000, "{bytes}");
    // A slab or a queue that grew would hold more than it was made with.
    let reserved = |ledger: &Ledger| -> Vec<_> {
        let shards = ledger.shards.iter();
        let slabs = shards.map(|Lone(shard)| shard.lock().unwrap().slab.capacity());
        slabs.collect()
    };
    let before = reserved(&ledger);
    let mut number = 0;
    for _ in 0..1_000_000 {
        ledger.issue(spread(&mut number), NOW, issued_by(A));
    }
    let status = ledger.status();
    assert_eq!(status.issued, 1_000_000);
    assert_eq!(status.evicted_unseen + status.refused, 0);
    assert_eq!(reserved(&ledger), before);
    assert_eq!(status.waits, 0);
}

#[test]
fn two_threads_leave_an_exact_end() {
    const KEYS: u32 = 500;
    const ROUNDS: u32 = 40;
    let ledger = Ledger::new(10_000);
    let work = |me: Member| {
        for _ in 0..ROUNDS {
            for number in 0..KEYS {
                let session = key(&ledger, number);
                let detour = Detour {
                    owner: A,
                    survivor: me,
                };
                let pinned = ledger.pin(session, NOW, detour, |_| true);
                ledger.touched(session, NOW);
                // Each thread ends and makes again sessions of its own.
                let own = key(&ledger, KEYS + u32::from(me.0) * KEYS + number);
                ledger.issue(own, NOW, issued_by(me));
                if number % 2 == 0 {
                    ledger.end(own);
                }
                ledger.unpin(session, NOW, pinned);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(B));
        scope.spawn(|| work(C));
    });
    let half = usize::try_from(KEYS / 2).unwrap();
    assert_eq!((ledger.issued(B), ledger.issued(C)), (half, half));
    assert_eq!(ledger.claimed(A), 2 * half);
    let status = ledger.status();
    assert_eq!((status.issued, status.claimed), (2 * half, 2 * half));
    assert_eq!(status.pinned, 0);
    for number in 0..KEYS {
        assert_eq!(ledger.peeked(key(&ledger, number), NOW).unwrap().pin, None);
    }
    expect_exact(&ledger);
}
