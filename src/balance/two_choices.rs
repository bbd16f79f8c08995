//! Two random choices: the less busy of two members picked at random.

use std::cmp::Ordering;

use super::load::Load;
use super::{Schedule, Slot};

/// Two numbers, each uniform over all of `u64`, drawn for this one pick.
#[derive(Debug, Clone, Copy)]
pub struct Draw(pub u64, pub u64);

/// Picks the less busy of two distinct members.
///
/// The first is drawn by weight, the second evenly among the others. The first is taken if it is
/// idle or if its `(in flight + 1) / weight` is not above the second's, so an idle cluster is
/// shared by weight. `in_flight` says `None` for one that may not be picked (full, tried already):
/// then the other is taken, and if neither may be, the next in order that may.
pub fn pick(
    schedule: &Schedule,
    draw: Draw,
    mut in_flight: impl FnMut(Slot) -> Option<usize>,
) -> Option<Slot> {
    let turn = scale(draw.0, schedule.len());
    let mut others = schedule.members_from(turn);
    let first = others.next()?;
    let load = |in_flight, weight| Load { in_flight, weight };
    let first_load = in_flight(first.slot).map(|count| load(count, first.weight));
    if first_load.is_some_and(|load| load.in_flight == 0) {
        return Some(first.slot);
    }
    let count = schedule.members().len().saturating_sub(1);
    let second = others.nth(scale(draw.1, count));
    let second_load =
        second.and_then(|member| Some((member.slot, load(in_flight(member.slot)?, member.weight))));
    match (first_load, second_load) {
        (Some(one), Some((slot, two))) if two.compare(one) == Ordering::Less => Some(slot),
        (Some(_), _) => Some(first.slot),
        (None, Some((slot, _))) => Some(slot),
        (None, None) => schedule
            .members_from(turn)
            .map(|member| member.slot)
            .find(|slot| in_flight(*slot).is_some()),
    }
}

/// Brings a uniform number down to `0..below`; zero if `below` is zero.
fn scale(random: u64, below: usize) -> usize {
    let scaled = (u128::from(random) * below as u128) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Draws member `first` of `members` with equal weights, and the `second` of the others.
    fn draw(first: u64, second: u64, members: u64) -> Draw {
        let step = |part: u64, of: u64| part * (u64::MAX / of) + 1_000;
        Draw(step(first, members), step(second, (members - 1).max(1)))
    }

    fn pick_of(loads: &[Option<usize>], draw: Draw) -> Option<u16> {
        pick(&Schedule::of_weights(&vec![1; loads.len()]), draw, |slot| {
            loads[usize::from(slot.0)]
        })
        .map(|slot| slot.0)
    }

    #[test]
    fn the_less_busy_of_the_two_is_picked() {
        let busy = [Some(5), Some(3), Some(9), Some(1)];
        assert_eq!(pick_of(&busy, draw(0, 0, 4)), Some(1));
        assert_eq!(pick_of(&busy, draw(0, 1, 4)), Some(0));
        assert_eq!(pick_of(&busy, draw(0, 2, 4)), Some(3));
        // The others are counted on from the first: 3, 0, 1 after 2.
        assert_eq!(pick_of(&busy, draw(2, 1, 4)), Some(0));
    }

    #[test]
    fn who_may_not_be_picked_is_passed_over() {
        assert_eq!(pick_of(&[None, Some(8), Some(9)], draw(0, 1, 3)), Some(2));
        assert_eq!(pick_of(&[Some(8), None, Some(9)], draw(0, 0, 3)), Some(0));
        assert_eq!(pick_of(&[None, None, Some(9)], draw(0, 0, 3)), Some(2));
        assert_eq!(pick_of(&[None, None], draw(0, 0, 2)), None);
        assert_eq!(pick_of(&[Some(4)], draw(0, 0, 1)), Some(0));
        assert_eq!(pick_of(&[], Draw(7, 7)), None);
    }

    #[test]
    fn an_idle_cluster_is_shared_by_weight() {
        let schedule = Schedule::of_weights(&[3, 1]);
        let mut counts = [0; 2];
        for part in 0..1_000_u64 {
            let random = part * (u64::MAX / 1_000);
            let slot = pick(&schedule, Draw(random, random), |_| Some(0)).unwrap();
            counts[usize::from(slot.0)] += 1;
        }
        assert_eq!(counts, [750, 250]);
    }

    proptest! {
        #[test]
        fn the_busiest_of_all_is_never_picked(
            loads in prop::collection::vec(1_usize..100, 2..20),
            first in any::<u64>(),
            second in any::<u64>(),
        ) {
            let most = *loads.iter().max().unwrap();
            prop_assume!(loads.iter().filter(|load| **load == most).count() == 1);
            let loads: Vec<_> = loads.into_iter().map(Some).collect();
            let picked = pick_of(&loads, Draw(first, second)).unwrap();
            prop_assert_ne!(loads[usize::from(picked)], Some(most));
        }

        #[test]
        fn somebody_is_found_exactly_if_somebody_may_be_picked(
            loads in prop::collection::vec(prop::option::of(0_usize..5), 0..10),
            first in any::<u64>(),
            second in any::<u64>(),
        ) {
            let picked = pick_of(&loads, Draw(first, second));
            prop_assert_eq!(picked.is_some(), loads.iter().any(Option::is_some));
            prop_assert!(picked.is_none_or(|slot| loads[usize::from(slot)].is_some()));
        }
    }
}
