//! A request with a dead session, answered by a backend that is being emptied: answered anew by
//! another one, so that the visitor does not come back to the old one for ever.
//!
//! The id that a client shows is all the proxy knows of a session that has expired, or was logged
//! out; only its Tomcat can say that it is dead, by making a new one. Only for paths that the
//! administrator has named: the request is served twice.

use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderMap, Method};

use super::affinity::{self, Session};
use super::forward::{Forwarding, Won, attempts};
use super::outgoing::Outgoing;
use super::select;
use crate::observe::metrics::Binding;

/// Whether the answer says so, and the request may be answered anew. As a rule one look at what is
/// configured.
#[inline]
pub(super) fn is_dead(forwarding: &Forwarding<'_>, outgoing: &Outgoing, won: &Won) -> bool {
    forwarding.cluster.replay_dead.is_some() && looks_dead(forwarding, outgoing, won)
}

#[cold]
fn looks_dead(forwarding: &Forwarding<'_>, outgoing: &Outgoing, won: &Won) -> bool {
    let head = forwarding.asked.head;
    let is_named = forwarding
        .cluster
        .replay_dead
        .as_ref()
        .is_some_and(|paths| paths.is_match(head.uri.path()));
    is_named
        && matches!(head.method, Method::GET | Method::HEAD)
        && outgoing.source.is_none()
        && outgoing.offer.is_none()
        && !won.chosen.upstream.backend.state().takes_new()
        // With an answer in hand, and a place, nobody waits for another one.
        && select::is_another_free(forwarding.cluster, &forwarding.tried, won.chosen.slot)
        && makes_another_session(forwarding, won.response.headers())
}

fn makes_another_session(forwarding: &Forwarding<'_>, headers: &HeaderMap) -> bool {
    let cluster = &forwarding.cluster.cluster;
    let mut lines = headers.get_all(SET_COOKIE).iter();
    lines.any(|line| {
        forwarding
            .session
            .is_replaced_by(line, forwarding.asked.head, cluster)
    })
}

/// Answers it anew, as one without a session; `None`: nobody could, and the first answer stands.
pub(super) async fn replay(
    forwarding: &mut Forwarding<'_>,
    outgoing: &Outgoing,
    began: Duration,
) -> Option<Won> {
    let dead = std::mem::replace(&mut forwarding.session, Session::Free(Binding::Replayed));
    forwarding.drops_session = true;
    let won = attempts(forwarding, outgoing, began).await;
    if let Ok(won) = won {
        affinity::bury(&dead, &forwarding.cluster.cluster);
        return Some(won);
    }
    forwarding.session = dead;
    forwarding.drops_session = false;
    None
}
