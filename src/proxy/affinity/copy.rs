//! Whether the copy of a session is in its store: asked before the session leaves its owner, if
//! the administrator wants that.
//!
//! Who takes a session over deletes the copy. So nobody is asked about a session that somebody
//! has taken over or is taking over, and the ledger is looked at again after each answer.

use http::HeaderMap;
use http::header::SET_COOKIE;
use http::request::Parts;

use super::conclude::issued_by;
use super::route::Seeking;
use super::shown::{Bound, Session};
use crate::cluster::{Cluster, WatchedNode};
use crate::observe::metrics::StoreLook;
use crate::proxy::select::Nobody;
use crate::proxy::worker::ClusterView;
use crate::session::classify::StoreCopy;
use crate::session::id::Id;
use crate::session::ledger::Known;
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

impl Found {
    /// Counts what a node was asked for, once it is believed.
    fn count(self, node: Option<&WatchedNode>) {
        if let Some(node) = node {
            node.looked(match self {
                Self::There => StoreLook::There,
                Self::Gone => StoreLook::Gone,
                Self::OutOfReach => StoreLook::OutOfReach,
                Self::Unasked => StoreLook::Unasked,
            });
        }
    }
}

impl Bound {
    /// Whether the store is to be asked before the session goes to a survivor.
    pub(super) fn must_look(&self, cluster: &Cluster) -> bool {
        // What touches no session takes none over; and one whose owner nobody knows leaves nobody.
        self.copy == StoreCopy::Unasked
            && !self.is_ignored
            && self.seen.owner.is_some()
            && cluster
                .stores
                .as_ref()
                .is_some_and(|stores| stores.settings.look_before_failover)
            && !self.known.as_ref().is_some_and(Known::lost)
            && !self.is_elsewhere(cluster)
    }

    /// Whether the ledger knows another owner than the id names: then the copy has another key.
    fn is_elsewhere(&self, cluster: &Cluster) -> bool {
        let known = self.known.as_ref();
        let owner = known.and_then(|known| cluster.sessions.slot(known.owner()));
        self.named.is_some() && owner.is_some() && owner != self.named
    }

    /// Whether a response issues a session with another base.
    #[cold]
    fn is_replaced(&self, (cluster, head): (&Cluster, &Parts), headers: &HeaderMap) -> bool {
        let shown = self.id(head, cluster);
        let base = shown.as_ref().map(Id::base);
        let mut lines = headers.get_all(SET_COOKIE).iter();
        lines.any(|line| {
            issued_by(line, &cluster.config.sessions)
                .and_then(|cookie| Id::read(cluster.config.sessions.dialect, cookie.value).ok())
                .is_some_and(|id| Some(id.base()) != base)
        })
    }

    /// Asks for the copy under the id that the survivor would be shown; which node is asked too.
    async fn find_copy<'v>(
        &self,
        view: &'v ClusterView,
        head: &Parts,
    ) -> (Found, Option<&'v WatchedNode>) {
        let cluster = &view.cluster;
        let renewed = self.renewed(cluster, head);
        let id = match &renewed {
            Some(renewed) => Id::read(cluster.config.sessions.dialect, renewed.id()).ok(),
            None => self.id(head, cluster),
        };
        let Some((stores, id)) = cluster.stores.as_ref().zip(id) else {
            return (Found::Unasked, None);
        };
        let name = id.store_node();
        let Some(place) = stores.place(name) else {
            // One without a store node was never stored; one with a strange name may be.
            let found = if name.is_none() {
                Found::Gone
            } else {
                Found::Unasked
            };
            return (found, None);
        };
        let (Some(node), Some(asker)) = (stores.nodes.get(place), view.askers.get(place)) else {
            return (Found::Unasked, None);
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
        (found, Some(node))
    }
}

impl Session {
    /// Asks the session's store for its copy. `Err`: it is out of reach, so nobody may serve it.
    pub(in crate::proxy) async fn look(&mut self, seeking: &Seeking<'_>) -> Result<(), Nobody> {
        let Self::Bound(bound) = self else {
            return Ok(());
        };
        let (found, node) = bound.find_copy(seeking.view, seeking.head).await;
        bound.refresh(&seeking.view.cluster);
        // One that is counted at the owner itself takes nothing over.
        let is_at_another = |pin| bound.seen.owner != Some(pin);
        if bound.seen.pin.is_some_and(is_at_another) || bound.seen.moved {
            // Another request of the session was faster: its survivor may have deleted the copy.
            bound.copy = StoreCopy::Unknown;
            return Ok(());
        }
        found.count(node);
        bound.copy = match found {
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
        let (found, node) = bound.find_copy(seeking.view, seeking.head).await;
        bound.refresh(&seeking.view.cluster);
        if !bound.seen.moved {
            found.count(node);
        }
        bound.copy = match found {
            Found::There => StoreCopy::There,
            Found::Gone | Found::OutOfReach | Found::Unasked => StoreCopy::Unknown,
        };
    }

    /// Whether only the store can tell if a survivor's answer means that the session is lost: it
    /// issues another one.
    #[inline]
    pub(in crate::proxy) fn must_look_again(
        &self,
        (cluster, head): (&Cluster, &Parts),
        headers: &HeaderMap,
    ) -> bool {
        matches!(self, Self::Bound(bound) if bound.copy == StoreCopy::There
            && bound.is_replaced((cluster, head), headers))
    }

    /// Asks once more, after the answer. That is no look on the way of a request, and not counted.
    pub(in crate::proxy) async fn look_again(&mut self, view: &ClusterView, head: &Parts) {
        if let Self::Bound(bound) = self
            && bound.find_copy(view, head).await.0 == Found::Gone
        {
            bound.copy = StoreCopy::Taken;
        }
    }
}
