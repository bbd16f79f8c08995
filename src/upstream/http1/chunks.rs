//! A body in chunks (RFC 9112, 7.1), taken apart as it comes.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use super::head::{self, BadAnswer};

/// What a line with a chunk's size may have, extensions and all.
const LINE: usize = 4 << 10;
/// What all extensions of a body may have.
const EXTENSIONS: usize = 16 << 10;
/// Blanks behind a size that are none: some servers have all sizes equally long.
const BLANKS: usize = 16;

/// Where in the body the next byte is.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    stage: Stage,
    /// How far no end of what is being read was found.
    scanned: usize,
    /// Bytes of extensions so far.
    extensions: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A line with a size comes.
    #[default]
    Size,
    /// Bytes come, so many.
    Data(u64),
    /// The end of a line comes.
    DataEnd,
    /// Fields come, or the end.
    Trailers,
    Over,
}

/// What is next in a body.
#[derive(Debug)]
pub(super) enum Next {
    Data(Bytes),
    /// The end, with what stands there.
    End(HeaderMap),
}

impl Chunks {
    /// Takes the next piece from the front of `input`; `None`: it has not come yet.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Next>, BadAnswer> {
        loop {
            match self.stage {
                Stage::Data(left) => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let most = usize::try_from(left).unwrap_or(usize::MAX);
                    let data = input.split_to(most.min(input.len())).freeze();
                    let left = left - data.len() as u64;
                    self.stage = if left == 0 {
                        Stage::DataEnd
                    } else {
                        Stage::Data(left)
                    };
                    return Ok(Some(Next::Data(data)));
                }
                Stage::DataEnd => match input.get(..2) {
                    Some(b"\r\n") => {
                        input.advance(2);
                        self.stage = Stage::Size;
                    }
                    None if input.first().is_none_or(|byte| *byte == b'\r') => return Ok(None),
                    _ => return Err(BadAnswer::Chunk),
                },
                Stage::Size => {
                    let Some(size) = self.size(input)? else {
                        return Ok(None);
                    };
                    self.stage = if size == 0 {
                        Stage::Trailers
                    } else {
                        Stage::Data(size)
                    };
                }
                Stage::Trailers => {
                    let fields = head::read_trailers(input, &mut self.scanned)?;
                    if fields.is_some() {
                        self.stage = Stage::Over;
                    }
                    return Ok(fields.map(Next::End));
                }
                Stage::Over => return Ok(Some(Next::End(HeaderMap::new()))),
            }
        }
    }

    /// Goes on to the end if that is there already and nothing stands in it. Whether it was.
    pub(super) fn ends_here(&mut self, input: &mut BytesMut) -> bool {
        const END: &[u8] = b"\r\n0\r\n\r\n";
        if self.stage != Stage::DataEnd || !input.starts_with(END) {
            return false;
        }
        input.advance(END.len());
        self.stage = Stage::Over;
        true
    }

    fn size(&mut self, input: &mut BytesMut) -> Result<Option<u64>, BadAnswer> {
        let rest = input.get(self.scanned..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', rest) else {
            self.scanned = input.len();
            return if input.len() > LINE + 1 {
                Err(BadAnswer::Chunk)
            } else {
                Ok(None)
            };
        };
        let line = input.split_to(self.scanned + end + 1);
        self.scanned = 0;
        let line = line.strip_suffix(b"\r\n").filter(|line| line.len() <= LINE);
        let (size, extensions) = line.and_then(size).ok_or(BadAnswer::Chunk)?;
        self.extensions += extensions;
        if self.extensions > EXTENSIONS {
            return Err(BadAnswer::Chunk);
        }
        Ok(Some(size))
    }
}

/// The size that a line says, without its end, and how long its extensions are, which mean nothing
/// here.
fn size(line: &[u8]) -> Option<(u64, usize)> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let (size, behind) = line.split_at_checked(digits.count())?;
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let blanks = behind.iter().take_while(is_blank).count();
    let length = behind.len() - blanks.min(BLANKS);
    let mut behind = behind.iter().skip(blanks);
    let is_said = matches!(behind.next(), None | Some(b';'));
    let has_controls = behind.any(|byte| byte.is_ascii_control() && *byte != b'\t');
    if !is_said || has_controls || size.is_empty() {
        return None;
    }
    let size = size.iter().try_fold(0_u64, |size, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        size.checked_mul(16)?.checked_add(u64::from(digit))
    });
    size.map(|size| (size, length))
}
