//! A backend that speaks HTTP/2, as a gRPC server does; what it does is said by the path.
//!
//! [`answers`] has what each path is answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;
use http::HeaderMap;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsAcceptor;

use super::frames::{self, PREFACE};
use super::secure::{Issued, provider};
use super::wait::eventually;

mod answers;

use answers::answer;

/// A request that it saw.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: usize,
    pub(crate) trailers: Option<HeaderMap>,
    /// Why the rest of the body did not come.
    pub(crate) reset: Option<Reason>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|it| it.to_str().unwrap())
    }
}

/// What happens to its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// They are served.
    Served,
    /// The first is told to go as soon as a request came, which was not looked at.
    SentAway,
    /// All begin, and nothing comes on them after that.
    Silent,
    /// Each of the first follows its own script, and the others are served.
    Scripted(&'static [&'static [Step]]),
}

/// What is done on a connection, frame by frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many frames of a kind have come.
    Await(u8, usize),
    /// A frame: its kind, its flags, its stream, and what is in it.
    Send(u8, u8, u32, &'static [u8]),
    /// Nothing happens for a while.
    Pause(Duration),
    /// Nothing is read any more, for as long as the test lasts.
    Hang,
    /// It is told how far the script has come, see [`Http2Server::wait_for_told`].
    Tell,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    open: AtomicUsize,
    /// Requests at a time on one connection, at the most.
    peak: AtomicUsize,
    begun: AtomicUsize,
    refusals: AtomicUsize,
    told: AtomicUsize,
    /// Whether new connections are taken and nothing is said on them.
    is_mute: AtomicBool,
    seen: Mutex<Vec<Seen>>,
    stop: Notify,
}

/// The backend; gone with the test.
pub(crate) struct Http2Server {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<thread::JoinHandle<()>>,
}

/// How it is started.
pub(crate) struct Settings {
    pub(crate) streams: u32,
    pub(crate) first: First,
    pub(crate) tls: Option<(Issued, &'static [&'static str])>,
    pub(crate) port: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            streams: 1000,
            first: First::Served,
            tls: None,
            port: 0,
        }
    }
}

impl Http2Server {
    pub(crate) fn start() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let bound = TcpListener::bind(("127.0.0.1", settings.port));
        let listener = runtime.block_on(bound).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    () = accept(listener, settings, Arc::clone(&shared)) => {}
                    () = shared.stop.notified() => {}
                }
            });
        });
        Self {
            address,
            state,
            thread: Some(thread),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The most requests at a time on one connection.
    pub(crate) fn peak(&self) -> usize {
        self.state.peak.load(Ordering::SeqCst)
    }

    /// Waits until so many connections are open.
    #[track_caller]
    pub(crate) fn wait_for_open(&self, count: usize) {
        eventually("that many connections", || {
            self.state.open.load(Ordering::SeqCst) == count
        });
    }

    /// Waits until so many requests have come, ended or not.
    #[track_caller]
    pub(crate) fn wait_for_begun(&self, count: usize) {
        eventually("that many requests", || {
            self.state.begun.load(Ordering::SeqCst) >= count
        });
    }

    /// Waits until so many requests have ended.
    #[track_caller]
    pub(crate) fn wait_for_seen(&self, count: usize) -> Vec<Seen> {
        eventually("that many requests end", || self.seen().len() >= count);
        self.seen()
    }

    /// The requests that have ended.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("a request")
    }

    /// On connections from now on nothing is said.
    pub(crate) fn fall_silent(&self) {
        self.state.is_mute.store(true, Ordering::SeqCst);
    }

    /// Waits until scripts have told so often how far they are.
    #[track_caller]
    pub(crate) fn wait_for_told(&self, count: usize) {
        eventually("scripts get there", || {
            self.state.told.load(Ordering::SeqCst) >= count
        });
    }

    /// The next so many requests to `/refuse` are.
    pub(crate) fn refuse(&self, count: usize) {
        self.state.refusals.store(count, Ordering::SeqCst);
    }
}

