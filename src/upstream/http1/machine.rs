//! One connection: what is sent on it, what comes, and whether it can carry more.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{Method, Response, StatusCode};
use http_body::Frame;
use tokio::io::AsyncReadExt;

use super::answer::{Answer, Part};
use super::head;
use super::output::Output;
use super::sending::Upload;
use crate::spare;
use crate::upstream::ask::Ask;
use crate::upstream::broken::Broken;
use crate::upstream::stream::{BackendStream, Parting};

/// What one read brings at least, if it is there.
const LEAST: usize = 4 << 10;
/// What is asked for at first, and kept while nothing is under way.
const FIRST: usize = 8 << 10;
/// What one read may bring. Larger pieces fall out of the second-level cache before they are written
/// on.
const MOST: usize = 32 << 10;

/// A connection and its protocol.
#[derive(Debug)]
pub(super) struct Machine {
    stream: BackendStream,
    input: BytesMut,
    /// What the next read asks for.
    piece: usize,
    output: Output,
    /// What was written on the connection before the request.
    written_before: u64,
    body: Option<Upload>,
    answer: Answer,
    phase: Phase,
    /// Whether `input` had to be larger than what is kept while nothing is under way.
    is_large: bool,
    /// Why nothing more can be sent. What the backend has said by then still counts.
    unsendable: Option<io::Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Another request can be sent.
    Idle,
    /// A request, or its answer, is under way.
    Busy,
    /// It is good for nothing more.
    Over,
}

impl Machine {
    pub(super) fn new(stream: BackendStream) -> Self {
        stream.wire.head_done();
        let mut machine = Self {
            stream,
            input: BytesMut::new(),
            piece: FIRST,
            output: Output::default(),
            written_before: 0,
            body: None,
            answer: Answer::to(&Method::GET),
            phase: Phase::Over,
            is_large: false,
            unsendable: None,
        };
        machine.pass_to(Phase::Idle);
        machine
    }

    /// A connection that has nothing under way ends in good order.
    fn pass_to(&mut self, phase: Phase) {
        self.phase = phase;
        self.stream.parting = match phase {
            Phase::Idle => Parting::InOrder,
            Phase::Busy | Phase::Over => Parting::BrokenOff,
        };
    }

    pub(super) fn stream(&self) -> &BackendStream {
        &self.stream
    }

