//! The TLS handshake of a connection: within its time, with the certificate of the host that the
//! client asks for.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rustls::Error;
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, TlsStream};

use super::under_way::Seat;
use crate::clock::Deadline;
use crate::observe::metrics::Handshake;
use crate::socket::{Ciphertext, RecordFault, Socket};
use crate::tls::{Secured, ServerSide};

/// How long a client that is refused may go on sending.
const LINGER: Duration = Duration::from_secs(2);
/// How much of it is taken and thrown away.
const LINGER_BYTES: u64 = 64 << 10;
/// With this byte every handshake begins.
const HANDSHAKE: u8 = 0x16;
/// `unrecognized_name`, fatal, in a record of its own: nothing is encrypted yet.
const UNRECOGNIZED_NAME: &[u8] = &[0x15, 3, 3, 0, 2, 2, 112];
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 70\r\n\
    Connection: close\r\n\r\n\
    This port speaks HTTPS. The address must begin with https:// instead.\n";

/// A handshake that failed, and the socket if something can still be said.
struct Failed {
    what: Handshake,
    socket: Option<Socket>,
}

/// Shakes hands. `Err`: the connection is over, and this is why.
pub(super) async fn shake(
    socket: Socket,
    side: &ServerSide,
    (seat, deadline): (&Seat<'_>, &Deadline),
) -> Result<(Socket, Secured), Handshake> {
    deadline.arm(side.config.handshake_time);
    let outcome = within((seat, deadline), begin(socket, side)).await;
    let failed = match outcome {
        None if seat.was_lost() => return Err(Handshake::Displaced),
        None => return Err(Handshake::Timeout),
        Some(Ok(done)) => {
            deadline.disarm();
            return Ok(done);
        }
        Some(Err(failed)) => failed,
    };
    if let Some(socket) = failed.socket {
        deadline.arm(LINGER);
        // Whether it hears the reason or not, the connection is over.
        drop(within((seat, deadline), part(socket, failed.what)).await);
    }
    Err(failed.what)
}

async fn begin(socket: Socket, side: &ServerSide) -> Result<(Socket, Secured), Failed> {
    let mut first = [0];
    let seen = poll_fn(|cx| socket.poll_peek(cx, &mut first)).await;
    let what = match (seen, first) {
        (Ok(0) | Err(_), _) => Some(Handshake::Closed),
        (_, [HANDSHAKE]) => None,
        (_, [byte]) if byte.is_ascii_uppercase() => Some(Handshake::PlainHttp),
        _ => Some(Handshake::NotTls),
    };
    if let Some(what) = what {
        let socket = Some(socket);
        return Err(Failed { what, socket });
    }
    let mut acceptor = pin!(LazyConfigAcceptor::new(
        Acceptor::default(),
        Ciphertext::new(socket)
    ));
    let start = match acceptor.as_mut().await {
        Ok(start) => start,
        Err(error) => {
            return Err(Failed::of(
                &error,
                acceptor.take_io().map(Ciphertext::into_inner),
            ));
        }
    };
    let chosen = side.choose(start.client_hello().server_name());
    let Some(chosen) = chosen else {
        return Err(Failed {
            what: Handshake::UnknownHost,
            socket: Some(start.io.into_inner()),
        });
    };
    let stream = start.into_stream(chosen.config).into_fallible().await;
    let stream = stream.map_err(|(error, socket)| Failed::of(&error, Some(socket.into_inner())))?;
    let (_, connection) = stream.get_ref();
    let secured = Secured::of(connection, chosen.policy);
    // Nobody has looked at the certificate that it showed once: its time may be over since.
    if secured.resumed && !side.still_accepts(&secured.shown) {
        return Err(Failed {
            what: Handshake::BadCertificate,
            socket: None,
        });
    }
    Ok((Socket::Tls(Box::new(TlsStream::Server(stream))), secured))
}

impl Failed {
    fn of(error: &io::Error, socket: Option<Socket>) -> Self {
        tracing::debug!(%error, "handshake failed");
        let is_barren = RecordFault::of(error) == Some(RecordFault::Barren);
        let error = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
        let what = match error {
            None if is_barren => Handshake::Malformed,
            None => Handshake::Closed,
            Some(Error::PeerIncompatible(_)) => Handshake::Incompatible,
            Some(Error::NoCertificatesPresented) => Handshake::NoCertificate,
            Some(Error::InvalidCertificate(_)) => Handshake::BadCertificate,
            Some(Error::AlertReceived(_)) => Handshake::ClientRefused,
            Some(_) => Handshake::Malformed,
        };
        Self { what, socket }
    }
}

/// Says why, and reads what the client still sends, so that closing does not take it away.
async fn part(mut socket: Socket, what: Handshake) -> io::Result<()> {
    let word = match what {
        Handshake::PlainHttp => PLAIN_HTTP,
        Handshake::UnknownHost => UNRECOGNIZED_NAME,
        _ => &[],
    };
    socket.write_all(word).await?;
    socket.shutdown().await?;
    let mut rest = socket.take(LINGER_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

/// `None`: the deadline was over before, or the seat lost.
async fn within<T>(
    (seat, deadline): (&Seat<'_>, &Deadline),
    waited: impl Future<Output = T>,
) -> Option<T> {
    let mut waited = pin!(waited);
    poll_fn(|cx| match waited.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if deadline.is_over(cx) || seat.is_lost(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plain_http_is_as_long_as_it_says() {
        let text = std::str::from_utf8(PLAIN_HTTP).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
    }
}
