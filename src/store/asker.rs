//! One worker's connections to one store, for short questions on the way of a request.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::Instant;

use super::Bounds;
use super::connection::Connection;
use super::failure::{Fault, StoreError};
use crate::config::StoreAddress;

/// Connections kept for the next question.
const MOST_IDLE: usize = 4;
/// Questions under way: one that finds no place is better not asked than queued.
const MOST_ASKED: usize = 64;

/// Asks one store.
#[derive(Debug)]
pub struct Asker {
    address: StoreAddress,
    bounds: Bounds,
    idle: RefCell<Vec<Connection>>,
    asked: Cell<usize>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// Too many questions are under way.
    Busy,
    /// The store did not answer.
    Store(StoreError),
}

impl Asker {
    /// No connection yet. `time` bounds each question, with all that it needs.
    pub fn new(address: StoreAddress, time: Duration) -> Self {
        Self {
            address,
            bounds: Bounds::within(time),
            idle: RefCell::default(),
            asked: Cell::new(0),
        }
    }

    /// Whether the store has this key.
    pub async fn has(&self, key: &[u8]) -> Result<bool, NoAnswer> {
        if self.asked.get() >= MOST_ASKED {
            return Err(NoAnswer::Busy);
        }
        let _asked = Asked::count(&self.asked);
        let until = Instant::now() + self.bounds.timeout;
        let kept = self.idle.borrow_mut().pop();
        if let Some(mut connection) = kept {
            match connection.has_by(until, key).await {
                // The store may have been restarted since: only a new connection tells.
                Err(StoreError {
                    fault: Fault::Ended | Fault::Io(_),
                    ..
                }) => {}
                told => return self.told(connection, told),
            }
        }
        let connection = Connection::made_by(until, &self.address, self.bounds).await;
        let mut connection = connection.map_err(NoAnswer::Store)?;
        let told = connection.has_by(until, key).await;
        self.told(connection, told)
    }

    fn told(&self, from: Connection, told: Result<bool, StoreError>) -> Result<bool, NoAnswer> {
        self.keep(from);
        told.map_err(NoAnswer::Store)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        if connection.is_usable() && idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }
}

/// A question under way; whoever drops it is not asking any more.
struct Asked<'a>(&'a Cell<usize>);

impl<'a> Asked<'a> {
    fn count(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests;