impl Drop for Http2Server {
    fn drop(&mut self) {
        self.state.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends");
        }
    }
}

async fn accept(listener: TcpListener, settings: Settings, state: Arc<State>) {
    let acceptor = settings.tls.as_ref().map(|(own, protocols)| {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(own.chain.clone(), own.key_der())
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    });
    let mut clients = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        client.set_nodelay(true).unwrap();
        let number = state.connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        let (first, streams) = (settings.first, settings.streams);
        clients.spawn_local(async move {
            state.open.fetch_add(1, Ordering::SeqCst);
            let script: Option<&[Step]> = match first {
                _ if state.is_mute.load(Ordering::SeqCst) => Some(&[]),
                First::SentAway if number == 0 => Some(SENT_AWAY),
                First::Silent => Some(&[HELLO]),
                First::Scripted(scripts) => scripts.get(number).copied(),
                First::Served | First::SentAway => None,
            };
            match (script, acceptor) {
                (Some(script), _) => follow(client, script, &state).await,
                (_, None) => serve(client, streams, &state).await,
                (_, Some(acceptor)) => {
                    if let Ok(client) = acceptor.accept(client).await {
                        serve(client, streams, &state).await;
                    }
                }
            }
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// What each connection begins with.
pub(crate) const HELLO: Step = Step::Send(frames::SETTINGS, 0, 0, b"");

const SENT_AWAY: &[Step] = &[
    HELLO,
    Step::Await(frames::HEADERS, 1),
    // The last that was looked at: none.
    Step::Send(frames::GOAWAY, 0, 0, &[0; 8]),
];

/// Does what the script says, and reads on until the other end closes.
async fn follow(mut client: TcpStream, script: &[Step], state: &State) {
    let mut is_begun = false;
    for step in script {
        let done = match *step {
            Step::Await(kind, count) => await_frames(&mut client, &mut is_begun, kind, count).await,
            Step::Send(kind, flags, stream, payload) => {
                let frame = frames::frame(kind, flags, stream, payload);
                client.write_all(&frame).await.ok()
            }
            Step::Pause(time) => {
                tokio::time::sleep(time).await;
                Some(())
            }
            Step::Hang => std::future::pending().await,
            Step::Tell => {
                state.told.fetch_add(1, Ordering::SeqCst);
                Some(())
            }
        };
        if done.is_none() {
            return;
        }
    }
    let mut rest = Vec::new();
    drop(client.read_to_end(&mut rest).await);
}

/// Reads the preface, if it was not yet, and frames until so many of this kind came.
async fn await_frames(
    client: &mut TcpStream,
    is_begun: &mut bool,
    kind: u8,
    mut count: usize,
) -> Option<()> {
    if !std::mem::replace(is_begun, true) {
        let mut preface = vec![0; PREFACE.len()];
        client.read_exact(&mut preface).await.ok()?;
    }
    while count > 0 {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut rest = vec![0; length as usize];
        client.read_exact(&mut rest).await.ok()?;
        count -= usize::from(head[3] == kind);
    }
    Some(())
}

async fn serve(
    socket: impl AsyncRead + AsyncWrite + Unpin + 'static,
    most: u32,
    state: &Arc<State>,
) {
    let mut builder = Builder::new();
    builder.max_concurrent_streams(most);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else {
        return;
    };
    let here = Arc::new(AtomicUsize::new(0));
    while let Some(Ok((request, respond))) = connection.accept().await {
        match request.uri().path() {
            "/bye" => connection.graceful_shutdown(),
            "/drop" => return,
            _ => {}
        }
        state.begun.fetch_add(1, Ordering::SeqCst);
        let now = here.fetch_add(1, Ordering::SeqCst) + 1;
        state.peak.fetch_max(now, Ordering::SeqCst);
        let (state, here) = (Arc::clone(state), Arc::clone(&here));
        tokio::task::spawn_local(async move {
            if let Some(seen) = answer(request, respond, &state).await {
                state.seen.lock().unwrap().push(seen);
            }
            here.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
