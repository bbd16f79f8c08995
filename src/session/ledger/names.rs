//! The numbers of clusters and backends. Asked when a configuration is loaded, never by a request.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::tallies::{MOST_MEMBERS, Tallies};
use super::words::{ClusterNumber, Member};

/// Beyond it, clusters share the last number: their sessions are told apart by their bases only.
const LAST_CLUSTER: u16 = u16::MAX;

#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: Mutex<Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    clusters: HashMap<Box<str>, ClusterNumber>,
    members: HashMap<Name, Member>,
    /// By number.
    taken: Vec<Taken>,
    /// Counts the calls of `retain`.
    reloads: u64,
}

type Name = (ClusterNumber, Box<str>);

#[derive(Debug)]
struct Taken {
    name: Name,
    /// The reload since which no configuration in force has the backend.
    retired: Option<u64>,
}

impl Names {
    pub(super) fn cluster(&self, name: &str) -> ClusterNumber {
        let mut numbers = self.lock();
        if let Some(number) = numbers.clusters.get(name) {
            return *number;
        }
        match u16::try_from(numbers.clusters.len()) {
            Ok(number) if number < LAST_CLUSTER => {
                let number = ClusterNumber(number);
                numbers.clusters.insert(name.into(), number);
                number
            }
            _ => ClusterNumber(LAST_CLUSTER),
        }
    }

    pub(super) fn member(&self, cluster: ClusterNumber, name: &str, tallies: &Tallies) -> Member {
        let mut numbers = self.lock();
        let name: Name = (cluster, name.into());
        if let Some(&member) = numbers.members.get(&name) {
            if let Some(taken) = numbers.taken.get_mut(usize::from(member.0)) {
                taken.retired = None;
            }
            return member;
        }
        let taken = Taken {
            name: name.clone(),
            retired: None,
        };
        let Some(member) = numbers.take(taken, tallies) else {
            return Member::NOBODY;
        };
        numbers.members.insert(name, member);
        member
    }

    pub(super) fn retain(&self, in_force: &[Member]) {
        let mut numbers = self.lock();
        numbers.reloads += 1;
        let reload = numbers.reloads;
        for (number, taken) in (0..).zip(&mut numbers.taken) {
            taken.retired = if in_force.contains(&Member(number)) {
                None
            } else {
                taken.retired.or(Some(reload))
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbers {
    /// A number that was never used; if there is none left, of those that are in no configuration
    /// and no entry the one that has been so for longest: a worker may still go by an old snapshot.
    fn take(&mut self, taken: Taken, tallies: &Tallies) -> Option<Member> {
        if let Some(number) = u16::try_from(self.taken.len())
            .ok()
            .filter(|number| *number < MOST_MEMBERS)
        {
            self.taken.push(taken);
            return Some(Member(number));
        }
        let (member, old) = (0..)
            .map(Member)
            .zip(&mut self.taken)
            .filter(|(member, old)| old.retired.is_some() && !tallies.is_remembered(*member))
            .min_by_key(|(_, old)| old.retired)?;
        let old = std::mem::replace(old, taken);
        self.members.remove(&old.name);
        tallies.reset_idle(member);
        Some(member)
    }
}
