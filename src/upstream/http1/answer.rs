//! An answer as it comes: its head, its body, its end. Knows no socket.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header};

use super::chunks::{Chunks, Next};
use super::head::{self, BadAnswer, Framed};

/// The reading of one answer.
#[derive(Debug)]
pub struct Answer {
    state: State,
    /// Whether it has no body whatever its head says.
    is_to_head: bool,
    /// Whether its connection carries nothing behind it.
    is_last: bool,
}

#[derive(Debug)]
enum State {
    /// How far no end of the head was found.
    Head(usize),
    Length(u64),
    Chunked(Chunks),
    /// All that comes until the connection ends.
    ToTheEnd,
    Over,
    /// Nothing more is believed.
    Bad(BadAnswer),
}

/// A part of an answer.
#[derive(Debug)]
pub enum Part {
    /// Another one is to come.
    Interim(StatusCode),
    /// The head.
    Head(Response<()>),
    /// A piece of the body.
    Data(Bytes),
    /// What stands at the end of the body.
    Trailers(HeaderMap),
    /// There is no more.
    End,
}

impl Answer {
    /// One to a request with this method.
    pub fn to(method: &Method) -> Self {
        Self {
            state: State::Head(0),
            is_to_head: *method == Method::HEAD,
            is_last: false,
        }
    }

    /// Takes the next part from the front of `input`; `None`: more must come first.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Part>, BadAnswer> {
        self.read(input)
            .inspect_err(|bad| self.state = State::Bad(*bad))
    }

    fn read(&mut self, input: &mut BytesMut) -> Result<Option<Part>, BadAnswer> {
        match &mut self.state {
            State::Head(scanned) => {
                if input.is_empty() {
                    return Ok(None);
                }
                let Some((head, framed)) = head::read(input, scanned)? else {
                    return Ok(None);
                };
                self.begin(head, framed).map(Some)
            }
            State::Length(left) => {
                if input.is_empty() {
                    return Ok(None);
                }
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = input.split_to(most.min(input.len())).freeze();
                *left -= data.len() as u64;
                if *left == 0 {
                    self.state = State::Over;
                }
                Ok(Some(Part::Data(data)))
            }
            State::Chunked(chunks) => {
                let next = chunks.next(input)?;
                match next {
                    None => Ok(None),
                    Some(Next::Data(data)) => {
                        if chunks.ends_here(input) {
                            self.state = State::Over;
                        }
                        Ok(Some(Part::Data(data)))
                    }
                    Some(Next::End(fields)) => {
                        self.state = State::Over;
                        let is_plain = fields.is_empty();
                        let part = if is_plain {
                            Part::End
                        } else {
                            Part::Trailers(fields)
                        };
                        Ok(Some(part))
                    }
                }
            }
            State::ToTheEnd if input.is_empty() => Ok(None),
            State::ToTheEnd => Ok(Some(Part::Data(input.split().freeze()))),
            State::Over => Ok(Some(Part::End)),
            State::Bad(bad) => Err(*bad),
        }
    }

    fn begin(&mut self, head: Response<()>, framed: Framed) -> Result<Part, BadAnswer> {
        let status = head.status();
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            self.state = State::Head(0);
            return Ok(Part::Interim(status));
        }
        let body = body(&head, framed)?;
        let is_without = matches!(
            status,
            StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        self.is_last = is_last(&head, framed)
            || status == StatusCode::SWITCHING_PROTOCOLS
            // Some send the body that they promise, where there is none.
            || status == StatusCode::NO_CONTENT && (framed.by_coding || framed.by_length) && !body.is_over();
        self.state = if is_without || self.is_to_head {
            State::Over
        } else {
            body
        };
        self.is_last |= matches!(self.state, State::ToTheEnd);
        Ok(Part::Head(head))
    }

    /// Whether all of it was taken.
    pub fn is_over(&self) -> bool {
        self.state.is_over()
    }

    /// Whether nothing but the connection's end is to come. Tells whether that is a good end.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.state, State::ToTheEnd)
    }

    /// Whether its connection ends with it.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// What is left of a body whose length is known.
    pub fn left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Over => Some(0),
            _ => None,
        }
    }
}

impl State {
    fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }
}

/// How a body ends (RFC 9112, 6.3), where there is one. What two readers could read in two ways is
/// refused also where there is none.
fn body(head: &Response<()>, framed: Framed) -> Result<State, BadAnswer> {
    let headers = head.headers();
    if framed.by_coding {
        let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !codings.next().is_some_and(is_chunked)
            || codings.next().is_some()
            || head.version() == Version::HTTP_10
        {
            return Err(BadAnswer::Coding);
        }
        if framed.by_length {
            return Err(BadAnswer::TwoFramings);
        }
        return Ok(State::Chunked(Chunks::default()));
    }
    if !framed.by_length {
        return Ok(State::ToTheEnd);
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next().and_then(length), lengths.next()) {
        (Some(0), None) => Ok(State::Over),
        (Some(length), None) => Ok(State::Length(length)),
        _ => Err(BadAnswer::Length),
    }
}

fn length(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    value.to_str().ok()?.parse().ok()
}

fn is_last(answer: &Response<()>, framed: Framed) -> bool {
    let is_old = answer.version() == Version::HTTP_10;
    if !framed.by_connection {
        return is_old;
    }
    let says = |word| head::says(answer.headers().get_all(header::CONNECTION), word);
    says("close") || (is_old && !says("keep-alive"))
}
