//! The heads of frames as they pass by.
//!
//! `h2` reads the frames; this only looks at what they are. Nothing is kept but the head in hand,
//! and whatever bytes come, nothing goes wrong.

/// Bytes of a frame's head.
const HEAD: usize = 9;
/// What a client's first bytes must be.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// One direction of a connection.
#[derive(Debug)]
pub struct Frames {
    /// Bytes of the preface that are still to come.
    preface: usize,
    head: [u8; HEAD],
    /// Bytes of `head` that are there.
    known: usize,
    /// Bytes to come of the frame whose head is complete.
    left: usize,
    /// Whether that frame holds a piece of a body.
    is_data: bool,
    /// Whether a block of fields has begun and not ended.
    in_block: bool,
    /// Frames that have ended; a block of fields counts as one.
    ended: u64,
    /// The highest stream that fields came for.
    last_stream: u32,
}

/// What a frame's head tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What the frame is.
    pub frame: Frame,
    /// The stream it is of.
    pub stream: u32,
    /// Whether its side of the stream sends no more after it.
    pub is_last: bool,
}

/// A kind of frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// A piece of a body, perhaps an empty last one.
    Data,
    /// A head, or trailers.
    Fields,
    /// The rest of a head.
    MoreFields,
    /// A stream is given up.
    Reset,
    /// SETTINGS or GOAWAY: from now on other requests may come, or none.
    Terms,
    /// What else carries no part of a request or a response: PING, `WINDOW_UPDATE` and so on; also
    /// a piece of a body with nothing in it.
    Control,
}

impl Frames {
    /// Of a client, which begins with the preface.
    pub fn of_client() -> Self {
        Self {
            preface: PREFACE,
            ..Self::of_server()
        }
    }

    /// Of ours.
    pub fn of_server() -> Self {
        Self {
            preface: 0,
            head: [0; HEAD],
            known: 0,
            left: 0,
            is_data: false,
            in_block: false,
            ended: 0,
            last_stream: 0,
        }
    }

    /// Whether any frame was complete.
    pub fn has_begun(&self) -> bool {
        self.ended > 0
    }

    /// The number of what has begun and must end soon: a head, or a frame that is no piece of a
    /// body.
    pub fn unfinished(&self) -> Option<u64> {
        let is_open = self.in_block || self.known > 0 || (self.left > 0 && !self.is_data);
        is_open.then_some(self.ended)
    }

    /// Whether the next byte begins a frame, of whatever stream.
    pub fn is_between(&self) -> bool {
        self.preface == 0 && self.known == 0 && self.left == 0 && !self.in_block
    }

    /// The highest stream that fields came for.
    pub fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// Takes the next bytes, and tells each frame when its head is complete.
    pub fn pass(&mut self, bytes: &[u8], mut seen: impl FnMut(Head)) {
        let mut rest = skip(&mut self.preface, bytes);
        while !rest.is_empty() {
            if self.left > 0 {
                rest = skip(&mut self.left, rest);
                if self.left == 0 {
                    self.end();
                }
                continue;
            }
            let missing = HEAD - self.known;
            let (piece, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            for (place, byte) in self.head.iter_mut().skip(self.known).zip(piece) {
                *place = *byte;
            }
            self.known += piece.len();
            rest = after;
            if self.known == HEAD {
                self.known = 0;
                seen(self.begin());
            }
        }
    }

    fn begin(&mut self) -> Head {
        const END_STREAM: u8 = 1;
        const END_HEADERS: u8 = 4;
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.left = usize::try_from(length).unwrap_or(usize::MAX);
        self.is_data = kind == 0;
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        let frame = match kind {
            0 if length > 0 || flags & END_STREAM != 0 => Frame::Data,
            1 => {
                self.in_block = flags & END_HEADERS == 0;
                self.last_stream = self.last_stream.max(stream);
                Frame::Fields
            }
            3 => Frame::Reset,
            4 | 7 => Frame::Terms,
            9 => {
                self.in_block = flags & END_HEADERS == 0;
                Frame::MoreFields
            }
            _ => Frame::Control,
        };
        if self.left == 0 {
            self.end();
        }
        Head {
            frame,
            stream,
            is_last: kind == 3 || (kind < 2 && flags & END_STREAM != 0),
        }
    }

    fn end(&mut self) {
        if !self.in_block {
            self.ended += 1;
        }
    }
}

/// `bytes` without the first `count`, which is less by those that were there.
fn skip<'b>(count: &mut usize, bytes: &'b [u8]) -> &'b [u8] {
    let Some((_, rest)) = bytes.split_at_checked(*count) else {
        *count -= bytes.len();
        return &[];
    };
    *count = 0;
    rest
}

#[cfg(test)]
mod tests;
