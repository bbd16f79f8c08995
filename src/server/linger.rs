//! Reading what nobody wants, so that closing does not reset a connection whose answer is still on
//! its way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};

use crate::socket::Socket;

/// How long a client may go on sending what nobody reads, after it was answered.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// How much of it is taken and thrown away.
const LINGER_BYTES: usize = 4 << 20;

/// Bytes that may still be thrown away.
#[derive(Debug)]
pub(super) struct Linger(usize);

impl Linger {
    pub(super) fn new() -> Self {
        Self(LINGER_BYTES)
    }

    /// Reads what the client still sends until it stops.
    pub(super) fn poll(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut sink = [0_u8; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut sink);
            ready!(Pin::new(&mut *socket).poll_read(cx, &mut buf))?;
            let read = buf.filled().len();
            self.0 = self.0.saturating_sub(read);
            if read == 0 || self.0 == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
