//! A map that drops its oldest entries.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    values: HashMap<K, V>,
    /// Oldest first; may name entries that are gone.
    order: VecDeque<K>,
    limit: usize,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
            limit,
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.values.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.values.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.values.len() > self.limit {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.values.remove(&oldest);
        }
        // What was removed leaves its name behind; those must not grow without bound.
        if self.order.len() > self.limit.saturating_mul(2) {
            let (values, mut once) = (&self.values, HashSet::new());
            self.order
                .retain(|key| values.contains_key(key) && once.insert(key.clone()));
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.values.remove(key)
    }

    pub(super) fn retain(&mut self, mut keeps: impl FnMut(&K) -> bool) {
        self.values.retain(|key, _| keeps(key));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.values.iter()
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_makes_room() {
        let mut map = Bounded::new(2);
        for number in 0..3 {
            map.insert(number, ());
        }
        assert_eq!(
            (map.get(&0), map.get(&1), map.get(&2)),
            (None, Some(&()), Some(&()))
        );
    }

    #[test]
    fn names_of_removed_entries_do_not_pile_up() {
        let mut map = Bounded::new(2);
        for number in 0..100 {
            map.insert(number, ());
            map.remove(&number);
        }
        assert!(map.order.len() <= 5, "{}", map.order.len());
    }
}
