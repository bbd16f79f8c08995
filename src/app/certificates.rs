//! Certificates while they are in force, those of listeners and those of clusters: read anew when
//! their files change, and missed in time when they come to their end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::certificates_of::{OfCluster, OfListener, Owner};
use crate::config::tls::{Certificate, Facts, Found, FromFiles, Standing, Watched};
use crate::observe::metrics::ReloadResult;
use crate::proxy::Snapshot;
use crate::server::Door;

/// From one word about a certificate that ends to the next.
const TOLD_EVERY: Duration = Duration::from_hours(24);

/// What outlives a reload of the configuration.
#[derive(Debug)]
pub(super) struct Certificates {
    doors: Vec<Arc<Door>>,
    /// When it was told last that a certificate ends, or does not hold yet, or that a list is due: by
    /// whose it is, its name or file, and that time.
    told: Mutex<HashMap<(String, String, i64), Instant>>,
}

impl Certificates {
    pub(super) fn new(doors: Vec<Arc<Door>>) -> Arc<Self> {
        Arc::new(Self {
            doors,
            told: Mutex::default(),
        })
    }

    /// Begins to look after those of this configuration.
    pub(super) fn watch(self: &Arc<Self>, snapshot: &Snapshot, tasks: &mut JoinSet<()>) {
        for (door, side) in self.doors.iter().zip(&snapshot.tls) {
            if let Some(side) = side {
                let owner = OfListener(Arc::clone(door), Arc::clone(side));
                tasks.spawn(Arc::clone(self).look_after(owner));
            }
        }
        for cluster in &snapshot.clusters {
            if let Some(tls) = &cluster.config.tls
                && !tls.files().files().is_empty()
            {
                let owner = OfCluster(Arc::clone(cluster), Arc::clone(tls));
                tasks.spawn(Arc::clone(self).look_after(owner));
            }
        }
    }

    async fn look_after(self: Arc<Self>, owner: impl Owner) {
        let mut turns = interval(owner.pause());
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // At the first look everything is read: it may have changed since the start began.
        let mut watched = Watched::default();
        loop {
            turns.tick().await;
            let current = owner.current();
            // A file system that does not answer must hold nothing else up.
            let look = spawn_blocking(move || {
                let found = watched.look(&*current);
                (watched, found)
            });
            let found;
            (watched, found) = look.await.unwrap_or_else(|error| {
                tracing::error!(%error, "certificates could not be looked at");
                (Watched::default(), None)
            });
            if let Some(found) = found {
                take(&owner, found);
            }
            self.tell_of_ends(&owner);
        }
    }

    fn tell_of_ends(&self, owner: &impl Owner) {
        let whose = owner.names();
        let (listener, cluster) = whose;
        let current = owner.current();
        for file in current.outdated_lists() {
            if self.is_news(whose, &file.display().to_string(), 0) {
                tracing::error!(
                    listener,
                    cluster,
                    file = shown(file),
                    "a newer list of revoked certificates is due; this one counts all the same"
                );
            }
        }
        for (name, certificate) in current.shown() {
            let standing = certificate.standing(SystemTime::now());
            let facts = standing.1.unwrap_or(&certificate.facts);
            let time = match standing.0 {
                Standing::Good => continue,
                Standing::Early => facts.not_before,
                Standing::EndsSoon(_) | Standing::Over => facts.not_after,
            };
            if self.is_news(whose, &name, time) {
                tell_of_end(whose, (&name, certificate), standing);
            }
        }
    }

    /// Whether this was not told within a day; it counts as told from now on.
    fn is_news(&self, whose: Whose<'_>, name: &str, time: i64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| at.elapsed() < TOLD_EVERY);
        match told.entry((format!("{whose:?}"), name.to_owned(), time)) {
            Entry::Vacant(untold) => {
                untold.insert(Instant::now());
                true
            }
            Entry::Occupied(_) => false,
        }
    }
}

/// A listener's or a cluster's name.
type Whose<'a> = (Option<&'a str>, Option<&'a str>);

/// Tells that a certificate ends soon or holds no more, or not yet; or one of those that issued it.
fn tell_of_end(
    (listener, cluster): Whose<'_>,
    (certificate, of): (&str, &Certificate),
    (standing, issuer): (Standing, Option<&Facts>),
) {
    let file = shown(&of.files.cert);
    let what = match issuer {
        None => "a certificate",
        Some(_) => "a certificate in the chain",
    };
    let who = whose(cluster);
    let issuer = issuer.map(|it| it.subject.as_str());
    match standing {
        Standing::Good => {}
        Standing::EndsSoon(days) => tracing::warn!(
            listener,
            cluster,
            certificate,
            issuer,
            file,
            days,
            "{what} ends soon"
        ),
        Standing::Over => tracing::error!(
            listener,
            cluster,
            certificate,
            issuer,
            file,
            "{what} has expired; {who} refuse it"
        ),
        Standing::Early => tracing::error!(
            listener,
            cluster,
            certificate,
            issuer,
            file,
            "{what} is not valid yet; {who} refuse it until then"
        ),
    }
}

/// Who is shown certificates.
fn whose(cluster: Option<&str>) -> &'static str {
    match cluster {
        Some(_) => "backends",
        None => "clients",
    }
}

/// Puts what was found in force, as far as it can be used.
fn take<O: Owner>(owner: &O, Found { tls, unusable }: Found<O::Files>) {
    let (listener, cluster) = owner.names();
    let before = owner.current();
    for unusable in &unusable {
        tracing::warn!(listener, cluster, "{unusable}");
    }
    let changed = (tls != *before).then(|| owner.change_files(tls));
    if !unusable.is_empty() || matches!(changed, Some(Err(_))) {
        owner.reloads().inc(ReloadResult::Failure);
    }
    match changed {
        None => {}
        Some(Err(error)) => {
            tracing::warn!(listener, cluster, %error, "changed certificates cannot be used");
        }
        Some(Ok(())) => {
            owner.reloads().inc(ReloadResult::Success);
            tell_of_changes(owner, &before);
        }
    }
}

fn tell_of_changes<O: Owner>(owner: &O, before: &O::Files) {
    let (listener, cluster) = owner.names();
    let now = owner.current();
    for ((name, certificate), (_, before)) in now.shown().into_iter().zip(before.shown()) {
        if certificate != before {
            let file = shown(&certificate.files.cert);
            tracing::info!(
                listener,
                cluster,
                certificate = name,
                file,
                "a certificate was read anew"
            );
        }
    }
    let whose = whose(cluster);
    for file in now.other_authorities(before) {
        let file = shown(file);
        tracing::info!(
            listener,
            cluster,
            file,
            "authorities for {whose} were read anew"
        );
    }
}

fn shown(path: &Path) -> tracing::field::DisplayValue<std::path::Display<'_>> {
    tracing::field::display(path.display())
}
