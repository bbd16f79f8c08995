//! One question to one backend.
//!
//! Small on purpose: no pool, no cookies. The connection is kept for the next question where the
//! backend allows it and the answer's end is beyond doubt.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout_at};

use crate::config::{Check, Health};
use crate::proxy_protocol::{Introduction, Version, Who};

use super::answer::Body;
use super::connect::{Endpoint, Stream, Way, connect};
use super::exchange::{self, PIECE, read_body};
use super::failure::ProbeFailure;
use super::http2;
use super::monitor::Made;
use super::question::{Keep, Question, Verdict};

/// A backend closes an idle connection after some time, Tomcat after 20 s: where questions are
/// further apart than this, each has a connection of its own.
const KEPT: Duration = Duration::from_secs(15);
/// How long the rest of an answer is awaited that only makes the connection usable again.
const REST: Duration = Duration::from_millis(100);
/// What a check found.
#[derive(Debug)]
pub struct Found {
    /// What the answer says.
    pub verdict: Result<Verdict, ProbeFailure>,
    /// Whether it made a session for us; `None`: there was no answer.
    pub made: Option<Made>,
}

/// What a check asks, and so what its outcome proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// For an answer, where requests go.
    Service,
    /// For a connection, where requests go.
    Port,
    /// At another port.
    Elsewhere,
}

/// Asks a backend. The monitor's view, so that its pace can be tested without sockets.
pub trait Probe {
    /// The configured check.
    fn check(&mut self, endpoint: &Endpoint) -> impl Future<Output = Found> + Send;

    /// `OPTIONS *`; any answer in HTTP passes. By HTTP/2: whether it is spoken.
    fn speaks_http(
        &mut self,
        endpoint: &Endpoint,
    ) -> impl Future<Output = Result<(), ProbeFailure>> + Send;

    /// What the check asks.
    fn aim(&self) -> Aim;

    /// The next check needs a connection of its own: one that was made before the backend fell
    /// says nothing about the next one.
    fn forget_connection(&mut self);
}

/// Asks one backend over real sockets.
pub struct Network {
    /// `None`: no check by HTTP.
    question: Option<Question>,
    /// `OPTIONS *`.
    hello: Question,
    port: Option<u16>,
    time: Duration,
    keep: Keep,
    kept: Option<Kept>,
    ways: Ways,
    /// What each connection begins with, where requests go.
    introduction: Vec<u8>,
}

/// How connections are secured; `None`: they are not.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    /// Those of checks.
    pub check: Option<Way>,
    /// Those of requests.
    pub request: Option<Way>,
    /// Whether HTTP/2 is spoken where requests go.
    pub http2: bool,
}

struct Kept {
    stream: Stream,
    /// Where it leads.
    to: Endpoint,
}

/// How long a question waits for its answer.
#[derive(Clone, Copy)]
struct Patience {
    time: Duration,
    until: Instant,
}

impl Patience {
    fn of(time: Duration) -> Self {
        let until = Instant::now() + time;
        Self { time, until }
    }
}

impl Network {
    /// For one backend: `host` is what `Host` says unless the file says otherwise, `port` where
    /// checks connect, `cookies` the names of cookies that hold sessions.
    pub fn new(
        health: &Health,
        host: &str,
        port: Option<u16>,
        cookies: &[String],
        ways: Ways,
    ) -> Self {
        let keep = match &health.check {
            Some(Check::Http(_)) if health.interval <= KEPT => Keep::Open,
            _ => Keep::Close,
        };
        Self {
            question: Question::of_check(health, host, keep, cookies),
            hello: Question::of_the_server(health.host.as_deref().unwrap_or(host)),
            port,
            time: health.timeout,
            keep,
            kept: None,
            ways,
            introduction: Vec::new(),
        }
    }

    /// Connections begin with a PROXY header, as those of requests do, which says that they are for
    /// nobody. Not at another port: who listens there knows of no header as a rule.
    #[must_use]
    pub fn introduced(self, version: Option<Version>) -> Self {
        let introduction = version.map(|version| Introduction {
            version,
            who: Who::Ourselves,
        });
        Self {
            introduction: introduction.map_or_else(Vec::new, |it| it.header()),
            ..self
        }
    }

