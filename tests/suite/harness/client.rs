//! A raw client: bytes in, bytes out, over TCP or a Unix socket, a deadline on every wait.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::time::Duration;

use cattail::standin::Address;
use rustls::{ClientConfig, ClientConnection, Stream};
use socket2::{Domain, SockAddr, Socket, Type};

use super::request::Request;
use super::response::{Broken, Head, Response, shown};
use super::secure;
use super::wait::patience;

/// How the other side ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// In order.
    Closed,
    /// By a reset.
    Reset,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Raw {
    socket: Socket,
    /// Received and not yet taken.
    pub(super) ahead: Vec<u8>,
    tls: Option<Box<ClientConnection>>,
}

/// What a connection is opened with.
#[derive(Debug, Default, Clone, Copy)]
struct Options {
    from: Option<IpAddr>,
    receive_buffer: Option<usize>,
}

impl Raw {
    /// Connects to a `SocketAddr` or an [`Address`].
    #[track_caller]
    pub(crate) fn connect(to: impl Into<Address>) -> Self {
        let to = to.into();
        Self::try_connect(&to).unwrap_or_else(|failure| panic!("connect to {to}: {failure}"))
    }

    /// Connects, or says why not.
    pub(crate) fn try_connect(to: impl Into<Address>) -> io::Result<Self> {
        Self::open(&to.into(), Options::default())
    }

    /// Connects from another loopback address, as another client (`127.0.0.9`).
    #[track_caller]
    pub(crate) fn connect_from(from: &str, to: impl Into<Address>) -> Self {
        let from = Some(from.parse().expect("an IP address"));
        Self::open(
            &to.into(),
            Options {
                from,
                ..Options::default()
            },
        )
        .expect("connects")
    }

    /// Connects with the smallest receive buffer, as a reader that soon makes the sender wait.
    #[track_caller]
    pub(crate) fn connect_narrow(to: impl Into<Address>) -> Self {
        let options = Options {
            receive_buffer: Some(1),
            ..Options::default()
        };
        Self::open(&to.into(), options).expect("connects")
    }

    fn open(to: &Address, options: Options) -> io::Result<Self> {
        let (domain, address) = match to {
            Address::Tcp(address) => (Domain::for_address(*address), SockAddr::from(*address)),
            Address::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
        };
        let socket = Socket::new(domain, Type::STREAM, None)?;
        if let Some(from) = options.from {
            socket.bind(&SocketAddr::from((from, 0)).into())?;
        }
        if let Some(bytes) = options.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect_timeout(&address, patience())?;
        if domain != Domain::UNIX {
            socket.set_tcp_nodelay(true)?;
        }
        socket.set_write_timeout(Some(patience()))?;
        Ok(Self {
            socket,
            ahead: Vec::new(),
            tls: None,
        })
    }

    /// A connection that was accepted.
    pub(super) fn accepted(socket: Socket) -> Self {
        socket
            .set_write_timeout(Some(patience()))
            .expect("a write time-out");
        Self {
            socket,
            ahead: Vec::new(),
            tls: None,
        }
    }

    /// Connects by TLS, asking for `host`.
    #[track_caller]
    pub(crate) fn connect_tls(to: impl Into<Address>, config: &ClientConfig, host: &str) -> Self {
        Self::try_connect_tls(to, config, host).expect("shakes hands")
    }

    /// The same, or why not.
    pub(crate) fn try_connect_tls(
        to: impl Into<Address>,
        config: &ClientConfig,
        host: &str,
    ) -> io::Result<Self> {
        Self::try_connect(to)?.try_secure(config, host)
    }

    /// Asks on a connection of its own; `Err`: the handshake was refused, at its end or behind it.
    pub(crate) fn try_ask_tls(
        to: impl Into<Address>,
        config: &ClientConfig,
        (host, request): (&str, &Request),
    ) -> Result<Response, String> {
        let client = Self::try_connect_tls(to, config, host);
        let mut client = client.map_err(|error| error.to_string())?;
        let sent = client.try_send(request.bytes());
        sent.map_err(|error| error.to_string())?;
        let answer = client.try_read_response();
        answer.map_err(|broken| broken.to_string())
    }

