use proptest::prelude::*;

use super::*;

/// Backend 0 to 2, or any of those that are not in the set of bits.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Want {
    Owner(usize),
    Any(u8),
}

impl Wish for Want {
    fn class(&self) -> u8 {
        match self {
            Self::Owner(_) => 0,
            Self::Any(_) => 1,
        }
    }
}

/// Free places of three backends, and of the whole cluster.
#[derive(Debug, Clone)]
struct Free {
    backends: [usize; 3],
    whole: usize,
}

impl Free {
    fn find(&mut self, want: Want) -> Tried<usize> {
        if self.whole == 0 {
            return Tried::AllFull;
        }
        let fits = |backend: &usize| match want {
            Want::Owner(owner) => owner == *backend,
            Want::Any(tried) => tried & (1 << backend) == 0,
        };
        match (0..3).filter(fits).find(|it| self.backends[*it] > 0) {
            Some(backend) => {
                self.backends[backend] -= 1;
                self.whole -= 1;
                Tried::Placed(backend)
            }
            None if want == Want::Any(0b111) => Tried::Hopeless,
            None => Tried::Full,
        }
    }
}

/// The same, as simple as can be: everybody is tried, one after the other, from the beginning
/// after each that was placed.
fn served_by_the_model(
    waiting: &mut Vec<(Want, u64)>,
    free: &mut Free,
) -> Vec<(u64, Option<usize>)> {
    let mut served = Vec::new();
    'again: loop {
        waiting.sort_by_key(|(want, ticket)| (want.class(), *ticket));
        for (want, ticket) in waiting.clone() {
            match free.find(want) {
                Tried::Placed(backend) => {
                    waiting.retain(|(_, other)| *other != ticket);
                    served.push((ticket, Some(backend)));
                    continue 'again;
                }
                Tried::Hopeless => {
                    let same = |waiter: &&(Want, u64)| waiter.0 == want;
                    served.extend(
                        waiting
                            .iter()
                            .filter(same)
                            .map(|(_, ticket)| (*ticket, None)),
                    );
                    waiting.retain(|waiter| !same(&waiter));
                    continue 'again;
                }
                Tried::Full => {}
                Tried::AllFull => return served,
            }
        }
        return served;
    }
}

#[derive(Debug, Clone)]
enum Step {
    Come(Want),
    /// The one at this place of those who wait, counted around.
    Go(usize),
    /// Places come free, and those who wait are served.
    Serve(Free),
    /// One who was served comes back with the same ticket.
    Return(Want),
}

fn wants() -> impl Strategy<Value = Want> {
    prop_oneof![
        (0_usize..3).prop_map(Want::Owner),
        (0_u8..8).prop_map(Want::Any)
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let free = ([0_usize..4, 0..4, 0..4], 0_usize..9)
        .prop_map(|(backends, whole)| Free { backends, whole });
    let step = prop_oneof![
        4 => wants().prop_map(Step::Come),
        1 => any::<usize>().prop_map(Step::Go),
        2 => free.prop_map(Step::Serve),
        1 => wants().prop_map(Step::Return),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn the_line_serves_as_the_model_does(steps in steps()) {
        let mut line = Line::<Want, u64>::default();
        let mut waiting = Vec::<(Want, u64)>::new();
        let mut left = Vec::<u64>::new();
        for step in steps {
            match step {
                Step::Come(want) => {
                    let ticket = line.ticket();
                    line.insert(want, ticket, ticket.0);
                    waiting.push((want, ticket.0));
                }
                Step::Go(place) => {
                    if let Some(place) = place.checked_rem(waiting.len()) {
                        let (want, ticket) = waiting.remove(place);
                        prop_assert!(line.remove(&want, Ticket(ticket)));
                        prop_assert!(!line.remove(&want, Ticket(ticket)));
                    }
                }
                Step::Serve(free) => {
                    let (mut of_line, mut of_model) = (free.clone(), free);
                    let (served, _) = line.serve(|want| of_line.find(*want));
                    let mut expected = served_by_the_model(&mut waiting, &mut of_model);
                    let mut served = served;
                    let placed = |served: &[(u64, Option<usize>)]| {
                        let placed = served.iter().filter(|(_, place)| place.is_some());
                        placed.copied().collect::<Vec<_>>()
                    };
                    prop_assert_eq!(placed(&served), placed(&expected), "in this order");
                    served.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(&served, &expected);
                    prop_assert_eq!(of_line.backends, of_model.backends);
                    left.extend(served.into_iter().map(|(ticket, _)| ticket));
                }
                Step::Return(want) => {
                    if let Some(ticket) = left.pop() {
                        line.insert(want, Ticket(ticket), ticket);
                        waiting.push((want, ticket));
                    }
                }
            }
            prop_assert_eq!(line.len(), waiting.len());
            for backend in 0..3 {
                let want = Want::Owner(backend);
                let count = waiting.iter().filter(|(other, _)| *other == want).count();
                prop_assert_eq!(line.waiting_for(&want), count);
            }
        }
    }
}

#[test]
fn sessions_come_first_and_then_who_came_first() {
    let mut line = Line::default();
    for want in [
        Want::Any(0),
        Want::Owner(1),
        Want::Any(0b001),
        Want::Owner(0),
        Want::Owner(1),
    ] {
        let ticket = line.ticket();
        line.insert(want, ticket, ticket.0);
    }
    let mut free = Free {
        backends: [1, 2, 1],
        whole: 9,
    };
    let (served, all_full) = line.serve(|want| free.find(*want));
    let expected = [(2, Some(1)), (4, Some(0)), (5, Some(1)), (1, Some(2))];
    assert_eq!(served, expected);
    assert!(!all_full);
    assert_eq!(line.len(), 1);
}

#[test]
fn a_full_cluster_serves_nobody() {
    let mut line = Line::default();
    let ticket = line.ticket();
    line.insert(Want::Owner(0), ticket, ());
    let mut free = Free {
        backends: [1; 3],
        whole: 0,
    };
    let (served, all_full) = line.serve(|want| free.find(*want));
    assert!(served.is_empty() && all_full);
    assert_eq!(line.len(), 1);
}
