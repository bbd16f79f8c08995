//! From an accepted socket to a connection that is served: whose it is, and whether it may stay.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::admission::{Admitted, Place};
use super::connection::{Accepted, Open, Spoken};
use super::door::Door;
use super::proxy_protocol::{Awaited, Unheard, await_header, awaited};
use super::rates::Overhasty;
use super::seldom::nanos;
use crate::observe::metrics::{ConnectionRefusal, HeaderFault, ListenerCells};
use crate::proxy::client::Peer;
use crate::proxy::client_address::{introduced, peer};
use crate::proxy::{Snapshot, Worker};
use crate::socket::Socket;

/// An accepted socket that has a place.
pub(super) struct Arrival {
    pub(super) socket: Socket,
    /// `None`: a Unix socket's.
    pub(super) address: Option<SocketAddr>,
    pub(super) place: Place,
    pub(super) door: Arc<Door>,
    pub(super) worker: Rc<Worker>,
    pub(super) open: Open,
}

/// Whether a client address is counted among those that have connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// Unless it is a trusted proxy's.
    AsClient,
    /// It speaks for whom it will.
    Not,
}

impl Arrival {
    /// What comes first on it.
    pub(super) fn awaited(&self) -> Awaited {
        let view = self.worker.view();
        let listener = view.snapshot.config.listeners.get(self.door.index);
        let expected = listener.and_then(|listener| listener.proxy_protocol.as_ref());
        awaited(expected, self.address)
    }

    /// Closes it, and counts why.
    pub(super) fn refuse(self, why: ConnectionRefusal) {
        self.cells().refused.inc(why);
    }

    /// Closes it: whoever speaks here is to be one of those that say for whom.
    pub(super) fn refuse_unintroduced(self) {
        if let Some(closed) = self.door.unintroduced.count(self.now()) {
            let peer = self.address.map(tracing::field::display);
            tracing::warn!(
                listener = &*self.door.name,
                peer,
                closed,
                "peers that are not in proxy_protocol.from are closed"
            );
        }
        self.refuse(ConnectionRefusal::ProxyProtocol);
    }

    /// Takes it in, unless its peer may not come in.
    pub(super) fn admit(self) -> Option<Accepted> {
        let view = self.worker.view();
        let config = &view.snapshot.config;
        let peer = peer(self.address, self.door.entrance, &config.trusted_proxies);
        self.admit_as(peer, Counted::AsClient, &view.snapshot)
    }

    /// The same, once its peer has said in a header for whom it connects: that one counts.
    pub(super) async fn admit_introduced(mut self, time: Duration) -> Option<Accepted> {
        let deadline = self.worker.clock.deadline();
        let header = await_header(&mut self.socket, time, &deadline).await;
        let header = match header {
            Ok(header) => header,
            Err(Unheard::Silent) => return None,
            Err(Unheard::Faulty(fault)) => {
                self.give_up(fault);
                return None;
            }
        };
        let view = self.worker.view();
        let trusted = &view.snapshot.config.trusted_proxies;
        let counted = match header.ends {
            Some(_) => Counted::AsClient,
            None => Counted::Not,
        };
        let peer = introduced(self.address, header, self.door.entrance, trusted);
        self.admit_as(peer, counted, &view.snapshot)
    }

    fn admit_as(mut self, peer: Peer, counted: Counted, snapshot: &Snapshot) -> Option<Accepted> {
        let config = &snapshot.config;
        let listener = config.listeners.get(self.door.index);
        if listener.is_some_and(|listener| !listener.access.admits(peer.ip())) {
            self.refuse(ConnectionRefusal::Access);
            return None;
        }
        let is_counted = |ip| counted == Counted::AsClient && !config.trusted_proxies.contains(ip);
        let client = peer.ip().filter(|ip| is_counted(*ip));
        if let Some(ip) = client {
            let limit = config.limits.connections_per_client;
            let admission = &self.door.admission;
            if self.place.count_for(admission, ip, limit) == Admitted::No {
                self.refuse(ConnectionRefusal::LimitClient);
                return None;
            }
        }
        let is_to_be_secured = listener.is_some_and(|listener| listener.tls.is_some());
        if is_to_be_secured
            && let Err(overhasty) = self.door.rates.take(client, &config.limits.handshakes)
        {
            self.tell(&overhasty, peer.ip());
            self.refuse(overhasty.why);
            return None;
        }
        // Asked of the kernel only where somebody is told.
        let peer = if snapshot.introduces && peer.reached().is_none() {
            peer.at(self.socket.local())
        } else {
            peer
        };
        let spoken = if listener.is_some_and(|listener| listener.http2) {
            Spoken::Unknown
        } else {
            Spoken::Http1
        };
        Some(Accepted {
            socket: self.socket,
            spoken,
            peer,
            place: self.place,
            door: self.door,
            worker: self.worker,
            open: self.open,
        })
    }

    /// Warns of handshakes that may not begin, if it is time for that.
    fn tell(&self, overhasty: &Overhasty, client: Option<IpAddr>) {
        let Some(closed) = overhasty.tell_of else {
            return;
        };
        let listener = &*self.door.name;
        let client = client.map(tracing::field::display);
        if overhasty.why == ConnectionRefusal::HandshakesClient {
            tracing::warn!(
                listener,
                client,
                closed,
                "a client begins more handshakes than limits.handshakes.per_client; those are closed"
            );
        } else {
            tracing::warn!(
                listener,
                client,
                closed,
                "clients begin more handshakes than limits.handshakes.in_all; those are closed"
            );
        }
    }

    /// Counts and logs a header that is none.
    fn give_up(&self, fault: HeaderFault) {
        self.cells().header_faults.inc(fault);
        let peer = self.address.map(tracing::field::display);
        let (listener, reason) = (&*self.door.name, fault.label());
        if let Some(closed) = self.door.unheard.count(self.now()) {
            tracing::warn!(
                listener,
                peer,
                reason,
                closed,
                "peers of proxy_protocol.from that do not begin with a good PROXY header are closed"
            );
        } else {
            tracing::debug!(listener, peer, reason, "PROXY header refused");
        }
    }

    fn now(&self) -> u64 {
        nanos(Duration::from_millis(self.worker.clock.now_ms()))
    }

    fn cells(&self) -> &ListenerCells {
        self.door.cells.of(self.worker.id)
    }
}
