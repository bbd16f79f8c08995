//! Whose certificates are looked after: a listener's or a cluster's.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::config::tls::{ClusterFiles, ClusterTls, FromFiles, ListenerTls};
use crate::observe::metrics::CertificateReloads;
use crate::server::Door;
use crate::tls::ServerSide;

/// Who has files that are looked at.
pub(super) trait Owner: Send + Sync + 'static {
    /// What they hold.
    type Files: FromFiles + PartialEq + Send + Sync + 'static;

    /// From one look to the next.
    fn pause(&self) -> Duration;

    /// The listener or the cluster that it is.
    fn names(&self) -> (Option<&str>, Option<&str>);

    /// What they held when they were read last.
    fn current(&self) -> Arc<Self::Files>;

    /// Puts other content in force; why not, in words.
    fn change_files(&self, files: Self::Files) -> Result<(), String>;

    /// Where changes are counted.
    fn reloads(&self) -> &CertificateReloads;
}

/// A listener's.
pub(super) struct OfListener(pub(super) Arc<Door>, pub(super) Arc<ServerSide>);

/// A cluster's.
pub(super) struct OfCluster(pub(super) Arc<Cluster>, pub(super) Arc<ClusterTls>);

impl Owner for OfListener {
    type Files = ListenerTls;

    fn pause(&self) -> Duration {
        self.1.config.reload
    }

    fn names(&self) -> (Option<&str>, Option<&str>) {
        (Some(&self.0.name), None)
    }

    fn current(&self) -> Arc<ListenerTls> {
        self.1.current()
    }

    fn change_files(&self, files: ListenerTls) -> Result<(), String> {
        self.1
            .change_files(files)
            .map_err(|error| error.to_string())
    }

    fn reloads(&self) -> &CertificateReloads {
        &self.0.certificate_reloads
    }
}

impl Owner for OfCluster {
    type Files = ClusterFiles;

    fn pause(&self) -> Duration {
        self.1.reload
    }

    fn names(&self) -> (Option<&str>, Option<&str>) {
        (None, Some(self.0.config.name.as_str()))
    }

    fn current(&self) -> Arc<ClusterFiles> {
        self.1.files()
    }

    fn change_files(&self, files: ClusterFiles) -> Result<(), String> {
        self.1.change_files(files)
    }

    fn reloads(&self) -> &CertificateReloads {
        &self.0.certificate_reloads
    }
}
