//! Certificates while they are in force, those of listeners and those of clusters: read anew when
//! their files change, and missed in time when they come to their end.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::certificates_of::{OfCluster, OfListener, Owner};
use crate::config::tls::{Found, FromFiles, Standing, Watched};
use crate::observe::metrics::ReloadResult;
use crate::proxy::Snapshot;
use crate::server::Door;

/// From one word about a certificate that ends to the next.
const TOLD_EVERY: Duration = Duration::from_hours(24);

/// What outlives a reload of the configuration.
#[derive(Debug)]
pub(super) struct Certificates {
    doors: Vec<Arc<Door>>,
    /// When the end of a certificate was told last: by whose it is, name and end.
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
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| at.elapsed() < TOLD_EVERY);
        let (listener, cluster) = owner.names();
        for (name, certificate) in owner.current().shown() {
            let facts = &certificate.facts;
            let standing = facts.standing(SystemTime::now());
            if !matches!(standing, Standing::EndsSoon(_) | Standing::Over) {
                continue;
            }
            let key = (format!("{listener:?}{cluster:?}"), name, facts.not_after);
            if told.contains_key(&key) {
                continue;
            }
            let (certificate, file) = (&key.1, shown(&certificate.files.cert));
            if let Standing::EndsSoon(days) = standing {
                tracing::warn!(
                    listener,
                    cluster,
                    certificate,
                    file,
                    days,
                    "a certificate ends soon"
                );
            } else {
                tracing::error!(
                    listener,
                    cluster,
                    certificate,
                    file,
                    "a certificate has expired; {} refuse it",
                    if cluster.is_some() {
                        "backends"
                    } else {
                        "clients"
                    }
                );
            }
            told.insert(key, Instant::now());
        }
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
    let whose = if cluster.is_some() {
        "backends"
    } else {
        "clients"
    };
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
