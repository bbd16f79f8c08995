//! Questions by HTTP/2, each on a connection of its own.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use http::Request;
use http::header::SET_COOKIE;

use super::answer::{MAX_BODY_BYTES, MAX_HEAD_BYTES};
use super::connect::Stream;
use super::failure::ProbeFailure;

/// How many streams the backend allows, while it has not said so.
const UNSAID: usize = 0;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whether one of its cookies is a session's.
    pub(super) makes_session: bool,
    /// As far as bodies are read.
    pub(super) body: Vec<u8>,
    /// What cut the body off, if anything did.
    pub(super) cut: Option<ProbeFailure>,
}

/// Asks, and reads the body if `wants_body` says so of the status. The caller bounds the time.
pub(super) async fn ask(
    stream: Stream,
    request: Request<()>,
    is_session: impl Fn(&[u8]) -> bool,
    wants_body: impl Fn(u16) -> bool,
) -> Result<Answer, ProbeFailure> {
    let (sender, connection) = begin(stream).await?;
    let asked = async {
        let mut sender = sender.ready().await.map_err(ProbeFailure::NotHttp2)?;
        let sent = sender.send_request(request, true);
        let (response, _) = sent.map_err(ProbeFailure::NotHttp2)?;
        let response = response.await.map_err(ProbeFailure::NotHttp2)?;
        let cookies = response.headers().get_all(SET_COOKIE).iter();
        let mut answer = Answer {
            status: response.status().as_u16(),
            makes_session: cookies.into_iter().any(|line| is_session(line.as_bytes())),
            body: Vec::new(),
            cut: None,
        };
        if !wants_body(answer.status) {
            return Ok(answer);
        }
        let mut body = response.into_body();
        while answer.body.len() < MAX_BODY_BYTES {
            match body.data().await {
                None => break,
                Some(Ok(piece)) => {
                    let room = MAX_BODY_BYTES - answer.body.len();
                    answer.body.extend(piece.iter().take(room));
                    let freed = body.flow_control().release_capacity(piece.len());
                    freed.map_err(ProbeFailure::NotHttp2)?;
                }
                Some(Err(error)) => {
                    answer.cut = Some(ProbeFailure::NotHttp2(error));
                    break;
                }
            }
        }
        Ok(answer)
    };
    beside(connection, asked).await
}

/// Waits until the backend has begun to speak HTTP/2. The caller bounds the time.
pub(super) async fn greet(stream: Stream) -> Result<(), ProbeFailure> {
    let (_sender, mut connection) = begin(stream).await?;
    poll_fn(|cx| {
        let polled = Pin::new(&mut connection).poll(cx);
        if connection.max_concurrent_send_streams() != UNSAID {
            return Poll::Ready(Ok(()));
        }
        match polled {
            Poll::Ready(Ok(())) => Poll::Ready(Err(ProbeFailure::Ended)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(ProbeFailure::NotHttp2(error))),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn begin(
    stream: Stream,
) -> Result<(SendRequest<Bytes>, Connection<Stream, Bytes>), ProbeFailure> {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(UNSAID)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX));
    builder
        .handshake(stream)
        .await
        .map_err(ProbeFailure::NotHttp2)
}

/// Runs a connection as long as something is asked on it.
async fn beside<T>(mut connection: Connection<Stream, Bytes>, asked: impl Future<Output = T>) -> T {
    let mut asked = pin!(asked);
    let mut is_over = false;
    poll_fn(|cx| {
        is_over = is_over || Pin::new(&mut connection).poll(cx).is_ready();
        let answered = asked.as_mut().poll(cx);
        if answered.is_pending() && !is_over {
            // What was just asked is written at once.
            is_over = Pin::new(&mut connection).poll(cx).is_ready();
        }
        answered
    })
    .await
}
