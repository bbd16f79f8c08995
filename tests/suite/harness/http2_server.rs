//! A backend that speaks HTTP/2, as a gRPC server does; what it does is said by the path.
//!
//! | path | answer |
//! |---|---|
//! | `/call` | each piece of the body as it comes, then trailers `grpc-status: 0` |
//! | `/status-only` | a head that ends the stream, with `grpc-status: 7`; the body unread |
//! | `/early` | 200 and `early`, the body unread |
//! | `/refuse` | refused as often as was ordered, else as any other |
//! | `/reset` | reset before a head |
//! | `/cut/REASON` | 1000 bytes, then a reset with this reason |
//! | `/bytes/N` | N bytes |
//! | `/head/N` | a head with a field of N bytes |
//! | `/interim` | 103 twice before the answer |
//! | `/hang` | nothing |
//! | `/bye` | the connection ends in good order |
//! | `/drop` | the connection ends at once |
//! | anything else | 200, and the body once more |

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsAcceptor;

use super::frames::{self, PREFACE};
use super::secure::{Issued, provider};
use super::wait::eventually;

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
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    open: AtomicUsize,
    /// Requests at a time on one connection, at the most.
    peak: AtomicUsize,
    begun: AtomicUsize,
    refusals: AtomicUsize,
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
            match (first, acceptor) {
                (First::SentAway, _) if number == 0 => send_away(client).await,
                (First::Silent, _) => be_silent(client).await,
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

/// Reads the preface and frames until one of this kind came.
async fn read_until(client: &mut TcpStream, kind: u8) -> Option<()> {
    let mut preface = vec![0; PREFACE.len()];
    client.read_exact(&mut preface).await.ok()?;
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut rest = vec![0; length as usize];
        client.read_exact(&mut rest).await.ok()?;
        if head[3] == kind {
            return Some(());
        }
    }
}

async fn send_away(mut client: TcpStream) {
    let hello = frames::frame(frames::SETTINGS, 0, 0, b"");
    client.write_all(&hello).await.unwrap();
    read_until(&mut client, frames::HEADERS).await;
    // The last that was looked at: none.
    let goaway = frames::frame(frames::GOAWAY, 0, 0, &[0; 8]);
    client.write_all(&goaway).await.unwrap();
    let mut rest = Vec::new();
    drop(client.read_to_end(&mut rest).await);
}

async fn be_silent(mut client: TcpStream) {
    let hello = frames::frame(frames::SETTINGS, 0, 0, b"");
    client.write_all(&hello).await.unwrap();
    let mut rest = Vec::new();
    drop(client.read_to_end(&mut rest).await);
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

fn head() -> Response<()> {
    let kind = "application/grpc";
    Response::builder()
        .header("content-type", kind)
        .body(())
        .unwrap()
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    state: &State,
) -> Option<Seen> {
    let (asked, mut body) = request.into_parts();
    let mut seen = Seen {
        method: asked.method.to_string(),
        uri: asked.uri.to_string(),
        headers: asked.headers,
        body: 0,
        trailers: None,
        reset: None,
    };
    let path = asked.uri.path().to_owned();
    let path = path.trim_start_matches('/');
    let (what, rest) = path.split_once('/').unwrap_or((path, ""));
    let is_refused = |count: usize| count.checked_sub(1);
    match what {
        "refuse"
            if state
                .refusals
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_refused)
                .is_ok() =>
        {
            respond.send_reset(Reason::REFUSED_STREAM);
        }
        "reset" => respond.send_reset(Reason::INTERNAL_ERROR),
        "hang" => {
            // The proxy's reset ends it.
            let end = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            seen.reset = end.ok();
        }
        "status-only" => {
            let mut head = head();
            head.headers_mut()
                .insert("grpc-status", "7".parse().unwrap());
            respond.send_response(head, true).unwrap();
        }
        "early" => {
            let mut send = respond.send_response(head(), false).unwrap();
            send.send_data("early".into(), true).unwrap();
        }
        "head" => {
            let mut head = head();
            let long = "x".repeat(rest.parse().unwrap());
            head.headers_mut().insert("x-long", long.parse().unwrap());
            respond.send_response(head, true).unwrap();
        }
        "cut" => cut_off(respond, rest.parse().unwrap()).await?,
        "bytes" => write_bytes(respond, rest.parse().unwrap()).await?,
        _ => echo(&mut seen, &mut body, respond, what).await,
    }
    Some(seen)
}

async fn echo(
    seen: &mut Seen,
    body: &mut RecvStream,
    mut respond: SendResponse<Bytes>,
    what: &str,
) {
    if what == "interim" {
        for _ in 0..2 {
            let early = Response::builder().status(103).body(()).unwrap();
            respond.send_informational(early).unwrap();
        }
    }
    let mut send = respond.send_response(head(), false).unwrap();
    while let Some(piece) = body.data().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                seen.reset = error.reason();
                return;
            }
        };
        seen.body += piece.len();
        body.flow_control().release_capacity(piece.len()).unwrap();
        if write(&mut send, piece).await.is_none() {
            return;
        }
    }
    seen.trailers = body.trailers().await.unwrap_or_default();
    if what == "call" {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("grpc-message", "done".parse().unwrap());
        send.send_trailers(trailers).ok();
    } else {
        send.send_data(Bytes::new(), true).ok();
    }
}

async fn cut_off(mut respond: SendResponse<Bytes>, reason: u32) -> Option<()> {
    let mut send = respond.send_response(head(), false).unwrap();
    write(&mut send, vec![b'x'; 1000].into()).await?;
    // A reset takes with it what is not written yet.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    send.send_reset(Reason::from(reason));
    Some(())
}

async fn write_bytes(mut respond: SendResponse<Bytes>, mut left: usize) -> Option<()> {
    let mut send = respond.send_response(head(), false).unwrap();
    while left > 0 {
        let piece = left.min(10_000);
        write(&mut send, vec![b'x'; piece].into()).await?;
        left -= piece;
    }
    send.send_data(Bytes::new(), true).ok()
}

/// Sends a piece as far as the other end has room for it.
async fn write(send: &mut SendStream<Bytes>, mut piece: Bytes) -> Option<()> {
    while !piece.is_empty() {
        send.reserve_capacity(piece.len());
        while send.capacity() == 0 {
            std::future::poll_fn(|cx| send.poll_capacity(cx))
                .await?
                .ok()?;
        }
        let now = piece.split_to(piece.len().min(send.capacity()));
        send.send_data(now, false).ok()?;
    }
    Some(())
}
