//! How an id without a jvm route finds its owner, and what that asks of the cluster's other keys.

use std::path::PathBuf;

use crate::config::{AffinityCookie, Dialect, OwnerBy};

use super::at::At;
use super::backends::Typed;
use super::balance::cookie_name;
use super::files;
use super::section::Section;
use super::words::is_name;

/// The keys `owner` and `affinity_cookie`, and the file of the cookie's keys. Nothing after a
/// complaint about `owner` itself.
pub(super) fn owner(
    cluster: &Section<'_>,
    session_cookies: &[String],
) -> Option<(OwnerBy, Option<PathBuf>)> {
    #[derive(Clone, Copy)]
    enum Word {
        Learn,
        Append,
        Cookie,
    }
    let words = [
        ("learn", Word::Learn),
        ("append", Word::Append),
        ("cookie", Word::Cookie),
    ];
    let word = cluster.get("owner").choice(&words)?;
    if !matches!(word, Word::Cookie) && cluster.has("affinity_cookie") {
        let hint = cluster.says("owner");
        cluster
            .get("affinity_cookie")
            .unlike("this key only with owner: cookie", Some(hint));
    }
    Some(match word {
        Word::Learn => (OwnerBy::Learn, None),
        Word::Append => (OwnerBy::Append, None),
        Word::Cookie => {
            let (cookie, key_file) = cookie(cluster, session_cookies);
            (OwnerBy::Cookie(cookie), key_file)
        }
    })
}

fn cookie(cluster: &Section<'_>, session_cookies: &[String]) -> (AffinityCookie, Option<PathBuf>) {
    let section = cluster.get("affinity_cookie").section();
    let name = cookie_name(&section.get("name")).unwrap_or_default();
    if session_cookies.contains(&name) {
        refuse_name(cluster, &section, &name);
    }
    let key_file = section.value("key_file");
    if key_file.is_none() {
        cluster.get("owner").warn(
            "affinity_cookie: { key_file: PATH } next to it",
            "with a key of this process alone its cookies are worthless after a restart and on another instance",
        );
    }
    let (path, keys) = key_file.and_then(|at| files::keys(&at)).unzip();
    let cookie = AffinityCookie {
        name,
        max_age: section.get("max_age").duration(),
        keys: keys.unwrap_or_default(),
    };
    (cookie, path)
}

/// Two cookies of one name: the complaint stands where the name was typed.
fn refuse_name(cluster: &Section<'_>, affinity_cookie: &Section<'_>, name: &str) {
    let list = cluster.get("session_cookies");
    let is_it = |item: &At<'_>| item.plain_text() == Some(name);
    match list.items().into_iter().find(is_it) {
        Some(item) if !affinity_cookie.has("name") => item.unlike(
            "a name that the affinity cookie has not",
            Some(affinity_cookie.says("name")),
        ),
        found => {
            let hint = match found {
                Some(item) => format!("{} in line {} has it", item.path, item.node.place.line),
                None => format!("{}: its cookie is {name}", cluster.says("dialect")),
            };
            let at = affinity_cookie.get("name");
            at.unlike("a name that no session cookie has", Some(hint));
        }
    }
}

/// With `owner: append`: whether a route can be told apart from the id before it.
pub(super) fn refuse_unfit_dialect(cluster: &Section<'_>, dialect: Dialect) {
    let why = match dialect {
        Dialect::Tomcat | Dialect::Jetty | Dialect::Wildfly | Dialect::Keycloak => return,
        Dialect::SpringSession => "such an id is base64 as a whole",
        Dialect::Weblogic => "what follows such an id's '!' is WebLogic's own",
    };
    let hint = format!("{}: {why}", cluster.says("dialect"));
    cluster.get("owner").unlike("learn or cookie", Some(hint));
}

/// With `owner: append`: a backend without a jvm route appends its name, which must then look like
/// a route and be nobody else's.
pub(super) fn refuse_unfit_names(cluster: &Section<'_>, backends: &[Typed<'_>]) {
    for typed in backends.iter().filter(|typed| typed.jvm_route.is_none()) {
        let name = typed.backend.name.as_str();
        if !is_name(name, 64, "-_") {
            let hint = format!("{}: the name goes into session ids", cluster.says("owner"));
            typed.named_by().unlike(
                "a jvm_route, or a name of 1 to 64 letters, digits, '-' or '_'",
                Some(hint),
            );
        } else if let Some(twin) = route_of(backends, name) {
            let hint = format!("{} in line {} has it", twin.path, twin.node.place.line);
            typed
                .named_by()
                .unlike("a name that no jvm route of the cluster has", Some(hint));
        }
    }
}

fn route_of<'t, 'a>(backends: &'t [Typed<'a>], name: &str) -> Option<&'t At<'a>> {
    let has_it = |typed: &&Typed<'_>| {
        let route = typed.backend.jvm_route.as_ref();
        route.is_some_and(|route| route.as_str() == name)
    };
    backends.iter().find(has_it)?.jvm_route.as_ref()
}
