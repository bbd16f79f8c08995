//! While a Tomcat may take a store node for dead: which sessions get another id, and whose turn it
//! is until then.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{ClusterStores, WatchedNode, lock};
use crate::session::ledger::Key;

/// The sessions of which a request is under way that others must wait for. There are as many as
/// such requests at most.
#[derive(Debug, Default)]
pub struct Turns {
    taken: Mutex<HashSet<Key>>,
    waiting: AtomicUsize,
}

impl Turns {
    /// Whether it is this session's turn; if so, it is nobody's until it is given back.
    pub fn take(&self, key: Key) -> bool {
        lock(&self.taken).insert(key)
    }

    /// The next may go.
    pub fn give_back(&self, key: Key) {
        lock(&self.taken).remove(&key);
    }

    /// A place among the requests that wait for their turn, if fewer than `most` do.
    pub fn wait(&self, most: usize) -> Option<Waiting<'_>> {
        let waiting = Waiting(self);
        // Counted first: dropping `waiting` takes it back.
        let before = self.waiting.fetch_add(1, Relaxed);
        (before < most).then_some(waiting)
    }
}

/// A request's place among those that wait for their turn.
#[derive(Debug)]
pub struct Waiting<'a>(&'a Turns);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

impl ClusterStores {
    /// Whether a Tomcat may take any of them for dead.
    #[inline]
    pub fn any_in_doubt(&self) -> bool {
        self.nodes.iter().any(|node| node.is_in_doubt())
    }

    /// Whether ids may be shown that are from before the fall of a node.
    #[inline]
    pub fn any_was_in_doubt(&self) -> bool {
        self.nodes.iter().any(|node| node.was_in_doubt())
    }

    /// Whether a session may get another node with its next request, given the one that its id
    /// names: if that is in doubt, or none since it was born while all were down. There must be
    /// another one to go to.
    pub fn may_be_left(&self, name: Option<&[u8]>) -> bool {
        let is_it = |node: &WatchedNode| node.named.name.as_deref().map(str::as_bytes) == name;
        let is_other = |node: &WatchedNode| node.named.name.is_some() && !is_it(node);
        let mut nodes = self.nodes.iter();
        let others = self.nodes.iter().filter(|node| is_other(node));
        let in_doubt = match name {
            Some(_) => nodes.any(|node| is_it(node) && node.is_in_doubt()),
            None => self.any_in_doubt(),
        };
        in_doubt && others.into_iter().any(|node| node.is_up())
    }

    /// Whether an id that names this node, or none, may be one from before the fall of a node.
    pub fn may_have_been_left(&self, name: Option<&[u8]>) -> bool {
        let mut nodes = self.nodes.iter().filter(|node| node.was_in_doubt());
        name.is_none_or(|name| {
            nodes.any(|node| node.named.name.as_deref().map(str::as_bytes) == Some(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_one_requests_and_so_many_may_wait() {
        let ledger = crate::session::ledger::Ledger::new(0);
        let key = ledger.key(ledger.cluster("shop"), b"A");
        let turns = Turns::default();
        assert!(turns.take(key));
        assert!(!turns.take(key));
        turns.give_back(key);
        assert!(turns.take(key));
        let one = turns.wait(2);
        let two = turns.wait(2);
        assert!(one.is_some() && two.is_some());
        assert!(turns.wait(2).is_none());
        drop(one);
        assert!(turns.wait(2).is_some());
        assert!(turns.wait(0).is_none());
    }
}