    /// What a check's connection begins with.
    fn introduction(&self) -> &[u8] {
        match self.port {
            Some(_) => &[],
            None => &self.introduction,
        }
    }

    /// Over the connection that is kept, else, or if that one is over, over a new one.
    async fn ask(
        &mut self,
        question: &Question,
        endpoint: &Endpoint,
        patience: Patience,
    ) -> Result<Heard, ProbeFailure> {
        let kept = self.kept.take().filter(|kept| kept.to == *endpoint);
        if let Some(Kept { mut stream, .. }) = kept
            && is_quiet(&mut stream).await
        {
            let mut bytes = Vec::with_capacity(PIECE);
            match converse(&mut stream, question, &mut bytes, patience).await {
                // It had closed the connection before it knew of the question.
                Err(failure) if bytes.is_empty() && failure.is_an_end() => {}
                heard => return self.conclude(stream, endpoint, heard),
            }
        }
        let mut stream = reach(
            endpoint,
            self.introduction(),
            (self.ways.check.as_ref(), ANY),
            patience.until,
        )
        .await?;
        let mut bytes = Vec::with_capacity(PIECE);
        let heard = converse(&mut stream, question, &mut bytes, patience).await;
        self.conclude(stream, endpoint, heard)
    }

    fn conclude(
        &mut self,
        stream: Stream,
        endpoint: &Endpoint,
        heard: Result<Heard, ProbeFailure>,
    ) -> Result<Heard, ProbeFailure> {
        if self.keep == Keep::Open && heard.as_ref().is_ok_and(|heard| heard.is_whole) {
            let to = endpoint.clone();
            self.kept = Some(Kept { stream, to });
        }
        heard
    }

    /// The same by HTTP/2, on a connection of its own.
    async fn ask_by_http2(
        &mut self,
        question: &Question,
        endpoint: &Endpoint,
        patience: Patience,
    ) -> Result<Heard, ProbeFailure> {
        let way = self.ways.check.as_ref();
        let request = question.request(way.is_some());
        let request = request.ok_or(ProbeFailure::NoAddress)?;
        let way = (way, HTTP2);
        let stream = reach(endpoint, self.introduction(), way, patience.until).await?;
        let is_session = |line: &[u8]| question.is_session(line);
        let wants_body = |status| question.judge_status(status).is_none();
        let answer = http2::ask(stream, request, is_session, wants_body).await?;
        let verdict = match (question.judge_status(answer.status), answer.cut) {
            (Some(verdict), _) => verdict,
            (None, None) => question.judge_body(&answer.body),
            (None, Some(failure)) => Err(failure),
        };
        Ok(Heard {
            makes_session: answer.makes_session,
            verdict,
            is_whole: false,
        })
    }

    async fn ask_in_time(
        &mut self,
        question: &Question,
        endpoint: &Endpoint,
    ) -> Result<Heard, ProbeFailure> {
        let patience = Patience::of(self.time);
        let by_http2 = self.ways.http2 && self.port.is_none();
        let asked = async {
            if by_http2 {
                self.ask_by_http2(question, endpoint, patience).await
            } else {
                self.ask(question, endpoint, patience).await
            }
        };
        timeout_at(patience.until, asked)
            .await
            .unwrap_or(Err(ProbeFailure::AnswerTimeout(patience.time)))
    }
}

impl Probe for Network {
    async fn check(&mut self, endpoint: &Endpoint) -> Found {
        let moved = self.port.map(|port| endpoint.at_port(port));
        let endpoint = moved.as_ref().unwrap_or(endpoint);
        let Some(question) = self.question.take() else {
            let deadline = Instant::now() + self.time;
            let way = self.ways.check.as_ref();
            let way = (way, ANY);
            let connected = reach(endpoint, self.introduction(), way, deadline).await;
            return Found {
                verdict: connected.map(|_| Verdict::Passes),
                made: None,
            };
        };
        let heard = self.ask_in_time(&question, endpoint).await;
        self.question = Some(question);
        match heard {
            Ok(heard) => Found {
                made: Some(if heard.makes_session {
                    Made::Session
                } else {
                    Made::Nothing
                }),
                verdict: heard.verdict,
            },
            Err(failure) => Found {
                verdict: Err(failure),
                made: None,
            },
        }
    }

