//! A new connection to a backend, before anything is spoken on it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::dial::{dial, secured};
use super::failure::UpstreamFailure;
use super::pool::Upstream;
use super::shared::Life;
use super::stream::{BackendStream, Parting, Wire};
use crate::clock::Deadline;
use crate::frames::Frames;

/// How a socket came to be connected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    pub(super) is_secured: bool,
    /// When it was connected, by the worker's clock.
    pub(super) born_ms: u64,
    /// What is left of the time for it.
    pub(super) left: Duration,
}

impl Upstream {
    /// A connected socket, which begins with `header`.
    pub(super) async fn reach(
        &self,
        timeout: Duration,
        deadline: &Deadline,
        header: &[u8],
    ) -> Result<(BackendStream, Reached), UpstreamFailure> {
        let addresses = self.backend.addresses();
        let outcome = dial(&addresses, timeout, deadline, header).await;
        if outcome.is_err() {
            self.cells().connect_failures.inc();
        }
        // Before it is known how it is secured: a change in between ends it.
        let born_ms = self.clock.now_ms();
        let tls = self.tls.borrow().clone();
        let is_secured = tls.is_some();
        // Each address has had the whole time, and what follows has what this one left.
        let (socket, began) = outcome?;
        let socket = match tls {
            None => socket,
            Some(tls) => {
                let left = timeout.saturating_sub(began.elapsed());
                // On the heap: a handshake is far larger than what every request needs.
                let secured = Box::pin(secured(socket, &tls, &self.backend, (left, deadline)));
                secured
                    .await
                    .inspect_err(|_| self.cells().connect_failures.inc())?
            }
        };
        let wire = Rc::new(Wire::default());
        self.look_at(&wire);
        let stream = BackendStream {
            socket,
            wire,
            backend: Arc::clone(&self.backend),
            worker: self.worker,
            is_counted: false,
            parting: Parting::AsItIs,
            frames: None,
        };
        self.cells().connects.inc();
        self.cells().bytes_sent.add(header.len() as u64);
        let reached = Reached {
            is_secured,
            born_ms,
            left: timeout.saturating_sub(began.elapsed()),
        };
        Ok((stream, reached))
    }

    /// It is open until it is dropped.
    pub(super) fn is_open(&self, stream: &mut BackendStream) {
        self.cells().connections_open.inc();
        stream.is_counted = true;
    }

    /// Requests share it: its frames are looked at.
    pub(super) fn is_to_be_shared(&self, stream: &mut BackendStream) {
        self.is_open(stream);
        stream.frames = Some(Box::new(Frames::of_server()));
    }

    /// What a connection is part of that was begun then, in that life of the backend.
    pub(super) fn life(&self, born_ms: u64, epoch: u64) -> Life {
        Life {
            backend: Arc::clone(&self.backend),
            worker: self.worker,
            clock: Rc::clone(&self.clock),
            born_ms,
            epoch,
        }
    }
}
