//! Smooth weighted round robin over a schedule.

use super::{Schedule, Slot};

/// The next in turn for whom `take` says yes.
///
/// `cursor` counts requests, one number for each. `take` is asked until it says yes and may be
/// asked again about one that said no, so it may reserve what it grants. Those passed over lose
/// their turn to whoever comes next. The search is bounded by three questions per member, however
/// long the round is.
pub fn pick(
    schedule: &Schedule,
    cursor: usize,
    mut take: impl FnMut(Slot) -> bool,
) -> Option<Slot> {
    let first = schedule.at(cursor)?;
    if take(first) {
        return Some(first);
    }
    let turns = schedule.len().min(2 * schedule.members().len());
    (1..turns)
        .filter_map(|turn| schedule.at(cursor.wrapping_add(turn)))
        .find(|slot| take(*slot))
        .or_else(|| {
            // A light member may not come up in those turns.
            let mut rest = schedule.members_from(cursor).map(|member| member.slot);
            rest.find(|slot| take(*slot))
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn free_members_take_their_turns() {
        let schedule = Schedule::of_weights(&[5, 1, 1]);
        let order: Vec<_> = (0..7)
            .filter_map(|n| pick(&schedule, n, |_| true))
            .collect();
        assert_eq!(order, [0, 0, 1, 0, 2, 0, 0].map(Slot));
    }

    #[test]
    fn a_full_member_is_passed_over() {
        let schedule = Schedule::of_weights(&[5, 1, 1]);
        let order: Vec<_> = (0..4)
            .filter_map(|n| pick(&schedule, n, |slot| slot != Slot(0)))
            .collect();
        assert_eq!(order, [1, 1, 1, 2].map(Slot));
    }

    #[test]
    fn a_light_member_is_found_when_all_others_are_full() {
        let schedule = Schedule::of_weights(&[4_000, 1, 1]);
        let mut asked = 0;
        let found = pick(&schedule, 0, |slot| {
            asked += 1;
            slot == Slot(2)
        });
        assert_eq!(found, Some(Slot(2)));
        assert!(asked <= 9, "{asked} questions");
    }

    proptest! {
        #[test]
        fn somebody_is_found_exactly_if_somebody_is_free(
            free in prop::collection::vec((1_u32..50, any::<bool>()), 0..20),
            cursor in any::<usize>(),
        ) {
            let weights: Vec<u32> = free.iter().map(|(weight, _)| *weight).collect();
            let found = pick(&Schedule::of_weights(&weights), cursor, |slot| free[usize::from(slot.0)].1);
            prop_assert_eq!(found.is_some(), free.iter().any(|(_, free)| *free));
            prop_assert!(found.is_none_or(|slot| free[usize::from(slot.0)].1));
        }
    }
}
