//! Pins, take-overs and what the client has shown.

use super::*;

const DETOUR: Detour = Detour {
    owner: A,
    survivor: B,
};

fn pin_of(ledger: &Ledger, session: Key) -> Option<Member> {
    ledger.peeked(session, NOW).unwrap().pin
}

#[test]
fn requests_follow_the_one_in_flight_at_a_survivor() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));

    let first = ledger.pin(session, NOW, DETOUR, |_| true);
    let to_c = Detour {
        survivor: C,
        ..DETOUR
    };
    let second = ledger.pin(session, NOW, to_c, |_| true);
    assert_eq!((first.member(), second.member()), (B, B));
    assert_eq!(ledger.status().pinned, 1);

    ledger.unpin(session, NOW, first);
    assert_eq!(pin_of(&ledger, session), Some(B));
    ledger.unpin(session, NOW, second);
    assert_eq!(pin_of(&ledger, session), None);
    assert_eq!(ledger.peeked(session, NOW).unwrap().owner, A);
    assert_eq!(ledger.status().pinned, 0);
}

#[test]
fn the_end_of_a_replaced_pin_ends_nothing() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));

    let at_b = ledger.pin(session, NOW, DETOUR, |_| true);
    let to_c = Detour {
        survivor: C,
        ..DETOUR
    };
    let at_c = ledger.pin(session, NOW, to_c, |member| member != B);
    assert_eq!(at_c.member(), C);
    let at_b_again = ledger.pin(session, NOW, DETOUR, |member| member != C);
    assert_eq!(at_b_again.member(), B);

    ledger.unpin(session, NOW, at_b);
    ledger.unpin(session, NOW, at_c);
    assert_eq!(pin_of(&ledger, session), Some(B));
    ledger.unpin(session, NOW, at_b_again);
    assert_eq!(pin_of(&ledger, session), None);
    expect_exact(&ledger);
}

#[test]
fn the_end_of_a_pin_of_an_ended_session_does_not_touch_its_successor() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    let old = ledger.pin(session, NOW, DETOUR, |_| true);
    ledger.end(session);
    ledger.unpin(session, NOW, old);

    let new = ledger.pin(session, NOW, DETOUR, |_| true);
    ledger.unpin(session, NOW, old);
    assert_eq!(pin_of(&ledger, session), Some(B));
    ledger.unpin(session, NOW, new);
    assert_eq!(pin_of(&ledger, session), None);
}

#[test]
fn a_pin_of_an_unknown_session_is_remembered_as_a_claim() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    let pinned = ledger.pin(session, NOW, DETOUR, |_| false);
    assert!(pinned.is_remembered());
    let known = ledger.peeked(session, NOW).unwrap();
    assert_eq!((known.owner, known.pin), (A, Some(B)));
    assert_eq!(known.kind, Kind::Claimed);
    ledger.unpin(session, NOW, pinned);
}

#[test]
fn more_requests_than_are_counted_leave_the_count_right() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    let pins: Vec<_> = (0..=u32::from(u16::MAX))
        .map(|_| ledger.pin(session, NOW, DETOUR, |_| true))
        .collect();
    assert!(pins.iter().all(|pinned| pinned.member() == B));
    let (uncounted, counted): (Vec<_>, Vec<_>) =
        pins.into_iter().partition(|pinned| !pinned.is_remembered());
    assert_eq!(uncounted.len(), 1);
    ledger.unpin(session, NOW, uncounted[0]);
    for pinned in counted {
        assert_eq!(pin_of(&ledger, session), Some(B));
        ledger.unpin(session, NOW, pinned);
    }
    assert_eq!(pin_of(&ledger, session), None);
}

