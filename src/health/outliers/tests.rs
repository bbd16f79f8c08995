use proptest::prelude::*;

use super::*;

fn outliers() -> Outliers {
    Outliers {
        consecutive: 5,
        statuses: Vec::new(),
        bad_percent: 50,
        slow_factor: 5,
        slow_time: seconds(1),
        window: seconds(10),
        requests: 20,
        time: seconds(10),
        longest: seconds(60),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Looks once a second at what `count` says, and tells what was done when. Who is outlying is out.
fn story(until: u64, count: impl Fn(u64) -> Counted) -> Vec<(u64, Verdict)> {
    let (mut judge, mut done) = (Judge::default(), Vec::new());
    for second in 0..until {
        let at = seconds(second);
        let mean = judge.look(at, count(second), &outliers());
        let usual = Some(Duration::from_millis(100));
        if let Some(verdict) = judge.judge(at, (mean, usual), &outliers()) {
            if verdict == Verdict::Outlying {
                judge.is_out(at, &outliers());
            }
            done.push((second, verdict));
        }
    }
    done
}

#[test]
fn a_row_of_bad_answers_is_enough() {
    let row = |at: u64, length| Counted {
        row: if at == 3 { length } else { 0 },
        ..Counted::default()
    };
    assert_eq!(story(60, |at| row(at, 4)), []);
    let expected = [(3, Verdict::Outlying), (13, Verdict::Readmit)];
    assert_eq!(story(60, |at| row(at, 5)), expected);
}

#[test]
fn a_share_of_bad_answers_counts_within_the_window_and_not_of_few() {
    let share = |at: u64, each: u64, bad: u64| Counted {
        answers: at * each,
        bad: at * bad,
        ..Counted::default()
    };
    assert_eq!(story(60, |at| share(at, 10, 4)), []);
    assert_eq!(story(60, |at| share(at, 1, 1)), []);
    assert_eq!(story(3, |at| share(at, 10, 5)), [(2, Verdict::Outlying)]);
    // Half an hour of good answers before makes no difference.
    let late = |at: u64| Counted {
        answers: 1_000_000 + at * 10,
        bad: at.saturating_sub(20) * 10,
        ..Counted::default()
    };
    assert_eq!(story(40, late)[0], (25, Verdict::Outlying));
}

#[test]
fn who_is_many_times_as_slow_as_the_others_is_outlying() {
    let slow = |ms: u64| {
        move |at: u64| Counted {
            answers: at * 10,
            timed: at * 10,
            time: Duration::from_millis(at * 10 * ms),
            ..Counted::default()
        }
    };
    assert_eq!(story(30, slow(900)), []);
    assert_eq!(story(3, slow(1000)), [(2, Verdict::Outlying)]);
}

#[test]
fn the_time_out_grows_and_is_forgiven() {
    let always_bad = |_| Counted {
        row: 9,
        ..Counted::default()
    };
    let done = story(200, always_bad);
    let out: Vec<_> = done
        .iter()
        .filter(|(_, it)| *it == Verdict::Outlying)
        .map(|(at, _)| *at)
        .collect();
    // 10, 20, 40, then the longest: 60 s, each with a look in between.
    assert_eq!(out, [0, 11, 32, 73, 134, 195]);
    let twice = |at: u64| Counted {
        row: if at == 0 || at == 100 { 9 } else { 0 },
        ..Counted::default()
    };
    let expected = [
        (0, Verdict::Outlying),
        (10, Verdict::Readmit),
        (100, Verdict::Outlying),
        (110, Verdict::Readmit),
    ];
    assert_eq!(story(200, twice), expected);
}

#[test]
fn the_usual_is_the_middle_of_the_others() {
    let means = [
        Some(seconds(9)),
        Some(seconds(1)),
        None,
        Some(seconds(3)),
        Some(seconds(2)),
    ];
    assert_eq!(usual(&means, 0), Some(seconds(2)));
    assert_eq!(usual(&means, 1), Some(seconds(3)));
    assert_eq!(usual(&means[..1], 0), None);
}

proptest! {
    #[test]
    fn who_is_out_comes_back_within_the_longest_time(
        looks in prop::collection::vec((0_u64..30, 0_u64..30, 0_u32..9, 0_u64..5000), 1..100),
    ) {
        let (mut judge, mut all, mut out_since) = (Judge::default(), Counted::default(), None);
        for (second, (good, bad, row, ms)) in (0..).zip(looks) {
            let at = seconds(second);
            all.answers += good + bad;
            all.bad += bad;
            all.timed += good + bad;
            all.time += Duration::from_millis(ms);
            all.row = row;
            let mean = judge.look(at, all, &outliers());
            match judge.judge(at, (mean, None), &outliers()) {
                Some(Verdict::Outlying) => {
                    prop_assert!(out_since.is_none());
                    judge.is_out(at, &outliers());
                    out_since = Some(second);
                }
                Some(Verdict::Readmit) => {
                    let since = out_since.take();
                    prop_assert!(since.is_some_and(|since| (10..=60).contains(&(second - since))));
                }
                None => {}
            }
        }
    }
}

#[test]
fn who_was_down_is_judged_by_what_came_after() {
    let mut judge = Judge::default();
    let bad = |answers| Counted {
        answers,
        bad: answers,
        ..Counted::default()
    };
    for (second, answers) in [(0, 0), (1, 30)] {
        judge.look(seconds(second), bad(answers), &outliers());
    }
    assert!(!judge.begin_anew(), "it was not out");
    judge.look(seconds(2), bad(30), &outliers());
    assert_eq!(judge.judge(seconds(2), (None, None), &outliers()), None);
    judge.look(seconds(3), bad(60), &outliers());
    let verdict = judge.judge(seconds(3), (None, None), &outliers());
    assert_eq!(verdict, Some(Verdict::Outlying));
    judge.is_out(seconds(3), &outliers());
    assert!(judge.begin_anew(), "and is not any more");
    judge.look(seconds(4), bad(60), &outliers());
    assert_eq!(judge.judge(seconds(4), (None, None), &outliers()), None);
}
