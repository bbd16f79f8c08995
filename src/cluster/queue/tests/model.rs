//! A whole cluster against what can be counted by hand.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// One step of a whole cluster.
#[derive(Debug, Clone)]
enum Step {
    /// A request comes for this backend.
    Sticky(u16),
    /// A request comes for any.
    Other,
    /// The request at this place of those that are served, counted around, ends.
    Ends(usize),
    /// One of those that wait goes away, whether it was given a place or not.
    Goes(usize),
    /// All look whether they have a place.
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u16..2).prop_map(Step::Sticky),
        3 => Just(Step::Other),
        4 => any::<usize>().prop_map(Step::Ends),
        1 => any::<usize>().prop_map(Step::Goes),
        2 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn no_place_is_lost_and_none_is_given_twice(
        steps in steps(),
        places in [0_usize..4, 0_usize..4],
        whole in 0_usize..5,
    ) {
        let cluster = cluster(places, whole, "{ length: 10 }");
        let mut served = Vec::<(u16, Place)>::new();
        let mut waiting = VecDeque::<(Option<u16>, Waiting)>::new();
        for step in steps {
            match step {
                Step::Sticky(_) | Step::Other => {
                    let wish = if let Step::Sticky(slot) = step { Some(slot) } else { None };
                    let wanted = wish.map_or_else(|| anyone(&cluster), |slot| owner(&cluster, slot));
                    let entered = match wish {
                        Some(slot) => enter(&cluster, slot).map(|scope| (slot, scope)),
                        None => [0, 1].into_iter().find_map(|slot| Some((slot, enter(&cluster, slot)?))),
                    };
                    match entered {
                        Some((slot, scope)) => {
                            let backend = cluster.backend(Slot(slot)).unwrap();
                            served.push((slot, Place::new(Arc::clone(backend), scope)));
                        }
                        None => match cluster.queue.join(&cluster, wait(wanted)) {
                            Ok(waiter) => waiting.push_back((wish, waiter)),
                            Err(why) => prop_assert_eq!(why, Unqueued::Full),
                        },
                    }
                }
                Step::Ends(place) => {
                    if let Some(place) = place.checked_rem(served.len()) {
                        served.remove(place);
                    }
                }
                Step::Goes(place) => {
                    if let Some(place) = place.checked_rem(waiting.len()) {
                        waiting.remove(place);
                    }
                }
                Step::Look => {}
            }
            // First come, first served, among those who wait for the same.
            let mut still = VecDeque::new();
            let mut passed: Vec<Option<u16>> = Vec::new();
            for (wish, mut waiter) in std::mem::take(&mut waiting) {
                if let Some((slot, place)) = place(&cluster, &mut waiter) {
                    prop_assert!(wish.is_none_or(|wish| wish == slot));
                    prop_assert!(!passed.contains(&wish), "passed one who came before");
                    served.push((slot, place));
                } else {
                    passed.push(wish);
                    still.push_back((wish, waiter));
                }
            }
            waiting = still;
            // Never over a bound, and nobody waits beside a free place.
            let counted = |slot: u16| served.iter().filter(|(at, _)| *at == slot).count();
            let has_room = |slot: u16| {
                let bound = places[usize::from(slot)];
                bound == 0 || counted(slot) < bound
            };
            for slot in [0, 1] {
                let backend = cluster.backend(Slot(slot)).unwrap();
                prop_assert_eq!(backend.in_flight(), counted(slot));
                prop_assert!(places[usize::from(slot)] == 0 || counted(slot) <= places[usize::from(slot)]);
            }
            prop_assert!(whole == 0 || served.len() <= whole);
            prop_assert_eq!(cluster.queue.waiting(), waiting.len());
            let cluster_has_room = whole == 0 || served.len() < whole;
            for (wish, _) in &waiting {
                let could_go = match wish {
                    Some(slot) => has_room(*slot),
                    None => has_room(0) || has_room(1),
                };
                prop_assert!(!(cluster_has_room && could_go), "{:?} waits beside a free place", wish);
            }
            if waiting.is_empty() {
                for slot in [0, 1] {
                    let backend = cluster.backend(Slot(slot)).unwrap();
                    prop_assert_eq!(backend.has_room(), has_room(slot), "a mark was left");
                }
                prop_assert_eq!(cluster.queue.has_room(), cluster_has_room);
            }
        }
    }
}
