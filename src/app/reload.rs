//! A new configuration in a running proxy: all of it, or nothing.

use std::sync::Arc;

use super::Proxy;
use super::start::{StartFailure, resolve_names};
use crate::config::{Config, ListenAddr, Report};
use crate::observe::AccessLog;
use crate::observe::access_log::{AccessLogHandle, LogCounters};
use crate::observe::metrics::ReloadResult;
use crate::proxy::Snapshot;

/// Why a configuration was not taken; the one before stays in force, wholly.
#[derive(Debug, thiserror::Error)]
pub enum ReloadFailure {
    /// The file has problems.
    #[error("{0}")]
    Configuration(#[from] Report),
    /// What it names cannot be opened or found.
    #[error("{0}")]
    Start(#[from] StartFailure),
    /// Sockets are bound once.
    #[error(
        "listeners: found {found}; expected {expected}, as at the start: \
         a change of listeners takes a restart"
    )]
    Listeners {
        /// The addresses of the new file.
        found: String,
        /// The addresses in use.
        expected: String,
    },
}

impl Proxy {
    /// Puts what `load` gives in force, for requests that begin from now on. Listeners,
    /// connections, pools and backend states live on.
    pub fn reload(
        &self,
        load: impl FnOnce() -> Result<Config, Report>,
    ) -> Result<(), ReloadFailure> {
        let outcome = load()
            .map_err(ReloadFailure::from)
            .and_then(|it| self.take(it));
        self.shown.reloaded(match &outcome {
            Ok(()) => ReloadResult::Success,
            Err(_) => ReloadResult::Failure,
        });
        outcome
    }

    fn take(&self, mut config: Config) -> Result<(), ReloadFailure> {
        let published = &self.shown.published;
        let before = published.snapshot();
        same_listeners(&before.config, &config)?;
        keep_what_needs_a_restart(&before.config, &mut config);
        let access_log = if config.access_log == before.config.access_log {
            before.access_log.clone()
        } else {
            open_log(config.access_log.as_ref(), &self.shown.log)?
        };
        let snapshot = Snapshot::new(config, Some(&before), access_log, &published.common)
            .map_err(StartFailure::from)?;
        resolve_names(&snapshot.clusters)?;
        let last = *published.common.events.watch().borrow();
        published.publish(snapshot);
        let now = published.snapshot();
        for cluster in &now.clusters {
            cluster.take_over();
        }
        let members = now.clusters.iter().flat_map(|it| it.sessions.members());
        let in_force: Vec<_> = members.copied().collect();
        published.common.ledger.retain_members(&in_force);
        if let Some(background) = &self.background {
            background.watch(now, last);
        }
        Ok(())
    }
}

fn same_listeners(before: &Config, now: &Config) -> Result<(), ReloadFailure> {
    let addresses = |config: &Config| -> Vec<ListenAddr> {
        config
            .listeners
            .iter()
            .map(|listener| listener.address.clone())
            .collect()
    };
    let (expected, found) = (addresses(before), addresses(now));
    if expected == found {
        return Ok(());
    }
    let text = |addresses: Vec<ListenAddr>| {
        addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    Err(ReloadFailure::Listeners {
        found: text(found),
        expected: text(expected),
    })
}

fn keep_what_needs_a_restart(before: &Config, now: &mut Config) {
    if now.workers != before.workers {
        tracing::warn!(
            workers = before.workers,
            "a change of workers takes a restart"
        );
        now.workers = before.workers;
    }
    if now.limits.connections != before.limits.connections {
        tracing::warn!("a change of limits.connections takes a restart");
        now.limits.connections = before.limits.connections;
    }
    if now.limits.ledger != before.limits.ledger {
        tracing::warn!("a change of limits.ledger takes a restart");
        now.limits.ledger = before.limits.ledger;
    }
    if now.admin != before.admin {
        tracing::warn!("a change of admin takes a restart");
        now.admin.clone_from(&before.admin);
    }
}

/// Opens the access log that is configured.
pub(super) fn open_log(
    settings: Option<&AccessLog>,
    counters: &Arc<LogCounters>,
) -> Result<Option<AccessLogHandle>, StartFailure> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let fail = |source| StartFailure::AccessLog {
        path: settings.path.to_string(),
        source,
    };
    settings.start(Arc::clone(counters)).map(Some).map_err(fail)
}