#[test]
fn former_owners_are_the_last_three_without_the_owner() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    // The mark of each is ten times its number plus the step.
    let steps: [(Member, &[(Member, u8)]); 7] = [
        (B, &[(A, 0)]),
        (C, &[(B, 11), (A, 0)]),
        (A, &[(C, 22), (B, 11)]),
        (A, &[(C, 22), (B, 11)]),
        (D, &[(A, 4), (C, 22), (B, 11)]),
        (Member(9), &[(D, 35), (A, 4), (C, 22)]),
        (A, &[(Member(9), 96), (D, 35), (C, 22)]),
    ];
    for ((to, former), step) in steps.into_iter().zip(0..) {
        let mark = |member: Member, _| 10 * u8::try_from(member.0).unwrap() + step;
        ledger.take_over(session, NOW, taken(D, to), mark);
        let known = ledger.peeked(session, NOW).unwrap();
        assert_eq!(known.owner, to);
        assert!(known.moved);
        assert_eq!(known.former.iter().collect::<Vec<_>>(), former);
        assert_eq!(
            known.former.contains(C),
            former.iter().find(|it| it.0 == C).map(|it| it.1)
        );
        expect_exact(&ledger);
    }
}

#[test]
fn a_take_over_ends_the_need_for_a_pin_there() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    let pinned = ledger.pin(session, NOW, DETOUR, |_| true);
    ledger.take_over(session, NOW, taken(A, B), |_, _| 0);
    let known = ledger.peeked(session, NOW).unwrap();
    assert_eq!((known.owner, known.pin, known.moved), (B, None, true));
    ledger.unpin(session, NOW, pinned);
    assert_eq!(ledger.peeked(session, NOW), Some(known));
}

#[test]
fn a_take_over_of_an_unknown_session_knows_who_had_it() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.take_over(session, NOW, taken(A, B), |_, _| 5);
    let known = ledger.peeked(session, NOW).unwrap();
    assert_eq!((known.owner, known.kind), (B, Kind::Issued));
    assert_eq!(known.former.contains(A), Some(5));
}

#[test]
fn the_new_route_shown_ends_a_confirmed_pin_after_the_grace() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    ledger.take_over(session, NOW, taken(A, B), |_, _| 0);
    let moved = |at: Seconds| ledger.peeked(session, at).unwrap().moved;
    assert!(moved(NOW.after(1799)));
    assert!(!moved(NOW.after(1800)));

    ledger.shown(session, NOW, 10);
    assert!(moved(NOW.after(9)));
    assert!(!moved(NOW.after(10)));
    ledger.shown(session, NOW.after(5), 10);
    assert!(!moved(NOW.after(10)), "shown again is not shown later");

    ledger.take_over(session, NOW, taken(A, C), |_, _| 0);
    ledger.claim(session, NOW, claimed_of(A));
    assert_eq!(ledger.peeked(session, NOW).unwrap().owner, C);
    ledger.issue(session, NOW, issued_by(C));
    assert!(
        moved(NOW),
        "older requests of the client are still on their way"
    );
    ledger.issue(session, NOW, issued_by(A));
    assert!(!moved(NOW));
}

#[test]
fn what_is_learned_late_takes_nothing_from_a_later_owner() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    let at_b = ledger.pin(session, NOW, DETOUR, |_| true);
    assert_eq!(at_b.owner(), A);
    let late = TakeOver {
        only_from: Some(at_b.owner()),
        ..taken(A, B)
    };
    ledger.take_over(session, NOW, taken(A, C), |_, _| 0);
    let before = ledger.peeked(session, NOW);
    ledger.take_over(session, NOW.after(1), late, |_, _| 0);
    assert_eq!(ledger.peeked(session, NOW), before);
    ledger.unpin(session, NOW, at_b);

    ledger.issue(session, NOW, issued_by(A));
    ledger.take_over(session, NOW, late, |_, _| 0);
    ledger.shown(session, NOW, 0);
    // Its own new owner may be told so again.
    ledger.take_over(session, NOW, late, |_, _| 0);
    let known = ledger.peeked(session, NOW).unwrap();
    assert_eq!((known.owner, known.moved), (B, true));
    expect_exact(&ledger);
}

