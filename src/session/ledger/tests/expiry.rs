//! Sessions that end by themselves.

use super::*;

#[test]
fn a_sweep_removes_what_was_not_seen_for_its_idle_time() {
    let ledger = Ledger::new(1000);
    ledger.set_idle(A, 60);
    let (short, long, unknown) = (key(&ledger, 1), key(&ledger, 2), key(&ledger, 3));
    ledger.issue(short, NOW, issued_by(A));
    ledger.issue(long, NOW, issued_by(B));
    ledger.claim(unknown, NOW, claimed_of(Member::NOBODY));

    assert_eq!(ledger.sweep(NOW.after(60), 10_000), 0);
    assert_eq!(ledger.sweep(NOW.after(61), 10_000), 1);
    assert_eq!(ledger.peeked(short, NOW), None);
    ledger.touched(long, NOW.after(100));
    assert_eq!(ledger.sweep(NOW.after(1801), 10_000), 1);
    assert_eq!(ledger.peeked(unknown, NOW), None);
    assert_eq!(ledger.sweep(NOW.after(1901), 10_000), 1);
    let status = ledger.status();
    assert_eq!((status.expired, status.issued, status.claimed), (3, 0, 0));
    expect_exact(&ledger);
}

#[test]
fn a_sweep_goes_on_where_the_last_one_ended() {
    let ledger = Ledger::new(2000);
    for number in 0..1000 {
        ledger.issue(key(&ledger, number), NOW, issued_by(A));
    }
    let later = NOW.after(5000);
    let (mut calls, mut removed) = (0, 0);
    while ledger.status().issued > 0 {
        let now = ledger.sweep(later, 50);
        assert!(now <= 50);
        (calls, removed) = (calls + 1, removed + now);
    }
    assert_eq!(removed, 1000);
    assert!(calls <= 21, "{calls}");
    assert_eq!(ledger.sweep(later, usize::MAX), 0, "one round at most");
    expect_exact(&ledger);
}

#[test]
fn an_expired_session_answers_until_it_is_swept_and_may_live_on() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    assert!(ledger.touched(session, NOW.after(3000)).is_some());
    assert_eq!(ledger.sweep(NOW.after(3000), 1000), 0);
}

#[test]
fn a_clock_that_lags_makes_no_session_older() {
    let ledger = Ledger::new(100);
    let session = key(&ledger, 1);
    ledger.issue(session, NOW, issued_by(A));
    ledger.touched(session, Seconds(999));
    assert_eq!(ledger.peeked(session, NOW).unwrap().seen, NOW);
    assert_eq!(ledger.sweep(Seconds(0), 1000), 0);
}
