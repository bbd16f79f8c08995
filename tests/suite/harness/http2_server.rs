//! A backend that speaks HTTP/2, as a gRPC server does; what it does is said by the path.
//!
//! | path | answer |
//! |---|---|
//! | `/call` | each piece of the body as it comes, then trailers `grpc-status: 0` |
//! | `/status-only` | a head that ends the stream, with `grpc-status: 7`; the body unread |
//! | `/early` | 200 and `early`, the body unread |
//! | `/unread` | a head; the body unread, and nothing more |
//! | `/refuse` | refused as often as was ordered, else as any other |
//! | `/reset` | reset before a head |
//! | `/cut/REASON` | 1000 bytes, then a reset with this reason |
//! | `/bytes/N` | N bytes |
//! | `/pieces/N/SIZE` | N pieces of so many bytes, one by one |
//! | `/apart/STATUS` | a head; the end by itself |
//! | `/apart` | a head with a length, five bytes; the end by itself |
//! | `/late` | the same without the end |
//! | `/head/N` | a head with a field of N bytes |
//! | `/interim/N` | 103 so often before the answer |
//! | `/hang` | nothing |
//! | `/bye` | the connection ends in good order |
//! | `/drop` | the connection ends at once |
//! | anything else | 200, and the body once more |

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
        "unread" => {
            let mut send = respond.send_response(head(), false).unwrap();
            seen.reset = until_reset(&mut send).await;
        }
        "apart" | "late" => end_apart(&mut seen, respond, what, rest).await,
        "pieces" => seen.reset = write_pieces(respond, rest).await,
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
        _ => echo(&mut seen, &mut body, respond, (what, rest)).await,
    }
    Some(seen)
}

async fn echo(
    seen: &mut Seen,
    body: &mut RecvStream,
    mut respond: SendResponse<Bytes>,
    (what, rest): (&str, &str),
) {
    if what == "interim" {
        for _ in 0..rest.parse().unwrap() {
            let early = Response::builder().status(103).body(()).unwrap();
            if respond.send_informational(early).is_err() {
                return;
            }
            tokio::task::yield_now().await;
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

/// Why the proxy gave a response up.
async fn until_reset(send: &mut SendStream<Bytes>) -> Option<Reason> {
    let end = std::future::poll_fn(|cx| send.poll_reset(cx)).await;
    end.ok()
}

async fn write_pieces(mut respond: SendResponse<Bytes>, what: &str) -> Option<Reason> {
    let (count, size) = what.split_once('/').unwrap();
    let mut send = respond.send_response(head(), false).unwrap();
    let piece = Bytes::from(vec![b'x'; size.parse().unwrap()]);
    for _ in 0..count.parse::<usize>().unwrap() {
        if write(&mut send, piece.clone()).await.is_none() {
            return until_reset(&mut send).await;
        }
        // Or one frame would have many.
        tokio::task::yield_now().await;
    }
    send.send_data(Bytes::new(), true).ok();
    None
}

async fn end_apart(seen: &mut Seen, mut respond: SendResponse<Bytes>, what: &str, status: &str) {
    let mut head = head();
    if let Ok(status) = status.parse() {
        *head.status_mut() = status;
    } else {
        let length = "5".parse().unwrap();
        head.headers_mut().insert("content-length", length);
    }
    let has_body = status.is_empty() && seen.method != "HEAD";
    let mut send = respond.send_response(head, false).unwrap();
    if has_body && write(&mut send, "whole".into()).await.is_none() {
        return;
    }
    if what == "late" {
        seen.reset = until_reset(&mut send).await;
        return;
    }
    // The end leaves after what was there before it.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    send.send_data(Bytes::new(), true).ok();
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
