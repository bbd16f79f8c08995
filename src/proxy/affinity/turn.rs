//! One at a time, while the store node of a session is in doubt.
//!
//! Sticky memcached-session-manager gives a session another id, with another store node in it, as
//! soon as it finds that the node does not answer; from then on it knows nobody by the old id. Of
//! requests that a browser has sent side by side the first gets the new id, and all others a new,
//! empty session, whose cookie takes the user's place. So as long as a node is in doubt, requests
//! of one of its sessions go one after the other; and those that still show the old id get the new
//! one on their way to the Tomcat.

use std::sync::Arc;
use std::time::Duration;

use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tokio::time::{Instant, sleep};

use super::route::Seeking;
use super::shown::{Bound, Session};
use crate::cluster::{Cluster, ClusterStores};
use crate::config::{Affinity, OwnerBy};
use crate::session::find::{self, Place, Source};
use crate::session::ledger::{Key, Kind};

/// A request that takes longer is no reason to let the others wait.
const LONGEST: Duration = Duration::from_secs(2);
/// Between two looks whether it is one's turn.
const PAUSE: Duration = Duration::from_millis(2);

/// Holds other requests of the session back, until it is dropped.
#[derive(Debug)]
pub(in crate::proxy) struct Turn {
    cluster: Arc<Cluster>,
    key: Key,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(stores) = &self.cluster.stores {
            stores.turns.give_back(self.key);
        }
    }
}

/// Another id of the same session, in the place of the one that the client has shown.
#[derive(Debug)]
pub(in crate::proxy) struct Renewed {
    place: Place,
    shown: Box<[u8]>,
    id: Vec<u8>,
}

impl Renewed {
    /// Puts it into the request's cookies.
    pub(in crate::proxy) fn apply(&self, headers: &mut HeaderMap) {
        let mut lines = headers.iter_mut().filter(|(name, _)| *name == COOKIE);
        let Some((_, line)) = lines.nth(self.place.line.into()) else {
            return;
        };
        let (text, range) = (line.as_bytes(), self.place.range());
        if text.get(range.clone()) != Some(&*self.shown) {
            return;
        }
        let (Some(before), Some(after)) = (text.get(..range.start), text.get(range.end..)) else {
            return;
        };
        if let Ok(value) = HeaderValue::from_bytes(&[before, &self.id, after].concat()) {
            *line = value;
        }
    }
}

impl Session {
    /// Whether the request must wait for others of its session. One load per store, as a rule.
    #[inline]
    pub(in crate::proxy) fn waits_for_its_turn(&self, cluster: &Cluster, head: &Parts) -> bool {
        let Self::Bound(bound) = self else {
            return false;
        };
        let stores = cluster.stores.as_ref();
        stores.is_some_and(ClusterStores::any_in_doubt) && bound.is_in_doubt(cluster, head)
    }

    /// Waits for its turn, for a while; `None`: others may go beside it, since the session has a
    /// new id already, or it has waited long enough.
    pub(in crate::proxy) async fn turn(&mut self, seeking: &Seeking<'_>) -> Option<Turn> {
        let Self::Bound(bound) = self else {
            return None;
        };
        let cluster = &seeking.view.cluster;
        let stores = cluster.stores.as_ref()?;
        let until = Instant::now() + LONGEST;
        loop {
            if stores.turns.take(bound.key) {
                let turn = Turn {
                    cluster: Arc::clone(cluster),
                    key: bound.key,
                };
                bound.refresh(cluster);
                // The one before it may have brought a new id; then all the others may go at once.
                return bound.is_in_doubt(cluster, seeking.head).then_some(turn);
            }
            if Instant::now() >= until {
                return None;
            }
            sleep(PAUSE).await;
        }
    }

    /// The id that the session has by now, if the client shows an older one.
    #[inline]
    pub(in crate::proxy) fn renewed(&self, cluster: &Cluster, head: &Parts) -> Option<Renewed> {
        match self {
            Self::Bound(bound) if cluster.stores.is_some() => bound.renewed(cluster, head),
            Self::Bound(_) | Self::Unfollowed | Self::Free(_) => None,
        }
    }
}

impl Bound {
    fn is_in_doubt(&self, cluster: &Cluster, head: &Parts) -> bool {
        // What touches no session changes no id.
        let is_meant = cluster.config.affinity == Affinity::Sticky && !self.is_ignored;
        if !is_meant || self.renewed(cluster, head).is_some() {
            return false;
        }
        let (stores, id) = (cluster.stores.as_ref(), self.id(head, cluster));
        stores.zip(id).is_some_and(|(stores, id)| {
            let place = stores.place(id.store_node());
            let node = place.and_then(|place| stores.nodes.get(place));
            node.is_some_and(|node| node.is_in_doubt())
        })
    }

    fn renewed(&self, cluster: &Cluster, head: &Parts) -> Option<Renewed> {
        let known = self.known.as_ref()?;
        let is_plain = self.place.source == Source::Cookie
            && matches!(cluster.config.sessions.owner, OwnerBy::Learn);
        if !known.moved || known.kind != Kind::Issued || !is_plain {
            return None;
        }
        let id = self.id(head, cluster)?;
        let name = self.store_now(cluster)?;
        if id.store_node() == Some(name) {
            return None;
        }
        let mut renewed = [id.base(), b"-", name].concat();
        let moved_to = self.seen.owner.filter(|_| self.seen.moved);
        let route = moved_to.and_then(|owner| cluster.jvm_route(owner));
        let route = route.as_ref().map(|route| route.as_str().as_bytes());
        if let Some(route) = route.or_else(|| id.route_of_tomcat()) {
            renewed.push(b'.');
            renewed.extend_from_slice(route);
        }
        let shown = find::read_again(&head.headers, head.uri.path(), self.place)?;
        Some(Renewed {
            place: self.place,
            shown: shown.into(),
            id: renewed,
        })
    }

    /// The name of the store node that a response gave the session.
    fn store_now<'c>(&self, cluster: &'c Cluster) -> Option<&'c [u8]> {
        let store = self.known.as_ref()?.store;
        let book = &cluster.sessions;
        let ledger = &book.common.ledger;
        let names = cluster.stores.as_ref()?.nodes.iter();
        names
            .filter_map(|node| node.named.name.as_deref())
            .map(str::as_bytes)
            .find(|name| ledger.known_store(book.number, name) == store)
    }
}
