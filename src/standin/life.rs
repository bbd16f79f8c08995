//! One life of a stand-in: from its start to its stop or kill, a thread of its own.
//!
//! A thread, because a stand-in must stay alive while a test blocks, and because joining it proves
//! that its sockets are gone.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet, LocalSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::address::Listening;
use super::connection::attend;
use super::tomcat::Tomcat;

/// Longest wait for requests in progress at an orderly stop.
const GRACE: Duration = Duration::from_secs(5);

/// What a living stand-in is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Serving.
    Serving,
    /// As if stopped by SIGSTOP: connections come in, nothing is read or sent.
    Hanging,
    /// Not listening; kept connections get 404 for everything.
    Refusing,
    /// Not listening; requests in progress end, then the life does.
    Stopping,
    /// Gone at once.
    Killed,
}

#[derive(Debug)]
pub(super) struct Life {
    mode: watch::Sender<Mode>,
    thread: JoinHandle<()>,
}

impl Life {
    pub(super) fn begin(listening: Listening, tomcat: Arc<Tomcat>) -> io::Result<Self> {
        let mode = watch::Sender::new(Mode::Serving);
        let watched = mode.subscribe();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            match listening {
                Listening::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener)?),
                Listening::Unix(listener) => Listener::Unix(UnixListener::from_std(listener)?),
            }
        };
        let name = format!("tomcat-{}", tomcat.settings.name);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            LocalSet::new().block_on(&runtime, live(Some(listener), tomcat, watched));
        })?;
        Ok(Self { mode, thread })
    }

    pub(super) fn turn(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Ends the life; afterwards its sockets are closed.
    pub(super) fn end(self, mode: Mode) -> Result<(), String> {
        self.turn(mode);
        self.thread
            .join()
            .map_err(|_| "the stand-in's thread panicked".to_owned())
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Drop for Listener {
    /// Closing alone is not enough: a process that is just being started holds a copy of every
    /// socket until it is another program, and so long the address would still accept.
    fn drop(&mut self) {
        let socket = match self {
            Self::Tcp(listener) => SockRef::from(&*listener),
            Self::Unix(listener) => SockRef::from(&*listener),
        };
        // It fails only where nothing listens any more.
        drop(socket.shutdown(Shutdown::Both));
    }
}

async fn live(
    mut listener: Option<Listener>,
    tomcat: Arc<Tomcat>,
    mut mode: watch::Receiver<Mode>,
) {
    let mut connections = JoinSet::new();
    let mut deadline = None;
    // Connections hear of a change after the listener has: of a killed process the kernel closes
    // the listener first, so whoever finds a connection dead is refused a new one.
    let told = watch::Sender::new(*mode.borrow());
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Serving | Mode::Hanging => {}
            Mode::Refusing => listener = None,
            Mode::Stopping | Mode::Killed => {
                listener = None;
                deadline.get_or_insert(Instant::now() + GRACE);
            }
        }
        told.send_replace(now);
        if deadline.is_some() && connections.is_empty() {
            return;
        }
        let has_room = connections.len() < tomcat.settings.max_connections;
        tokio::select! {
            changed = mode.changed() => if changed.is_err() { return },
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                note_panic(&tomcat, ended);
            }
            socket = accept(listener.as_ref()), if has_room => {
                let (tomcat, mode) = (Arc::clone(&tomcat), told.subscribe());
                match socket {
                    Accepted::Tcp(socket) => {
                        // Fails only on a connection that is gone already.
                        drop(socket.set_nodelay(true));
                        connections.spawn_local(attend(socket, tomcat, mode));
                    }
                    Accepted::Unix(socket) => {
                        connections.spawn_local(attend(socket, tomcat, mode));
                    }
                }
            }
            () = at(deadline) => connections.abort_all(),
        }
    }
}

/// An accepted socket.
enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The next connection. Never returns without a listener.
async fn accept(listener: Option<&Listener>) -> Accepted {
    loop {
        let accepted = match listener {
            None => std::future::pending().await,
            Some(Listener::Tcp(listener)) => listener
                .accept()
                .await
                .map(|(socket, _)| Accepted::Tcp(socket)),
            Some(Listener::Unix(listener)) => listener
                .accept()
                .await
                .map(|(socket, _)| Accepted::Unix(socket)),
        };
        match accepted {
            Ok(socket) => return socket,
            // Out of file descriptors, or the client left already; at once again would spin.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

fn note_panic(tomcat: &Tomcat, ended: Result<(), JoinError>) {
    if let Err(failure) = ended
        && failure.is_panic()
    {
        tomcat
            .journal
            .note_failure(format!("{}: {failure}", tomcat.settings.name));
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
