use super::entry::NONE;
use super::tallies::Share;
use super::*;

mod bounds;
mod expiry;
mod model;
mod names;
mod pins;

const A: Member = Member(0);
const B: Member = Member(1);
const C: Member = Member(2);
const D: Member = Member(3);

const NOW: Seconds = Seconds(1000);

/// All that is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    owner: Member,
    pin: Option<Member>,
    moved: bool,
    moved_until: Seconds,
    lost: bool,
    kind: Kind,
    store: Store,
    path: PathNumber,
    life: u8,
    created: Seconds,
    seen: Seconds,
    former: Former,
    kept_id: bool,
}

impl From<Known> for Facts {
    fn from(known: Known) -> Self {
        assert_eq!(known.is_away(), known.former().is_away());
        Self {
            owner: known.owner(),
            pin: known.pin(),
            moved: known.moved(),
            moved_until: known.moved_until(),
            lost: known.lost(),
            kind: known.kind(),
            store: known.store(),
            path: known.path(),
            life: known.life(),
            created: known.created(),
            seen: known.seen(),
            former: known.former(),
            kept_id: known.kept_id(),
        }
    }
}

impl Ledger {
    fn peeked(&self, key: Key, now: Seconds) -> Option<Facts> {
        self.peek(key, now).map(Facts::from)
    }

    fn touched(&self, key: Key, now: Seconds) -> Option<Facts> {
        self.touch(key, now).map(Facts::from)
    }
}

fn key(ledger: &Ledger, number: u32) -> Key {
    ledger.key(ClusterNumber(0), &number.to_le_bytes())
}

fn issued_by(owner: Member) -> Issue {
    Issue {
        owner,
        life: 0,
        store: Store::NONE,
        path: PathNumber::UNKNOWN,
    }
}

fn claimed_of(owner: Member) -> Claim {
    Claim {
        owner,
        life: 0,
        store: Store::NONE,
    }
}

fn taken(from: Member, to: Member) -> TakeOver {
    TakeOver {
        from,
        to,
        life: 0,
        kind: Kind::Issued,
        store: None,
        until: NOW.after(1800),
        only_from: None,
        home: Home::AsBefore,
        keeps_id: false,
    }
}

/// Counts everything anew and compares; looks also at the order of the tables.
fn expect_exact(ledger: &Ledger) {
    let again = Tallies::new();
    for Lone(shard) in &ledger.shards {
        let shard = shard.lock().unwrap();
        assert!(shard.slab.len() <= shard.capacity);
        let (mut claimed, mut free) = (0, 0);
        for entry in &shard.slab {
            let Some(kind) = entry.kind() else {
                free += 1;
                continue;
            };
            claimed += usize::from(kind == Kind::Claimed);
            let found = shard.find(entry.key).unwrap();
            assert!(std::ptr::eq(found, entry), "two entries of one key");
            again.changed(None, Some(Share::of(entry)));
        }
        assert_eq!(shard.claimed.length(), claimed);
        assert_eq!(shard.free_slots(), free);
    }
    assert_eq!(ledger.tallies.totals(), again.totals());
    for member in (0..tallies::MOST_MEMBERS).map(Member) {
        assert_eq!(ledger.issued(member), again.issued(member));
        assert_eq!(ledger.claimed(member), again.claimed(member));
        let remembered = ledger.tallies.is_remembered(member);
        assert_eq!(remembered, again.is_remembered(member));
    }
    for store in (0..tallies::MOST_STORES).map(Store) {
        assert_eq!(ledger.tallies.of_store(store), again.of_store(store));
    }
}

impl Shard {
    fn free_slots(&self) -> usize {
        let mut count = 0;
        let mut link = self.free;
        while link != NONE {
            count += 1;
            link = self.at(link).unwrap().next;
        }
        count
    }
}

#[test]
fn what_a_response_says_is_known_at_the_next_request() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    assert_eq!(ledger.touched(session, NOW), None);

    let (store, path) = (Store(7), PathNumber(3));
    let issue = Issue {
        owner: B,
        life: 9,
        store,
        path,
    };
    ledger.issue(session, NOW, issue);

    let known = ledger.touched(session, NOW.after(5)).unwrap();
    assert_eq!(
        known,
        Facts {
            owner: B,
            pin: None,
            moved: false,
            moved_until: Seconds::default(),
            lost: false,
            kind: Kind::Issued,
            store,
            path,
            life: 9,
            created: NOW,
            seen: NOW,
            former: Former::default(),
            kept_id: false,
        }
    );
    let seen = |ledger: &Ledger| ledger.peeked(session, NOW.after(9)).unwrap().seen;
    assert_eq!(seen(&ledger), NOW.after(5));
    assert_eq!(seen(&ledger), NOW.after(5), "to peek is not to see");

    ledger.served(session, NOW.after(10), 10);
    assert_eq!(ledger.peeked(session, NOW).unwrap().life, 10);

    ledger.end(session);
    assert_eq!(ledger.peeked(session, NOW), None);
    expect_exact(&ledger);
}

#[test]
fn a_claim_neither_makes_nor_changes_an_issued_session() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.claim(session, NOW, claimed_of(A));
    assert_eq!((ledger.issued(A), ledger.claimed(A)), (0, 1));

    ledger.claim(session, NOW, claimed_of(B));
    assert_eq!((ledger.claimed(A), ledger.claimed(B)), (0, 1));

    ledger.issue(session, NOW.after(1), issued_by(C));
    ledger.claim(session, NOW.after(2), claimed_of(A));
    let known = ledger.peeked(session, NOW).unwrap();
    assert_eq!((known.owner, known.kind), (C, Kind::Issued));
    assert_eq!(known.created, NOW, "an upgrade is no new session");
    assert_eq!((ledger.issued(C), ledger.claimed(B)), (1, 0));
    expect_exact(&ledger);
}

