//! Where sessions are: the store, the Tomcats' memories, and the truth about both.
//!
//! All of it under one lock, which is never held over a wait. What a Tomcat may know of another
//! one's memory is decided by `serve`, which looks at its own only.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use super::bounded::Bounded;
use super::id::Id;
use super::truth::Truth;

/// A session's content, as it is kept in a memory or serialised to the store.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// Which session it is a copy of, whatever its ids were.
    pub(super) serial: u64,
    pub(super) created: SystemTime,
    pub(super) hits: u64,
    /// How often it was loaded by a Tomcat: two copies of one generation are a fork.
    generation: u64,
}

/// A copy in a Tomcat's memory.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) id: Id,
    pub(super) object: Object,
    /// Whether the store's copy is older.
    pub(super) is_dirty: bool,
}

/// What the newest copy of a session has come to.
#[derive(Debug)]
struct Newest {
    hits: u64,
    generation: u64,
}

/// A context and a base in it.
pub(super) type Place = (String, String);
/// The sessions of one Tomcat. The route may differ between two ids of one base, and so may the
/// store node: a Tomcat knows its own session by either.
type Memory = Bounded<Place, Local>;

#[derive(Debug)]
pub(super) struct State {
    limit: usize,
    store: Bounded<(String, Id), Object>,
    memories: HashMap<u64, Memory>,
    nodes_down: HashSet<String>,
    newest: Bounded<u64, Newest>,
    /// Bases that ended by logout, expiry or a login's new id.
    ended: Bounded<String, ()>,
    sessions: u64,
    pub(super) truth: Truth,
}

impl State {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            store: Bounded::new(limit),
            memories: HashMap::new(),
            nodes_down: HashSet::new(),
            newest: Bounded::new(limit),
            ended: Bounded::new(limit),
            sessions: 0,
            truth: Truth::default(),
        }
    }

    /// The memory of the Tomcat with this number.
    pub(super) fn memory(&mut self, tomcat: u64) -> &mut Memory {
        let limit = self.limit;
        self.memories
            .entry(tomcat)
            .or_insert_with(|| Bounded::new(limit))
    }

    // === sessions ===

    /// A new session's content.
    pub(super) fn create(&mut self) -> Object {
        self.sessions += 1;
        let object = Object {
            serial: self.sessions,
            created: SystemTime::now(),
            hits: 0,
            generation: 0,
        };
        let newest = Newest {
            hits: 0,
            generation: 0,
        };
        self.newest.insert(object.serial, newest);
        self.truth.issued += 1;
        object
    }

    /// Counts a request on `object`, and whether it is served from an outdated copy.
    pub(super) fn hit(&mut self, object: &mut Object) {
        if let Some(newest) = self.newest.get_mut(&object.serial) {
            if object.hits < newest.hits {
                self.truth.stale += 1;
            }
            newest.hits = newest.hits.max(object.hits + 1);
        }
        object.hits += 1;
    }

    /// Notes that a Tomcat made `object` its own, and whether another did so from the same copy.
    pub(super) fn loaded(&mut self, object: &mut Object) {
        let Some(newest) = self.newest.get_mut(&object.serial) else {
            return;
        };
        if object.generation < newest.generation {
            self.truth.forked += 1;
        }
        object.generation += 1;
        newest.generation = newest.generation.max(object.generation);
    }

    /// Notes that `base` means nothing from now on.
    pub(super) fn end(&mut self, base: &str) {
        self.ended.insert(base.to_owned(), ());
    }

    /// Notes that a new session took the place of one that a client showed.
    pub(super) fn replaced(&mut self, base: &str) {
        if self.ended.get(&base.to_owned()).is_some() {
            self.truth.outdated += 1;
        } else {
            self.truth.lost += 1;
        }
    }

    /// Takes all sessions away whose base `ends`, wherever they are.
    pub(super) fn expire(&mut self, ends: impl Fn(&str) -> bool) {
        let mut bases: HashSet<String> = HashSet::new();
        bases.extend(self.store.iter().map(|((_, id), _)| id.base.clone()));
        for memory in self.memories.values() {
            bases.extend(memory.iter().map(|((_, base), _)| base.clone()));
        }
        bases.retain(|base| ends(base));
        self.store.retain(|(_, id)| !bases.contains(&id.base));
        for memory in self.memories.values_mut() {
            memory.retain(|(_, base)| !bases.contains(base));
        }
        for base in bases {
            self.end(&base);
        }
    }

    /// How many sessions have a copy anywhere.
    pub(super) fn live(&self) -> usize {
        let stored = self.store.iter().map(|(_, object)| object.serial);
        let memories = self.memories.values().flat_map(Bounded::iter);
        let local = memories.map(|(_, local)| local.object.serial);
        stored.chain(local).collect::<HashSet<_>>().len()
    }

    // === the store ===

    /// The stored copy, if its node can be asked.
    pub(super) fn stored(&mut self, context: &str, id: &Id) -> Option<&mut Object> {
        if self.is_node_down(id) {
            return None;
        }
        self.store.get_mut(&(context.to_owned(), id.clone()))
    }

    /// Writes a copy; nothing where the node is down.
    pub(super) fn store(&mut self, context: &str, id: &Id, object: Object) {
        if !self.is_node_down(id) {
            self.store.insert((context.to_owned(), id.clone()), object);
        }
    }

    /// Deletes a copy; on a node that is down it stays, as a ghost.
    pub(super) fn delete(&mut self, context: &str, id: &Id) {
        if !self.is_node_down(id) {
            self.store.remove(&(context.to_owned(), id.clone()));
        }
    }

    /// Takes the copy that non-sticky sessions have on the next node, if `id`'s is down.
    pub(super) fn backup_of(&mut self, context: &str, id: &Id) -> Option<Object> {
        self.store.remove(&(context.to_owned(), id.clone()))
    }

    pub(super) fn clear_store(&mut self) {
        self.store.clear();
    }

    pub(super) fn set_node(&mut self, node: &str, is_down: bool) {
        if is_down {
            self.nodes_down.insert(node.to_owned());
        } else {
            self.nodes_down.remove(node);
        }
    }

    /// The node for a new session: each in turn of those that are up.
    pub(super) fn node_for_new(&self, nodes: &[String]) -> Option<String> {
        let up = || nodes.iter().filter(|node| !self.nodes_down.contains(*node));
        let count = up().count().max(1);
        let turn = usize::try_from(self.sessions).unwrap_or(0) % count;
        up().nth(turn).cloned()
    }

    /// The node that `id` must move to: it has none, or one that is down, and another is up.
    pub(super) fn relocation(&self, id: &Id, nodes: &[String]) -> Option<String> {
        if id.node.is_some() && !self.is_node_down(id) {
            return None;
        }
        nodes
            .iter()
            .find(|node| !self.nodes_down.contains(*node))
            .cloned()
    }

    fn is_node_down(&self, id: &Id) -> bool {
        id.node
            .as_ref()
            .is_some_and(|node| self.nodes_down.contains(node))
    }
}
