//! What the proxy adds to session ids and cookies on the way out, and takes off on the way in, so
//! that no Tomcat ever sees it (`owner: append`, `owner: cookie`).

use std::time::SystemTime;

use http::header::{CONTENT_LOCATION, COOKIE, Entry, LOCATION, SET_COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};

use super::conclude::Answered;
use super::shown::{Bound, unseal};
use crate::cluster::{Cluster, OwnCookie};
use crate::config::OwnerBy;
use crate::session::append;
use crate::session::classify::Cookie;
use crate::session::find::{self, Names};
use crate::session::id::Id;
use crate::session::seal::{Attributes, Opened, Owner};
use crate::session::set_cookie::{SetCookie, private};

/// A request's cookies as the backend should see them.
#[inline]
pub(in crate::proxy) fn clean_cookies(headers: &mut HeaderMap, cluster: &Cluster) {
    if !matches!(cluster.config.sessions.owner, OwnerBy::Learn) {
        clean_all(headers, cluster);
    }
}

fn clean_all(headers: &mut HeaderMap, cluster: &Cluster) {
    let sessions = &cluster.config.sessions;
    match (&sessions.owner, &cluster.sessions.own_cookie) {
        (OwnerBy::Learn, _) | (OwnerBy::Cookie(_), None) => {}
        (OwnerBy::Append, _) => edit(headers, &COOKIE, |line| {
            append::strip_cookie_line(line, Names::from(sessions), |name| is_ours(cluster, name))
        }),
        (OwnerBy::Cookie(_), Some(own)) => take_out(headers, &own.names),
    }
}

/// A request's target as the backend should see it; `None`: as it is.
#[inline]
pub(in crate::proxy) fn clean_target(
    target: &PathAndQuery,
    cluster: &Cluster,
) -> Option<PathAndQuery> {
    let sessions = &cluster.config.sessions;
    if matches!(sessions.owner, OwnerBy::Append) {
        clean_path(target, cluster)
    } else {
        None
    }
}

fn clean_path(target: &PathAndQuery, cluster: &Cluster) -> Option<PathAndQuery> {
    let sessions = &cluster.config.sessions;
    let ours = |name: &[u8]| is_ours(cluster, name);
    append::strip_path(target.as_str(), &sessions.parameters, ours)?
        .parse()
        .ok()
}

fn is_ours(cluster: &Cluster, name: &[u8]) -> bool {
    str::from_utf8(name).is_ok_and(|name| cluster.slot_named(name).is_some())
}

/// Takes all session ids out of a request.
pub(in crate::proxy) fn hide<B>(request: &mut Request<B>, cluster: &Cluster) {
    let sessions = &cluster.config.sessions;
    take_out(request.headers_mut(), &sessions.cookies);
    let target = request.uri().path_and_query().map(PathAndQuery::as_str);
    let bare = target.and_then(|target| find::without_parameters(target, &sessions.parameters));
    if let Some(bare) = bare.and_then(|bare| bare.parse::<PathAndQuery>().ok()) {
        *request.uri_mut() = Uri::from(bare);
    }
}

/// Takes the cookies of these names out of the `Cookie` lines.
fn take_out(headers: &mut HeaderMap, names: &[String]) {
    let is_own = |pair: &[u8]| {
        let is_it = |name: &String| {
            let rest = pair.trim_ascii().strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
        };
        names.iter().any(is_it)
    };
    let mut is_empty = false;
    edit(headers, &COOKIE, |line| {
        let pairs = || line.split(|byte| *byte == b';');
        if !pairs().any(is_own) {
            return None;
        }
        let kept: Vec<&[u8]> = pairs().filter(|pair| !is_own(pair)).collect();
        let kept = kept.join(&b';').trim_ascii().to_vec();
        is_empty |= kept.is_empty();
        Some(kept)
    });
    if is_empty {
        let lines = headers.get_all(COOKIE).iter();
        let kept: Vec<_> = lines.filter(|line| !line.is_empty()).cloned().collect();
        headers.remove(COOKIE);
        for line in kept {
            headers.append(COOKIE, line);
        }
    }
}

