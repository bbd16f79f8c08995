//! The numbers of store-node labels and of cookie Paths. What has none yet is rare: reading is the
//! rule.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::tallies::MOST_STORES;
use super::words::{ClusterNumber, PathNumber, Store};

/// Labels of a cluster that have a number of their own.
const MOST_LABELS: usize = 64;
const LONGEST_LABEL: usize = 64;
/// Longer Paths have no number of their own.
const LONGEST_PATH: usize = 256;

/// What stands for the labels without a number of their own. No label may be written so.
pub const OTHER: &str = "(other)";

#[derive(Debug, Default)]
pub(super) struct Labels {
    stores: RwLock<Stores>,
    paths: RwLock<HashMap<Box<[u8]>, PathNumber>>,
}

#[derive(Debug, Default)]
struct Stores {
    clusters: HashMap<ClusterNumber, OfCluster>,
    /// Numbers given so far.
    given: u16,
}

#[derive(Debug, Default)]
struct OfCluster {
    labels: HashMap<Box<[u8]>, Store>,
    other: Option<Store>,
}

impl Labels {
    pub(super) fn store(&self, cluster: ClusterNumber, label: &[u8]) -> Store {
        if label.is_empty() {
            return Store::NONE;
        }
        let known = read(&self.stores).find(cluster, label);
        known.unwrap_or_else(|| write(&self.stores).add(cluster, label))
    }

    pub(super) fn known_store(&self, cluster: ClusterNumber, label: &[u8]) -> Store {
        if label.is_empty() {
            return Store::NONE;
        }
        let known = read(&self.stores).find_or_other(cluster, label);
        known.unwrap_or_else(|| write(&self.stores).add_other(cluster))
    }

    /// The labels of a cluster in alphabetical order; what stands for all others comes last.
    pub(super) fn stores(&self, cluster: ClusterNumber) -> Vec<(String, Store)> {
        let stores = read(&self.stores);
        let Some(of) = stores.clusters.get(&cluster) else {
            return Vec::new();
        };
        let text = |label: &[u8]| String::from_utf8_lossy(label).into_owned();
        let mut labels: Vec<_> = of.labels.iter().map(|(l, s)| (text(l), *s)).collect();
        labels.sort_unstable_by(|(one, _), (two, _)| one.cmp(two));
        labels.extend(of.other.map(|store| (OTHER.to_owned(), store)));
        labels
    }

    pub(super) fn path(&self, path: &[u8]) -> PathNumber {
        if path.len() > LONGEST_PATH {
            return PathNumber::OTHER;
        }
        let known = number_of_path(&read(&self.paths), path);
        known.unwrap_or_else(|_| {
            let mut paths = write(&self.paths);
            // Another worker may have been quicker.
            let known = number_of_path(&paths, path);
            known.unwrap_or_else(|number| *paths.entry(path.into()).or_insert(number))
        })
    }
}

impl Stores {
    /// The number of `label`, or of `other` if that is what it always will have.
    fn find(&self, cluster: ClusterNumber, label: &[u8]) -> Option<Store> {
        let of = self.clusters.get(&cluster)?;
        let own = of.labels.get(label).copied();
        own.or_else(|| of.other.filter(|_| of.is_full() || !is_label(label)))
    }

    fn find_or_other(&self, cluster: ClusterNumber, label: &[u8]) -> Option<Store> {
        let of = self.clusters.get(&cluster)?;
        of.labels.get(label).copied().or(of.other)
    }

    fn add(&mut self, cluster: ClusterNumber, label: &[u8]) -> Store {
        let of = self.clusters.entry(cluster).or_default();
        if let Some(store) = of.labels.get(label) {
            return *store;
        }
        if of.is_full() || !is_label(label) {
            return self.add_other(cluster);
        }
        let store = next(&mut self.given);
        if store != Store::NONE {
            of.labels.insert(label.into(), store);
        }
        store
    }

    fn add_other(&mut self, cluster: ClusterNumber) -> Store {
        let of = self.clusters.entry(cluster).or_default();
        if of.other.is_none() {
            of.other = Some(next(&mut self.given)).filter(|store| *store != Store::NONE);
        }
        of.other.unwrap_or_default()
    }
}

impl OfCluster {
    fn is_full(&self) -> bool {
        self.labels.len() >= MOST_LABELS
    }
}

/// A number never given; [`Store::NONE`] if there is none left.
fn next(given: &mut u16) -> Store {
    if *given + 1 >= MOST_STORES {
        return Store::NONE;
    }
    *given += 1;
    Store(*given)
}

/// As memcached-session-manager has them.
fn is_label(label: &[u8]) -> bool {
    (1..=LONGEST_LABEL).contains(&label.len())
        && label
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The number that `path` has, or OTHER if none is left; as an error the one it is to get.
fn number_of_path(
    paths: &HashMap<Box<[u8]>, PathNumber>,
    path: &[u8],
) -> Result<PathNumber, PathNumber> {
    if let Some(number) = paths.get(path) {
        return Ok(*number);
    }
    match u8::try_from(paths.len() + 1).map_or(PathNumber::OTHER, PathNumber) {
        PathNumber::OTHER => Ok(PathNumber::OTHER),
        free => Err(free),
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
