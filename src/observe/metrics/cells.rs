//! Numbers that one worker writes and the scrape reads.
//!
//! A cell has exactly one writer, the worker's thread, so a relaxed load and store is enough: no
//! locked instruction on the request's way. [`PerWorker`] keeps the cells of different workers on
//! different cache lines. What several threads write (rare events) is a [`SharedCounter`].

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use super::kinds::Kind;

/// A number that only rises. One writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `count`.
    #[inline]
    pub fn add(&self, count: u64) {
        let value = self.0.load(Ordering::Relaxed);
        self.0.store(value.wrapping_add(count), Ordering::Relaxed);
    }

    /// The number now.
    #[inline]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that rises and falls. One writer, so what a worker opened it must close itself.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        let value = self.0.load(Ordering::Relaxed);
        self.0.store(value.wrapping_add(1), Ordering::Relaxed);
    }

    /// Takes one away; never below zero.
    #[inline]
    pub fn dec(&self) {
        let value = self.0.load(Ordering::Relaxed);
        debug_assert!(value > 0, "a gauge fell below zero");
        self.0.store(value.saturating_sub(1), Ordering::Relaxed);
    }

    /// The number now.
    #[inline]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that several threads raise: rare events of the whole process.
#[derive(Debug, Default)]
pub struct SharedCounter(AtomicU64);

impl SharedCounter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One `C` per member of a closed set; `N` is the set's `COUNT`.
#[derive(Debug)]
pub struct ByKind<K, const N: usize, C = Counter> {
    cells: [C; N],
    kind: PhantomData<K>,
}

impl<K: Kind, const N: usize, C: Default> Default for ByKind<K, N, C> {
    fn default() -> Self {
        const { assert!(N == K::ALL.len(), "N is the number of kinds") }
        Self {
            cells: std::array::from_fn(|_| C::default()),
            kind: PhantomData,
        }
    }
}

impl<K: Kind, const N: usize, C> ByKind<K, N, C> {
    /// Each member with its cell, in the order of [`Kind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (K, &C)> {
        K::ALL.iter().copied().zip(&self.cells)
    }

    fn cell(&self, kind: K) -> Option<&C> {
        self.cells.get(kind.index())
    }
}

impl<K: Kind, const N: usize> ByKind<K, N> {
    /// Adds one to `kind`.
    #[inline]
    pub fn inc(&self, kind: K) {
        if let Some(cell) = self.cell(kind) {
            cell.inc();
        }
    }

    /// The number of `kind` now.
    pub fn value(&self, kind: K) -> u64 {
        self.cell(kind).map_or(0, Counter::value)
    }
}

impl<K: Kind, const N: usize> ByKind<K, N, SharedCounter> {
    /// Adds one to `kind`.
    pub fn inc(&self, kind: K) {
        self.add(kind, 1);
    }

    /// Adds `count` to `kind`.
    pub fn add(&self, kind: K, count: u64) {
        if let Some(cell) = self.cell(kind) {
            cell.add(count);
        }
    }

    /// The number of `kind` now.
    pub fn value(&self, kind: K) -> u64 {
        self.cell(kind).map_or(0, SharedCounter::value)
    }
}

/// A worker's number, from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub usize);

/// One `T` per worker, none sharing a cache line with another's.
#[derive(Debug)]
pub struct PerWorker<T> {
    cells: Box<[Padded<T>]>,
    /// Answers for a worker that does not exist, so that a wrong number costs no panic.
    last: Padded<T>,
}

// 128 and not 64: the prefetcher of x86 fetches lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> PerWorker<T> {
    /// Cells for the workers `0..workers`.
    pub fn new(workers: usize) -> Self {
        Self {
            cells: (0..workers).map(|_| Padded::default()).collect(),
            last: Padded::default(),
        }
    }
}

impl<T> PerWorker<T> {
    /// The cells of one worker; only that worker's thread may write them.
    #[inline]
    pub fn of(&self, worker: WorkerId) -> &T {
        debug_assert!(worker.0 < self.cells.len(), "no such worker");
        &self.cells.get(worker.0).unwrap_or(&self.last).0
    }

    /// All cells, in the order of the workers.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.cells.iter().map(|padded| &padded.0)
    }

    /// The sum of one number over all workers.
    pub fn sum(&self, number: impl Fn(&T) -> u64) -> u64 {
        self.iter().map(number).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::Stage;
    use super::*;

    #[test]
    fn workers_share_no_cache_line() {
        let cells = PerWorker::<Counter>::new(3);
        let places: Vec<_> = cells
            .iter()
            .map(|cell| std::ptr::from_ref(cell).addr())
            .collect();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 128));
        assert!(places.iter().all(|place| place % 128 == 0));
    }

    #[test]
    fn what_workers_count_is_summed() {
        let cells = PerWorker::<ByKind<Stage, { Stage::COUNT }>>::new(2);
        cells.of(WorkerId(0)).inc(Stage::Tls);
        cells.of(WorkerId(1)).inc(Stage::Tls);
        cells.of(WorkerId(1)).inc(Stage::Body);
        assert_eq!(cells.sum(|cell| cell.value(Stage::Tls)), 2);
        let labels: Vec<_> = cells
            .of(WorkerId(1))
            .iter()
            .map(|(k, c)| (k.label(), c.value()))
            .collect();
        assert_eq!(
            labels,
            [
                ("connect", 0),
                ("tls", 1),
                ("http2", 0),
                ("send", 0),
                ("await_head", 0),
                ("body", 1)
            ]
        );
    }

    #[test]
    fn a_gauge_returns_to_where_it_was() {
        let gauge = Gauge::default();
        gauge.inc();
        gauge.inc();
        gauge.dec();
        assert_eq!(gauge.value(), 1);
    }
}
