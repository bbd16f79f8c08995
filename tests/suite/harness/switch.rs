//! A backend that switches protocols and then does as the test says.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

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

    /// The next connection, with its request answered by this.
    #[track_caller]
    pub(crate) fn answer(&self, answer: &str) -> Raw {
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
        raw.ahead.clear();
        raw.send(answer);
        raw
    }

    /// The same, switched to a WebSocket.
    #[track_caller]
    pub(crate) fn switch(&self) -> Raw {
        self.answer("HTTP/1.1 101 \r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    }
}