    /// Shakes hands on a connection on which something was said before.
    #[track_caller]
    pub(crate) fn secure(self, config: &ClientConfig, host: &str) -> Self {
        self.try_secure(config, host).expect("shakes hands")
    }

    /// The same, or why not.
    pub(crate) fn try_secure(self, config: &ClientConfig, host: &str) -> io::Result<Self> {
        let mut raw = self;
        raw.socket.set_read_timeout(Some(patience()))?;
        let mut tls = secure::connection(config, host);
        while tls.is_handshaking() {
            tls.complete_io(&mut &raw.socket)?;
        }
        raw.tls = Some(tls);
        // With TLS 1.3 a server refuses after the client is done: its word comes with the first
        // bytes, which are those of tickets otherwise.
        Ok(raw)
    }

    /// Asks the other side for new keys with the next bytes.
    pub(crate) fn renew_keys(&mut self) {
        let tls = self.tls.as_mut().expect("a connection by TLS");
        tls.refresh_traffic_keys().expect("TLS 1.3");
    }

    /// Sends what TLS has to say by itself, or says why not.
    pub(crate) fn try_flush_tls(&mut self) -> io::Result<()> {
        let tls = self.tls.as_mut().expect("a connection by TLS");
        while tls.wants_write() {
            tls.write_tls(&mut &self.socket)?;
        }
        Ok(())
    }

    /// The connection below TLS, and TLS.
    pub(crate) fn into_parts(mut self) -> (Self, ClientConnection) {
        let tls = self.tls.take().expect("a connection by TLS");
        (self, *tls)
    }

    /// What both sides agreed on.
    pub(crate) fn tls(&self) -> &ClientConnection {
        self.tls.as_ref().expect("a connection by TLS")
    }

    /// Our own address, where it is TCP.
    pub(crate) fn local(&self) -> SocketAddr {
        self.socket
            .local_addr()
            .unwrap()
            .as_socket()
            .expect("a TCP connection")
    }

    /// Whether the other side has neither ended the connection nor sent anything unasked.
    pub(crate) fn is_open(&self) -> bool {
        self.socket.set_nonblocking(true).expect("non-blocking");
        let looked = self.socket.peek(&mut [std::mem::MaybeUninit::uninit()]);
        self.socket.set_nonblocking(false).expect("blocking");
        matches!(looked, Err(failure) if failure.kind() == ErrorKind::WouldBlock)
    }

    // === sending ===

