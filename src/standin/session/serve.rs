//! What one Tomcat does with the ids that a request shows.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::id::Id;
use super::state::{Local, Object, Place, State};
use super::{Identity, Manager, Session, SharedSessions};

/// What a request wants of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing; but sticky memcached-session-manager takes a session over before the application
    /// is asked, and moves it off a store node that is down.
    Nothing,
    /// The session it shows, else a new one.
    Any,
    /// The same, and then a new id for it.
    NewId,
    /// The end of it.
    End,
    /// A session on an ignored path, where memcached-session-manager does not look for it.
    Unmanaged,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No session was touched.
    Untouched,
    Session(Session),
    /// The session, if there was one, has ended.
    Ended,
}

/// A change that the store does not have yet.
#[derive(Debug, Clone)]
pub(crate) struct Backup {
    place: Place,
}

/// The sessions of one Tomcat.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) shared: SharedSessions,
    identity: Identity,
    tomcat: u64,
    /// One of them is taken to load a session, by its base: a session that two requests show is
    /// loaded once.
    turns: [tokio::sync::Mutex<()>; 16],
}

/// A session that a request shows and this Tomcat has.
struct Found {
    place: Place,
    /// Its id now.
    id: Id,
    /// The id that was shown.
    shown: Id,
}

impl Sessions {
    pub(crate) fn new(shared: SharedSessions, identity: Identity) -> Self {
        Self {
            tomcat: shared.number_a_tomcat(),
            shared,
            identity,
            turns: Default::default(),
        }
    }

    /// How long after the answer a change is written to the store.
    pub(crate) fn backup_delay(&self) -> Duration {
        self.identity.backup_delay
    }

    /// Serves a request within `context` that shows `ids`, cookies first. [`Self::back_up`] must
    /// follow.
    pub(crate) async fn serve(
        &self,
        context: &str,
        ids: impl IntoIterator<Item = &str>,
        wanted: Wanted,
    ) -> (Outcome, Option<Backup>) {
        let shown: Vec<Id> = ids.into_iter().filter_map(Id::parse).collect();
        let found = self.find(context, &shown, wanted).await;
        let (outcome, place) = self.shared.with(|state| {
            let found = found.map(|found| self.relocated(state, found));
            self.conclude(state, context, (&shown, found), wanted)
        });
        let has_backup = self.identity.manager == Manager::Sticky && wanted != Wanted::Unmanaged;
        let backup = place.filter(|_| has_backup).map(|place| Backup { place });
        (outcome, backup)
    }

    /// Writes the session's present state to the store, if it is still there and newer.
    pub(crate) fn back_up(&self, backup: &Backup) {
        self.shared.with(|state| {
            let Some(local) = state.memory(self.tomcat).get_mut(&backup.place) else {
                return;
            };
            if std::mem::take(&mut local.is_dirty) {
                let (id, object) = (local.id.clone(), local.object.clone());
                state.store(&backup.place.0, &id, object);
            }
        });
    }

    /// Writes what the store does not have yet: the first part of an orderly stop.
    pub(crate) fn back_up_all(&self) {
        if self.identity.manager != Manager::Sticky {
            return;
        }
        let places: Vec<Place> = self.shared.with(|state| {
            let memory = state.memory(self.tomcat);
            memory.iter().map(|(place, _)| place.clone()).collect()
        });
        for place in places {
            self.back_up(&Backup { place });
        }
    }

    /// Forgets what is in this Tomcat's memory, as every process does at its end.
    pub(crate) fn forget(&self) {
        self.shared.with(|state| state.memory(self.tomcat).clear());
    }

    // === finding ===

    /// The first of the ids whose session this Tomcat has or gets.
    async fn find(&self, context: &str, shown: &[Id], wanted: Wanted) -> Option<Found> {
        for shown in shown {
            let place = (context.to_owned(), shown.base.clone());
            let id = match self.identity.manager {
                Manager::NonSticky if wanted == Wanted::Unmanaged => None,
                Manager::NonSticky => self.shared.with(|state| self.stored(state, context, shown)),
                Manager::Plain => self.local(&place).filter(|id| id == shown),
                Manager::Sticky => match self.local(&place) {
                    None if self.may_load(shown, wanted) => {
                        self.load(&place, shown).await;
                        self.local(&place)
                    }
                    local => local,
                },
            };
            if let Some(id) = id {
                let shown = shown.clone();
                return Some(Found { place, id, shown });
            }
        }
        None
    }

    /// The id of a session in memory.
    fn local(&self, place: &Place) -> Option<Id> {
        self.shared.with(|state| {
            let memory = state.memory(self.tomcat);
            memory.get(place).map(|local| local.id.clone())
        })
    }

    /// The id of a session in the store, after its move from a node that is down.
    fn stored(&self, state: &mut State, context: &str, shown: &Id) -> Option<Id> {
        if state.stored(context, shown).is_some() {
            return Some(shown.clone());
        }
        let node = state.relocation(shown, &self.identity.store_nodes)?;
        let id = Id {
            node: Some(node),
            ..shown.clone()
        };
        if let Some(object) = state.backup_of(context, shown) {
            state.truth.relocated += 1;
            state.store(context, &id, object);
        }
        state.stored(context, &id).is_some().then_some(id)
    }

