//! Certificates while they are in force: read anew when their files change, and missed in time
//! when they come to their end.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::config::tls::{Found, ListenerTls, Standing, Watched};
use crate::observe::metrics::ReloadResult;
use crate::server::Door;
use crate::tls::ServerSide;

/// From one word about a certificate that ends to the next.
const TOLD_EVERY: Duration = Duration::from_hours(24);

/// What outlives a reload of the configuration.
#[derive(Debug)]
pub(super) struct Certificates {
    doors: Vec<Arc<Door>>,
    /// When the end of a certificate was told last: by listener, name and end.
    told: Mutex<HashMap<(usize, String, i64), Instant>>,
}

impl Certificates {
    pub(super) fn new(doors: Vec<Arc<Door>>) -> Arc<Self> {
        Arc::new(Self {
            doors,
            told: Mutex::default(),
        })
    }

    /// Begins to look after these listeners.
    pub(super) fn watch(
        self: &Arc<Self>,
        tls: &[Option<Arc<ServerSide>>],
        tasks: &mut JoinSet<()>,
    ) {
        for (door, side) in self.doors.iter().zip(tls) {
            if let Some(side) = side {
                let (door, side) = (Arc::clone(door), Arc::clone(side));
                tasks.spawn(Arc::clone(self).look_after(door, side));
            }
        }
    }

    async fn look_after(self: Arc<Self>, door: Arc<Door>, side: Arc<ServerSide>) {
        let mut turns = interval(side.config.reload);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // At the first look everything is read: it may have changed since the start began.
        let mut watched = Watched::default();
        loop {
            turns.tick().await;
            let current = side.current();
            // A file system that does not answer must hold nothing else up.
            let look = spawn_blocking(move || {
                let found = watched.look(&current);
                (watched, found)
            });
            let found;
            (watched, found) = look.await.unwrap_or_else(|error| {
                tracing::error!(%error, "certificates could not be looked at");
                (Watched::default(), None)
            });
            if let Some(found) = found {
                take(&door, &side, found);
            }
            self.tell_of_ends(&door, &side.current());
        }
    }

    fn tell_of_ends(&self, door: &Door, tls: &ListenerTls) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| at.elapsed() < TOLD_EVERY);
        for (name, certificate) in tls.named() {
            let facts = &certificate.facts;
            let standing = facts.standing(SystemTime::now());
            if !matches!(standing, Standing::EndsSoon(_) | Standing::Over) {
                continue;
            }
            let key = (door.index, name.clone(), facts.not_after);
            if told.contains_key(&key) {
                continue;
            }
            told.insert(key, Instant::now());
            let (listener, file) = (&*door.name, shown(&certificate.files.cert));
            if let Standing::EndsSoon(days) = standing {
                tracing::warn!(
                    listener,
                    certificate = name,
                    file,
                    days,
                    "a certificate ends soon"
                );
            } else {
                tracing::error!(
                    listener,
                    certificate = name,
                    file,
                    "a certificate has expired; clients refuse it"
                );
            }
        }
    }
}

/// Puts what was found in force, as far as it can be used.
fn take(door: &Door, side: &ServerSide, Found { tls, unusable }: Found) {
    let listener = &*door.name;
    let before = side.current();
    for unusable in &unusable {
        tracing::warn!(listener, "{unusable}; what was read before stays in force");
    }
    let changed = (tls != *before).then(|| side.change_files(tls));
    if !unusable.is_empty() || matches!(changed, Some(Err(_))) {
        door.certificate_reloads.inc(ReloadResult::Failure);
    }
    match changed {
        None => {}
        Some(Err(error)) => {
            tracing::warn!(listener, %error, "changed certificates cannot be used");
        }
        Some(Ok(())) => {
            door.certificate_reloads.inc(ReloadResult::Success);
            tell_of_changes(listener, &before, &side.current());
        }
    }
}

fn tell_of_changes(listener: &str, before: &ListenerTls, now: &ListenerTls) {
    for ((name, certificate), before) in now.named().zip(&before.certificates) {
        if certificate != before {
            let file = shown(&certificate.files.cert);
            tracing::info!(
                listener,
                certificate = name,
                file,
                "a certificate was read anew"
            );
        }
    }
    for (rule, before) in now.clients.iter().zip(&before.clients) {
        if rule != before {
            let file = shown(&rule.ca);
            tracing::info!(listener, file, "authorities for clients were read anew");
        }
    }
}

fn shown(path: &Path) -> tracing::field::DisplayValue<std::path::Display<'_>> {
    tracing::field::display(path.display())
}
