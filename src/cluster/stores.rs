//! The stores of a cluster as all workers share them: who answers, and what leaves whom. Which
//! sessions that puts out of reach is found in `reach`.

mod doubt;
mod moves;
mod reach;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Cluster;
use crate::config::{StoreNode, Stores};
use crate::observe::metrics::{Direction, StoreEvents, StoreLook, StoreMoves};
use crate::session::ledger::{OTHER, Seconds};
use crate::store::{Fault, StoreError};
pub use doubt::Turns;
use moves::Flapping;
use reach::Told;

/// Unanswered questions in a row that make a store Down; one that refuses is Down at once.
const FALL: u32 = 2;
/// Seconds for which a Tomcat may take a store for dead that answers again: the client of MSM
/// waits up to 30 s before it tries to connect once more.
const DOUBT: u32 = 35;
/// Seconds more for which an id that names it may be one from before.
const AFTERMATH: u32 = 10;

/// The stores of a cluster.
#[derive(Debug)]
pub struct ClusterStores {
    /// What the file says.
    pub settings: Stores,
    /// In the order of the file.
    pub nodes: Vec<Arc<WatchedNode>>,
    /// Whose requests go one at a time.
    pub turns: Arc<Turns>,
    others: Arc<StoreMoves>,
    told: Arc<Mutex<Told>>,
}

/// One store.
#[derive(Debug)]
pub struct WatchedNode {
    /// Where it is, and its name in session ids.
    pub named: StoreNode,
    /// What happened to it.
    pub events: StoreEvents,
    is_down: AtomicBool,
    /// Whether a Tomcat may take it for dead.
    in_doubt: AtomicBool,
    /// The same, and for a while after that.
    was_in_doubt: AtomicBool,
    /// The second of the ledger after that in which it was found down; 0: never.
    fell: AtomicU32,
    /// When it answered again.
    back: AtomicU32,
    born: Instant,
    /// Unanswered in a row.
    failed: AtomicU32,
    flapping: Mutex<Flapping>,
}

impl WatchedNode {
    fn new(named: StoreNode) -> Self {
        Self {
            named,
            events: StoreEvents::default(),
            is_down: AtomicBool::new(false),
            in_doubt: AtomicBool::new(false),
            was_in_doubt: AtomicBool::new(false),
            fell: AtomicU32::new(0),
            back: AtomicU32::new(0),
            born: Instant::now(),
            failed: AtomicU32::new(0),
            flapping: Mutex::default(),
        }
    }

    /// Its name in ids; of one that has none, its address.
    pub fn label(&self) -> String {
        let named = &self.named;
        named
            .name
            .clone()
            .unwrap_or_else(|| named.address.to_string())
    }

    /// Whether it answers, as far as is known.
    pub fn is_up(&self) -> bool {
        !self.is_down.load(Relaxed)
    }

    /// Whether a Tomcat may take it for dead: while it is down, and for a while after that.
    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Relaxed)
    }

    /// Whether it was not long ago that a Tomcat took it for dead.
    pub fn was_in_doubt(&self) -> bool {
        self.was_in_doubt.load(Relaxed)
    }

    /// Whether it was found down in this second or later.
    pub fn has_fallen_since(&self, then: Seconds) -> bool {
        self.fell.load(Relaxed) > then.0
    }

    /// Counts a question on the way of a request.
    pub fn looked(&self, result: StoreLook) {
        self.events.looks.inc(result);
    }

    /// Takes in what a question found, at `second` of the ledger; whether the state has changed.
    fn note(&self, failure: Option<&StoreError>, second: Seconds) -> bool {
        let Some(failure) = failure else {
            self.failed.store(0, Relaxed);
            let now = u32::try_from(self.born.elapsed().as_secs()).unwrap_or(u32::MAX);
            let is_back = self.is_down.swap(false, Relaxed);
            if is_back {
                self.back.store(now, Relaxed);
            }
            let back_for = now.saturating_sub(self.back.load(Relaxed));
            if back_for >= DOUBT {
                self.in_doubt.store(false, Relaxed);
            }
            if back_for >= DOUBT + AFTERMATH {
                self.was_in_doubt.store(false, Relaxed);
            }
            return is_back;
        };
        self.events.failures.inc();
        let failed = self.failed.fetch_add(1, Relaxed).saturating_add(1);
        let is_certain = matches!(&failure.fault, Fault::Io(error)
            if error.kind() == std::io::ErrorKind::ConnectionRefused);
        if is_certain || failed >= FALL {
            let falls = !self.is_down.swap(true, Relaxed);
            if falls {
                self.fell.store(second.after(1).0, Relaxed);
            }
            self.was_in_doubt.store(true, Relaxed);
            self.in_doubt.store(true, Relaxed);
            return falls;
        }
        false
    }

    /// Sessions that left it although it answers, within the last minute, if that is worth a word.
    fn flapped(&self, answers: bool) -> Option<u64> {
        let (now, left) = (Instant::now(), self.events.moves.value(Direction::From));
        let mut flapping = lock(&self.flapping);
        if answers {
            return flapping.answered(now, left);
        }
        flapping.did_not_answer(left);
        if !self.is_up() {
            flapping.is_down(now);
        }
        None
    }
}

