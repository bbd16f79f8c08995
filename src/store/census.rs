//! What the keys of all store nodes together say about the sessions: counted as they come, none
//! of them is kept. Pure: keys in, counts out.
//!
//! Sessions are told apart by a hash of prefix and base, since the base stays when a session
//! moves. A session's record is a few dozen bytes, and there are at most [`MOST_SESSIONS`] of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};

use crate::config::{Dialect, MOST_STORE_NODES};
use crate::session::id::Id;

use super::key::{Key, Kind, Named, Prefix};
use super::{Entry, Expiry};

/// More sessions are counted, but not compared with each other.
pub const MOST_SESSIONS: usize = 2_000_000;
/// jvm routes that are counted one by one.
const MOST_ROUTES: usize = 200;
/// The name of all others together.
const OTHER_ROUTES: &str = "(others)";

/// How MSM works, as far as it decides what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Tomcat has the session, the store its copy.
    Sticky,
    /// The store has the session, with a backup on another node.
    NonSticky,
}

impl Mode {
    /// As shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sticky => "sticky",
            Self::NonSticky => "non-sticky",
        }
    }
}

/// What is odd about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Several copies under different ids or on several nodes: old ones stayed after a move.
    Ghost,
    /// A backup whose session is gone.
    Orphan,
    /// A session whose validity is gone (non-sticky): it is over.
    Expired,
    /// No backup (non-sticky).
    NoBackup,
    /// Its id names no store node although the nodes have names: MSM makes no copy of it.
    Unprotected,
    /// It lies on another node than its id says.
    Misplaced,
}

impl Finding {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Ghost,
        Self::Orphan,
        Self::Expired,
        Self::NoBackup,
        Self::Unprotected,
        Self::Misplaced,
    ];

    /// As shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ghost => "ghost",
            Self::Orphan => "orphan",
            Self::Expired => "expired",
            Self::NoBackup => "no-backup",
            Self::Unprotected => "unprotected",
            Self::Misplaced => "misplaced",
        }
    }
}

/// Sessions of one node or one jvm route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Keys of sessions.
    pub sessions: u64,
    /// The bytes that the store tells of them.
    pub bytes: u64,
    /// The most of one.
    pub largest: u64,
    /// The remaining seconds of the one that ends first, of those that end.
    pub first_end: Option<u64>,
    /// The remaining seconds of the one that ends last.
    pub last_end: Option<u64>,
    /// Sessions that never end.
    pub endless: u64,
    /// Seconds since the last use of the one that was left alone longest.
    pub longest_idle: Option<u64>,
}

impl Tally {
    fn add(&mut self, entry: &Entry, now: u64) {
        self.sessions += 1;
        let size = entry.size.unwrap_or_default();
        self.bytes = self.bytes.saturating_add(size);
        self.largest = self.largest.max(size);
        match entry.expiry {
            Expiry::Never => self.endless += 1,
            Expiry::At(end) => {
                let left = end.saturating_sub(now);
                self.first_end = Some(self.first_end.map_or(left, |it| it.min(left)));
                self.last_end = self.last_end.max(Some(left));
            }
        }
        let idle = entry.last_access.map(|at| now.saturating_sub(at));
        self.longest_idle = self.longest_idle.max(idle);
    }
}

/// One store node, as far as it was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeTally {
    /// Its sessions.
    pub sessions: Tally,
    /// Keys of validities.
    pub validities: u64,
    /// Keys of backups of sessions.
    pub backups: u64,
    /// Keys of locks.
    pub locks: u64,
    /// Somebody else's keys.
    pub foreign: u64,
}

/// A store node of the census.
#[derive(Debug, Clone, Default)]
struct Node {
    name: Option<Vec<u8>>,
    is_missing: bool,
    tally: NodeTally,
}

const _: () = assert!(MOST_STORE_NODES <= 64, "a set has a bit for each node");

/// One session. A bit of a set stands for a node.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    session_on: u64,
    validity_on: u64,
    backup_on: u64,
    /// Where its ids say that it lies.
    homes: u64,
    /// Of the first id, to know others from the same told twice.
    first_id: u32,
    has_other_id: bool,
    is_unprotected: bool,
    is_misplaced: bool,
}

