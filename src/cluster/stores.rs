//! The stores of a cluster as all workers share them: who answers, what leaves whom, and which
//! sessions have nothing left to go on from.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Cluster;
use super::machine::State;
use crate::config::{StoreNode, Stores};
use crate::observe::metrics::StoreLook;
use crate::session::ledger::Key;
use crate::store::{Fault, StoreError};

/// Unanswered questions in a row that make a store Down; one that refuses is Down at once.
const FALL: u32 = 2;
/// Sessions that leave an answering store within a minute before somebody is told.
const FLAPPING: u32 = 10;
const MINUTE: u32 = 60;
/// Seconds for which a Tomcat may take a store for dead that answers again: the client of MSM
/// waits up to 30 s before it tries to connect once more.
const DOUBT: u32 = 35;

/// The stores of a cluster.
#[derive(Debug)]
pub struct ClusterStores {
    /// What the file says.
    pub settings: Stores,
    /// In the order of the file.
    pub nodes: Vec<Arc<WatchedNode>>,
    /// Whose requests go one at a time.
    pub turns: Arc<Turns>,
}

/// The sessions of which a request is under way that others must wait for. There are as many as
/// such requests at most.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashSet<Key>>);

impl Turns {
    /// Whether it is this session's turn; if so, it is nobody's until it is given back.
    pub fn take(&self, key: Key) -> bool {
        self.taken().insert(key)
    }

