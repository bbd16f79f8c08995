//! Who may join the queue: a pure decision over how full it is and how much a request matters.
//!
//! When a queue fills, the requests that matter least are refused first, long before it is full,
//! so that there is room for those that matter more: load is shed while there still is a choice.

use crate::config::Priority;

/// A tenth of the queue's length is kept for those that matter most, beyond it.
const RESERVE: usize = 10;

/// Whether a request may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may.
    Waits,
    /// The queue is full.
    Full,
    /// There is room, but not for one that matters as little.
    Shed,
}

/// Whether one more may wait where `waiting` do and `length` may.
pub(super) fn admission(priority: Priority, waiting: usize, length: usize) -> Admission {
    let room = match priority {
        Priority::Low => length.div_ceil(2),
        Priority::Normal => length,
        Priority::High => length.saturating_add(length.div_ceil(RESERVE)),
    };
    if waiting < room {
        Admission::Waits
    } else if waiting < length {
        Admission::Shed
    } else {
        Admission::Full
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Admission::{Full, Shed, Waits};
    use Priority::{High, Low, Normal};

    #[test]
    fn the_table() {
        let rows = [
            // Priority, waiting, length.
            (Low, 0, 0, Full),
            (Normal, 0, 0, Full),
            (High, 0, 0, Full),
            (Low, 0, 1, Waits),
            (Low, 1, 1, Full),
            (Normal, 0, 1, Waits),
            (Normal, 1, 1, Full),
            (High, 1, 1, Waits),
            (High, 2, 1, Full),
            (Low, 49, 100, Waits),
            (Low, 50, 100, Shed),
            (Low, 99, 100, Shed),
            (Low, 100, 100, Full),
            (Normal, 99, 100, Waits),
            (Normal, 100, 100, Full),
            (High, 100, 100, Waits),
            (High, 109, 100, Waits),
            (High, 110, 100, Full),
            (Low, 1, 3, Waits),
            (Low, 2, 3, Shed),
            (High, usize::MAX, usize::MAX, Full),
        ];
        for (priority, waiting, length, expected) in rows {
            assert_eq!(
                admission(priority, waiting, length),
                expected,
                "{priority:?} {waiting} of {length}"
            );
        }
    }

    proptest! {
        #[test]
        fn who_matters_more_is_never_refused_where_another_waits(
            waiting in 0_usize..300, length in 0_usize..200,
        ) {
            let may_wait = |priority| admission(priority, waiting, length) == Waits;
            prop_assert!(!may_wait(Low) || may_wait(Normal));
            prop_assert!(!may_wait(Normal) || may_wait(High));
            prop_assert!(waiting < length + length.div_ceil(10) || !may_wait(High));
            prop_assert!(length > 0 || !may_wait(High));
        }
    }
}