/// Counts the keys of all nodes.
#[derive(Debug)]
pub struct Census {
    nodes: Vec<Node>,
    routes: BTreeMap<Vec<u8>, Tally>,
    sessions: HashMap<u64, Seen>,
    hasher: RandomState,
    most: usize,
    is_cut: bool,
    now: u64,
}

impl Census {
    /// A census of nodes with these names, at `now` (seconds since 1970). Nodes beyond
    /// [`MOST_STORE_NODES`] are left out.
    pub fn new(names: impl IntoIterator<Item = Option<String>>, now: u64) -> Self {
        let node = |name: Option<String>| Node {
            name: name.map(String::into_bytes),
            ..Node::default()
        };
        Self {
            nodes: names.into_iter().take(MOST_STORE_NODES).map(node).collect(),
            routes: BTreeMap::new(),
            sessions: HashMap::new(),
            hasher: RandomState::new(),
            most: MOST_SESSIONS,
            is_cut: false,
            now,
        }
    }

    /// Notes that not all of a node could be read.
    pub fn miss(&mut self, node: usize) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.is_missing = true;
        }
    }

    /// Counts a key of a node, and says whose it is.
    pub fn count<'k>(&mut self, node: usize, entry: &'k Entry, prefix: Prefix<'_>) -> Named<'k> {
        let named = Named::read(&entry.key, prefix);
        let Some(counted) = self.nodes.get_mut(node) else {
            return named;
        };
        let Named::Msm(key) = named else {
            counted.tally.foreign += 1;
            return named;
        };
        match key.kind {
            Kind::Session => counted.tally.sessions.add(entry, self.now),
            Kind::Validity => counted.tally.validities += 1,
            Kind::Backup => counted.tally.backups += 1,
            // Each backup has one.
            Kind::BackupValidity => {}
            Kind::Lock => counted.tally.locks += 1,
        }
        if key.kind == Kind::Session {
            self.count_route(&key, entry);
        }
        self.note(node, &key);
        named
    }

    fn count_route(&mut self, key: &Key<'_>, entry: &Entry) {
        let id = Id::read(Dialect::Tomcat, key.id).ok();
        let route = id.as_ref().and_then(Id::shown_route).unwrap_or_default();
        let is_known = self.routes.contains_key(route) || self.routes.len() < MOST_ROUTES;
        let route = if is_known {
            route
        } else {
            OTHER_ROUTES.as_bytes()
        };
        let tally = self.routes.entry(route.to_vec()).or_default();
        tally.add(entry, self.now);
    }

    fn note(&mut self, node: usize, key: &Key<'_>) {
        let Some(which) = self.hash(key) else {
            return;
        };
        if self.sessions.len() >= self.most && !self.sessions.contains_key(&which) {
            self.is_cut = true;
            return;
        }
        let home = self.home(key);
        let has_names = self.nodes.iter().any(|node| node.name.is_some());
        // Half a hash is one, too.
        let id = u32::try_from(self.hasher.hash_one(key.id) >> 32).unwrap_or_default();
        let seen = self.sessions.entry(which).or_default();
        let bit = 1 << node;
        match key.kind {
            Kind::Session => {
                if seen.session_on == 0 {
                    seen.first_id = id;
                }
                seen.has_other_id |= seen.first_id != id;
                seen.session_on |= bit;
                seen.is_unprotected |= has_names && home == Home::Unnamed;
                seen.is_misplaced |=
                    matches!(home, Home::At(at) if at != node) || home == Home::Unknown;
            }
            Kind::Validity => seen.validity_on |= bit,
            Kind::Backup => seen.backup_on |= bit,
            Kind::BackupValidity | Kind::Lock => {}
        }
        if let Home::At(at) = home {
            seen.homes |= 1 << at;
        }
    }

    /// Where the id says that the session lies.
    fn home(&self, key: &Key<'_>) -> Home {
        let id = Id::read(Dialect::Tomcat, key.id).ok();
        let Some(name) = id.as_ref().and_then(Id::store_node) else {
            return Home::Unnamed;
        };
        if self.nodes.iter().any(|node| node.name.is_none()) {
            return Home::Somewhere;
        }
        let is_it = |node: &Node| node.name.as_deref() == Some(name);
        self.nodes
            .iter()
            .position(is_it)
            .map_or(Home::Unknown, Home::At)
    }

    fn hash(&self, key: &Key<'_>) -> Option<u64> {
        let id = Id::read(Dialect::Tomcat, key.id).ok()?;
        Some(self.hasher.hash_one((key.prefix, id.base())))
    }

    /// What is known once all nodes are counted.
    pub fn close(self, told: Option<Mode>) -> Closed {
        let seen_mode = || {
            let has_validity = self.nodes.iter().any(|node| node.tally.validities > 0);
            if has_validity {
                Mode::NonSticky
            } else {
                Mode::Sticky
            }
        };
        let mode = told.unwrap_or_else(seen_mode);
        Closed { mode, census: self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    At(usize),
    /// The id names no node.
    Unnamed,
    /// A node that is not in the list.
    Unknown,
    /// The names of the nodes were not told.
    Somewhere,
}

/// A census that is over.
#[derive(Debug)]
pub struct Closed {
    mode: Mode,
    census: Census,
}

impl Closed {
    /// Sticky or not.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Sessions that were told apart.
    pub fn sessions(&self) -> usize {
        let all = self.census.sessions.values();
        all.filter(|seen| seen.session_on != 0).count()
    }

    /// Whether there were too many to compare all of them.
    pub fn is_cut(&self) -> bool {
        self.census.is_cut
    }

    /// What was counted on a node.
    pub fn node(&self, node: usize) -> Option<&NodeTally> {
        self.census.nodes.get(node).map(|node| &node.tally)
    }

    /// Sessions by jvm route; an empty one for ids without.
    pub fn routes(&self) -> impl Iterator<Item = (&[u8], &Tally)> {
        let routes = self.census.routes.iter();
        routes.map(|(route, tally)| (route.as_slice(), tally))
    }

    /// How many sessions have each finding.
    pub fn findings(&self) -> BTreeMap<Finding, u64> {
        let mut counts: BTreeMap<_, _> = Finding::ALL.map(|finding| (finding, 0)).into();
        for seen in self.census.sessions.values() {
            for finding in self.judge(seen) {
                *counts.entry(finding).or_default() += 1;
            }
        }
        counts
    }

    /// What is odd about the session of `key`.
    pub fn findings_of(&self, key: &Key<'_>) -> Vec<Finding> {
        let which = self.census.hash(key);
        let seen = which.and_then(|which| self.census.sessions.get(&which));
        seen.map(|seen| self.judge(seen).collect())
            .unwrap_or_default()
    }

    /// Whether some node has a backup of the session of `key`.
    pub fn has_backup(&self, key: &Key<'_>) -> bool {
        let which = self.census.hash(key);
        let seen = which.and_then(|which| self.census.sessions.get(&which));
        seen.is_some_and(|seen| seen.backup_on != 0)
    }

    /// The nodes that were not read, or not to the end.
    fn missing(&self) -> u64 {
        let nodes = self.census.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| node.is_missing)
            .fold(0, |set, (number, _)| set | 1 << number)
    }

    fn judge(&self, seen: &Seen) -> impl Iterator<Item = Finding> + use<> {
        let is_there = seen.session_on != 0;
        let is_non_sticky = self.mode == Mode::NonSticky;
        let has_several = self.census.nodes.len() > 1;
        let missing = self.missing();
        // What is missing may lie on a node that was not read.
        let is_unsure = seen.homes & missing != 0 || (seen.homes == 0 && missing != 0);
        let copies = seen.session_on.count_ones();
        let found = [
            (Finding::Ghost, copies > 1 || seen.has_other_id),
            (
                Finding::Orphan,
                !is_there && seen.backup_on != 0 && !is_unsure,
            ),
            (
                Finding::Expired,
                is_there && is_non_sticky && seen.validity_on == 0 && !is_unsure,
            ),
            (
                Finding::NoBackup,
                is_there && is_non_sticky && has_several && missing == 0 && seen.backup_on == 0,
            ),
            (Finding::Unprotected, seen.is_unprotected),
            (Finding::Misplaced, seen.is_misplaced),
        ];
        found
            .into_iter()
            .filter(|(_, holds)| *holds)
            .map(|(finding, _)| finding)
    }
}

#[cfg(test)]
mod tests;
