//! Responses, read strictly: what a lenient client would forgive is a failure here.

use std::fmt;

use super::client::Raw;

/// Why there is no complete, well-formed response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The connection was closed in order before a byte of it.
    Closed,
    /// The connection was reset, before it or within it.
    Reset,
    /// Closed in order within it.
    Cut(String),
    /// Nothing more came in time.
    Silent,
    /// It came and is not HTTP/1.1.
    Malformed(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Reset => f.write_str("reset"),
            Self::Cut(at) => write!(f, "cut off {at}"),
            Self::Silent => f.write_str("nothing came in time"),
            Self::Malformed(what) => write!(f, "malformed: {what}"),
        }
    }
}

/// How a body was framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// None: HEAD, 1xx, 204, 304.
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// It ended with the connection.
    UntilClose,
}

/// A status line and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) version: String,
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// In order and in their own case.
    pub(crate) headers: Vec<(String, String)>,
}

/// A final response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) framing: Framing,
    /// The interim responses before it.
    pub(crate) interim: Vec<Head>,
}

impl Response {
    pub(super) fn read(raw: &mut Raw, method: &str) -> Result<Self, Broken> {
        let mut interim = Vec::new();
        let head = loop {
            let head = Head::read(raw)?;
            if !(100..200).contains(&head.status) || head.status == 101 {
                break head;
            }
            interim.push(head);
        };
        let framing = head.framing(method)?;
        let (mut body, mut trailers) = (Vec::new(), Vec::new());
        match framing {
            Framing::None => {}
            Framing::Length(length) => {
                body = take(
                    raw,
                    usize::try_from(length).expect("fits in memory"),
                    "in its body",
                )?;
            }
            Framing::Chunked => loop {
                let size = chunk_size(&line(raw, "at a chunk")?)?;
                if size == 0 {
                    trailers = fields(raw)?;
                    break;
                }
                body.extend(take(raw, size, "in a chunk")?);
                if !line(raw, "behind a chunk")?.is_empty() {
                    return Err(Broken::Malformed(
                        "a chunk is longer than its size".to_owned(),
                    ));
                }
            },
            Framing::UntilClose => loop {
                match raw.fill() {
                    Ok(()) => {}
                    Err(Broken::Closed) => break body = std::mem::take(&mut raw.ahead),
                    Err(other) => return Err(other),
                }
            },
        }
        Ok(Self {
            head,
            body,
            trailers,
            framing,
            interim,
        })
    }

    /// The status.
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    /// The response itself, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.head.status,
            status,
            "{:#?}\n{}",
            self.head,
            self.text()
        );
        self
    }

    /// The first field called `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// All fields called `name`.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.head.all(name)
    }

    /// The name of the fake Tomcat that answered.
    #[track_caller]
    pub(crate) fn tomcat(&self) -> &str {
        self.header("X-Tomcat")
            .unwrap_or_else(|| panic!("no Tomcat's answer: {self:#?}"))
    }

    /// The value of a cookie that this response sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.all("Set-Cookie").into_iter().find_map(|line| {
            let (known, value) = line.split(';').next()?.split_once('=')?;
            (known == name).then_some(value)
        })
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|failure| panic!("no JSON ({failure}): {}", self.text()))
    }

    /// Whether another request may follow on the connection.
    pub(crate) fn keeps_alive(&self) -> bool {
        let says = |token: &str| {
            let lines = self.all("Connection");
            lines
                .iter()
                .flat_map(|line| line.split(','))
                .any(|part| part.trim().eq_ignore_ascii_case(token))
        };
        match self.head.version.as_str() {
            _ if self.framing == Framing::UntilClose => false,
            "HTTP/1.0" => says("keep-alive"),
            _ => !says("close"),
        }
    }
}