    /// Sends bytes.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).expect("sends");
        self
    }

    /// Sends bytes, or says why not (the other side has gone).
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.tls {
            None => (&self.socket).write_all(bytes.as_ref()),
            Some(tls) => Stream::new(&mut **tls, &mut &self.socket).write_all(bytes.as_ref()),
        }
    }

    /// Sends of `bytes` what is taken before the other side makes us wait for `pause`; gives the
    /// count.
    #[track_caller]
    pub(crate) fn send_until_blocked(&mut self, bytes: &[u8], pause: Duration) -> usize {
        self.socket
            .set_write_timeout(Some(pause))
            .expect("a write time-out");
        let mut sent = 0;
        while sent < bytes.len() {
            match (&self.socket).write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(failure) if failure.kind() == ErrorKind::WouldBlock => break,
                Err(failure) => panic!("after {sent} bytes: {failure}"),
            }
        }
        let patience = Some(patience());
        self.socket
            .set_write_timeout(patience)
            .expect("a write time-out");
        sent
    }

    /// Ends our sending half.
    pub(crate) fn finish_sending(&mut self) -> &mut Self {
        self.socket.shutdown(Shutdown::Write).expect("shuts down");
        self
    }

    /// Ends the connection by a reset.
    pub(crate) fn reset(self) {
        self.socket
            .set_linger(Some(Duration::ZERO))
            .expect("lingers");
    }

    // === receiving ===

    /// The next final response, to a GET; interim ones are inside.
    #[track_caller]
    pub(crate) fn read_response(&mut self) -> Response {
        self.read_response_to("GET")
    }

    /// The next final response, to this method.
    #[track_caller]
    pub(crate) fn read_response_to(&mut self, method: &str) -> Response {
        self.try_read_response_to(method)
            .unwrap_or_else(|broken| panic!("no response: {broken}"))
    }

    /// The next final response to a GET, or what came in its place.
    pub(crate) fn try_read_response(&mut self) -> Result<Response, Broken> {
        self.try_read_response_to("GET")
    }

    /// The next final response to this method, or what came in its place.
    pub(crate) fn try_read_response_to(&mut self, method: &str) -> Result<Response, Broken> {
        Response::read(self, method)
    }

    /// The next response's head, which must be an interim one.
    #[track_caller]
    pub(crate) fn read_interim(&mut self) -> Head {
        let head = Head::read(self).unwrap_or_else(|broken| panic!("no interim: {broken}"));
        assert!(
            (100..200).contains(&head.status),
            "final instead of interim: {head:?}"
        );
        head
    }

    /// The next `count` bytes.
    #[track_caller]
    pub(crate) fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.ahead.len() < count {
            self.fill()
                .unwrap_or_else(|broken| panic!("{count} bytes expected: {broken}"));
        }
        self.ahead.drain(..count).collect()
    }

    /// What comes next; nothing: the other side has ended the connection.
    #[track_caller]
    pub(crate) fn read_piece(&mut self) -> Vec<u8> {
        match self.fill() {
            Ok(()) | Err(Broken::Closed | Broken::Reset) => std::mem::take(&mut self.ahead),
            Err(other) => panic!("still open: {other}"),
        }
    }

    /// All that comes until the other side ends the connection, and how it did.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> (Vec<u8>, End) {
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(Broken::Closed) => return (std::mem::take(&mut self.ahead), End::Closed),
                Err(Broken::Reset) => return (std::mem::take(&mut self.ahead), End::Reset),
                Err(other) => panic!("still open: {other}; got {}", shown(&self.ahead)),
            }
        }
    }

    /// The other side closes in order, without another byte.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) {
        self.expect_end(End::Closed);
    }

    /// The other side resets, without another byte.
    #[track_caller]
    pub(crate) fn expect_reset(&mut self) {
        self.expect_end(End::Reset);
    }

    /// The other side ends the connection somehow, without another byte.
    #[track_caller]
    pub(crate) fn expect_end_of_any_kind(&mut self) {
        let (bytes, _) = self.read_to_end();
        assert!(bytes.is_empty(), "{}", shown(&bytes));
    }

    #[track_caller]
    fn expect_end(&mut self, expected: End) {
        let (bytes, end) = self.read_to_end();
        assert!(
            bytes.is_empty() && end == expected,
            "{end:?} after {}",
            shown(&bytes)
        );
    }

    /// Nothing comes for `time`, not even an end.
    #[track_caller]
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        let outcome = self.fill_within(time);
        let is_silent = matches!(outcome, Err(Broken::Silent)) && self.ahead.is_empty();
        assert!(is_silent, "{outcome:?}, {}", shown(&self.ahead));
    }

    /// Reads more into `ahead`, within the deadline.
    pub(super) fn fill(&mut self) -> Result<(), Broken> {
        self.fill_within(patience())
    }

    fn fill_within(&mut self, time: Duration) -> Result<(), Broken> {
        self.socket
            .set_read_timeout(Some(time))
            .expect("a read time-out");
        let mut buffer = [0; 16 * 1024];
        let read = match &mut self.tls {
            None => (&self.socket).read(&mut buffer),
            Some(tls) => Stream::new(&mut **tls, &mut &self.socket).read(&mut buffer),
        };
        match read {
            Ok(0) => Err(Broken::Closed),
            Ok(count) => {
                self.ahead.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(failure) => match failure.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(Broken::Silent),
                // The last one: TLS ended without its word.
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
                    Err(Broken::Reset)
                }
                ErrorKind::InvalidData => Err(Broken::Malformed(failure.to_string())),
                _ => panic!("read: {failure}"),
            },
        }
    }
}
