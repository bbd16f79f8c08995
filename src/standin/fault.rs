//! The ways in which a scripted path misbehaves, and which script stands for which path.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// How a scripted path misbehaves. Unless said otherwise the request's body is read first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset, nothing was sent.
    ResetBeforeHead,
    /// The connection is reset as soon as the request's head is there; its body is not read.
    ResetBeforeBody,
    /// The connection is closed in order, nothing was sent.
    CloseBeforeHead,
    /// Half of a response head, then close.
    HalfHead,
    /// Half of the bytes that `Content-Length` promised, then close.
    HalfBody,
    /// Half of the bytes that `Content-Length` promised, then reset.
    HalfBodyReset,
    /// One whole chunk and half of the next, then close.
    ChunkedCut,
    /// A chunk size that is no number, then close.
    ChunkedBadSize,
    /// Bytes that are no HTTP, then close.
    Junk,
    /// `Content-Length: 5, 5` with five bytes.
    LengthList,
    /// Two `Content-Length` fields that differ.
    LengthsDiffer,
    /// `Content-Length: -5`.
    LengthNegative,
    /// `Transfer-Encoding: chunked` and `Content-Length` in one head.
    LengthAndChunked,
    /// `Transfer-Encoding: sausages`.
    UnknownCoding,
    /// 101 to a request that asked for no upgrade.
    UnaskedUpgrade,
    /// 102 without end.
    EndlessInterim,
    /// A head of one mebibyte.
    HugeHead,
    /// Nothing is sent until the script is withdrawn; then the normal answer.
    HangBeforeHead,
    /// Half of the promised body is sent, the rest when the script is withdrawn.
    HangInBody,
    /// A normal answer that promises keep-alive, then close at once.
    CloseIdle,
    /// A normal answer; the next request's first byte on this connection meets a reset.
    StaleKeepAlive,
    /// Two responses to one request.
    AnswerTwice,
    /// This status with a short body.
    Status(u16),
    /// The normal answer after this time.
    Delay(Duration),
    /// These bytes in place of an answer.
    Raw(Vec<u8>, Then),
}

/// What becomes of the connection after the scripted bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It goes on with the next request.
    Keep,
    /// It is closed in order.
    Close,
    /// It is reset.
    Reset,
}

/// The half of [`Fault::HangInBody`] and of the half bodies: `Content-Length` promises ten bytes.
pub(super) const HALF_BODY: &[u8] = b"HTTP/1.1 200 \r\nContent-Length: 10\r\n\r\nhalf:";
/// The other half.
pub(super) const OTHER_HALF: &[u8] = b"whole";

impl Fault {
    /// The wire image of the faults that are nothing but bytes.
    pub(super) fn bytes(&self) -> Option<(Vec<u8>, Then)> {
        let (bytes, then): (&[u8], Then) = match self {
            Self::Raw(bytes, then) => (bytes, *then),
            Self::ResetBeforeHead => (b"", Then::Reset),
            Self::CloseBeforeHead => (b"", Then::Close),
            Self::HalfHead => (b"HTTP/1.1 200 \r\nContent-Le", Then::Close),
            Self::HalfBody => (HALF_BODY, Then::Close),
            Self::HalfBodyReset => (HALF_BODY, Then::Reset),
            Self::ChunkedCut => (
                b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n8\r\nhalf",
                Then::Close,
            ),
            Self::ChunkedBadSize => (
                b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nwhole\r\n0\r\n\r\n",
                Then::Close,
            ),
            Self::Junk => (b"\x00\x16\xff this is not HTTP \r\n\r\n", Then::Close),
            Self::LengthList => (
                b"HTTP/1.1 200 \r\nContent-Length: 5, 5\r\n\r\nwhole",
                Then::Keep,
            ),
            Self::LengthsDiffer => (
                b"HTTP/1.1 200 \r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nwhole!",
                Then::Keep,
            ),
            Self::LengthNegative => (
                b"HTTP/1.1 200 \r\nContent-Length: -5\r\n\r\nwhole",
                Then::Close,
            ),
            Self::LengthAndChunked => (
                b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n\
                  5\r\nwhole\r\n0\r\n\r\n",
                Then::Keep,
            ),
            Self::UnknownCoding => (
                b"HTTP/1.1 200 \r\nTransfer-Encoding: sausages\r\n\r\nwhole",
                Then::Close,
            ),
            Self::UnaskedUpgrade => (
                b"HTTP/1.1 101 \r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi",
                Then::Keep,
            ),
            Self::AnswerTwice => (
                b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nfirst\
                  HTTP/1.1 200 \r\nContent-Length: 8\r\n\r\nsmuggled",
                Then::Keep,
            ),
            _ => return None,
        };
        Some((bytes.to_vec(), then))
    }
}

#[derive(Debug)]
struct Scripted {
    fault: Fault,
    /// Requests that still meet it; `None` is all.
    left: Option<u32>,
    /// Dropped when the script is withdrawn, which wakes whoever hangs.
    withdrawal: watch::Sender<()>,
}

/// A script as one request meets it.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) fault: Fault,
    withdrawal: watch::Receiver<()>,
}

impl Met {
    /// Returns when the script is withdrawn or replaced.
    pub(super) async fn withdrawn(&mut self) {
        while self.withdrawal.changed().await.is_ok() {}
    }
}

/// The scripts of a stand-in, by path; `*` is for every path without one of its own.
#[derive(Debug, Default)]
pub(super) struct Scripts(Mutex<HashMap<String, Scripted>>);

impl Scripts {
    pub(super) fn set(&self, path: &str, fault: Fault, left: Option<u32>) {
        let withdrawal = watch::Sender::new(());
        self.table().insert(
            path.to_owned(),
            Scripted {
                fault,
                left,
                withdrawal,
            },
        );
    }

    pub(super) fn withdraw(&self, path: &str) {
        self.table().remove(path);
    }

    pub(super) fn withdraw_all(&self) {
        self.table().clear();
    }

    /// The script for a request to `path`; counts it as met.
    pub(super) fn meet(&self, path: &str) -> Option<Met> {
        let mut table = self.table();
        let key = if table.contains_key(path) { path } else { "*" };
        let scripted = table.get_mut(key)?;
        if let Some(left) = &mut scripted.left {
            *left = left.checked_sub(1)?;
        }
        let withdrawal = scripted.withdrawal.subscribe();
        Some(Met {
            fault: scripted.fault.clone(),
            withdrawal,
        })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Scripted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_met_as_often_as_asked() {
        let scripts = Scripts::default();
        scripts.set("*", Fault::Junk, None);
        scripts.set("/a", Fault::Status(503), Some(1));
        let met = |path| scripts.meet(path).map(|met| met.fault);
        assert_eq!(met("/b"), Some(Fault::Junk));
        assert_eq!(met("/a"), Some(Fault::Status(503)));
        assert_eq!(met("/a"), None, "a used-up script leaves the path healthy");
        scripts.withdraw_all();
        assert_eq!(met("/b"), None);
    }
}
