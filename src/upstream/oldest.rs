//! The oldest of many, without putting all of them in order.
//!
//! A worker looks through what it has at a backend that is being emptied, several times a second:
//! ten thousand tunnels must not cost the requests in between a sort of them all.

/// The `most` of `all` with the smallest `since`, in that order.
pub(super) fn oldest<T>(
    all: impl Iterator<Item = T>,
    most: usize,
    since: impl Fn(&T) -> u64,
) -> Vec<T> {
    let most = most.max(1);
    let mut kept = Vec::new();
    for it in all {
        kept.push(it);
        // As many are thrown away as were looked at since: each costs the same, however many.
        if kept.len() >= 2 * most {
            kept.select_nth_unstable_by_key(most, &since);
            kept.truncate(most);
        }
    }
    kept.sort_unstable_by_key(&since);
    kept.truncate(most);
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_few_all_are_told_in_order() {
        assert_eq!(oldest([3, 1, 2].into_iter(), 5, |it| *it), [1, 2, 3]);
        assert_eq!(oldest([3, 1, 2].into_iter(), 2, |it| *it), [1, 2]);
        assert!(oldest(std::iter::empty::<u64>(), 2, |it| *it).is_empty());
    }

    proptest! {
        #[test]
        fn they_are_the_first_of_all_in_order(
            all in prop::collection::vec(0_u64..50, 0..200),
            most in 1_usize..40,
        ) {
            let mut wanted = all.clone();
            wanted.sort_unstable();
            wanted.truncate(most);
            prop_assert_eq!(oldest(all.into_iter(), most, |it| *it), wanted);
        }
    }
}