#[test]
fn clusters_and_ledgers_do_not_share_keys() {
    let (ledger, other) = (Ledger::new(100), Ledger::new(100));
    let (shop, wiki) = (ledger.cluster("shop"), ledger.cluster("wiki"));
    let base = b"D20877C5D1C1D7A0B2";
    assert_eq!(ledger.key(shop, base), ledger.key(shop, base));
    assert_ne!(ledger.key(shop, base), ledger.key(wiki, base));
    assert_ne!(ledger.key(shop, base), other.key(shop, base));
}

#[test]
fn a_ledger_without_room_remembers_nothing() {
    let ledger = Ledger::new(0);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    ledger.claim(session, NOW, claimed_of(A));
    ledger.take_over(session, NOW, taken(A, B), |_, _| 0);
    let detour = Detour {
        owner: A,
        survivor: B,
    };
    let pinned = ledger.pin(session, NOW, detour, |_| true);
    assert_eq!((pinned.member(), pinned.is_remembered()), (B, false));
    ledger.unpin(session, NOW, pinned);
    assert_eq!(ledger.touched(session, NOW), None);
    assert_eq!(ledger.sweep(NOW, 100), 0);
    assert_eq!(ledger.status().refused, 4);
}

#[test]
fn a_loss_is_news_once() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    let pinned = ledger.pin(
        session,
        NOW,
        Detour {
            owner: A,
            survivor: B,
        },
        |_| true,
    );
    assert_eq!(ledger.lose(session, NOW, (B, 0)), Loss::New);
    assert_eq!(ledger.lose(session, NOW, (B, 0)), Loss::Told);
    ledger.unpin(session, NOW, pinned);
    let known = ledger.peeked(session, NOW).unwrap();
    assert_eq!(
        (known.owner, known.kind, known.pin),
        (A, Kind::Claimed, None)
    );
    assert_eq!(ledger.issued(A), 0);
    expect_exact(&ledger);

    // It was there after all.
    ledger.issue(session, NOW, issued_by(A));
    assert_eq!(ledger.lose(session, NOW, (B, 0)), Loss::New);
}

#[test]
fn what_was_taken_over_is_not_lost_to_who_took_it() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    ledger.take_over(session, NOW, taken(A, B), |_, _| 0);
    assert_eq!(ledger.lose(session, NOW, (B, 0)), Loss::None);
    // Its next life knows nothing of it.
    assert_eq!(ledger.lose(session, NOW, (B, 1)), Loss::New);
}

#[test]
fn a_session_that_was_missed_and_is_answered_for_is_what_it_was() {
    let ledger = Ledger::new(100);
    let (issued, claimed, told) = (key(&ledger, 1), key(&ledger, 2), key(&ledger, 3));
    ledger.issue(issued, NOW, issued_by(A));
    ledger.claim(claimed, NOW, claimed_of(A));
    ledger.issue(told, NOW, issued_by(A));
    for session in [issued, claimed, told] {
        ledger.miss(session, NOW);
    }
    ledger.lose(told, NOW, (B, 0));
    assert_eq!((ledger.issued(A), ledger.claimed(A)), (0, 3));
    for session in [issued, claimed, told] {
        ledger.served(session, NOW, 1);
    }
    let known = |session| {
        ledger
            .peek(session, NOW)
            .map(|it| (it.kind(), it.lost()))
            .unwrap()
    };
    assert_eq!(known(issued), (Kind::Issued, false));
    assert_eq!(known(claimed), (Kind::Claimed, false));
    // Only an id that is issued anew undoes what was said.
    assert_eq!(known(told), (Kind::Claimed, true));
    assert_eq!((ledger.issued(A), ledger.claimed(A)), (1, 2));
    assert_eq!(ledger.lose(issued, NOW, (B, 0)), Loss::New);
    expect_exact(&ledger);
}

#[test]
fn a_session_that_was_missed_is_lost_for_that_whoever_says_so() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    ledger.miss(session, NOW);
    assert!(ledger.peeked(session, NOW).unwrap().lost);
    assert_eq!(ledger.lose(session, NOW, (B, 0)), Loss::Missed);
    ledger.miss(session, NOW);
    assert_eq!(ledger.lose(session, NOW, (B, 0)), Loss::Told);

    // A survivor deletes the copy that it takes over.
    let session = key(&ledger, 2);
    ledger.issue(session, NOW, issued_by(A));
    let detour = Detour {
        owner: A,
        survivor: B,
    };
    let _pinned = ledger.pin(session, NOW, detour, |_| true);
    ledger.miss(session, NOW);
    assert!(!ledger.peeked(session, NOW).unwrap().lost);

    // A request that is counted at the owner, since the session is to leave it, takes none.
    let session = key(&ledger, 3);
    ledger.issue(session, NOW, issued_by(A));
    let detour = Detour {
        owner: A,
        survivor: A,
    };
    let pinned = ledger.pin(session, NOW, detour, |_| true);
    ledger.miss(session, NOW);
    let known = ledger.peeked(session, NOW).unwrap();
    assert_eq!((known.lost, known.pin), (true, Some(A)));
    ledger.unpin(session, NOW, pinned);
    assert_eq!(ledger.peeked(session, NOW).unwrap().pin, None);
    expect_exact(&ledger);
}
