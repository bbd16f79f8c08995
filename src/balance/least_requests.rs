//! Weighted least requests: the member with the fewest requests in flight for its weight.

use std::cmp::Ordering;

use super::load::Load;
use super::{Schedule, Slot};

/// Picks who would have the smallest `(in flight + 1) / weight`.
///
/// `cursor` counts requests: a member that is idle when its turn of the schedule comes is taken, so
/// a cluster with little to do is shared by weight and not left to the heaviest; ties among busy
/// members go to the one whose turn comes first. `in_flight` says `None` for one that may not be
/// picked (full, tried already); it is asked at most twice about the member whose turn it is and
/// once about every other.
pub fn pick(
    schedule: &Schedule,
    cursor: usize,
    mut in_flight: impl FnMut(Slot) -> Option<usize>,
) -> Option<Slot> {
    let turn = schedule.at(cursor)?;
    if in_flight(turn) == Some(0) {
        return Some(turn);
    }
    let mut least: Option<(Slot, Load)> = None;
    for member in schedule.members_from(cursor) {
        let Some(in_flight) = in_flight(member.slot) else {
            continue;
        };
        let load = Load {
            in_flight,
            weight: member.weight,
        };
        if least.is_none_or(|(_, least)| load.compare(least) == Ordering::Less) {
            least = Some((member.slot, load));
        }
    }
    least.map(|(slot, _)| slot)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pick_of(weights: &[u32], loads: &[Option<usize>], cursor: usize) -> Option<u16> {
        pick(&Schedule::of_weights(weights), cursor, |slot| {
            loads[usize::from(slot.0)]
        })
        .map(|slot| slot.0)
    }

    #[test]
    fn the_least_busy_for_its_weight_is_picked() {
        for (weights, loads, cursor, expected) in [
            (&[1, 1][..], &[Some(1), Some(2)][..], 0, Some(0)),
            (&[1, 1], &[Some(2), Some(1)], 0, Some(1)),
            // (3 + 1) / 3 against (1 + 1) / 1
            (&[3, 1], &[Some(3), Some(1)], 0, Some(0)),
            // (6 + 1) / 3 against (1 + 1) / 1
            (&[3, 1], &[Some(6), Some(1)], 0, Some(1)),
            // A tie, 3/3 and 1/1: whose turn it is decides, and only an idle one gains by it.
            (&[3, 1], &[Some(2), Some(0)], 0, Some(0)),
            (&[3, 1], &[Some(2), Some(0)], 2, Some(1)),
            (&[1, 1], &[None, Some(9)], 0, Some(1)),
            (&[1, 1], &[None, None], 0, None),
            (&[], &[], 0, None),
        ] {
            assert_eq!(
                pick_of(weights, loads, cursor),
                expected,
                "{weights:?} {loads:?} {cursor}"
            );
        }
    }

    #[test]
    fn idle_members_alternate() {
        let order: Vec<_> = (0..4)
            .filter_map(|cursor| pick_of(&[1, 1], &[Some(0), Some(0)], cursor))
            .collect();
        assert_eq!(order, [0, 1, 0, 1]);
    }

    #[test]
    fn equally_busy_members_alternate() {
        let order: Vec<_> = (0..4)
            .filter_map(|cursor| pick_of(&[1, 1], &[Some(5), Some(5)], cursor))
            .collect();
        assert_eq!(order, [0, 1, 0, 1]);
    }

    #[test]
    fn an_idle_cluster_is_shared_by_weight() {
        let order: Vec<_> = (0..6)
            .filter_map(|cursor| pick_of(&[2, 1], &[Some(0), Some(0)], cursor))
            .collect();
        assert_eq!(order, [0, 1, 0, 0, 1, 0]);
    }

    proptest! {
        #[test]
        fn requests_that_stay_are_spread_by_weight(
            weights in prop::collection::vec(1_u32..=10, 1..8),
            rounds in 1_usize..20,
        ) {
            let schedule = Schedule::of_weights(&weights);
            let sum: u32 = weights.iter().sum();
            let mut loads = vec![0_usize; weights.len()];
            for cursor in 0..usize::try_from(sum).unwrap() * rounds {
                let slot = pick(&schedule, cursor, |slot| Some(loads[usize::from(slot.0)]));
                loads[usize::from(slot.unwrap().0)] += 1;
            }
            for (load, weight) in loads.iter().zip(&weights) {
                let due = usize::try_from(*weight).unwrap() * rounds;
                prop_assert!(load.abs_diff(due) <= 1, "{loads:?} for {weights:?}");
            }
        }

        #[test]
        fn who_may_not_be_picked_never_is(
            loads in prop::collection::vec(prop::option::of(0_usize..5), 1..10),
            cursor in any::<usize>(),
        ) {
            let picked = pick_of(&vec![1; loads.len()], &loads, cursor);
            prop_assert_eq!(picked.is_some(), loads.iter().any(Option::is_some));
            prop_assert!(picked.is_none_or(|slot| loads[usize::from(slot)].is_some()));
        }
    }
}
