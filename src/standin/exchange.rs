//! One request and its answer on the wire: reading the body, framing the answer.
//!
//! What to answer is decided in `play` and `faulty`; whether the connection goes on, here.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Buf;

use super::answer::{Answer, Sending};
use super::body::Checksum;
use super::journal::{BodyEnd, Entry};
use super::request::{Framing, Request, Version};
use super::session::Backup;
use super::tomcat::Tomcat;
use super::wire::{BadLine, Ending, Socket, Wire};

/// The outcome of one step; the error ends the connection.
pub(super) type Step<T = ()> = Result<T, Ending>;

/// What becomes of the connection after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It goes on.
    Keep,
    /// It goes on, and the next byte that arrives meets a reset.
    ResetNext,
    /// It is closed.
    Close,
    /// It is closed over a body that was not read.
    CloseUnread,
}

/// Whether the request's body is still to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyState {
    /// Unread, and the client waits for 100 first.
    AwaitsContinue,
    Unread,
    Read,
}

/// One request under way.
pub(super) struct Exchange<'a, S> {
    pub(super) wire: &'a mut Wire<S>,
    pub(super) tomcat: Arc<Tomcat>,
    pub(super) request: Request,
    pub(super) position: Position,
    pub(super) persistence: Persistence,
    /// Length and checksum of the body, as far as it was read.
    pub(super) body_read: (u64, Checksum),
    /// The session cookie that the answer sets.
    pub(super) cookie: Option<String>,
    /// What is to be written to the store.
    pub(super) backup: Option<Backup>,
    body: BodyState,
    entry: Entry,
    sending: Sending,
}

/// Which request on which connection, both from 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    pub(super) connection: u64,
    pub(super) number: u64,
}

impl<S> Drop for Exchange<'_, S> {
    // Here and not after the answer: a kill drops the exchange in its midst.
    fn drop(&mut self) {
        self.tomcat.journal.request_ended();
    }
}

impl<'a, S: Socket> Exchange<'a, S> {
    /// Notes the request and settles whether the connection may go on after it.
    pub(super) fn begin(
        wire: &'a mut Wire<S>,
        tomcat: Arc<Tomcat>,
        request: Request,
        position: Position,
    ) -> Self {
        let entry = tomcat
            .journal
            .request_began(&request, position.connection, position.number);
        let is_last = position.number >= tomcat.settings.requests_per_connection;
        let keeps = request.keeps_alive() && !request.is_ambiguous() && !is_last;
        let persistence = if keeps {
            Persistence::Keep
        } else {
            Persistence::Close
        };
        let body = if request.expects_continue() {
            BodyState::AwaitsContinue
        } else {
            BodyState::Unread
        };
        Self {
            wire,
            tomcat,
            request,
            position,
            persistence,
            body_read: (0, Checksum::default()),
            cookie: None,
            backup: None,
            body,
            entry,
            sending: Sending::Nothing,
        }
    }

    // === reading ===

    /// Sends 100 if the client waits for it.
    pub(super) async fn send_continue(&mut self) -> Step {
        if self.body == BodyState::AwaitsContinue {
            self.body = BodyState::Unread;
            self.wire.send(b"HTTP/1.1 100 \r\n\r\n").await?;
        }
        Ok(())
    }

    /// Takes the answer to be final before the body was read: the connection cannot go on.
    pub(super) fn leave_body_unread(&mut self) {
        if self.request.framing != Framing::None && self.body != BodyState::Read {
            self.body = BodyState::Read;
            self.persistence = Persistence::CloseUnread;
        }
    }

    /// Reads the body to its end, sending 100 first where it is awaited. A body that breaks off
    /// ends the connection; a malformed one is answered with 400.
    pub(super) async fn read_body(&mut self) -> Step {
        self.send_continue().await?;
        if self.body == BodyState::Read {
            return Ok(());
        }
        self.body = BodyState::Read;
        let mut trailers = Vec::new();
        let end = match self.request.framing {
            Framing::None => BodyEnd::Complete,
            Framing::Length(length) => self.read_exactly(length).await,
            Framing::Chunked => match self.read_chunks(&mut trailers).await {
                Ok(()) => BodyEnd::Complete,
                Err(end) => end,
            },
        };
        self.tomcat
            .journal
            .body_ended(self.entry, (end, self.body_read.1), &trailers);
        match end {
            BodyEnd::Complete => Ok(()),
            BodyEnd::Malformed => {
                self.persistence = Persistence::Close;
                self.send(Answer::text(400), b"malformed body\n").await?;
                Err(Ending::Linger)
            }
            BodyEnd::Cut | BodyEnd::Unread => Err(Ending::Close),
        }
    }

    async fn read_exactly(&mut self, length: u64) -> BodyEnd {
        let mut left = length;
        while left > 0 {
            if self.wire.ahead.is_empty() && self.wire.fill().await.is_err() {
                return BodyEnd::Cut;
            }
            let available = self.wire.ahead.len();
            let taken = usize::try_from(left).map_or(available, |left| left.min(available));
            let piece = self.wire.ahead.split_to(taken);
            self.tomcat.journal.body_grew(self.entry, &piece);
            self.body_read.0 += piece.len() as u64;
            self.body_read.1.add(&piece);
            left -= taken as u64;
        }
        BodyEnd::Complete
    }

