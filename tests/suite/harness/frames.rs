//! HTTP/2 frame by frame, for what no client in its right mind sends.

use std::io;

use cattail::standin::Address;

use super::client::Raw;
use super::response::Broken;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// `SETTINGS_INITIAL_WINDOW_SIZE`
pub(crate) const INITIAL_WINDOW: u16 = 4;
/// `SETTINGS_MAX_FRAME_SIZE`
pub(crate) const MAX_FRAME_SIZE: u16 = 5;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// `ENHANCE_YOUR_CALM`
pub(crate) const CALM: u32 = 11;

/// A frame.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,

    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) raw: Raw,
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The fields of a GET, and some more.
pub(crate) fn get_fields(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "shop.example"),
        (":path", path),
    ];
    fields(usual.iter().chain(more))
}

/// Fields as they are written without compression.
pub(crate) fn fields<'f>(list: impl IntoIterator<Item = &'f (&'f str, &'f str)>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in list {
        // A literal with a new name, not to be kept.
        block.push(0);
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

fn push_length(block: &mut Vec<u8>, length: usize) {
    let byte = |number: usize| u8::try_from(number).unwrap();
    if length < 127 {
        block.push(byte(length));
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(byte(rest % 128) | 128);
        rest /= 128;
    }
    block.push(byte(rest));
}

impl Frames {
    /// Connects and says these settings.
    #[track_caller]
    pub(crate) fn connect(to: impl Into<Address>, settings: &[(u16, u32)]) -> Self {
        Self::over(Raw::connect(to), settings)
    }

    /// The same over a connection that is there.
    #[track_caller]
    pub(crate) fn over(raw: Raw, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self { raw };
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        frames.raw.send(PREFACE);
        frames.send(SETTINGS, 0, 0, &payload);
        frames
    }

    #[track_caller]
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.try_send(kind, flags, stream, payload).expect("sends");
    }

    /// Sends, or says that the server has gone.
    pub(crate) fn try_send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> io::Result<()> {
        self.raw.try_send(frame(kind, flags, stream, payload))
    }

    /// Asks for a path.
    #[track_caller]
    pub(crate) fn get(&mut self, stream: u32, path: &str) {
        let block = get_fields(path, &[]);
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &block);
    }

    /// The next frame, or how the connection ended.
    pub(crate) fn try_next(&mut self) -> Result<Frame, Broken> {
        while self.raw.ahead.len() < 9 {
            self.raw.fill()?;
        }
        let head = self.raw.ahead[..9].to_vec();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        while self.raw.ahead.len() < 9 + length {
            self.raw.fill()?;
        }
        let mut bytes: Vec<u8> = self.raw.ahead.drain(..9 + length).collect();
        let payload = bytes.split_off(9);
        Ok(Frame {
            kind: head[3],
            stream: u32::from_be_bytes(head[5..9].try_into().unwrap()),
            payload,
        })
    }

    /// The next frame of a kind; others before it are passed over.
    #[track_caller]
    pub(crate) fn next(&mut self, kind: u8) -> Frame {
        loop {
            match self.try_next() {
                Ok(frame) if frame.kind == kind => return frame,
                Ok(_) => {}
                Err(broken) => panic!("no frame of kind {kind}: {broken}"),
            }
        }
    }

    /// Whether the next frame of the kind is there for this stream.
    #[track_caller]
    pub(crate) fn next_of(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.next(kind);
            if frame.stream == stream {
                return frame;
            }
        }
    }

    /// Waits until the server has closed; the reason of its GOAWAY, if there was one.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) -> Option<u32> {
        let mut reason = None;
        loop {
            match self.try_next() {
                Ok(frame) if frame.kind == GOAWAY => {
                    reason = Some(u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()));
                }
                Ok(_) => {}
                Err(Broken::Closed | Broken::Reset) => return reason,
                Err(broken) => panic!("not closed: {broken}"),
            }
        }
    }
}
