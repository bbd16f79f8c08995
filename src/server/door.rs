//! A listener as its connections see it.

use std::sync::Arc;

use super::admission::Admission;
use super::rates::Rates;
use super::seldom::Seldom;
use crate::observe::metrics::{CertificateReloads, ListenerCells, PerWorker};
use crate::proxy::client::Entrance;

/// One configured listener; shared by all workers.
#[derive(Debug)]
pub struct Door {
    /// Metric label and log field.
    pub name: Arc<str>,
    /// Its place in the configuration: who may come in is looked up there.
    pub index: usize,
    /// Scheme and port as clients see them.
    pub entrance: Entrance,
    /// Places for connections, shared by all doors.
    pub admission: Arc<Admission>,
    /// How many handshakes begin, over all doors.
    pub rates: Arc<Rates>,
    /// Peers that had to begin with a PROXY header and did not.
    pub unheard: Seldom,
    /// Peers that may not come in without one.
    pub unintroduced: Seldom,
    /// What each worker counts.
    pub cells: PerWorker<ListenerCells>,
    /// Changes of its certificates' files.
    pub certificate_reloads: CertificateReloads,
}
