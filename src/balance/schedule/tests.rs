use proptest::prelude::*;

use super::*;

fn members(weights: &[u32]) -> Vec<Member> {
    (0..)
        .zip(weights)
        .map(|(slot, weight)| Member {
            slot: Slot(slot),
            weight: *weight,
        })
        .collect()
}

fn schedule(weights: &[u32]) -> Schedule {
    Schedule::new(&members(weights))
}

fn round(weights: &[u32]) -> String {
    let schedule = schedule(weights);
    (0..schedule.len())
        .filter_map(|cursor| schedule.at(cursor))
        .map(|Slot(slot)| char::from(b'a' + u8::try_from(slot).unwrap()))
        .collect()
}

fn counts(schedule: &Schedule, members: usize, from: usize, turns: usize) -> Vec<usize> {
    let mut counts = vec![0; members];
    for cursor in from..from + turns {
        counts[usize::from(schedule.at(cursor).unwrap().0)] += 1;
    }
    counts
}

#[test]
fn the_order_is_that_of_the_smooth_algorithm() {
    for (weights, expected) in [
        (&[1][..], "a"),
        (&[1, 1], "ab"),
        (&[7, 7], "ab"),
        (&[1, 1, 1], "abc"),
        (&[5, 1, 1], "aabacaa"),
        (&[2, 1], "aba"),
        (&[4, 2], "aba"),
        (&[1, 3], "babb"),
        (&[3, 2], "ababa"),
        (&[0, 1], "ab"),
    ] {
        assert_eq!(round(weights), expected, "{weights:?}");
    }
}

#[test]
fn nobody_takes_part_in_an_empty_schedule() {
    let schedule = schedule(&[]);
    assert!(schedule.is_empty());
    assert_eq!(schedule.at(0), None);
    assert_eq!(schedule.at(usize::MAX), None);
    assert_eq!(schedule.members_from(3).count(), 0);
}

#[test]
fn a_schedule_speaks_of_slots_and_not_of_positions() {
    let schedule = Schedule::new(&[
        Member {
            slot: Slot(7),
            weight: 1,
        },
        Member {
            slot: Slot(3),
            weight: 2,
        },
    ]);
    let order: Vec<_> = (0..3).filter_map(|cursor| schedule.at(cursor)).collect();
    assert_eq!(order, [Slot(3), Slot(7), Slot(3)]);
}

#[test]
fn large_weights_are_scaled_and_nobody_is_left_out() {
    let weights = [65_535, 1, 65_534, 32_767];
    let schedule = schedule(&weights);
    let counts = counts(&schedule, weights.len(), 0, schedule.len());
    assert_eq!(schedule.len(), 4_096);
    assert_eq!(counts, [1638, 1, 1638, 819]);
}

#[test]
fn more_members_than_entries_get_one_turn_each() {
    let mut weights = vec![1; 5_000];
    weights[17] = 60_000;
    let schedule = schedule(&weights);
    assert_eq!(schedule.len(), 5_000);
    assert_eq!(counts(&schedule, 5_000, 0, 5_000), vec![1; 5_000]);
}

#[test]
fn the_members_follow_beginning_with_the_one_whose_turn_it_is() {
    let schedule = schedule(&[1, 1, 1]);
    let order: Vec<_> = schedule
        .members_from(4)
        .map(|member| member.slot.0)
        .collect();
    assert_eq!(order, [1, 2, 0]);
}

fn small_weights() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(1_u32..=40, 1..12)
}

proptest! {
    #[test]
    fn weights_are_exact_in_every_full_round(weights in small_weights(), from in 0_usize..10_000) {
        let schedule = schedule(&weights);
        let sum: u32 = weights.iter().sum();
        let counts = counts(&schedule, weights.len(), from, schedule.len());
        for (count, weight) in counts.iter().zip(&weights) {
            prop_assert_eq!(
                *count * usize::try_from(sum).unwrap(),
                schedule.len() * usize::try_from(*weight).unwrap()
            );
        }
    }

    /// Nobody is ever a whole turn ahead of its share; with two members nobody is a whole turn
    /// behind either.
    #[test]
    fn turns_are_spread(weights in small_weights()) {
        let schedule = schedule(&weights);
        let sum: u64 = weights.iter().copied().map(u64::from).sum();
        let behind = u64::try_from(weights.len().saturating_sub(1)).unwrap();
        let mut counts = vec![0_u64; weights.len()];
        for cursor in 0..schedule.len() {
            counts[usize::from(schedule.at(cursor).unwrap().0)] += 1;
            let turns = u64::try_from(cursor + 1).unwrap();
            for (count, weight) in counts.iter().zip(&weights) {
                let due = turns * u64::from(*weight);
                prop_assert!(count * sum < due + sum, "{counts:?} after {turns}");
                prop_assert!(count * sum + behind * sum >= due, "{counts:?} after {turns}");
            }
        }
    }

    #[test]
    fn equal_members_alternate(members in 1_usize..200, weight in 1_u32..=65_535) {
        let schedule = schedule(&vec![weight; members]);
        prop_assert_eq!(schedule.len(), members);
        for cursor in 0..3 * members {
            let slot = usize::from(schedule.at(cursor).unwrap().0);
            prop_assert_eq!(slot, cursor % members);
        }
    }

    #[test]
    fn scaled_shares_are_off_by_less_than_a_turn_and_the_light_ones_help(
        weights in prop::collection::vec(1_u32..=65_535, 1..100),
    ) {
        let turns = turns_of(&members(&weights));
        let sum: u32 = turns.iter().sum();
        prop_assert!(sum <= MAX_ENTRIES);
        prop_assert!(turns.iter().all(|turns| *turns >= 1));
        let by_weight = weights.iter().zip(&turns);
        for (weight, turns) in by_weight.clone() {
            for (other_weight, other_turns) in by_weight.clone() {
                prop_assert!(weight < other_weight || turns + 1 >= *other_turns);
                // Ratios of those who need no help hold to within the rounding of both.
                if *turns > 1 && *other_turns > 1 {
                    let (this, other) = (f64::from(*turns), f64::from(*other_turns));
                    let ratio = f64::from(*weight) / f64::from(*other_weight);
                    prop_assert!((this + 1.0) / (other - 1.0) >= ratio);
                    prop_assert!((this - 1.0) / (other + 1.0) <= ratio);
                }
            }
        }
    }
}
