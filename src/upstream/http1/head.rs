//! Heads: the request's as it is written, the response's as it is read.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, request,
};

use crate::spare;
use crate::upstream::connection::{HEAD_BYTES, HEAD_FIELDS};

/// Why bytes are no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// What is no head.
    #[error("{0} in its head")]
    Head(httparse::Error),
    /// A head, or trailers, beyond their bounds.
    #[error("too large a head")]
    HeadTooLarge,
    /// A length that is none, or more than one.
    #[error("Content-Length is not one decimal number")]
    Length,
    /// A transfer coding other than `chunked`, or one in HTTP/1.0.
    #[error("Transfer-Encoding is not just `chunked`")]
    Coding,
    /// A length beside a coding.
    #[error("both Content-Length and Transfer-Encoding")]
    TwoFramings,
    /// A chunk that does not begin with its size, or does not end with it.
    #[error("invalid chunks")]
    Chunk,
    /// Trailers that are no fields.
    #[error("{0} in its trailers")]
    Trailers(httparse::Error),
}

/// Which of the fields are there that say how an answer ends. Seen as they pass: to look each up costs
/// more.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Framed {
    pub(super) by_connection: bool,
    pub(super) by_coding: bool,
    pub(super) by_length: bool,
}

impl Framed {
    fn note(&mut self, name: &HeaderName) {
        self.by_connection |= name == header::CONNECTION;
        self.by_coding |= name == header::TRANSFER_ENCODING;
        self.by_length |= name == header::CONTENT_LENGTH;
    }
}

/// Puts a request's head at the end of `output`.
pub fn write(output: &mut Vec<u8>, head: &request::Parts) {
    let target = head.uri.path_and_query();
    write_line(output, &head.method, target, head.headers.len());
    write_fields(output, &head.headers);
}

/// Puts a request's first line at the end of `output`, and makes room for so many fields.
pub fn write_line(
    output: &mut Vec<u8>,
    method: &Method,
    target: Option<&PathAndQuery>,
    fields: usize,
) {
    // As a backend's log would show them: few are longer.
    const FIELD: usize = 48;
    output.reserve(64 + fields * FIELD);
    output.extend_from_slice(method.as_str().as_bytes());
    output.push(b' ');
    output.extend_from_slice(target.map_or("/", |target| target.as_str()).as_bytes());
    output.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Puts fields at the end of `output`, and the empty line behind them.
pub(super) fn write_fields(output: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        write_field(output, name, value.as_bytes());
    }
    output.extend_from_slice(b"\r\n");
}

/// Puts a field at the end of `output`.
pub fn write_field(output: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    output.extend_from_slice(name.as_str().as_bytes());
    output.extend_from_slice(b": ");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}

/// Takes a head from the front of `input`; `None`: it is not all there. `scanned` remembers, from one
/// call to the next, how far no end was found.
pub(super) fn read(
    input: &mut BytesMut,
    scanned: &mut usize,
) -> Result<Option<(Response<()>, Framed)>, BadAnswer> {
    // As parsers do; some servers end a body with a line of their own.
    while input.starts_with(b"\n") || input.starts_with(b"\r\n") {
        input.advance(1);
    }
    let Some(head) = section(input, scanned)? else {
        return Ok(None);
    };
    let mut fields = [const { MaybeUninit::uninit() }; HEAD_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let outcome = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        &head,
        &mut fields,
    );
    match outcome {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        // We see another end than is there.
        Ok(_) => return Err(BadAnswer::Head(httparse::Error::NewLine)),
        Err(httparse::Error::TooManyHeaders) => return Err(BadAnswer::HeadTooLarge),
        Err(error) => return Err(BadAnswer::Head(error)),
    }
    let mut response = Response::new(());
    let code = parsed.code.unwrap_or_default();
    *response.status_mut() =
        StatusCode::from_u16(code).map_err(|_| BadAnswer::Head(httparse::Error::Status))?;
    *response.version_mut() = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut framed = Framed::default();
    let fields = read_fields(&head, parsed.headers, |name| framed.note(name));
    *response.headers_mut() = fields.map_err(BadAnswer::Head)?;
    Ok(Some((response, framed)))
}

/// Takes trailers from the front of `input`, in the same way.
pub(super) fn read_trailers(
    input: &mut BytesMut,
    scanned: &mut usize,
) -> Result<Option<HeaderMap>, BadAnswer> {
    match input.get(..2) {
        None => return Ok(None),
        Some(b"\r\n") => {
            input.advance(2);
            return Ok(Some(HeaderMap::new()));
        }
        Some(_) => {}
    }
    let Some(section) = section(input, scanned)? else {
        return Ok(None);
    };
    let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS];
    let parsed = match httparse::parse_headers(&section, &mut fields) {
        Ok(httparse::Status::Complete((length, parsed))) if length == section.len() => parsed,
        Ok(_) => return Err(BadAnswer::Trailers(httparse::Error::NewLine)),
        Err(httparse::Error::TooManyHeaders) => return Err(BadAnswer::HeadTooLarge),
        Err(error) => return Err(BadAnswer::Trailers(error)),
    };
    let fields = read_fields(&section, parsed, |_| {});
    fields.map(Some).map_err(BadAnswer::Trailers)
}

/// The values are pieces of `section`: nothing is copied.
fn read_fields(
    section: &Bytes,
    parsed: &[httparse::Header<'_>],
    mut note: impl FnMut(&HeaderName),
) -> Result<HeaderMap, httparse::Error> {
    let mut fields = spare::fields(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| httparse::Error::HeaderName)?;
        note(&name);
        let value = HeaderValue::from_maybe_shared(section.slice_ref(field.value));
        fields.append(name, value.map_err(|_| httparse::Error::HeaderValue)?);
    }
    Ok(fields)
}

/// Whether one of these lines, each a list as `Connection` is one, holds `word`.
pub fn says<'l>(lines: impl IntoIterator<Item = &'l HeaderValue>, word: &str) -> bool {
    lines
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|said| said.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// Takes what ends with an empty line.
fn section(input: &mut BytesMut, scanned: &mut usize) -> Result<Option<Bytes>, BadAnswer> {
    match end(input, *scanned) {
        Some(end) if end <= HEAD_BYTES => {
            *scanned = 0;
            Ok(Some(input.split_to(end).freeze()))
        }
        None if input.len() <= HEAD_BYTES => {
            // The end may have begun.
            *scanned = input.len().saturating_sub(2);
            Ok(None)
        }
        _ => Err(BadAnswer::HeadTooLarge),
    }
}

/// Where the first empty line ends, which may follow a line feed at `from`.
fn end(input: &[u8], from: usize) -> Option<usize> {
    let rest = input.get(from..)?;
    memchr::memchr_iter(b'\n', rest).find_map(|line| {
        let behind = from + line + 1;
        match input.get(behind..)? {
            [b'\n', ..] => Some(behind + 1),
            [b'\r', b'\n', ..] => Some(behind + 2),
            _ => None,
        }
    })
}
