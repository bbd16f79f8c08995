//! Accepting clients: one loop per worker and listener.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::arrival::Arrival;
use super::connection::{Crowd, Open, serve};
use super::door::Door;
use super::proxy_protocol::Awaited;
use crate::clock::{Deadline, TICK};
use crate::proxy::{Front, Worker};
use crate::socket::Socket;

/// A socket that clients queue at.
#[derive(Debug)]
pub enum Queue {
    /// Over IP.
    Tcp(TcpListener),
    /// On this host.
    Unix(UnixListener),
}

impl Queue {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Option<SocketAddr>)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, address)| {
                // Failing is harmless: answers would only wait for acknowledgements.
                drop(stream.set_nodelay(true));
                (stream.into(), Some(address))
            }),
            Self::Unix(listener) => listener
                .poll_accept(cx)
                .map_ok(|(stream, _)| (stream.into(), None)),
        }
    }

    /// What is queued, asked of the kernel itself: the runtime may not have heard of it yet, and
    /// closing the socket would reset it.
    fn accept_queued(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        let queue = match self {
            Self::Tcp(listener) => SockRef::from(listener),
            Self::Unix(listener) => SockRef::from(listener),
        };
        let (socket, address) = queue.accept()?;
        socket.set_nonblocking(true)?;
        Ok(match self {
            Self::Tcp(_) => {
                let stream = TcpStream::from_std(socket.into())?;
                drop(stream.set_nodelay(true));
                (stream.into(), address.as_socket())
            }
            Self::Unix(_) => (UnixStream::from_std(socket.into())?.into(), None),
        })
    }
}

/// Accepts until the worker stops; then takes what is queued, and closes.
pub async fn accept(
    queue: Queue,
    door: Arc<Door>,
    worker: Rc<Worker>,
    crowd: Rc<Crowd>,
    front: impl Front,
) {
    let wake = worker.clock.deadline();
    let mut troubled = false;
    while let Some(accepted) = next(&queue, &worker, &wake).await {
        match accepted {
            Ok((socket, address)) => {
                troubled = false;
                let cells = door.cells.of(worker.id);
                cells.connections.inc();
                let Some(place) = door.admission.place().await else {
                    continue;
                };
                let arrival = Arrival {
                    socket,
                    address,
                    place,
                    open: Open::new(&worker, &door, &crowd),
                    door: Arc::clone(&door),
                    worker: Rc::clone(&worker),
                };
                begin(arrival, &front);
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                door.cells.of(worker.id).accept_errors.inc();
                if !std::mem::replace(&mut troubled, true) {
                    tracing::warn!(listener = %door.name, %error, "cannot accept; trying again");
                }
                back_off(&wake).await;
            }
        }
    }
}

/// The next client; `None`: the worker stops and the queue is empty.
async fn next(
    queue: &Queue,
    worker: &Worker,
    wake: &Deadline,
) -> Option<io::Result<(Socket, Option<SocketAddr>)>> {
    poll_fn(|cx| {
        if let Poll::Ready(accepted) = queue.poll_accept(cx) {
            return Poll::Ready(Some(accepted));
        }
        // Registers for the wake-up that a stop sends to everybody.
        let _never = wake.is_over(cx);
        if !worker.is_stopping() {
            return Poll::Pending;
        }
        match queue.accept_queued() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Ready(None),
            accepted => Poll::Ready(Some(accepted)),
        }
    })
    .await
}

/// Serves a client in a task of its own, if it may come in.
fn begin(arrival: Arrival, front: &impl Front) {
    match arrival.awaited() {
        Awaited::Request => {
            if let Some(accepted) = arrival.admit() {
                tokio::task::spawn_local(serve(accepted, front.clone()));
            }
        }
        Awaited::Header(time) => {
            let front = front.clone();
            tokio::task::spawn_local(async move {
                if let Some(accepted) = arrival.admit_introduced(time).await {
                    serve(accepted, front).await;
                }
            });
        }
        Awaited::Nothing => arrival.refuse_unintroduced(),
    }
}

/// Out of descriptors or memory: those connected are served meanwhile.
async fn back_off(wake: &Deadline) {
    wake.arm(TICK);
    poll_fn(|cx| {
        if wake.is_over(cx) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    wake.disarm();
}

fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted | Kind::ConnectionReset | Kind::Interrupted | Kind::WouldBlock
    )
}
