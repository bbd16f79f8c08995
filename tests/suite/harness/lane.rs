//! One kept connection of a browser with several, without a thread of its own.

use std::fmt;
use std::io;

use cattail::standin::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Most fields in an answer's head.
const MAX_FIELDS: usize = 32;

/// A connection over TCP.
#[derive(Debug)]
pub(super) struct Lane {
    stream: TcpStream,
    /// Received and not yet taken.
    ahead: Vec<u8>,
    is_used: bool,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The `Set-Cookie` lines.
    pub(super) cookies: Vec<String>,
    pub(super) body: Vec<u8>,
    pub(super) keeps_alive: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// A kept connection was closed before the first byte: browsers ask again on a new one.
    Stale,
    Broken(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("closed before the answer"),
            Self::Broken(how) => f.write_str(how),
        }
    }
}

impl From<io::Error> for Unanswered {
    fn from(failure: io::Error) -> Self {
        Self::Broken(failure.to_string())
    }
}

impl Lane {
    pub(super) async fn connect(to: &Address) -> Result<Self, Unanswered> {
        let Some(address) = to.socket_addr() else {
            return Err(Unanswered::Broken(format!("{to} is no TCP address")));
        };
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            ahead: Vec::new(),
            is_used: false,
        })
    }

    /// Sends a request without a body and reads its answer, which has a `Content-Length`.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<Answer, Unanswered> {
        let is_used = std::mem::replace(&mut self.is_used, true);
        let stale = |failure| match failure {
            Unanswered::Broken(_) if is_used => Unanswered::Stale,
            other => other,
        };
        let sent = self.stream.write_all(request).await;
        sent.map_err(|failure| stale(failure.into()))?;
        self.fill().await.map_err(stale)?;
        let (mut answer, taken, length) = loop {
            match head(&self.ahead)? {
                Some(head) => break head,
                None => self.fill().await?,
            }
        };
        self.ahead.drain(..taken);
        while self.ahead.len() < length {
            self.fill().await?;
        }
        answer.body = self.ahead.drain(..length).collect();
        Ok(answer)
    }

    async fn fill(&mut self) -> Result<(), Unanswered> {
        match self.stream.read_buf(&mut self.ahead).await? {
            0 => Err(Unanswered::Broken("closed within the answer".to_owned())),
            _ => Ok(()),
        }
    }
}

/// A complete head, its length and its body's.
fn head(bytes: &[u8]) -> Result<Option<(Answer, usize, usize)>, Unanswered> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let broken = |what: &str| Unanswered::Broken(format!("{what}: {bytes:?}"));
    let taken = match head.parse(bytes) {
        Ok(httparse::Status::Complete(taken)) => taken,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(failure) => return Err(broken(&failure.to_string())),
    };
    let all = |name: &'static str| {
        let fields = head.headers.iter();
        fields
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| String::from_utf8_lossy(field.value).into_owned())
    };
    let length = all("Content-Length").next();
    let length = length.and_then(|length| length.parse().ok());
    let answer = Answer {
        status: head.code.unwrap_or_default(),
        cookies: all("Set-Cookie").collect(),
        body: Vec::new(),
        keeps_alive: !all("Connection").any(|value| value.eq_ignore_ascii_case("close")),
    };
    let length = length.ok_or_else(|| broken("no Content-Length"))?;
    Ok(Some((answer, taken, length)))
}
