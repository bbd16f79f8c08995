//! One request and its answer over a connection of ours, within bounds: what checks of backends and
//! the webhook have in common.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::answer::{Asked, Body, Head, MAX_HEAD_BYTES, Progress, read_head};
use super::connect::Stream;
use super::failure::ProbeFailure;

/// Bytes read at a time.
pub(super) const PIECE: usize = 2 * 1024;

/// Sends a request and reads the head of its answer into `bytes`, which tells the caller whether any
/// came; what stands there behind the head is the body's beginning. `is_session` is asked for each
/// `Set-Cookie`. The caller bounds the time.
pub async fn ask(
    stream: &mut Stream,
    (request, asked): (&[u8], Asked),
    is_session: impl Fn(&[u8]) -> bool,
    bytes: &mut Vec<u8>,
) -> Result<Head, ProbeFailure> {
    let sent = stream.write_all(request).await;
    loop {
        if let Some(head) = read_head(bytes, asked, &is_session)? {
            return Ok(head);
        }
        let room = MAX_HEAD_BYTES.saturating_sub(bytes.len());
        if room == 0 {
            return Err(ProbeFailure::HeadTooLong);
        }
        bytes.reserve(room.min(PIECE));
        let read = (&mut *stream).take(room as u64).read_buf(bytes).await;
        if read.map_err(ProbeFailure::Broken)? == 0 {
            // What could not be sent may still have been answered; if not, that is why.
            return Err(sent.err().map_or(ProbeFailure::Ended, ProbeFailure::Broken));
        }
    }
}

/// Reads a body that begins with `begun`, as far as bodies are read; whether the connection is at
/// its end.
pub async fn read_body(
    stream: &mut Stream,
    body: &mut Body,
    begun: &[u8],
) -> Result<bool, ProbeFailure> {
    let mut progress = body.take(begun)?;
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        match progress {
            Progress::Complete { beyond } => return Ok(beyond == 0),
            Progress::TooLong => return Ok(false),
            Progress::More => {}
        }
        piece.clear();
        let read = (&mut *stream).take(PIECE as u64).read_buf(&mut piece).await;
        if read.map_err(ProbeFailure::Broken)? == 0 {
            return if body.ends_with_the_connection() {
                Ok(false)
            } else {
                Err(ProbeFailure::Ended)
            };
        }
        progress = body.take(&piece)?;
    }
}