impl Head {
    pub(super) fn read(raw: &mut Raw) -> Result<Self, Broken> {
        while raw.ahead.is_empty() {
            raw.fill()?;
        }
        let status_line = line(raw, "in its status line")?;
        let malformed = || Broken::Malformed(format!("status line {status_line:?}"));
        let mut parts = status_line.splitn(3, ' ');
        let (Some(version), Some(digits), Some(reason)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let is_status = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || !is_status {
            return Err(malformed());
        }
        Ok(Self {
            version: version.to_owned(),
            status: digits.parse().map_err(|_| malformed())?,
            reason: reason.to_owned(),
            headers: fields(raw)?,
        })
    }

    /// The first field called `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// All fields called `name`.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    fn framing(&self, method: &str) -> Result<Framing, Broken> {
        let malformed = |what: &str| Broken::Malformed(format!("{what}: {:?}", self.headers));
        let (lengths, codings) = (self.all("Content-Length"), self.all("Transfer-Encoding"));
        let length = match lengths.as_slice() {
            [] => None,
            [only] if !only.is_empty() && only.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(only.parse().map_err(|_| malformed("Content-Length"))?)
            }
            _ => return Err(malformed("Content-Length")),
        };
        if length.is_some() && !codings.is_empty() {
            return Err(malformed("both length and coding"));
        }
        if matches!(self.status, 100..=199 | 204) && (length.is_some() || !codings.is_empty()) {
            return Err(malformed("a length where no body may be"));
        }
        if method == "HEAD" || matches!(self.status, 100..=199 | 204 | 304) {
            return Ok(Framing::None);
        }
        match (codings.as_slice(), length) {
            ([], Some(length)) => Ok(Framing::Length(length)),
            ([], None) => Ok(Framing::UntilClose),
            (["chunked"], _) if self.version == "HTTP/1.1" => Ok(Framing::Chunked),
            _ => Err(malformed("Transfer-Encoding")),
        }
    }
}

/// Bytes for a failure's text.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(400)];
    format!("{} bytes: \"{}\"", bytes.len(), start.escape_ascii())
}

/// An end within a response is a cut.
fn fill(raw: &mut Raw, place: &str) -> Result<(), Broken> {
    raw.fill().map_err(|broken| match broken {
        Broken::Closed => Broken::Cut(format!("{place}, {}", shown(&raw.ahead))),
        other => other,
    })
}

fn take(raw: &mut Raw, count: usize, place: &str) -> Result<Vec<u8>, Broken> {
    while raw.ahead.len() < count {
        fill(raw, place)?;
    }
    Ok(raw.ahead.drain(..count).collect())
}

/// A line without its CRLF. A bare LF, a bare CR or a NUL is malformed.
fn line(raw: &mut Raw, place: &str) -> Result<String, Broken> {
    loop {
        if let Some(end) = raw.ahead.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = raw.ahead.drain(..=end).collect();
            let text = line
                .strip_suffix(b"\r\n")
                .filter(|text| !text.contains(&b'\r'));
            return text
                .filter(|text| !text.contains(&0))
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .ok_or_else(|| Broken::Malformed(format!("line {place}: {}", shown(&line))));
        }
        if raw.ahead.len() > 256 * 1024 {
            return Err(Broken::Malformed(format!("endless line {place}")));
        }
        fill(raw, place)?;
    }
}

fn fields(raw: &mut Raw) -> Result<Vec<(String, String)>, Broken> {
    let mut fields = Vec::new();
    loop {
        let line = line(raw, "in its fields")?;
        if line.is_empty() {
            return Ok(fields);
        }
        let is_token =
            |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
        match line.split_once(':') {
            Some((name, value)) if !name.is_empty() && name.chars().all(is_token) => {
                fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
            }
            _ => return Err(Broken::Malformed(format!("field {line:?}"))),
        }
    }
}

fn chunk_size(line: &str) -> Result<usize, Broken> {
    let malformed = || Broken::Malformed(format!("chunk size {line:?}"));
    let size = line.split(';').next().unwrap_or("");
    if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(malformed());
    }
    usize::from_str_radix(size, 16).map_err(|_| malformed())
}
