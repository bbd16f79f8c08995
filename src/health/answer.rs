//! What a backend answers a check: head and body, read within bounds.
//!
//! Pure: bytes in, what they mean out. Nobody is believed: what has no end is cut, what frames
//! itself in two ways is read in one and its connection is not used again.

use super::failure::ProbeFailure;

/// Most bytes of heads that are read, interim answers included.
pub const MAX_HEAD_BYTES: usize = 8 * 1024;
/// Most bytes of a body that are read, its framing included.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_FIELDS: usize = 100;

/// What a final head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How long it is, interim heads before it included.
    pub len: usize,
    /// Its status.
    pub status: u16,
    /// How its body ends.
    pub framing: Framing,
    /// Whether the connection may be used again after the body.
    pub keeps: bool,
    /// Whether it sets one of the cookies that were asked after.
    pub makes_session: bool,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After this many bytes.
    Length(u64),
    /// With a chunk of length zero.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// What was asked, as far as the answer's meaning hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The answer may have a body.
    WithBody,
    /// It has none: HEAD.
    HeadOnly,
}

/// The first head that is not an interim answer; `None`: not here yet. `is_session` is asked for
/// each `Set-Cookie`.
pub fn read_head(
    bytes: &[u8],
    asked: Asked,
    is_session: impl Fn(&[u8]) -> bool,
) -> Result<Option<Head>, ProbeFailure> {
    let mut rest = bytes;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(rest).map_err(ProbeFailure::NotHttp)?;
        let (httparse::Status::Complete(length), Some(status)) = (parsed, response.code) else {
            return Ok(None);
        };
        rest = rest.get(length..).unwrap_or_default();
        // Nobody asked to switch protocols: as a final answer, 101 is a bad one.
        if status == 101 || status >= 200 {
            let (framing, is_sure) = framing(&response, status, asked);
            let cookies = values(&response, "set-cookie");
            return Ok(Some(Head {
                len: bytes.len() - rest.len(),
                status,
                framing,
                keeps: is_sure && keeps(&response),
                makes_session: cookies.into_iter().any(is_session),
            }));
        }
    }
}

fn values<'b>(response: &httparse::Response<'_, 'b>, name: &str) -> Vec<&'b [u8]> {
    let fields = response.headers.iter();
    fields
        .filter(|field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value)
        .collect()
}

/// How the body ends, and whether that is beyond doubt.
fn framing(response: &httparse::Response<'_, '_>, status: u16, asked: Asked) -> (Framing, bool) {
    if asked == Asked::HeadOnly || matches!(status, 101 | 204 | 304) {
        return (Framing::Length(0), status != 101);
    }
    let codings = values(response, "transfer-encoding");
    let lengths = values(response, "content-length");
    match (codings.as_slice(), lengths.as_slice()) {
        ([], [length]) => match number(length) {
            Some(length) => (Framing::Length(length), true),
            None => (Framing::UntilClose, false),
        },
        ([coding], lengths) if coding.eq_ignore_ascii_case(b"chunked") => {
            (Framing::Chunked, lengths.is_empty())
        }
        // Nothing is said, or too much.
        _ => (Framing::UntilClose, false),
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = is_number.then(|| str::from_utf8(digits).ok()).flatten();
    text?.parse().ok()
}

/// Whether both sides speak of keeping the connection.
fn keeps(response: &httparse::Response<'_, '_>) -> bool {
    let words = values(response, "connection");
    let closes = words
        .iter()
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"));
    response.version == Some(1) && !closes
}

/// A body that comes in.
#[derive(Debug)]
pub struct Body {
    framing: Framing,
    chunk: Chunk,
    /// Bytes taken in, framing included.
    taken: usize,
    /// What it holds, without its framing.
    pub text: Vec<u8>,
}

/// Where in a chunked body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Size {
        value: u64,
        digits: u8,
    },
    Extension {
        value: u64,
    },
    Data {
        left: u64,
    },
    AfterData,
    /// In the trailer; whether its line has something on it.
    Trailer {
        is_empty: bool,
    },
    End,
}