    async fn speaks_http(&mut self, endpoint: &Endpoint) -> Result<(), ProbeFailure> {
        let (patience, hello) = (Patience::of(self.time), &self.hello);
        let asked = async {
            let way = self.ways.request.as_ref();
            let way = (way, if self.ways.http2 { HTTP2 } else { ANY });
            let mut stream = reach(endpoint, &self.introduction, way, patience.until).await?;
            if self.ways.http2 {
                return http2::greet(stream).await;
            }
            let heard = converse(&mut stream, hello, &mut Vec::new(), patience).await;
            heard.map(drop)
        };
        match timeout_at(patience.until, asked).await {
            Ok(heard) => heard,
            Err(_) => Err(ProbeFailure::AnswerTimeout(patience.time)),
        }
    }

    fn aim(&self) -> Aim {
        match (self.port, &self.question) {
            (Some(_), _) => Aim::Elsewhere,
            (None, Some(_)) => Aim::Service,
            (None, None) => Aim::Port,
        }
    }

    fn forget_connection(&mut self) {
        self.kept = None;
    }
}

/// What both ends must agree upon in a handshake, if anything.
type Spoken = Option<&'static [u8]>;
const HTTP2: Spoken = Some(b"h2");
const ANY: Spoken = None;

/// Connects, says first what is to be said first, and secures what is to be secured.
async fn reach(
    endpoint: &Endpoint,
    introduction: &[u8],
    (way, spoken): (Option<&Way>, Spoken),
    deadline: Instant,
) -> Result<Stream, ProbeFailure> {
    let mut stream = connect(endpoint, deadline).await?;
    if !introduction.is_empty() {
        // So few bytes are taken at once, or never.
        let said = timeout_at(deadline, stream.write_all(introduction)).await;
        said.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(ProbeFailure::Broken)?;
    }
    match way {
        None => Ok(stream),
        Some(way) => way.secured(stream, spoken, deadline).await,
    }
}

/// An answer.
#[derive(Debug)]
struct Heard {
    /// Whether it sets one of the cookies that were asked after.
    makes_session: bool,
    verdict: Result<Verdict, ProbeFailure>,
    /// Whether the connection is at the end of it and may be used again.
    is_whole: bool,
}

/// Whether nothing, and no end, has come on a connection since its last answer.
async fn is_quiet(stream: &mut Stream) -> bool {
    poll_fn(|context| {
        let mut byte = [0];
        let read = Pin::new(&mut *stream).poll_read(context, &mut ReadBuf::new(&mut byte));
        Poll::Ready(read.is_pending())
    })
    .await
}

/// Sends the question and reads the answer as far as it matters. `bytes` tells the caller whether
/// any came.
async fn converse(
    stream: &mut Stream,
    question: &Question,
    bytes: &mut Vec<u8>,
    patience: Patience,
) -> Result<Heard, ProbeFailure> {
    let is_session = |line: &[u8]| question.is_session(line);
    let asked = (question.text.as_slice(), question.asked);
    let head = exchange::ask(stream, asked, is_session, bytes).await?;
    let begun = bytes.get(head.len..).unwrap_or_default();
    let mut body = Body::new(head.framing);
    let judged = question.judge_status(head.status);
    let until = match &judged {
        None => patience.until,
        Some(_) => patience.until.min(Instant::now() + REST),
    };
    // What comes of the body takes nothing back of what the head says.
    let read = if judged.is_none() || head.keeps {
        timeout_at(until, read_body(stream, &mut body, begun))
            .await
            .unwrap_or(Err(ProbeFailure::AnswerTimeout(patience.time)))
    } else {
        Ok(false)
    };
    let is_whole = head.keeps && matches!(read, Ok(true));
    let verdict = match (judged, read) {
        (Some(verdict), _) => verdict,
        (None, Ok(_)) => question.judge_body(&body.text),
        (None, Err(failure)) => Err(failure),
    };
    Ok(Heard {
        makes_session: head.makes_session,
        verdict,
        is_whole,
    })
}

#[cfg(test)]
mod tests;