/// A response as the client should see it.
pub(super) fn mark(
    bound: Option<&Bound>,
    said: Cookie,
    answered: Answered<'_>,
    headers: &mut HeaderMap,
) {
    let own = &answered.cluster.sessions.own_cookie;
    match (&answered.cluster.config.sessions.owner, own) {
        (OwnerBy::Learn, _) | (OwnerBy::Cookie(_), None) => {}
        (OwnerBy::Append, _) => append_route(answered, headers),
        (OwnerBy::Cookie(_), Some(own)) => {
            let added = if answered.sets_cookies {
                seal_beside(answered, own, headers)
            } else {
                Vec::new()
            };
            let again = bound
                .filter(|_| said == Cookie::None)
                .and_then(|bound| seal_again(bound, answered, own));
            for line in added.into_iter().chain(again) {
                headers.append(SET_COOKIE, line);
                private(headers);
            }
        }
    }
}

fn append_route(answered: Answered<'_>, headers: &mut HeaderMap) {
    let sessions = &answered.cluster.config.sessions;
    let Some(backend) = answered.cluster.backend(answered.slot) else {
        return;
    };
    let token = backend.name.as_str();
    if answered.sets_cookies {
        edit(headers, &SET_COOKIE, |line| {
            append::append_to_set_cookie(line, Names::from(sessions), sessions.dialect, token)
        });
    }
    for name in [&LOCATION, &CONTENT_LOCATION] {
        edit(headers, name, |value| {
            append::append_to_location(value, &sessions.parameters, sessions.dialect, token)
        });
    }
}

/// A cookie of ours for each session cookie whose id has no jvm route.
fn seal_beside(answered: Answered<'_>, own: &OwnCookie, headers: &HeaderMap) -> Vec<HeaderValue> {
    let now = SystemTime::now();
    let mut added = Vec::new();
    let lines = headers.get_all(SET_COOKIE).iter();
    for cookie in lines.filter_map(|line| answered.session_cookie(line)) {
        let attributes = attributes(&cookie);
        if cookie.ends(now) {
            added.extend(own.seals.take_away(attributes));
        } else if let Ok(id) = Id::read(answered.sessions().dialect, cookie.value)
            && id.route().is_none()
        {
            added.extend(seal(answered, own, &id, attributes));
        }
    }
    added
}

/// A cookie of ours in the place of one that is old, or names a backend that lost the session.
fn seal_again(bound: &Bound, answered: Answered<'_>, own: &OwnCookie) -> Option<HeaderValue> {
    let is_owner = bound.seen.owner == Some(answered.slot);
    let has_moved = answered.cluster.config.sessions.replicated
        && bound.named.is_some()
        && bound.named != Some(answered.slot);
    if !((bound.seal_is_old && is_owner) || has_moved) {
        return None;
    }
    let id = bound.id(answered.head, answered.cluster)?;
    let again = |opened: Opened<'_>| seal(answered, own, &id, opened.attributes);
    unseal(&id, own, answered.head, |_| {}, again)?
}

fn seal(
    answered: Answered<'_>,
    own: &OwnCookie,
    id: &Id<'_>,
    attributes: Attributes<'_>,
) -> Option<HeaderValue> {
    let backend = answered.cluster.backend(answered.slot)?;
    let owner = Owner {
        backend: backend.name.as_str(),
        base: id.base(),
        attributes,
    };
    own.seals.set_cookie(&owner, SystemTime::now())
}

fn attributes<'a>(cookie: &SetCookie<'a>) -> Attributes<'a> {
    Attributes {
        path: cookie.path,
        domain: cookie.domain,
        secure: cookie.secure,
        partitioned: false,
        same_site: cookie.same_site,
        max_age: cookie.max_age,
    }
}

/// Changes every line of a field for which `change` has another text.
fn edit(
    headers: &mut HeaderMap,
    name: &HeaderName,
    mut change: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) {
    if let Entry::Occupied(mut lines) = headers.entry(name.clone()) {
        for line in lines.iter_mut() {
            let changed = change(line.as_bytes());
            if let Some(new) = changed.and_then(|new| HeaderValue::try_from(new).ok()) {
                *line = new;
            }
        }
    }
}