    async fn read_chunks(&mut self, trailers: &mut Vec<(String, String)>) -> Result<(), BodyEnd> {
        loop {
            let line = self.wire.line().await.map_err(BodyEnd::from)?;
            let size = chunk_size(&line).ok_or(BodyEnd::Malformed)?;
            if size == 0 {
                break;
            }
            if self.read_exactly(size).await != BodyEnd::Complete {
                return Err(BodyEnd::Cut);
            }
            if !self.wire.line().await.map_err(BodyEnd::from)?.is_empty() {
                return Err(BodyEnd::Malformed);
            }
        }
        loop {
            let line = self.wire.line().await.map_err(BodyEnd::from)?;
            if line.is_empty() {
                return Ok(());
            }
            if trailers.len() >= 100 {
                return Err(BodyEnd::Malformed);
            }
            let text = String::from_utf8_lossy(&line);
            let (name, value) = text.split_once(':').ok_or(BodyEnd::Malformed)?;
            trailers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    // === answering ===

    /// Sends a whole answer.
    pub(super) async fn send(&mut self, answer: Answer, body: &[u8]) -> Step {
        let framing = Sending::Length(body.len() as u64);
        let mut bytes = self.frame(answer, framing).into_bytes();
        if self.has_body() {
            bytes.extend_from_slice(body);
        }
        self.wire.send(&bytes).await
    }

    /// Sends an answer's head; [`Self::piece`] and [`Self::finish`] follow.
    pub(super) async fn start(&mut self, answer: Answer, sending: Sending) -> Step {
        let head = self.frame(answer, sending);
        self.wire.send(head.as_bytes()).await
    }

    pub(super) async fn piece(&mut self, bytes: &[u8]) -> Step {
        match self.sending {
            _ if bytes.is_empty() || !self.has_body() => Ok(()),
            Sending::Chunked => {
                let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                chunk.extend_from_slice(bytes);
                chunk.extend_from_slice(b"\r\n");
                self.wire.send(&chunk).await
            }
            _ => self.wire.send(bytes).await,
        }
    }

    /// Ends the body; `trailers` are lines with their ends, and only chunked bodies have them.
    pub(super) async fn finish(&mut self, trailers: &str) -> Step {
        if self.sending == Sending::Chunked && self.has_body() {
            self.wire
                .send(format!("0\r\n{trailers}\r\n").as_bytes())
                .await?;
        }
        Ok(())
    }

    fn has_body(&self) -> bool {
        self.request.method != "HEAD" && self.sending != Sending::Nothing
    }

    /// The head with framing and connection fields, which also settles how pieces are sent.
    fn frame(&mut self, answer: Answer, sending: Sending) -> String {
        let is_old = self.request.version == Version::Http10;
        self.sending = match sending {
            _ if answer.is_bodiless() => Sending::Nothing,
            Sending::Chunked if is_old => Sending::UntilClose,
            other => other,
        };
        if self.sending == Sending::UntilClose {
            self.persistence = Persistence::Close;
        }
        self.back_up_in_time();
        let now = httpdate::fmt_http_date(SystemTime::now());
        let answer = match self.cookie.take() {
            Some(cookie) => answer.with("Set-Cookie", &cookie),
            None => answer,
        };
        let mut answer = answer
            .with("X-Tomcat", &self.tomcat.settings.name)
            .with("Date", &now);
        if matches!(
            self.persistence,
            Persistence::Close | Persistence::CloseUnread
        ) {
            answer = answer.with("Connection", "close");
        } else if self.request.has_token("Connection", "keep-alive") {
            let timeout = self.tomcat.settings.keep_alive.as_secs();
            answer = answer
                .with("Keep-Alive", &format!("timeout={timeout}"))
                .with("Connection", "keep-alive");
        }
        answer.encode(self.sending)
    }

    /// Writes the session to the store before the answer, unless that is to be done later.
    fn back_up_in_time(&mut self) {
        let sessions = &self.tomcat.sessions;
        if sessions.backup_delay().is_zero()
            && let Some(backup) = self.backup.take()
        {
            sessions.back_up(&backup);
        }
    }

    /// Takes the bytes that came behind the head, whatever they are.
    pub(super) fn take_ahead(&mut self) -> Vec<u8> {
        let bytes = self.wire.ahead.to_vec();
        self.wire.ahead.advance(bytes.len());
        bytes
    }
}

impl From<BadLine> for BodyEnd {
    fn from(line: BadLine) -> Self {
        match line {
            BadLine::Cut => Self::Cut,
            BadLine::TooLong => Self::Malformed,
        }
    }
}

/// The size on a chunk's line; extensions are ignored.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let size = text.split(';').next()?.trim();
    if !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(size, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_sizes_are_hexadecimal_and_nothing_else() {
        let cases: [(&[u8], _); 6] = [
            (b"0", Some(0)),
            (b"1F", Some(31)),
            (b"5;ext=1", Some(5)),
            (b"", None),
            (b"+5", None),
            (b"fffffffffffffffff", None),
        ];
        for (line, expected) in cases {
            assert_eq!(
                chunk_size(line),
                expected,
                "{}",
                String::from_utf8_lossy(line)
            );
        }
    }
}