    /// What spoke HTTP until now, and what was read beyond it.
    pub(super) fn into_parts(mut self) -> io::Result<(BackendStream, Bytes)> {
        if !self.output.is_done() || self.unsendable.is_some() {
            // What is left of the request would be taken for what follows it.
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.pass_to(Phase::Over);
        self.stream.parting = Parting::AsItIs;
        Ok((self.stream, self.input.freeze()))
    }

    /// Begins an exchange. Nothing is sent before somebody waits for the head.
    pub(super) fn begin(&mut self, ask: impl Ask) {
        self.body = None;
        let written = self.output.begin(|buffer| ask.write(buffer));
        let method = written.unwrap_or_else(|| {
            let (head, body) = ask.request().into_parts();
            self.output.begin(|buffer| head::write(buffer, &head));
            self.body = Upload::new(body, &head.headers);
            spare::give(head.headers);
            head.method
        });
        self.answer = Answer::to(&method);
        self.written_before = self.stream.socket.written();
        self.pass_to(Phase::Busy);
        self.stream.wire.expect_head();
    }

    /// Whether a byte of the request has gone out. What only waits to be sent has not. Perhaps it is said too soon:
    /// by TLS something older may have gone out that did not wait at the socket yet.
    pub(super) fn has_begun(&self) -> bool {
        self.stream.socket.sent() > self.written_before
    }

    /// The exchange has failed. What has not gone out never will.
    pub(super) fn give_up(&mut self) {
        self.pass_to(Phase::Over);
        self.stream.socket.give_up();
    }

    /// Whether another request can be sent, so far as is known.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// The same, after a look at the socket. Whatever an idle backend says, it is nobody's answer.
    pub(super) fn is_quiet(&mut self) -> bool {
        if self.phase != Phase::Idle {
            return false;
        }
        let is_cut = self.stream.wire.was_cut();
        let is_quiet = !is_cut && self.stream.socket.is_quiet();
        if !is_quiet {
            self.pass_to(Phase::Over);
        }
        is_quiet
    }

    /// Sends the request, waits for the head of the answer.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Broken>> {
        loop {
            let part = self.answer.next(&mut self.input).map_err(Broken::Bad)?;
            if part.is_some() && !self.has_begun() {
                // What comes unasked answers nobody.
                return Poll::Ready(Err(self.ended()));
            }
            match part {
                Some(Part::Head(head)) => {
                    self.stream.wire.head_done();
                    if self.body.as_ref().is_some_and(Upload::is_held) {
                        // The answer came without it, and its client does not send it any more.
                        self.cannot_send(io::ErrorKind::NotConnected.into());
                    }
                    self.settle_if_over();
                    return Poll::Ready(Ok(head));
                }
                Some(Part::Interim(status)) => {
                    if let Some(upload) = &mut self.body
                        && status == StatusCode::CONTINUE
                    {
                        upload.go_on();
                    }
                    continue;
                }
                Some(_) => return Poll::Ready(Err(Broken::Ended)),
                None => {}
            }
            self.send(cx)?;
            if self.unsendable.is_some() && !self.has_begun() {
                return Poll::Ready(Err(self.ended()));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Err(self.ended()));
            }
        }
    }

    /// The next piece of the answer's body, while the rest of the request is sent.
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            let part = self.answer.next(&mut self.input).map_err(Broken::Bad)?;
            if part.is_some() {
                self.settle_if_over();
            }
            match part {
                Some(Part::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Part::Trailers(fields)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                }
                Some(_) => return Poll::Ready(None),
                None => self.send(cx)?,
            }
            if ready!(self.poll_fill(cx))? == 0 {
                let is_whole = self.answer.ends_with_connection() && !self.has_been_reset();
                self.pass_to(Phase::Over);
                return Poll::Ready((!is_whole).then(|| Err(self.ended())));
            }
        }
    }

    /// What is under way while nobody takes the answer's body: the request's may still be sent, and
    /// the connection may be cut.
    pub(super) fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<Broken> {
        self.stream.wire.listen_for_cut(cx);
        let outcome = self.stream.wire.refuse_if_cut().map_err(Broken::Io);
        match outcome.and_then(|()| self.send(cx)) {
            Ok(()) => Poll::Pending,
            Err(broken) => Poll::Ready(broken),
        }
    }

    pub(super) fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Whether the connection broke while something was sent, which reading would not tell any more.
    fn has_been_reset(&self) -> bool {
        let kind = self.unsendable.as_ref().map(io::Error::kind);
        kind.is_some_and(|kind| {
            // It takes no more, or nothing more is sent for a reason of ours.
            let is_harmless = [
                ErrorKind::BrokenPipe,
                ErrorKind::NotConnected,
                ErrorKind::InvalidData,
            ];
            !is_harmless.contains(&kind)
        })
    }

    fn ended(&mut self) -> Broken {
        self.pass_to(Phase::Over);
        self.unsendable.take().map_or(Broken::Ended, Broken::Io)
    }

    /// The exchange is over as soon as its answer is.
    fn settle_if_over(&mut self) {
        if !self.answer.is_over() {
            return;
        }
        let is_clean = self.input.is_empty()
            && self.body.is_none()
            && self.output.is_done()
            && self.unsendable.is_none()
            && !self.stream.socket.is_refused();
        let is_reusable = is_clean && !self.answer.is_last();
        self.pass_to(if is_reusable {
            Phase::Idle
        } else {
            Phase::Over
        });
        if is_clean {
            self.stream.parting = Parting::InOrder;
        }
        self.piece = FIRST;
        if self.input.is_empty() && std::mem::take(&mut self.is_large) {
            self.input = BytesMut::new();
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        // One byte more than can come: a read that fills its buffer is followed by one in vain.
        let left = self.answer.left().map_or(usize::MAX, |left| {
            usize::try_from(left).map_or(usize::MAX, |left| left.saturating_add(1))
        });
        if self.input.capacity() - self.input.len() < left.min(LEAST) {
            // Of a length that is known it is asked for at once.
            let known = if left == usize::MAX {
                0
            } else {
                left.min(MOST)
            };
            let room = known.max(self.piece);
            self.is_large |= room > FIRST;
            self.input.reserve(room);
        }
        let room = self.input.capacity() - self.input.len();
        let read = pin!(self.stream.read_buf(&mut self.input));
        let read = ready!(read.poll(cx)).map_err(Broken::Io)?;
        if read == room {
            self.piece = (self.piece * 2).min(MOST);
        }
        Poll::Ready(Ok(read))
    }

    /// Sends what can be sent now.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        if self.output.is_done() && self.body.is_none() {
            return Ok(());
        }
        loop {
            while self.output.has_room()
                && let Some(upload) = &mut self.body
            {
                match upload.poll_next(cx, &mut self.output) {
                    Ok(Poll::Ready(true)) => self.body = None,
                    Ok(Poll::Ready(false)) => {}
                    Ok(Poll::Pending) => break,
                    Err(broken) => {
                        // Nobody is to take what was sent for the whole.
                        self.cannot_send(io::ErrorKind::InvalidData.into());
                        return Err(broken);
                    }
                }
            }
            let is_waiting = self.output.has_room();
            match self.output.poll_write(cx, &mut self.stream) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(())) if is_waiting => return Ok(()),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    // It may have said why it takes no more.
                    self.cannot_send(error);
                    return Ok(());
                }
            }
        }
    }

    fn cannot_send(&mut self, error: io::Error) {
        self.unsendable = Some(error);
        if let Some(upload) = self.body.take() {
            upload.give_up();
        }
        self.output.clear();
    }
}
