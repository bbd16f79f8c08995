//! Who waits, in which order: a pure structure, without places and without locks.
//!
//! Those who wait for the same are a group and stand in it in the order in which they came. Only
//! the first of a group is ever tried: where it finds no place, nobody behind it would.

use std::collections::BTreeMap;

/// When somebody came, beside all others of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What is waited for.
pub(super) trait Wish: PartialEq {
    /// Those with a lower one are served first, whenever they came.
    fn class(&self) -> u8;
}

/// What came of trying to find a place for the first of a group.
#[derive(Debug)]
pub(super) enum Tried<P> {
    /// This place.
    Placed(P),
    /// There is none for this group.
    Full,
    /// There is none for anybody.
    AllFull,
    /// There will be none: the whole group has to look elsewhere.
    Hopeless,
}

/// Those who wait.
#[derive(Debug)]
pub(super) struct Line<K, W> {
    groups: Vec<Group<K, W>>,
    next: u64,
}

#[derive(Debug)]
struct Group<K, W> {
    wish: K,
    waiters: BTreeMap<Ticket, W>,
    /// In the round that is going on.
    is_full: bool,
}

impl<K, W> Default for Line<K, W> {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            next: 0,
        }
    }
}

impl<K: Wish, W> Line<K, W> {
    /// A ticket behind all others.
    pub(super) fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    /// Somebody waits from now on, at the place that the ticket gives.
    pub(super) fn insert(&mut self, wish: K, ticket: Ticket, waiter: W) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.wish == wish) {
            group.waiters.insert(ticket, waiter);
            return;
        }
        self.groups.push(Group {
            wish,
            waiters: BTreeMap::from([(ticket, waiter)]),
            is_full: false,
        });
    }

    /// Somebody waits no more; whether they did.
    pub(super) fn remove(&mut self, wish: &K, ticket: Ticket) -> bool {
        let group = self.groups.iter_mut().find(|group| group.wish == *wish);
        let removed = group.is_some_and(|group| group.waiters.remove(&ticket).is_some());
        self.groups.retain(|group| !group.waiters.is_empty());
        removed
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.groups.iter().map(|group| group.waiters.len()).sum()
    }

    /// How many wait for this.
    pub(super) fn waiting_for(&self, wish: &K) -> usize {
        let group = self.groups.iter().find(|group| group.wish == *wish);
        group.map_or(0, |group| group.waiters.len())
    }

    /// What is waited for.
    pub(super) fn wishes(&self) -> impl Iterator<Item = &K> {
        self.groups.iter().map(|group| &group.wish)
    }

    /// Finds places for as many as there are places: by class, and within one in the order in
    /// which they came. `None`: has to look elsewhere. Also says whether all was full.
    pub(super) fn serve<P>(
        &mut self,
        mut find: impl FnMut(&K) -> Tried<P>,
    ) -> (Vec<(W, Option<P>)>, bool) {
        let mut served = Vec::new();
        let mut all_full = false;
        while let Some(group) = self.first() {
            match find(&group.wish) {
                Tried::Placed(place) => {
                    if let Some((_, waiter)) = group.waiters.pop_first() {
                        served.push((waiter, Some(place)));
                    }
                }
                Tried::Full => group.is_full = true,
                Tried::AllFull => {
                    all_full = true;
                    break;
                }
                Tried::Hopeless => {
                    let waiters = std::mem::take(&mut group.waiters);
                    served.extend(waiters.into_values().map(|waiter| (waiter, None)));
                }
            }
        }
        self.groups.retain_mut(|group| {
            group.is_full = false;
            !group.waiters.is_empty()
        });
        (served, all_full)
    }

    /// The group whose first one is next, of those that may find a place.
    fn first(&mut self) -> Option<&mut Group<K, W>> {
        let groups = self.groups.iter_mut().filter(|group| !group.is_full);
        let ranked = groups.filter_map(|group| {
            let (ticket, _) = group.waiters.first_key_value()?;
            Some(((group.wish.class(), *ticket), group))
        });
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, group)| group)
    }
}

#[cfg(test)]
mod tests;
