//! One question to one backend, over a connection of its own.
//!
//! Small on purpose: no pool, no cookies, no body. The answer is read up to the end of its head
//! and the connection is closed.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::cluster::ConnectFault;
use crate::config::Health;

/// Most bytes of an answer that are read, interim answers included.
const MAX_HEAD_BYTES: usize = 8 * 1024;
const MAX_FIELDS: usize = 100;

/// Where a backend is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where to connect.
    pub endpoint: Endpoint,
    /// What `Host` says unless the check has its own; a valid field value.
    pub host: String,
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Addresses of one backend, tried in order.
    Tcp(Arc<[SocketAddr]>),
    /// A Unix-domain socket.
    Unix(Arc<Path>),
}

/// Why a question found no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    /// No connection could be made.
    #[error("cannot connect to {to}")]
    Connect {
        /// The address or path.
        to: String,
        /// What it says about the backend.
        fault: ConnectFault,
        /// What the system says.
        source: io::Error,
    },
    /// No connection was made in time.
    #[error("no connection to {to} in time")]
    ConnectTimeout {
        /// The address or path.
        to: String,
    },
    /// The name has no address yet.
    #[error("no address is known")]
    NoAddress,
    /// The connection broke.
    #[error("the connection broke before the answer's head was complete")]
    Broken(#[source] io::Error),
    /// The backend closed the connection.
    #[error("the connection ended before the answer's head was complete")]
    Ended,
    /// Nothing, or not enough, came in time.
    #[error("no answer within {} ms", .0.as_millis())]
    AnswerTimeout(Duration),
    /// What came is not HTTP/1.
    #[error("the answer is not HTTP")]
    NotHttp(#[source] httparse::Error),
    /// The head is too long.
    #[error("the answer's head is longer than {MAX_HEAD_BYTES} bytes")]
    HeadTooLong,
    /// It answered, and the answer says no.
    #[error("answered with status {0}")]
    Status(u16),
}

/// Asks backends. The monitor's view, so that its pace can be tested without sockets.
pub trait Probe {
    /// `GET` of the check's path; 2xx and 3xx pass. Says how long it took.
    fn check(
        &self,
        target: &Target,
        health: &Health,
    ) -> impl Future<Output = Result<Duration, ProbeFailure>> + Send;

    /// `OPTIONS *`; any answer in HTTP passes. Tomcat's connector answers it by itself: no
    /// application sees it and no session is made.
    fn speaks_http(
        &self,
        target: &Target,
        time: Duration,
    ) -> impl Future<Output = Result<Duration, ProbeFailure>> + Send;
}

/// Asks over real sockets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Network;

impl Probe for Network {
    async fn check(&self, target: &Target, health: &Health) -> Result<Duration, ProbeFailure> {
        let host = health.host.as_deref().unwrap_or(&target.host);
        let path = health.path.as_deref().unwrap_or("/");
        let question = question("GET", path, host);
        let started = Instant::now();
        match ask(&target.endpoint, question.as_bytes(), health.timeout).await? {
            200..=399 => Ok(started.elapsed()),
            status => Err(ProbeFailure::Status(status)),
        }
    }

    async fn speaks_http(&self, target: &Target, time: Duration) -> Result<Duration, ProbeFailure> {
        let question = question("OPTIONS", "*", &target.host);
        let started = Instant::now();
        ask(&target.endpoint, question.as_bytes(), time).await?;
        Ok(started.elapsed())
    }
}

fn question(method: &str, path: &str, host: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: cattail-health\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    )
}

/// Connects, asks, and reads the status; all within `time`.
async fn ask(endpoint: &Endpoint, question: &[u8], time: Duration) -> Result<u16, ProbeFailure> {
    let deadline = Instant::now() + time;
    let answer = async {
        match endpoint {
            Endpoint::Tcp(addresses) => {
                converse(connect(addresses, deadline).await?, question).await
            }
            Endpoint::Unix(path) => converse(connect_unix(path, deadline).await?, question).await,
        }
    };
    timeout_at(deadline, answer)
        .await
        .unwrap_or(Err(ProbeFailure::AnswerTimeout(time)))
}

/// Tries the addresses in order; each gets an equal part of the time that is left.
async fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, ProbeFailure> {
    let mut failure = ProbeFailure::NoAddress;
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = (deadline - Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
        let to = || address.to_string();
        match connected(timeout(share, TcpStream::connect(address)).await, to) {
            Ok(stream) => return Ok(stream),
            // One address that says nothing for sure is not outweighed by others that refuse.
            Err(next) if failure.is_about_the_address() => failure = next,
            Err(_) => {}
        }
    }
    Err(failure)
}

async fn connect_unix(path: &Path, deadline: Instant) -> Result<UnixStream, ProbeFailure> {
    let to = || path.display().to_string();
    connected(timeout_at(deadline, UnixStream::connect(path)).await, to)
}

fn connected<S>(
    outcome: Result<io::Result<S>, tokio::time::error::Elapsed>,
    to: impl Fn() -> String,
) -> Result<S, ProbeFailure> {
    match outcome {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(ProbeFailure::Connect {
            to: to(),
            fault: ConnectFault::of(&source),
            source,
        }),
        Err(_) => Err(ProbeFailure::ConnectTimeout { to: to() }),
    }
}

impl ProbeFailure {
    /// Whether it proves that nobody can be reached there.
    fn is_about_the_address(&self) -> bool {
        match self {
            Self::NoAddress => true,
            Self::Connect { fault, .. } => match fault {
                ConnectFault::Refused | ConnectFault::Unreachable => true,
                ConnectFault::Inconclusive => false,
            },
            Self::ConnectTimeout { .. }
            | Self::Broken(_)
            | Self::Ended
            | Self::AnswerTimeout(_)
            | Self::NotHttp(_)
            | Self::HeadTooLong
            | Self::Status(_) => false,
        }
    }
}

/// Sends the question and reads the final answer's status.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    question: &[u8],
) -> Result<u16, ProbeFailure> {
    let sent = stream.write_all(question).await;
    let mut head = Vec::with_capacity(1024);
    loop {
        if let Some(status) = final_status(&head)? {
            return Ok(status);
        }
        let room = MAX_HEAD_BYTES.saturating_sub(head.len()) as u64;
        if room == 0 {
            return Err(ProbeFailure::HeadTooLong);
        }
        let read = (&mut stream).take(room).read_buf(&mut head).await;
        if read.map_err(ProbeFailure::Broken)? == 0 {
            // What could not be sent may still have been answered; if not, that is why.
            return Err(sent.err().map_or(ProbeFailure::Ended, ProbeFailure::Broken));
        }
    }
}

/// The status of the first head that is not an interim answer; `None`: not here yet.
pub fn final_status(mut bytes: &[u8]) -> Result<Option<u16>, ProbeFailure> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(bytes).map_err(ProbeFailure::NotHttp)?;
        let (httparse::Status::Complete(length), Some(status)) = (parsed, response.code) else {
            return Ok(None);
        };
        // Nobody asked to switch protocols: as a final answer, 101 is a bad one.
        if status == 101 || status >= 200 {
            return Ok(Some(status));
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
