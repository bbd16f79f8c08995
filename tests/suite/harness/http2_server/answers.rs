//! What a request is answered, by its path:
//!
//! | path | answer |
//! |---|---|
//! | `/call` | each piece of the body as it comes, then trailers `grpc-status: 0` |
//! | `/status-only` | a head that ends the stream, with `grpc-status: 7`; the body unread |
//! | `/early` | 200 and `early`, the body unread |
//! | `/unread` | a head; the body unread, and nothing more |
//! | `/refuse` | refused as often as was ordered, else as any other |
//! | `/reset` | reset before a head |
//! | `/cut/REASON` | 1000 bytes, then a reset with this reason |
//! | `/bytes/N` | N bytes |
//! | `/pieces/N/SIZE` | N pieces of so many bytes, one by one |
//! | `/apart/STATUS` | a head; the end by itself |
//! | `/apart` | a head with a length, five bytes; the end by itself |
//! | `/surplus/STATUS` | a head, and a body whether the status has one or not |
//! | `/late` | the same without the end |
//! | `/head/N` | a head with a field of N bytes |
//! | `/interim/N` | 103 so often before the answer |
//! | `/hang` | nothing |
//! | `/bye` | the connection ends in good order |
//! | `/drop` | the connection ends at once |
//! | anything else | 200, and the body once more |

use std::sync::atomic::Ordering;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};

use super::{Seen, State};

fn head() -> Response<()> {
    let kind = "application/grpc";
    Response::builder()
        .header("content-type", kind)
        .body(())
        .unwrap()
}

pub(super) async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    state: &State,
) -> Option<Seen> {
    let (asked, mut body) = request.into_parts();
    let mut seen = Seen {
        method: asked.method.to_string(),
        uri: asked.uri.to_string(),
        headers: asked.headers,
        body: 0,
        trailers: None,
        reset: None,
    };
    let path = asked.uri.path().to_owned();
    let path = path.trim_start_matches('/');
    let (what, rest) = path.split_once('/').unwrap_or((path, ""));
    let is_refused = |count: usize| count.checked_sub(1);
    match what {
        "refuse"
            if state
                .refusals
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_refused)
                .is_ok() =>
        {
            respond.send_reset(Reason::REFUSED_STREAM);
        }
        "reset" => respond.send_reset(Reason::INTERNAL_ERROR),
        "hang" => {
            // The proxy's reset ends it.
            let end = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            seen.reset = end.ok();
        }
        "status-only" => {
            let mut head = head();
            head.headers_mut()
                .insert("grpc-status", "7".parse().unwrap());
            respond.send_response(head, true).unwrap();
        }
        "unread" => {
            let mut send = respond.send_response(head(), false).unwrap();
            seen.reset = until_reset(&mut send).await;
        }
        "apart" | "late" => end_apart(&mut seen, respond, what, rest).await,
        "pieces" => seen.reset = write_pieces(respond, rest).await,
        "early" | "surplus" => {
            let mut send = respond.send_response(head_of(rest), false).unwrap();
            send.send_data(what.to_owned().into(), true).unwrap();
        }
        "head" => {
            let mut head = head();
            let long = "x".repeat(rest.parse().unwrap());
            head.headers_mut().insert("x-long", long.parse().unwrap());
            respond.send_response(head, true).unwrap();
        }
        "cut" => cut_off(respond, rest.parse().unwrap()).await?,
        "bytes" => write_bytes(respond, rest.parse().unwrap()).await?,
        _ => echo(&mut seen, &mut body, respond, (what, rest)).await,
    }
    Some(seen)
}

/// With this status, if it is one.
fn head_of(status: &str) -> Response<()> {
    let mut head = head();
    if let Ok(status) = status.parse() {
        *head.status_mut() = status;
    }
    head
}

async fn echo(
    seen: &mut Seen,
    body: &mut RecvStream,
    mut respond: SendResponse<Bytes>,
    (what, rest): (&str, &str),
) {
    if what == "interim" {
        for _ in 0..rest.parse().unwrap() {
            let early = Response::builder().status(103).body(()).unwrap();
            if respond.send_informational(early).is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
    let mut send = respond.send_response(head(), false).unwrap();
    while let Some(piece) = body.data().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                seen.reset = error.reason();
                return;
            }
        };
        seen.body += piece.len();
        body.flow_control().release_capacity(piece.len()).unwrap();
        if write(&mut send, piece).await.is_none() {
            return;
        }
    }
    seen.trailers = body.trailers().await.unwrap_or_default();
    if what == "call" {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("grpc-message", "done".parse().unwrap());
        send.send_trailers(trailers).ok();
    } else {
        send.send_data(Bytes::new(), true).ok();
    }
}

/// Why the proxy gave a response up.
async fn until_reset(send: &mut SendStream<Bytes>) -> Option<Reason> {
    let end = std::future::poll_fn(|cx| send.poll_reset(cx)).await;
    end.ok()
}

async fn write_pieces(mut respond: SendResponse<Bytes>, what: &str) -> Option<Reason> {
    let (count, size) = what.split_once('/').unwrap();
    let mut send = respond.send_response(head(), false).unwrap();
    let piece = Bytes::from(vec![b'x'; size.parse().unwrap()]);
    for _ in 0..count.parse::<usize>().unwrap() {
        if write(&mut send, piece.clone()).await.is_none() {
            return until_reset(&mut send).await;
        }
        // Or one frame would have many.
        tokio::task::yield_now().await;
    }
    send.send_data(Bytes::new(), true).ok();
    None
}

async fn end_apart(seen: &mut Seen, mut respond: SendResponse<Bytes>, what: &str, status: &str) {
    let mut head = head_of(status);
    if status.is_empty() {
        let length = "5".parse().unwrap();
        head.headers_mut().insert("content-length", length);
    }
    let has_body = status.is_empty() && seen.method != "HEAD";
    let mut send = respond.send_response(head, false).unwrap();
    if has_body && write(&mut send, "whole".into()).await.is_none() {
        return;
    }
    if what == "late" {
        seen.reset = until_reset(&mut send).await;
        return;
    }
    // The end leaves after what was there before it.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    send.send_data(Bytes::new(), true).ok();
}

async fn cut_off(mut respond: SendResponse<Bytes>, reason: u32) -> Option<()> {
    let mut send = respond.send_response(head(), false).unwrap();
    write(&mut send, vec![b'x'; 1000].into()).await?;
    // A reset takes with it what is not written yet.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    send.send_reset(Reason::from(reason));
    Some(())
}

async fn write_bytes(mut respond: SendResponse<Bytes>, mut left: usize) -> Option<()> {
    let mut send = respond.send_response(head(), false).unwrap();
    while left > 0 {
        let piece = left.min(10_000);
        write(&mut send, vec![b'x'; piece].into()).await?;
        left -= piece;
    }
    send.send_data(Bytes::new(), true).ok()
}

/// Sends a piece as far as the other end has room for it.
async fn write(send: &mut SendStream<Bytes>, mut piece: Bytes) -> Option<()> {
    while !piece.is_empty() {
        send.reserve_capacity(piece.len());
        while send.capacity() == 0 {
            std::future::poll_fn(|cx| send.poll_capacity(cx))
                .await?
                .ok()?;
        }
        let now = piece.split_to(piece.len().min(send.capacity()));
        send.send_data(now, false).ok()?;
    }
    Some(())
}