    fn may_load(&self, shown: &Id, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Unmanaged => false,
            Wanted::Nothing => self.own(shown) != *shown,
            Wanted::Any | Wanted::NewId | Wanted::End => true,
        }
    }

    /// `shown` with this Tomcat's jvm route, if it has one.
    fn own(&self, shown: &Id) -> Id {
        let route = self.identity.jvm_route.clone();
        Id {
            route: route.or_else(|| shown.route.clone()),
            ..shown.clone()
        }
    }

    /// Loads a session into memory, if the store has it. Under another route than this Tomcat's,
    /// the old id is deleted at once; the new one is written with the request's end.
    async fn load(&self, place: &Place, shown: &Id) {
        let mut hasher = DefaultHasher::new();
        place.hash(&mut hasher);
        let turn = usize::from(hasher.finish().to_le_bytes()[0]) % self.turns.len();
        let Some(turn) = self.turns.get(turn) else {
            return;
        };
        let _turn = turn.lock().await;
        if self.local(place).is_some() {
            return;
        }
        self.shared.round_trip().await;
        let Some(mut object) = self
            .shared
            .with(|state| state.stored(&place.0, shown).cloned())
        else {
            return;
        };
        let id = self.own(shown);
        let is_taken_over = id != *shown;
        if is_taken_over {
            self.shared.round_trip().await;
        }
        self.shared.with(|state| {
            if is_taken_over {
                state.delete(&place.0, shown);
                state.truth.taken_over += 1;
            } else {
                state.truth.reloaded += 1;
            }
            state.loaded(&mut object);
            let local = Local {
                id,
                object,
                is_dirty: true,
            };
            state.memory(self.tomcat).insert(place.clone(), local);
        });
    }

    /// Moves a session in memory off a store node that is down. The id there is not deleted.
    fn relocated(&self, state: &mut State, mut found: Found) -> Found {
        if self.identity.manager != Manager::Sticky {
            return found;
        }
        if let Some(node) = state.relocation(&found.id, &self.identity.store_nodes) {
            found.id.node = Some(node);
            if let Some(local) = state.memory(self.tomcat).get_mut(&found.place) {
                local.id = found.id.clone();
                local.is_dirty = true;
                state.truth.relocated += 1;
            }
        }
        found
    }

    // === serving ===

    fn conclude(
        &self,
        state: &mut State,
        context: &str,
        (shown, found): (&[Id], Option<Found>),
        wanted: Wanted,
    ) -> (Outcome, Option<Place>) {
        let is_new_id = found.as_ref().is_none_or(|found| found.id != found.shown);
        let id = match (wanted, found) {
            (Wanted::Nothing, Some(found)) if is_new_id => found.id,
            (Wanted::Nothing, _) => return (Outcome::Untouched, None),
            (Wanted::End, found) => {
                if let Some(found) = found {
                    self.remove(state, context, &found.id);
                    state.truth.logged_out += 1;
                }
                return (Outcome::Ended, None);
            }
            (_, Some(found)) => found.id,
            (_, None) => match self.create(state, context, shown.last(), wanted) {
                Ok(id) => id,
                Err(unmanaged) => return (Outcome::Session(unmanaged), None),
            },
        };
        let Some(mut object) = self.object(state, context, &id) else {
            return (Outcome::Untouched, None);
        };
        if wanted != Wanted::Nothing {
            state.hit(&mut object);
        }
        let (mut id, mut is_new_id) = (id, is_new_id);
        if wanted == Wanted::NewId {
            self.remove(state, context, &id);
            id = Id::random(id.node, id.route);
            is_new_id = true;
            state.truth.renewed += 1;
        }
        let session = Session {
            id: id.to_string(),
            created: object.created,
            hits: object.hits,
            is_new_id,
        };
        let place = (context.to_owned(), id.base.clone());
        self.put(state, context, id, object);
        (Outcome::Session(session), Some(place))
    }

    /// A new session; the error is one that nobody keeps.
    fn create(
        &self,
        state: &mut State,
        context: &str,
        shown: Option<&Id>,
        wanted: Wanted,
    ) -> Result<Id, Session> {
        let node = match self.identity.manager {
            Manager::Plain => None,
            Manager::Sticky | Manager::NonSticky => state.node_for_new(&self.identity.store_nodes),
        };
        let id = Id::random(node, self.identity.jvm_route.clone());
        let mut object = state.create();
        match shown {
            Some(_) if wanted == Wanted::Unmanaged => state.truth.overwritten += 1,
            Some(shown) => state.replaced(&shown.base),
            None => {}
        }
        // Without a look at the store at its beginning there is none at the request's end.
        if wanted == Wanted::Unmanaged && self.identity.manager == Manager::NonSticky {
            state.hit(&mut object);
            return Err(Session {
                id: id.to_string(),
                created: object.created,
                hits: object.hits,
                is_new_id: true,
            });
        }
        self.put(state, context, id.clone(), object);
        Ok(id)
    }

    /// A copy of the session's content, from where this manager has it.
    fn object(&self, state: &mut State, context: &str, id: &Id) -> Option<Object> {
        if self.identity.manager == Manager::NonSticky {
            return state.stored(context, id).cloned();
        }
        let place = (context.to_owned(), id.base.clone());
        let local = state.memory(self.tomcat).get(&place)?;
        Some(local.object.clone())
    }

    /// Takes the session away; its base means nothing from now on.
    fn remove(&self, state: &mut State, context: &str, id: &Id) {
        let place = (context.to_owned(), id.base.clone());
        state.memory(self.tomcat).remove(&place);
        if self.identity.manager != Manager::Plain {
            state.delete(context, id);
        }
        state.end(&id.base);
    }

    fn put(&self, state: &mut State, context: &str, id: Id, object: Object) {
        if self.identity.manager == Manager::NonSticky {
            state.store(context, &id, object);
            return;
        }
        let place = (context.to_owned(), id.base.clone());
        let local = Local {
            id,
            object,
            is_dirty: true,
        };
        state.memory(self.tomcat).insert(place, local);
    }
}