#[test]
fn an_old_id_does_not_undo_a_confirmed_pin() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.claim(session, NOW, claimed_of(A));
    let take = TakeOver {
        kind: Kind::Claimed,
        ..taken(A, B)
    };
    ledger.take_over(session, NOW, take, |_, _| 0);
    ledger.claim(session, NOW, claimed_of(A));
    let known = ledger.peeked(session, NOW).unwrap();
    assert_eq!((known.owner, known.kind), (B, Kind::Claimed));
    ledger.claim(session, take.until, claimed_of(A));
    assert_eq!(ledger.peeked(session, NOW).unwrap().owner, A);
}

fn left(from: Member, to: Member) -> TakeOver {
    TakeOver {
        home: Home::Left,
        ..taken(from, to)
    }
}

#[test]
fn home_is_whom_a_session_had_to_leave_first() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    let home = || ledger.peeked(session, NOW).unwrap().former.home();
    ledger.issue(session, NOW, issued_by(A));
    assert_eq!(home(), None);
    ledger.take_over(session, NOW, left(A, B), |_, _| 0);
    assert_eq!(home(), Some(A));
    ledger.take_over(session, NOW, left(B, C), |_, _| 0);
    assert_eq!(home(), Some(A));
    // It comes home, and its home is not whom it left for that.
    ledger.take_over(session, NOW, left(C, A), |_, _| 0);
    assert_eq!(home(), None);
    ledger.take_over(session, NOW, left(A, C), |_, _| 0);
    assert_eq!(home(), Some(A));
    // Somebody else has moved it, and knows why.
    let elsewhere = TakeOver {
        home: Home::Here,
        ..taken(C, B)
    };
    ledger.take_over(session, NOW, elsewhere, |_, _| 0);
    assert_eq!(home(), None);
    // Whoever is left for another reason is no home.
    ledger.take_over(session, NOW, taken(B, D), |_, _| 0);
    assert_eq!(home(), None);
}

#[test]
fn a_home_that_is_forgotten_is_none() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    let others = [B, C, D, Member(4)];
    let mut from = A;
    for to in others {
        ledger.take_over(session, NOW, left(from, to), |_, _| 0);
        from = to;
    }
    let known = ledger.peeked(session, NOW).unwrap();
    // The last three are remembered, and none of them is where it was at home.
    assert_eq!(known.former.home(), None);
    ledger.take_over(session, NOW, left(from, A), |_, _| 0);
    let known = ledger.peeked(session, NOW).unwrap();
    assert_eq!(known.former.home(), Some(from));
    expect_exact(&ledger);
}

#[test]
fn requests_at_a_survivor_stay_counted_while_the_session_is_away() {
    let ledger = Ledger::new(100);
    for (take, stays) in [(taken(A, B), None), (left(A, B), Some(B))] {
        let session = key(&ledger, u32::from(stays.is_some()));
        let pin = || ledger.peeked(session, NOW).unwrap().pin;
        ledger.issue(session, NOW, issued_by(A));
        let first = ledger.pin(session, NOW, DETOUR, |_| true);
        ledger.take_over(session, NOW, take, |_, _| 0);
        assert_eq!(pin(), stays);
        // Its owner gives it another store node.
        ledger.issue(session, NOW, issued_by(B));
        assert_eq!(pin(), stays);
        ledger.unpin(session, NOW, first);
        assert_eq!(pin(), None);
    }
    expect_exact(&ledger);
}

#[test]
fn an_id_is_kept_until_an_answer_says_another() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    let kept = || ledger.peeked(session, NOW).unwrap().kept_id;
    ledger.issue(session, NOW, issued_by(A));
    let silent = TakeOver {
        keeps_id: true,
        ..left(A, B)
    };
    ledger.take_over(session, NOW, silent, |_, _| 0);
    assert!(kept());
    let told = TakeOver {
        store: Some(Store(1)),
        ..silent
    };
    ledger.take_over(session, NOW, told, |_, _| 0);
    assert!(!kept());
    ledger.take_over(session, NOW, silent, |_, _| 0);
    assert!(
        !kept(),
        "what was said is not unsaid by the end of an answer"
    );
}
