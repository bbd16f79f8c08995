//! Whether the copy of a session is in its store: asked before the session leaves its owner, if
//! the administrator wants that.
//!
//! Who takes a session over deletes the copy. So nobody is asked about a session that somebody
//! has taken over or is taking over, and the ledger is looked at again after each answer.

use http::HeaderMap;
use http::header::SET_COOKIE;
use http::request::Parts;

use super::route::Seeking;
use super::shown::{Bound, Session};
use crate::cluster::Cluster;
use crate::observe::metrics::StoreLook;
use crate::proxy::select::Nobody;
use crate::proxy::worker::ClusterView;
use crate::session::classify::StoreCopy;
use crate::store::asker::NoAnswer;
use crate::store::key::{Key, Kind};

/// What a store says of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    There,
    Gone,
    /// It cannot be asked.
    OutOfReach,
    /// Nobody knows which store, or too many ask.
    Unasked,
}

impl Bound {
    /// Whether the store is to be asked before the session goes to a survivor.
    pub(super) fn must_look(&self, cluster: &Cluster) -> bool {
        // What touches no session takes none over.
        self.copy == StoreCopy::Unasked
            && !self.is_ignored
            && cluster
                .stores
                .as_ref()
                .is_some_and(|stores| stores.settings.look_before_failover)
            && !self.known.as_ref().is_some_and(|known| known.lost)
            && !self.is_elsewhere(cluster)
    }

    /// Whether the ledger knows another owner than the id names: then the copy has another key.
    fn is_elsewhere(&self, cluster: &Cluster) -> bool {
        let known = self.known.as_ref();
        let owner = known.and_then(|known| cluster.sessions.slot(known.owner));
        self.named.is_some() && owner.is_some() && owner != self.named
    }

    async fn find_copy(&self, view: &ClusterView, head: &Parts) -> Found {
        let cluster = &view.cluster;
        let Some((stores, id)) = cluster.stores.as_ref().zip(self.id(head, cluster)) else {
            return Found::Unasked;
        };
        let name = id.store_node();
        let Some(place) = stores.place(name) else {
            // One without a store node was never stored; one with a strange name may be.
            return if name.is_none() {
                Found::Gone
            } else {
                Found::Unasked
            };
        };
        let (Some(node), Some(asker)) = (stores.nodes.get(place), view.askers.get(place)) else {
            return Found::Unasked;
        };
        let found = if node.is_up() {
            let key = Key {
                kind: Kind::Session,
                prefix: stores.settings.key_prefix.as_bytes(),
                id: id.of_tomcat(),
            };
            match asker.has(&key.written()).await {
                Ok(true) => Found::There,
                Ok(false) => Found::Gone,
                Err(NoAnswer::Busy) => Found::Unasked,
                Err(NoAnswer::Store(failure)) => {
                    tracing::debug!(cluster = %cluster.config.name, %failure, "no copy was looked for");
                    Found::OutOfReach
                }
            }
        } else {
            Found::OutOfReach
        };
        node.looked(match found {
            Found::There => StoreLook::There,
            Found::Gone => StoreLook::Gone,
            Found::OutOfReach => StoreLook::OutOfReach,
            Found::Unasked => StoreLook::Unasked,
        });
        found
    }
}

impl Session {
    /// Asks the session's store for its copy. `Err`: it is out of reach, so nobody may serve it.
    pub(in crate::proxy) async fn look(&mut self, seeking: &Seeking<'_>) -> Result<(), Nobody> {
        let Self::Bound(bound) = self else {
            return Ok(());
        };
        let found = bound.find_copy(seeking.view, seeking.head).await;
        bound.refresh(&seeking.view.cluster);
        let is_moving = bound.seen.pin.is_some() || bound.seen.moved;
        bound.copy = match found {
            // Another request of the session was faster: its survivor may have deleted the copy.
            _ if is_moving => StoreCopy::Unknown,
            Found::There => StoreCopy::There,
            Found::Gone => {
                // Others of the session's requests may be answered before this one.
                let common = &seeking.view.cluster.sessions.common;
                common.ledger.miss(bound.key, common.now());
                StoreCopy::Gone
            }
            Found::Unasked => StoreCopy::Unknown,
            Found::OutOfReach => {
                bound.refuse(seeking);
                return Err(Nobody::Copy);
            }
        };
        Ok(())
    }

    /// Asks for the copy of a session before it leaves a backend that serves it: nobody is refused,
    /// and nothing is lost, whatever the answer is.
    pub(in crate::proxy) async fn look_to_leave(&mut self, seeking: &Seeking<'_>) {
        let Self::Bound(bound) = self else {
            return;
        };
        let found = bound.find_copy(seeking.view, seeking.head).await;
        bound.refresh(&seeking.view.cluster);
        bound.copy = match found {
            Found::There => StoreCopy::There,
            Found::Gone | Found::OutOfReach | Found::Unasked => StoreCopy::Unknown,
        };
    }

    /// Whether only the store can tell if a survivor's answer means that the session is lost.
    #[inline]
    pub(in crate::proxy) fn must_look_again(&self, headers: &HeaderMap) -> bool {
        matches!(self, Self::Bound(bound) if bound.copy == StoreCopy::There)
            && headers.contains_key(SET_COOKIE)
    }

    /// Asks once more, after the answer.
    pub(in crate::proxy) async fn look_again(&mut self, view: &ClusterView, head: &Parts) {
        if let Self::Bound(bound) = self
            && bound.find_copy(view, head).await == Found::Gone
        {
            bound.copy = StoreCopy::Taken;
        }
    }
}
