//! One at a time, while the store node of a session is in doubt.
//!
//! Sticky memcached-session-manager gives a session another id, with another store node in it, as
//! soon as it finds that the node does not answer; from then on it knows nobody by the old id. Of
//! requests that a browser has sent side by side the first gets the new id, and all others a new,
//! empty session, whose cookie takes the user's place. So as long as a node is in doubt, requests
//! of one of its sessions go one after the other; and those that still show the old id get the new
//! one on their way to the Tomcat.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tokio::time::{Instant, sleep};

use super::route::Seeking;
use super::shown::{Bound, GRACE_SECONDS, Session};
use crate::cluster::{Cluster, ClusterStores, WatchedNode};
use crate::config::{Affinity, OwnerBy};
use crate::session::find::{self, Place, Source};
use crate::session::ledger::{Key, Kind, Known, Seconds};

/// A request that takes longer is no reason to let the others wait.
const LONGEST: Duration = Duration::from_secs(2);
/// Between two looks whether it is one's turn: at first, and after many.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(20)];

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
pub(in crate::proxy) struct Renewed {
    place: Place,
    shown: Box<[u8]>,
    id: Vec<u8>,
}

/// Session ids are secrets.
impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Renewed {
    /// The id.
    pub(super) fn id(&self) -> &[u8] {
        &self.id
    }

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
    /// new id already, or it has waited long enough, or too many wait.
    pub(in crate::proxy) async fn turn(&mut self, seeking: &Seeking<'_>) -> Option<Turn> {
        let Self::Bound(bound) = self else {
            return None;
        };
        let (cluster, head) = (&seeking.view.cluster, seeking.head);
        let turns = &cluster.stores.as_ref()?.turns;
        let until = Instant::now() + LONGEST;
        let [mut pause, longest_pause] = PAUSES;
        let mut waiting = None;
        loop {
            let turn = turns.take(bound.key).then(|| Turn {
                cluster: Arc::clone(cluster),
                key: bound.key,
            });
            // One before it, or one that went beside, may have brought a new id; then all the
            // others may go at once.
            bound.refresh(cluster);
            if turn.is_some() || Instant::now() >= until || !bound.is_in_doubt(cluster, head) {
                return turn.filter(|_| bound.is_in_doubt(cluster, head));
            }
            if waiting.is_none() {
                let most = cluster.config.sessions.hold_requests;
                waiting = Some(turns.wait(most)?);
            }
            sleep(pause).await;
            pause = longest_pause.min(pause * 2);
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
    /// Whether the session may get another id with this request.
    fn is_in_doubt(&self, cluster: &Cluster, head: &Parts) -> bool {
        // What touches no session changes no id.
        if self.is_ignored || !self.may_be_renewed(cluster) {
            return false;
        }
        let (stores, id) = (cluster.stores.as_ref(), self.id(head, cluster));
        stores
            .zip(id)
            .is_some_and(|(stores, id)| stores.may_be_left(id.store_node()))
            && self.newer_node(cluster, head).is_none()
    }

    /// Whether ids like this one are written anew; of all others nobody needs to wait for a new one.
    fn may_be_renewed(&self, cluster: &Cluster) -> bool {
        self.place.source == Source::Cookie
            && cluster.config.affinity == Affinity::Sticky
            && matches!(cluster.config.sessions.owner, OwnerBy::Learn)
    }

    /// The name of the store node that the session has by now, if the client shows an id from
    /// before.
    pub(super) fn newer_node<'c>(&self, cluster: &'c Cluster, head: &Parts) -> Option<&'c [u8]> {
        let (stores, known) = (cluster.stores.as_ref()?, self.known.as_ref()?);
        let may_be = known.moved() && known.kind() == Kind::Issued && stores.any_was_in_doubt();
        if !may_be || !self.may_be_renewed(cluster) {
            return None;
        }
        let (node, name) = store_now(known, cluster)?;
        let id = self.id(head, cluster)?;
        let is_older = id.store_node() != Some(name) && stores.may_have_been_left(id.store_node());
        // If the newer one has died since, the session may have left it, through another proxy.
        let is_right = node.is_up() && !node.has_fallen_since(told_at(known, cluster));
        (is_older && is_right).then_some(name)
    }

    pub(super) fn renewed(&self, cluster: &Cluster, head: &Parts) -> Option<Renewed> {
        let name = self.newer_node(cluster, head)?;
        let id = self.id(head, cluster)?;
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
}

/// The store node that a response gave the session, and its name.
fn store_now<'c>(known: &Known, cluster: &'c Cluster) -> Option<(&'c WatchedNode, &'c [u8])> {
    let book = &cluster.sessions;
    let ledger = &book.common.ledger;
    let mut nodes = cluster.stores.as_ref()?.nodes.iter();
    nodes.find_map(|node| {
        let name = node.named.name.as_deref()?.as_bytes();
        (ledger.known_store(book.number, name) == known.store()).then_some((&**node, name))
    })
}

/// When a response gave the session its id, or the client showed that it has it.
fn told_at(known: &Known, cluster: &Cluster) -> Seconds {
    let left = known.moved_until().since(cluster.sessions.common.now());
    let whole = if left > GRACE_SECONDS {
        cluster.most_moved()
    } else {
        GRACE_SECONDS
    };
    Seconds(known.moved_until().0.saturating_sub(whole))
}