/// How far a body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There may be more.
    More,
    /// It is complete, and this many of the bytes are not its own.
    Complete {
        /// Bytes behind its end.
        beyond: usize,
    },
    /// It is longer than what is read of bodies.
    TooLong,
}

impl Body {
    /// A body that begins.
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            chunk: Chunk::Size {
                value: 0,
                digits: 0,
            },
            taken: 0,
            text: Vec::new(),
        }
    }

    /// Takes in what came next; nothing more after [`Progress::Complete`] or an error.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Progress, ProbeFailure> {
        let room = MAX_BODY_BYTES - self.taken.min(MAX_BODY_BYTES);
        let ours = bytes.get(..room).unwrap_or(bytes);
        self.taken += ours.len();
        let left = match self.framing {
            Framing::UntilClose => {
                self.text.extend_from_slice(ours);
                None
            }
            Framing::Length(length) => {
                let due = length.saturating_sub(self.text.len() as u64);
                let due = usize::try_from(due).unwrap_or(usize::MAX);
                let (body, beyond) = ours.split_at_checked(due).unwrap_or((ours, &[]));
                self.text.extend_from_slice(body);
                (self.text.len() as u64 == length).then_some(beyond.len())
            }
            Framing::Chunked => self.take_chunks(ours)?,
        };
        Ok(match left {
            Some(left) => Progress::Complete {
                beyond: left + bytes.len() - ours.len(),
            },
            None if self.taken == MAX_BODY_BYTES => Progress::TooLong,
            None => Progress::More,
        })
    }

    /// The connection has ended; whether the body is complete with that.
    pub fn ends_with_the_connection(&self) -> bool {
        self.framing == Framing::UntilClose
    }

    fn take_chunks(&mut self, mut bytes: &[u8]) -> Result<Option<usize>, ProbeFailure> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Chunk::Data { left } = self.chunk {
                let due = usize::try_from(left).unwrap_or(usize::MAX);
                let (data, rest) = bytes.split_at_checked(due).unwrap_or((bytes, &[]));
                self.text.extend_from_slice(data);
                self.chunk = match left - data.len() as u64 {
                    0 => Chunk::AfterData,
                    left => Chunk::Data { left },
                };
                bytes = rest;
                continue;
            }
            self.chunk = next(self.chunk, byte).ok_or(ProbeFailure::BadBody)?;
            bytes = rest;
            if self.chunk == Chunk::End {
                return Ok(Some(bytes.len()));
            }
        }
        Ok(None)
    }
}

/// One byte further, outside of data. CRs before an LF are passed over.
fn next(chunk: Chunk, byte: u8) -> Option<Chunk> {
    let sized = |value| match value {
        0 => Chunk::Trailer { is_empty: true },
        left => Chunk::Data { left },
    };
    Some(match (chunk, byte) {
        (Chunk::Size { value, digits }, _) if byte.is_ascii_hexdigit() && digits < 15 => {
            let digit = char::from(byte).to_digit(16)?;
            Chunk::Size {
                value: value << 4 | u64::from(digit),
                digits: digits + 1,
            }
        }
        (Chunk::Size { digits: 0, .. }, _) => return None,
        (Chunk::Size { value, .. } | Chunk::Extension { value }, b'\n') => sized(value),
        (Chunk::Size { value, .. }, b'\r' | b';' | b' ' | b'\t')
        | (Chunk::Extension { value }, _) => Chunk::Extension { value },
        (Chunk::AfterData, b'\r') => Chunk::AfterData,
        (Chunk::AfterData, b'\n') => Chunk::Size {
            value: 0,
            digits: 0,
        },
        (Chunk::Trailer { is_empty: true }, b'\n') => Chunk::End,
        (Chunk::Trailer { is_empty }, b'\r') => Chunk::Trailer { is_empty },
        (Chunk::Trailer { .. }, b'\n') => Chunk::Trailer { is_empty: true },
        (Chunk::Trailer { .. }, _) => Chunk::Trailer { is_empty: false },
        (Chunk::Size { .. } | Chunk::AfterData | Chunk::Data { .. } | Chunk::End, _) => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests;
