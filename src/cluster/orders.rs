//! What administrators have ordered of backends while the process runs.
//!
//! By the names of cluster and backend, so that it outlives reloads and changes of address; an order
//! for a backend that the file names no more waits until it is named again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::machine::Wish;

/// What takes the place of the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    /// The state.
    pub wish: Option<Wish>,
    /// The weight.
    pub weight: Option<u32>,
}

impl Order {
    /// Whether it leaves all to the file.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// A cluster's and a backend's name.
pub type Names = (String, String);

/// All orders.
#[derive(Debug, Default)]
pub struct Orders(Mutex<BTreeMap<Names, Order>>);

impl Orders {
    /// The orders of before, as when the process starts again.
    pub fn restore(&self, orders: impl IntoIterator<Item = (Names, Order)>) {
        self.book().extend(orders);
    }

    /// What is ordered of a backend.
    pub fn of(&self, cluster: &str, backend: &str) -> Order {
        let names = (cluster.to_owned(), backend.to_owned());
        self.book().get(&names).copied().unwrap_or_default()
    }

    /// Changes what is ordered of a backend; the answer is what is in force then.
    pub fn change(&self, cluster: &str, backend: &str, change: impl FnOnce(&mut Order)) -> Order {
        let names = (cluster.to_owned(), backend.to_owned());
        let mut book = self.book();
        let mut order = book.get(&names).copied().unwrap_or_default();
        change(&mut order);
        if order.is_empty() {
            book.remove(&names);
        } else {
            book.insert(names, order);
        }
        order
    }

    /// All of them, in order of names.
    pub fn all(&self) -> Vec<(Names, Order)> {
        let book = self.book();
        book.iter()
            .map(|(names, order)| (names.clone(), *order))
            .collect()
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<Names, Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
