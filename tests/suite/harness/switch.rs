//! A backend that switches protocols and then does as the test says.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use socket2::Socket;

use super::client::Raw;
use super::wait::eventually;

/// Where it listens.
#[derive(Debug)]
pub(crate) struct Switch(TcpListener);

impl Switch {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        listener.set_nonblocking(true).expect("non-blocking");
        Self(listener)
    }

    /// Of one cluster, which has it as its only backend.
    pub(crate) fn cluster(&self, more: &str) -> String {
        let address = self.address();
        format!("clusters:\n  shop:\n    affinity: none\n    {more}\n    backends: ['{address}']\n")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// The next connection, and the head of its request.
    #[track_caller]
    pub(crate) fn asked(&self) -> (Raw, String) {
        let mut accepted = None;
        eventually("a connection", || match self.0.accept() {
            Ok((socket, _)) => {
                accepted = Some(socket);
                true
            }
            Err(failure) => {
                assert_eq!(failure.kind(), ErrorKind::WouldBlock);
                false
            }
        });
        let socket = accepted.expect("it is there");
        socket.set_nonblocking(false).expect("blocking");
        socket.set_nodelay(true).expect("without delay");
        let mut raw = Raw::accepted(Socket::from(socket));
        while !raw.ahead.windows(4).any(|end| end == b"\r\n\r\n") {
            raw.fill().expect("a head");
        }
        let head = std::mem::take(&mut raw.ahead);
        (raw, String::from_utf8(head).expect("a text"))
    }

    /// The next connection, with its request answered by this.
    #[track_caller]
    pub(crate) fn answer(&self, answer: &str) -> Raw {
        let (mut raw, _) = self.asked();
        raw.send(answer);
        raw
    }

    /// The same, switched to a WebSocket.
    #[track_caller]
    pub(crate) fn switch(&self) -> Raw {
        self.answer(SWITCHED)
    }

    /// The same with another field, the answer to the key if there is one, and `first` right behind
    /// the head.
    #[track_caller]
    pub(crate) fn switch_with(&self, field: &str, first: &str) -> Raw {
        let (mut raw, head) = self.asked();
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        let key = fields.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
        let accept = key.map_or_else(String::new, |(_, key)| {
            format!("\r\nSec-WebSocket-Accept: {}", accept(key))
        });
        let end = format!("\r\n{field}{accept}\r\n\r\n");
        raw.send(SWITCHED.replace("\r\n\r\n", &end) + first);
        raw
    }
}

/// What a backend says that switches.
pub(crate) const SWITCHED: &str =
    "HTTP/1.1 101 \r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// RFC 6455's answer to a key.
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}