impl ClusterStores {
    /// The stores of a new configuration. Those that `before` has too live on.
    pub fn new(settings: Stores, before: Option<&Self>) -> Self {
        let known = |named: &StoreNode| {
            let nodes = before.map(|before| &before.nodes)?;
            nodes.iter().find(|node| node.named == *named).cloned()
        };
        let nodes = settings
            .nodes
            .iter()
            .map(|named| known(named).unwrap_or_else(|| Arc::new(WatchedNode::new(named.clone()))));
        Self {
            nodes: nodes.collect(),
            turns: before.map_or_else(Arc::default, |before| Arc::clone(&before.turns)),
            settings,
            others: before.map_or_else(Arc::default, |before| Arc::clone(&before.others)),
            told: before.map_or_else(Arc::default, |before| Arc::clone(&before.told)),
        }
    }

    /// The place of the node that an id names; of an id without a name, that of the only one that
    /// has none.
    pub fn place(&self, name: Option<&[u8]>) -> Option<usize> {
        let is_it = |node: &Arc<WatchedNode>| node.named.name.as_deref().map(str::as_bytes) == name;
        self.nodes.iter().position(is_it)
    }

    /// How many sessions moved, by the label of each node and of all that the file does not have.
    pub fn moves(&self) -> impl Iterator<Item = (String, &StoreMoves)> {
        let named = self
            .nodes
            .iter()
            .map(|node| (node.label(), &node.events.moves));
        named.chain([(OTHER.to_owned(), &*self.others)])
    }

    fn moves_of(&self, name: &[u8]) -> &StoreMoves {
        let node = self
            .place(Some(name))
            .and_then(|place| self.nodes.get(place));
        node.map_or(&*self.others, |node| &node.events.moves)
    }
}

impl Cluster {
    /// Takes in what a question to a store found, and tells of it if it changes anything.
    pub fn report_store(&self, place: usize, asked: Result<(), StoreError>) {
        let Some(node) = self.stores.as_ref().and_then(|it| it.nodes.get(place)) else {
            return;
        };
        let failure = asked.err();
        let (cluster, store_node) = (&self.config.name, node.label());
        let second = self.sessions.common.now();
        let has_changed = node.note(failure.as_ref(), second);
        if let Some(within_a_minute) = node.flapped(failure.is_none()) {
            tracing::warn!(
                %cluster, store_node, within_a_minute,
                "sessions leave a store node that answers: MSM gives a node up when it does not \
                 answer within sessionBackupTimeout, which is 100 ms unless it is set"
            );
        }
        match failure {
            Some(failure) if has_changed => tracing::warn!(
                %cluster, store_node, stage = %failure.stage, cause = %failure.fault,
                "the store node does not answer"
            ),
            None if has_changed => {
                tracing::info!(%cluster, store_node, "the store node answers again");
            }
            Some(_) | None => {}
        }
    }

    /// A response moved a session from one store node to another. An id may have had none, or may
    /// have none any more.
    pub fn store_node_changed(&self, from: Option<&[u8]>, to: Option<&[u8]>) {
        let Some(stores) = &self.stores else { return };
        if let Some(from) = from {
            stores.moves_of(from).inc(Direction::From);
        }
        if let Some(to) = to {
            stores.moves_of(to).inc(Direction::To);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
