//! Sessions shared between stand-ins, as memcached-session-manager shares them between Tomcats.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// What a Tomcat does with a session that another Tomcat's jvm route marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Takeover {
    /// Serves it as it is: the id stays (non-sticky, or no jvm route set).
    #[default]
    KeepId,
    /// Takes it over as sticky memcached-session-manager does: the id gets this Tomcat's jvm
    /// route, and the old id is gone at once; whoever still shows it gets a new session.
    RenameId,
}

/// How one stand-in makes and finds sessions.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) jvm_route: Option<String>,
    pub(super) store_node: Option<String>,
    pub(super) takeover: Takeover,
}

/// A session as one request sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// The whole id, store node and jvm route included.
    pub(super) id: String,
    /// When it was created.
    pub(super) created: SystemTime,
    /// Requests that used it, this one included.
    pub(super) hits: u64,
    /// Whether the answer must carry a `Set-Cookie`.
    pub(super) is_new_id: bool,
}

#[derive(Debug)]
struct Stored {
    created: SystemTime,
    hits: u64,
}

#[derive(Debug, Default)]
struct Store {
    by_id: HashMap<String, Stored>,
    /// Oldest first; may name sessions that were renamed since.
    order: VecDeque<String>,
}

/// A store of sessions; clones share it. Bounded: the oldest sessions are dropped.
#[derive(Clone)]
pub struct SharedSessions {
    store: Arc<Mutex<Store>>,
    limit: usize,
}

/// Session ids are secrets: only their number is shown.
impl fmt::Debug for SharedSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSessions")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

impl Default for SharedSessions {
    fn default() -> Self {
        Self::with_limit(10_000)
    }
}

impl SharedSessions {
    /// A store of at most `limit` sessions.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            store: Arc::default(),
            limit,
        }
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.with(|store| store.by_id.len())
    }

    /// Forgets all sessions, as a memcached that restarts.
    pub fn clear(&self) {
        self.with(|store| *store = Store::default());
    }

    /// Serves a request that shows `ids` (cookies first): the first known session, else a new one.
    pub(super) fn serve<'a>(
        &self,
        identity: &Identity,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Session {
        self.with(|store| {
            let known = ids.into_iter().find(|id| store.by_id.contains_key(*id));
            match known {
                Some(id) if identity.must_rename(id) => store.rename(id, &identity.renamed(id)),
                Some(id) => store.touch(id, IdChange::Same),
                None => {
                    let id = identity.new_id();
                    store.create(&id);
                    store.shrink_to(self.limit);
                    store.touch(&id, IdChange::New)
                }
            }
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdChange {
    Same,
    New,
}

impl Store {
    fn create(&mut self, id: &str) {
        self.by_id.insert(
            id.to_owned(),
            Stored {
                created: SystemTime::now(),
                hits: 0,
            },
        );
        self.order.push_back(id.to_owned());
    }

    fn touch(&mut self, id: &str, change: IdChange) -> Session {
        let now = Stored {
            created: SystemTime::now(),
            hits: 0,
        };
        let stored = self.by_id.entry(id.to_owned()).or_insert(now);
        stored.hits += 1;
        Session {
            id: id.to_owned(),
            created: stored.created,
            hits: stored.hits,
            is_new_id: change == IdChange::New,
        }
    }

    fn rename(&mut self, old: &str, new: &str) -> Session {
        if let Some(stored) = self.by_id.remove(old) {
            self.by_id.insert(new.to_owned(), stored);
            self.order.push_back(new.to_owned());
        }
        self.touch(new, IdChange::New)
    }

    fn shrink_to(&mut self, limit: usize) {
        while self.by_id.len() > limit {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.by_id.remove(&oldest);
        }
        // Renaming leaves stale names behind; they must not grow without bound.
        if self.order.len() > limit.saturating_mul(2) {
            self.order.retain(|id| self.by_id.contains_key(id));
        }
    }
}

impl Identity {
    fn new_id(&self) -> String {
        let mut id = random_base();
        if let Some(node) = &self.store_node {
            id = format!("{id}-{node}");
        }
        self.with_route(&id)
    }

    fn must_rename(&self, id: &str) -> bool {
        let route = id.split_once('.').map(|(_, route)| route);
        self.takeover == Takeover::RenameId
            && self.jvm_route.is_some()
            && route != self.jvm_route.as_deref()
    }

    fn renamed(&self, id: &str) -> String {
        self.with_route(id.split_once('.').map_or(id, |(before, _)| before))
    }

    fn with_route(&self, id: &str) -> String {
        match &self.jvm_route {
            Some(route) => format!("{id}.{route}"),
            None => id.to_owned(),
        }
    }
}

/// 16 random bytes as upper-case hex, as Tomcat's standard generator makes them.
fn random_base() -> String {
    let mut bytes = [0_u8; 16];
    // The kernel's generator can only fail in early boot or for lack of the system call; the
    // standard library's keyed hasher is seeded by the same source through a fall-back.
    if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
        use std::hash::{BuildHasher, RandomState};
        for (chunk, salt) in bytes.chunks_mut(8).zip(0_u64..) {
            let random = RandomState::new().hash_one(salt).to_le_bytes();
            chunk.copy_from_slice(&random);
        }
    }
    format!("{:032X}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tomcat(route: Option<&str>, takeover: Takeover) -> Identity {
        Identity {
            jvm_route: route.map(str::to_owned),
            store_node: Some("n1".to_owned()),
            takeover,
        }
    }

    #[test]
    fn an_id_is_base_node_and_route() {
        let session = SharedSessions::default().serve(&tomcat(Some("jvm1"), Takeover::KeepId), []);
        let base = session.id.strip_suffix("-n1.jvm1").unwrap();
        assert_eq!(base.len(), 32);
        assert!(
            base.bytes()
                .all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
        );
        assert!(session.is_new_id);
    }

    #[test]
    fn a_session_is_carried_on_by_another_tomcat_with_the_same_id() {
        let sessions = SharedSessions::default();
        let created = sessions.serve(&tomcat(Some("jvm1"), Takeover::KeepId), []);
        let carried_on = sessions.serve(
            &tomcat(Some("jvm2"), Takeover::KeepId),
            [created.id.as_str()],
        );
        assert_eq!(
            carried_on,
            Session {
                hits: 2,
                is_new_id: false,
                ..created
            }
        );
    }

    #[test]
    fn a_takeover_renames_the_id_and_the_old_one_is_gone() {
        let sessions = SharedSessions::default();
        let (jvm1, jvm2) = (
            tomcat(Some("jvm1"), Takeover::RenameId),
            tomcat(Some("jvm2"), Takeover::RenameId),
        );
        let created = sessions.serve(&jvm1, []);
        let taken_over = sessions.serve(&jvm2, [created.id.as_str()]);
        assert_eq!(taken_over.id, created.id.replace("jvm1", "jvm2"));
        assert_eq!((taken_over.created, taken_over.hits), (created.created, 2));
        let late = sessions.serve(&jvm1, [created.id.as_str()]);
        assert_eq!((late.hits, late.is_new_id), (1, true));
    }

    #[test]
    fn the_oldest_sessions_are_dropped() {
        let sessions = SharedSessions::with_limit(2);
        let identity = tomcat(None, Takeover::KeepId);
        let ids: Vec<_> = (0..3).map(|_| sessions.serve(&identity, []).id).collect();
        assert_eq!(sessions.count(), 2);
        assert_ne!(sessions.serve(&identity, [ids[0].as_str()]).id, ids[0]);
    }
}
