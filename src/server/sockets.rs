//! Sockets to accept on: bound once for all workers, before any worker runs.
//!
//! Each worker gets a socket of its own on the same address (`SO_REUSEPORT`), so that the kernel
//! spreads clients and workers share nothing. Before that the address is bound once without:
//! otherwise a second process on the same address would silently take half of the clients.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use super::listener::Queue;
use crate::config::ListenAddr;

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A listener's sockets, one for each worker.
#[derive(Debug)]
pub struct Bound {
    /// Where clients reach it; with the port that the kernel chose if none was given.
    pub address: ListenAddr,
    sockets: Vec<Unstarted>,
}

/// A socket that no worker has taken yet.
#[derive(Debug)]
enum Unstarted {
    Tcp(std::net::TcpListener),
    Unix(UnixListener),
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindFailure {
    /// As written.
    pub address: String,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

impl Bound {
    /// Binds `address` for `workers` workers.
    pub fn new(address: &ListenAddr, workers: usize) -> Result<Self, BindFailure> {
        let fail = |source| BindFailure {
            address: address.to_string(),
            source,
        };
        match address {
            ListenAddr::Ip(ip) => bind_tcp(*ip, workers).map_err(fail),
            ListenAddr::Unix(path) => bind_unix(path, workers).map_err(fail),
        }
    }

    /// One worker's share: one socket.
    #[must_use]
    pub fn split_off(&mut self) -> Self {
        Self {
            address: self.address.clone(),
            sockets: self.sockets.pop().into_iter().collect(),
        }
    }

    /// The socket, on the runtime of the worker that has it.
    pub fn take(&mut self) -> io::Result<Option<Queue>> {
        Ok(match self.sockets.pop() {
            Some(Unstarted::Tcp(socket)) => Some(Queue::Tcp(socket.try_into()?)),
            Some(Unstarted::Unix(socket)) => Some(Queue::Unix(socket.try_into()?)),
            None => None,
        })
    }
}

fn bind_tcp(wanted: SocketAddr, workers: usize) -> io::Result<Bound> {
    let mut address = wanted;
    if wanted.port() != 0 {
        // The probe: nobody else may be there, not even one who shares.
        drop(tcp_socket(wanted, Sharing::Alone)?);
    }
    let mut sockets = Vec::new();
    for _ in 0..workers {
        let socket = tcp_socket(address, Sharing::WithWorkers)?;
        socket.listen(BACKLOG)?;
        if let Some(bound) = socket.local_addr()?.as_socket() {
            address = bound;
        }
        sockets.push(Unstarted::Tcp(socket.into()));
    }
    Ok(Bound {
        address: ListenAddr::Ip(address),
        sockets,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    WithWorkers,
}

fn tcp_socket(address: SocketAddr, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    if sharing == Sharing::WithWorkers {
        socket.set_reuse_port(true)?;
    }
    // `[::]` and `0.0.0.0` are two listeners: each means what it says on every machine.
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn bind_unix(path: &Path, workers: usize) -> io::Result<Bound> {
    remove_dead_socket(path)?;
    let socket = UnixListener::bind(path)?;
    socket.set_nonblocking(true)?;
    // Unix sockets know no SO_REUSEPORT: the workers share one queue.
    let mut sockets = Vec::new();
    for _ in 1..workers {
        sockets.push(Unstarted::Unix(socket.try_clone()?));
    }
    sockets.push(Unstarted::Unix(socket));
    Ok(Bound {
        address: ListenAddr::Unix(path.to_owned()),
        sockets,
    })
}

/// A socket that a killed process left behind; one that somebody listens on stays.
fn remove_dead_socket(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if metadata.file_type().is_socket()
        && UnixStream::connect(path).is_err_and(|error| refused(&error))
    {
        return fs::remove_file(path);
    }
    Ok(())
}

/// Takes a Unix socket's file away when its listener is gone.
#[derive(Debug)]
pub struct SocketFile(pub PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "socket file stays");
        }
    }
}
