//! A connection that switched protocols (WebSocket): bytes both ways, nothing is looked at.

use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use super::select::InFlight;
use crate::cluster::Cluster;
use crate::observe::metrics::WorkerId;
use crate::upstream::{Carrier, Chosen, Lease};

/// A switch of protocols that the client offers and the cluster allows.
#[derive(Debug, Clone)]
pub struct Offer {
    /// As the client wrote it.
    protocol: HeaderValue,
}

impl Offer {
    /// Reads the offer of a request, if `allowed` names its protocol. Any other is dropped with
    /// the fields of the connection, and the request goes on without.
    pub fn read(headers: &HeaderMap, allowed: &[String]) -> Option<Self> {
        let protocol = headers.get(UPGRADE)?;
        let is_allowed = allowed
            .iter()
            .any(|name| protocol.as_bytes().eq_ignore_ascii_case(name.as_bytes()));
        (is_allowed && names_upgrade(headers)).then(|| Self {
            protocol: protocol.clone(),
        })
    }

    /// Puts it into a head, after the fields of the other connection are gone.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.protocol.clone());
    }

    /// Whether the backend switched to what was offered.
    pub fn is_taken_up<B>(&self, response: &Response<B>) -> bool {
        response.headers().get(UPGRADE).is_some_and(|taken| {
            taken
                .as_bytes()
                .eq_ignore_ascii_case(self.protocol.as_bytes())
        })
    }
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// The backend's side of a switched connection; the client's connection runs it when its own
/// side has switched.
#[derive(Debug)]
pub struct Tunnel {
    /// The backend's connection.
    pub lease: Lease,
    /// The request's place at the backend.
    pub in_flight: InFlight,
    /// Whose tunnel it is.
    pub cluster: Arc<Cluster>,
    /// Whose counters it is in.
    pub worker: WorkerId,
}

impl Tunnel {
    /// Copies until both sides have ended.
    pub async fn run(mut self, mut client: impl AsyncRead + AsyncWrite + Unpin) {
        let backend = match self.lease.carrier().take_over().await {
            Ok(backend) => backend,
            Err(error) => {
                tracing::warn!(%error, "the backend did not switch protocols");
                return;
            }
        };
        self.lease.sit_in_tunnel();
        let cells = self.cluster.cells.of(self.worker);
        cells.tunnels.inc();
        let _open = OnDrop(|| cells.tunnels.dec());
        let mut backend: <Chosen as Carrier>::Tunnel = backend;
        if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut backend).await {
            tracing::debug!(%error, "tunnel ended");
        }
        drop(self.in_flight);
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
