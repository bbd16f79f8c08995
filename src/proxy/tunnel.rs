//! A connection that switched protocols (WebSocket): bytes both ways, nothing is looked at.

use std::rc::Rc;

use http::header::{CONNECTION, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::select::InFlight;
use super::worker::Worker;
use crate::cluster::Cluster;
use crate::upstream::{Carrier, Chosen, Lease};

/// A switch of protocols that the client offers and the cluster allows.
#[derive(Debug)]
pub struct Offer {
    /// As the client wrote it.
    protocol: HeaderValue,
    client: OnUpgrade,
}

impl Offer {
    /// Takes the offer out of a request, if `allowed` names its protocol. Any other is dropped
    /// with the fields of the connection, and the request goes on without.
    pub fn take(parts: &mut Parts, allowed: &[String]) -> Option<Self> {
        let client = parts.extensions.remove::<OnUpgrade>()?;
        let protocol = parts.headers.get(UPGRADE)?;
        let is_allowed = allowed
            .iter()
            .any(|name| protocol.as_bytes().eq_ignore_ascii_case(name.as_bytes()));
        (is_allowed && names_upgrade(&parts.headers))
            .then(|| Self { protocol: protocol.clone(), client })
    }

    /// Passes the offer on to the backend, after the fields of the client's connection are gone.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.protocol.clone());
    }

    /// Whether the backend switched to what was offered.
    pub fn is_taken_up<B>(&self, response: &Response<B>) -> bool {
        response
            .headers()
            .get(UPGRADE)
            .is_some_and(|taken| taken.as_bytes().eq_ignore_ascii_case(self.protocol.as_bytes()))
    }
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// What the tunnel holds as long as it is open.
#[derive(Debug)]
pub struct Ends {
    /// The backend's connection.
    pub lease: Lease,
    /// The request's place at the backend.
    pub in_flight: InFlight,
    /// Whose tunnel it is.
    pub cluster: std::sync::Arc<Cluster>,
}

/// Joins both sides once both have switched. Runs in a task of its own: the request is over.
pub fn open(
    worker: &Rc<Worker>,
    offer: Offer,
    response: &mut Response<<Chosen as Carrier>::Body>,
    ends: Ends,
) {
    let worker = Rc::clone(worker);
    let backend = Chosen::tunnel(response);
    tokio::task::spawn_local(async move {
        let cells = ends.cluster.cells.of(worker.id);
        let _open = worker.open_tunnel();
        let (client, backend) = tokio::join!(offer.client, backend);
        match (client, backend) {
            (Ok(client), Ok(mut backend)) => {
                cells.tunnels.inc();
                let mut client = TokioIo::new(client);
                let copied = tokio::io::copy_bidirectional(&mut client, &mut backend).await;
                cells.tunnels.dec();
                if let Err(error) = copied {
                    tracing::debug!(%error, "tunnel ended");
                }
            }
            (Err(error), _) => tracing::debug!(%error, "client did not switch protocols"),
            (_, Err(error)) => tracing::warn!(%error, "backend did not switch protocols"),
        }
        drop(ends);
    });
}
