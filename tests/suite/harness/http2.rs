//! A client that speaks HTTP/2: one connection, any number of requests at once.
//!
//! The connection lives on a thread of its own; the calls here wait, each with a deadline.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cattail::standin::Address;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, Request};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::wait::{eventually, patience};

/// One connection.
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
    runtime: Runtime,
    ended: Arc<Mutex<Option<Result<(), h2::Error>>>>,
}

/// A request under construction.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    request: Request<()>,
    body: Vec<Bytes>,
    trailers: Option<HeaderMap>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    /// Why the stream was reset, if it was.
    pub(crate) reset: Option<Reason>,
}

/// A request whose parts are sent and read one by one.
pub(crate) struct Stream {
    pub(crate) send: SendStream<Bytes>,
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self::of(method, &format!("http://shop.example{path}"))
    }

    /// With another authority, or none.
    pub(crate) fn of(method: &str, uri: &str) -> Self {
        Self {
            request: Request::builder()
                .method(method)
                .uri(uri)
                .body(())
                .expect("a request"),
            body: Vec::new(),
            trailers: None,
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// An extended CONNECT (RFC 8441).
    pub(crate) fn connect(protocol: &'static str, path: &str) -> Self {
        let mut ask = Self::new("CONNECT", path);
        let protocol = h2::ext::Protocol::from_static(protocol);
        ask.request.extensions_mut().insert(protocol);
        ask
    }

    /// Adds a field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a field's name");
        let value = value.parse().expect("a field's value");
        self.request.headers_mut().append(name, value);
        self
    }

    /// Adds a piece of the body.
    pub(crate) fn piece(mut self, piece: impl Into<Bytes>) -> Self {
        self.body.push(piece.into());
        self
    }

    /// A body with its length.
    pub(crate) fn body(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.header("content-length", &body.len().to_string())
            .piece(body)
    }

    /// Adds a field behind the body.
    pub(crate) fn trailer(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a field's name");
        let trailers = self.trailers.get_or_insert_default();
        trailers.append(name, value.parse().expect("a field's value"));
        self
    }
}

impl Reply {
    /// The same, if it has this status and is whole.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.reset, None, "{self:?}");
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().expect("a text"))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

impl Http2 {
    #[track_caller]
    pub(crate) fn connect(to: impl Into<Address>) -> Self {
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(4 << 20)
            .initial_connection_window_size(16 << 20);
        Self::with(&builder, to)
    }

    /// Connects with other settings.
    #[track_caller]
    pub(crate) fn with(builder: &Builder, to: impl Into<Address>) -> Self {
        Self::over(builder, to, async |tcp| tcp)
    }

