//! Which sessions are out of reach, or would be after one more failure, and who is told.
//!
//! Sticky MSM: a session lives in its Tomcat and has one copy. While its store node is down it has
//! none, until its next request finds another; if its Tomcat is down too, it is out of reach.
//! Non-sticky MSM: a session lives in its store node and has a copy on the next one.

use super::{ClusterStores, WatchedNode, lock};
use crate::balance::Slot;
use crate::cluster::Cluster;
use crate::config::Affinity;
use crate::session::ledger::Store;

/// What was told and is not over yet, with the number of sessions at its beginning.
pub(super) type Told = Vec<(Case, usize)>;

/// Something that keeps sessions of a store node that is down from being served. By name: places
/// change with a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    store_node: String,
    with: With,
}

/// What is down beside the store node.
#[derive(Debug, Clone, PartialEq, Eq)]
enum With {
    /// Sticky: nothing.
    Nothing,
    /// Sticky: the Tomcat of some of its sessions.
    Tomcat(String),
    /// Non-sticky: the store node that has the copies, if there is another at all.
    Copies(Option<String>),
}

impl ClusterStores {
    /// Whether nobody answers who could have the copies of this node's sessions.
    pub(super) fn is_lost(&self, place: usize) -> bool {
        let is_down = |place: usize| self.nodes.get(place).is_some_and(|node| !node.is_up());
        let copy = self.settings.backup_of(place);
        is_down(place) && copy.is_none_or(is_down)
    }
}

impl Cluster {
    /// Sessions of this store node of which nobody who answers has a copy.
    pub fn sessions_at_risk(&self, place: usize) -> usize {
        match &self.stores {
            Some(stores) if stores.is_lost(place) => stores
                .nodes
                .get(place)
                .map_or(0, |node| self.sessions_of(node)),
            Some(_) | None => 0,
        }
    }

    /// Tells of what began and of what is over. Called every now and then, off the request's way:
    /// counting goes through the ledger.
    pub fn watch_reach(&self) {
        let Some(stores) = &self.stores else { return };
        let cases = self.cases(stores);
        let mut told = lock(&stores.told);
        if cases.iter().eq(told.iter().map(|(case, _)| case)) {
            return;
        }
        let before = std::mem::take(&mut *told);
        for case in &cases {
            let known = before.iter().find(|(known, _)| known == case);
            let sessions = known.map(|(_, sessions)| *sessions);
            let sessions = sessions.unwrap_or_else(|| {
                let sessions = self.sessions_in(stores, case).unwrap_or(0);
                self.tell_begin(case, sessions);
                sessions
            });
            told.push((case.clone(), sessions));
        }
        for (case, sessions) in before.iter().filter(|(case, _)| !cases.contains(case)) {
            // What the file does not have any more is over without a word.
            if let Some(left) = self.sessions_in(stores, case)
                && *sessions > 0
            {
                self.tell_end(case, left);
            }
        }
    }

    /// In the order of the file.
    fn cases(&self, stores: &ClusterStores) -> Vec<Case> {
        let mut cases = Vec::new();
        if self.config.affinity == Affinity::None {
            return cases;
        }
        for (place, node) in stores.nodes.iter().enumerate() {
            if node.is_up() {
                continue;
            }
            let case = |with| Case {
                store_node: node.label(),
                with,
            };
            if stores.settings.non_sticky {
                let copies = stores.settings.backup_of(place);
                let copies = copies.and_then(|place| stores.nodes.get(place));
                if stores.is_lost(place) {
                    cases.push(case(With::Copies(copies.map(|node| node.label()))));
                }
            } else {
                cases.push(case(With::Nothing));
                let dead = self
                    .backends
                    .iter()
                    .filter(|it| !it.state().serves_its_own());
                cases.extend(dead.map(|it| case(With::Tomcat(it.name.as_str().to_owned()))));
            }
        }
        cases
    }

    /// How many sessions a case concerns; `None`: of something that is in the file no more.
    fn sessions_in(&self, stores: &ClusterStores, case: &Case) -> Option<usize> {
        let mut nodes = stores.nodes.iter();
        let node = nodes.find(|node| node.label() == case.store_node)?;
        Some(match &case.with {
            With::Nothing | With::Copies(_) => self.sessions_of(node),
            With::Tomcat(backend) => self.sessions_of_both(node, self.slot_named(backend)?),
        })
    }

    fn sessions_of(&self, node: &WatchedNode) -> usize {
        match self.number_of(node) {
            Some(store) => self.sessions.common.ledger.issued_at(store),
            // Ids do not say: all of them.
            None => self.slots().map(|slot| self.sessions.issued(slot)).sum(),
        }
    }

    fn sessions_of_both(&self, node: &WatchedNode, slot: Slot) -> usize {
        let (book, member) = (&self.sessions, self.sessions.member(slot));
        match self.number_of(node) {
            Some(store) => book.common.ledger.issued_by_at(member, store),
            None => book.issued(slot),
        }
    }

    fn number_of(&self, node: &WatchedNode) -> Option<Store> {
        let (name, book) = (node.named.name.as_deref()?, &self.sessions);
        Some(book.common.ledger.known_store(book.number, name.as_bytes()))
    }

    /// One without sessions is no news: that the store node is down was told already.
    fn tell_begin(&self, case: &Case, sessions: usize) {
        if sessions == 0 {
            return;
        }
        let (cluster, store_node) = (&self.config.name, &case.store_node);
        match &case.with {
            With::Nothing => tracing::warn!(
                %cluster, store_node, sessions,
                "sessions have no copy until their next request: a Tomcat that goes down now takes \
                 its own with it"
            ),
            With::Tomcat(backend) => tracing::warn!(
                %cluster, store_node, backend, sessions,
                "sessions are out of reach: their Tomcat is down, and so is the store node with \
                 their copies"
            ),
            With::Copies(copies) => tracing::warn!(
                %cluster, store_node, copies, sessions,
                "sessions are out of reach: their store node is down, and none that answers has \
                 their copies"
            ),
        }
    }

    fn tell_end(&self, case: &Case, sessions: usize) {
        let (cluster, store_node) = (&self.config.name, &case.store_node);
        match &case.with {
            With::Nothing => tracing::info!(
                %cluster, store_node, sessions,
                "sessions of the store node can be copied again"
            ),
            With::Tomcat(backend) => tracing::info!(
                %cluster, store_node, backend, sessions,
                "sessions are within reach again"
            ),
            With::Copies(copies) => tracing::info!(
                %cluster, store_node, copies, sessions,
                "sessions are within reach again"
            ),
        }
    }
}