    /// The next may go.
    pub fn give_back(&self, key: Key) {
        self.taken().remove(&key);
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One store.
#[derive(Debug)]
pub struct WatchedNode {
    /// Where it is, and its name in session ids.
    pub named: StoreNode,
    /// Questions that it did not answer.
    pub failures: AtomicU64,
    /// Sessions that left it for another one.
    pub left: AtomicU64,
    /// Sessions that came to it from another one.
    pub came: AtomicU64,
    looks: [AtomicU64; StoreLook::COUNT],
    is_down: AtomicBool,
    /// Whether a Tomcat may take it for dead.
    in_doubt: AtomicBool,
    /// When it answered again.
    back: AtomicU32,
    /// Unanswered in a row.
    failed: AtomicU32,
    /// Since the beginning of this minute: sessions that left it while it answered.
    minute: AtomicU32,
    flaps: AtomicU32,
    born: Instant,
}

impl WatchedNode {
    fn new(named: StoreNode) -> Self {
        Self {
            named,
            failures: AtomicU64::new(0),
            left: AtomicU64::new(0),
            came: AtomicU64::new(0),
            looks: [const { AtomicU64::new(0) }; StoreLook::COUNT],
            is_down: AtomicBool::new(false),
            in_doubt: AtomicBool::new(false),
            back: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            minute: AtomicU32::new(0),
            flaps: AtomicU32::new(0),
            born: Instant::now(),
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

    /// Counts a question on the way of a request.
    pub fn looked(&self, result: StoreLook) {
        if let Some(count) = self.looks.get(result as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// How many questions on the way of requests ended so.
    pub fn looks(&self, result: StoreLook) -> u64 {
        let count = self.looks.get(result as usize);
        count.map_or(0, |count| count.load(Relaxed))
    }

    /// Takes in what a question found; whether the state has changed.
    fn note(&self, failure: Option<&StoreError>) -> bool {
        let now = self.seconds();
        let Some(failure) = failure else {
            self.failed.store(0, Relaxed);
            let is_back = self.is_down.swap(false, Relaxed);
            if is_back {
                self.back.store(now, Relaxed);
            } else if now.saturating_sub(self.back.load(Relaxed)) >= DOUBT {
                self.in_doubt.store(false, Relaxed);
            }
            return is_back;
        };
        self.failures.fetch_add(1, Relaxed);
        let failed = self.failed.fetch_add(1, Relaxed).saturating_add(1);
        let is_certain = matches!(&failure.fault, Fault::Io(error)
            if error.kind() == std::io::ErrorKind::ConnectionRefused);
        if is_certain || failed >= FALL {
            self.in_doubt.store(true, Relaxed);
            return !self.is_down.swap(true, Relaxed);
        }
        false
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.born.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// A session has left it although it answers; how many did within this minute, if that is
    /// worth a word, once a minute.
    fn flapped(&self) -> Option<u32> {
        let now = self.seconds();
        if now.saturating_sub(self.minute.load(Relaxed)) >= MINUTE {
            self.minute.store(now, Relaxed);
            self.flaps.store(0, Relaxed);
        }
        let flaps = self.flaps.fetch_add(1, Relaxed).saturating_add(1);
        (flaps == FLAPPING).then_some(flaps)
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
        }
    }

    /// Whether a Tomcat may take any of them for dead.
    #[inline]
    pub fn any_in_doubt(&self) -> bool {
        self.nodes.iter().any(|node| node.is_in_doubt())
    }

    /// The place of the node that an id names; of an id without a name, that of the only one that
    /// has none.
    pub fn place(&self, name: Option<&[u8]>) -> Option<usize> {
        let is_it = |node: &Arc<WatchedNode>| node.named.name.as_deref().map(str::as_bytes) == name;
        self.nodes.iter().position(is_it)
    }

    /// Whether nobody answers who could have the sessions of this node.
    fn is_lost(&self, place: usize) -> bool {
        let is_down = |place: usize| self.nodes.get(place).is_some_and(|node| !node.is_up());
        let copy = self.settings.backup_of(place);
        is_down(place) && copy.is_none_or(is_down)
    }
}

impl Cluster {
    /// Takes in what a question to a store found, and tells of it if it changes anything.
    pub fn report_store(&self, place: usize, asked: Result<(), StoreError>) {
        let failure = asked.err();
        if let Some((_, node)) = self.store(place)
            && node.note(failure.as_ref())
        {
            self.tell_of_store(place, failure);
        }
    }

    /// Sessions of this store node of which nobody has a copy who answers.
    pub fn sessions_at_risk(&self, place: usize) -> usize {
        let Some((stores, node)) = self.store(place) else {
            return 0;
        };
        if stores.is_lost(place) {
            self.sessions_of(node)
        } else {
            0
        }
    }

    /// A response moved a session from one store node to another.
    pub fn store_node_changed(&self, from: Option<&[u8]>, to: Option<&[u8]>) {
        let Some(stores) = &self.stores else { return };
        let node = |name| stores.place(name).and_then(|place| stores.nodes.get(place));
        if let Some(to) = node(to) {
            to.came.fetch_add(1, Relaxed);
        }
        let Some(from) = node(from) else { return };
        from.left.fetch_add(1, Relaxed);
        if from.is_up()
            && let Some(count) = from.flapped()
        {
            let (cluster, store_node) = (&self.config.name, from.label());
            tracing::warn!(
                %cluster, store_node, within_a_minute = count,
                "sessions leave a store node that answers: MSM gives a node up when it does not \
                 answer within sessionBackupTimeout, which is 100 ms unless it is set"
            );
        }
    }

    fn store(&self, place: usize) -> Option<(&ClusterStores, &WatchedNode)> {
        let stores = self.stores.as_ref()?;
        Some((stores, stores.nodes.get(place)?))
    }

    fn sessions_of(&self, node: &WatchedNode) -> usize {
        let ledger = &self.sessions.common.ledger;
        match &node.named.name {
            Some(name) => ledger.sessions_at(self.sessions.number, name.as_bytes()),
            // Ids do not say: all of them.
            None => self.slots().map(|slot| self.sessions.issued(slot)).sum(),
        }
    }

    fn tell_of_store(&self, place: usize, failure: Option<StoreError>) {
        let Some((stores, node)) = self.store(place) else {
            return;
        };
        let (cluster, store_node) = (&self.config.name, node.label());
        let Some(failure) = failure else {
            tracing::info!(%cluster, store_node, "the store node answers again");
            return;
        };
        tracing::warn!(%cluster, store_node, stage = %failure.stage, cause = %failure.fault, "the store node does not answer");
        let sessions = self.sessions_of(node);
        match stores.settings.backup_of(place) {
            Some(copy) if stores.is_lost(place) => {
                let copies = stores.nodes.get(copy).map(|node| node.label());
                tracing::warn!(
                    %cluster, store_node, copies, sessions,
                    "the store node and the one with its copies do not answer: their sessions are \
                     out of reach until one of them does"
                );
            }
            Some(_) => {}
            None => {
                let is_dead = |slot| self.backend(slot).map(|it| it.state()) == Some(State::Down);
                let dead: Vec<&str> = self
                    .slots()
                    .filter(|slot| is_dead(*slot))
                    .filter_map(|slot| self.backend(slot).map(|it| it.name.as_str()))
                    .collect();
                tracing::warn!(
                    %cluster, store_node, sessions, backends_down = dead.join(","),
                    "sessions of the store node have no copy until their next request: a Tomcat \
                     that is down, or goes down now, takes its own with it"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::StoreAddress;
    use crate::store::Stage;

    fn node(name: &str) -> StoreNode {
        StoreNode {
            name: Some(name.to_owned()),
            address: StoreAddress::parse("127.0.0.1:1").unwrap(),
        }
    }

    fn stores(non_sticky: bool) -> ClusterStores {
        let settings = Stores {
            nodes: ["n1", "n2", "n3"].map(node).into(),
            key_prefix: String::new(),
            non_sticky,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            look_before_failover: false,
        };
        ClusterStores::new(settings, None)
    }

    fn failure(fault: Fault) -> StoreError {
        StoreError {
            store: "127.0.0.1:1".into(),
            stage: Stage::Connect,
            fault,
        }
    }

    #[tokio::test]
    async fn one_silence_is_no_death_but_a_refusal_is() {
        let node = WatchedNode::new(node("n1"));
        let silent = failure(Fault::Timeout(Duration::ZERO));
        assert!(!node.note(Some(&silent)));
        assert!(node.is_up());
        assert!(!node.note(None));
        assert!(!node.note(Some(&silent)));
        assert!(node.note(Some(&silent)));
        assert!(!node.note(Some(&silent)));
        assert!(!node.is_up());
        assert!(node.note(None));
        let refused = std::io::ErrorKind::ConnectionRefused;
        assert!(node.note(Some(&failure(Fault::Io(refused.into())))));
    }

    #[tokio::test]
    async fn who_is_lost_depends_on_where_the_copies_are() {
        let silent = failure(Fault::Timeout(Duration::ZERO));
        let down = |stores: &ClusterStores, place: usize| {
            stores.nodes[place].note(Some(&silent));
            stores.nodes[place].note(Some(&silent));
        };
        let lost = |stores: &ClusterStores| [0, 1, 2].map(|place| stores.is_lost(place));
        let sticky = stores(false);
        down(&sticky, 1);
        assert_eq!(lost(&sticky), [false, true, false]);
        let non_sticky = stores(true);
        down(&non_sticky, 2);
        assert_eq!(lost(&non_sticky), [false; 3]);
        down(&non_sticky, 0);
        // The copies of the last one are on the first.
        assert_eq!(lost(&non_sticky), [false, false, true]);
    }

    #[tokio::test]
    async fn a_reload_keeps_what_is_known_of_a_store() {
        let before = stores(false);
        before.nodes[0].note(Some(&failure(Fault::Timeout(Duration::ZERO))));
        let after = ClusterStores::new(before.settings.clone(), Some(&before));
        assert!(Arc::ptr_eq(&before.nodes[0], &after.nodes[0]));
    }

    #[tokio::test(start_paused = true)]
    async fn flapping_is_told_once_a_minute() {
        let node = WatchedNode::new(node("n1"));
        let told = |node: &WatchedNode| (0..50).filter(|_| node.flapped().is_some()).count();
        assert_eq!(told(&node), 1);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(told(&node), 1);
    }
}