    /// Connects by TLS, asking for `host`.
    #[track_caller]
    pub(crate) fn secure(to: impl Into<Address>, clients: &ClientConfig, host: &str) -> Self {
        let mut clients = clients.clone();
        clients.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(clients));
        let host = ServerName::try_from(host.to_owned()).expect("a name");
        Self::over(&Builder::new(), to, async move |tcp| {
            let shaken = connector.connect(host.clone(), tcp).await;
            shaken.expect("shakes hands")
        })
    }

    #[track_caller]
    fn over<S>(
        builder: &Builder,
        to: impl Into<Address>,
        secure: impl AsyncFnOnce(TcpStream) -> S + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let to = to.into().socket_addr().expect("a TCP address");
        let ended = Arc::new(Mutex::new(None));
        let (builder, (tell, told)) = (builder.clone(), mpsc::channel());
        let end = Arc::clone(&ended);
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let tcp = TcpStream::connect(to).await.expect("connects");
                tcp.set_nodelay(true).expect("without delay");
                let (sender, connection) = builder
                    .handshake::<_, Bytes>(secure(tcp).await)
                    .await
                    .expect("shakes hands");
                tell.send(sender).expect("the test goes on");
                let outcome = connection.await;
                *end.lock().unwrap() = Some(outcome);
            });
        });
        Self {
            sender: told.recv_timeout(patience()).expect("a connection"),
            runtime: runtime(),
            ended,
        }
    }

    #[track_caller]
    fn wait<T>(runtime: &Runtime, what: impl Future<Output = T>) -> T {
        let limited = async { tokio::time::timeout(patience(), what).await };
        runtime.block_on(limited).expect("in time")
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.ask(Ask::get(path))
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, ask: Ask) -> Reply {
        self.try_ask(ask).expect("a response")
    }

    #[track_caller]
    pub(crate) fn try_ask(&mut self, ask: Ask) -> Result<Reply, h2::Error> {
        let sender = self.sender.clone();
        Self::wait(&self.runtime, answered(sender, ask))
    }

    /// Asks all at once.
    #[track_caller]
    pub(crate) fn ask_all(&mut self, asks: impl IntoIterator<Item = Ask>) -> Vec<Reply> {
        let sender = &self.sender;
        Self::wait(&self.runtime, async {
            let mut running = tokio::task::JoinSet::new();
            for (number, ask) in asks.into_iter().enumerate() {
                let sender = sender.clone();
                running.spawn(async move { (number, answered(sender, ask).await) });
            }
            let mut replies = running.join_all().await;
            replies.sort_by_key(|(number, _)| *number);
            let replies = replies.into_iter();
            replies
                .map(|(_, reply)| reply.expect("a response"))
                .collect()
        })
    }

    /// Sends a head, and the pieces that the request has; the body stays open.
    #[track_caller]
    pub(crate) fn begin(&mut self, ask: Ask) -> Stream {
        let sender = self.sender.clone();
        Self::wait(&self.runtime, async {
            let mut sender = sender.ready().await.expect("room for a stream");
            let (response, mut send) = sender.send_request(ask.request, false).expect("sends");
            for piece in ask.body {
                // A response that comes before the body is read ends the sending.
                drop(send.send_data(piece, false));
            }
            Stream {
                send,
                response: Some(response),
                body: None,
            }
        })
    }

    /// The same for a CONNECT, once the server has said that it takes one.
    #[track_caller]
    pub(crate) fn switch(&mut self, ask: Ask) -> Stream {
        eventually("CONNECT is offered", || {
            self.sender.is_extended_connect_protocol_enabled()
        });
        self.begin(ask)
    }

    /// The head of the response with its fields; its body stays unread.
    #[track_caller]
    pub(crate) fn fields(&self, stream: &mut Stream) -> (u16, HeaderMap) {
        let response = stream.response.take().expect("not asked for before");
        let response = Self::wait(&self.runtime, response).expect("a response");
        let (head, body) = response.into_parts();
        stream.body = Some(body);
        (head.status.as_u16(), head.headers)
    }

    /// The head of the response; its body stays unread.
    #[track_caller]
    pub(crate) fn head(&self, stream: &mut Stream) -> u16 {
        self.fields(stream).0
    }

    /// Reads `count` bytes of a response at least, and says that they are taken.
    #[track_caller]
    pub(crate) fn read(&self, stream: &mut Stream, count: usize) -> Result<Vec<u8>, Reason> {
        let body = stream.body.as_mut().expect("the head is there");
        Self::wait(&self.runtime, async {
            let mut all = Vec::new();
            while all.len() < count {
                let Some(piece) = body.data().await else {
                    break;
                };
                let piece = piece.map_err(|error| error.reason().expect("a reason"))?;
                all.extend_from_slice(&piece);
                let flow = body.flow_control();
                flow.release_capacity(piece.len()).expect("was taken");
            }
            Ok(all)
        })
    }

    /// The rest of a response.
    #[track_caller]
    pub(crate) fn finish(&self, mut stream: Stream) -> Result<Reply, h2::Error> {
        let response = stream.response.take().expect("not asked for before");
        Self::wait(&self.runtime, read(response))
    }

    /// Waits until the server has ended the connection: why, if not in order.
    #[track_caller]
    pub(crate) fn ended(&self) -> Result<(), Option<Reason>> {
        eventually("the connection ends", || self.has_ended());
        let ended = self.ended.lock().unwrap();
        let outcome = ended.as_ref().expect("it has ended");
        outcome.as_ref().map_err(h2::Error::reason).copied()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.lock().unwrap().is_some()
    }

    /// Whether the server takes no more requests.
    pub(crate) fn is_told_to_go(&mut self) -> bool {
        let sender = self.sender.clone();
        Self::wait(&self.runtime, sender.ready()).is_err()
    }
}

impl Stream {
    /// Sends bytes.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl Into<Bytes>) {
        self.send.send_data(bytes.into(), false).expect("sends");
    }

    /// Ends our half.
    #[track_caller]
    pub(crate) fn finish_sending(&mut self) {
        self.send.send_data(Bytes::new(), true).expect("sends");
    }

    pub(crate) fn reset(mut self, reason: Reason) {
        self.send.send_reset(reason);
    }
}

async fn answered(sender: SendRequest<Bytes>, ask: Ask) -> Result<Reply, h2::Error> {
    let mut sender = sender.ready().await?;
    let ends_here = ask.body.is_empty() && ask.trailers.is_none();
    let (response, mut send) = sender.send_request(ask.request, ends_here)?;
    let last = ask.body.len().saturating_sub(1);
    for (number, piece) in ask.body.into_iter().enumerate() {
        // A response that comes before the body is read ends the sending.
        drop(send.send_data(piece, number == last && ask.trailers.is_none()));
    }
    if let Some(trailers) = ask.trailers {
        send.send_trailers(trailers)?;
    }
    read(response).await
}

async fn read(response: ResponseFuture) -> Result<Reply, h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let mut reply = Reply {
        status: head.status.as_u16(),
        headers: head.headers,
        body: Vec::new(),
        trailers: None,
        reset: None,
    };
    while let Some(piece) = body.data().await {
        match piece {
            Ok(piece) => {
                reply.body.extend_from_slice(&piece);
                body.flow_control().release_capacity(piece.len())?;
            }
            Err(error) => {
                reply.reset = error.reason();
                return Ok(reply);
            }
        }
    }
    match body.trailers().await {
        Ok(trailers) => reply.trailers = trailers,
        Err(error) => reply.reset = error.reason(),
    }
    Ok(reply)
}
