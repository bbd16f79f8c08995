//! A request's head as Tomcat judges it: what is malformed gets 400, an unknown coding 501.

use bytes::Bytes;

/// Most fields in a head, as Tomcat's `maxHeaderCount`.
const MAX_FIELDS: usize = 100;

/// One request's head.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) version: Version,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    /// The head as it came, final empty line included.
    pub(super) raw: Bytes,
}

/// The protocol's minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    Http11,
}

/// How the request's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// No body.
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The status that answers a head nobody can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) u16);

/// The length of the complete head at the start of `bytes`, or `None` while it is incomplete.
pub(super) fn head_length(bytes: &[u8]) -> Result<Option<usize>, Refused> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    match httparse::Request::new(&mut fields).parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Ok(Some(length)),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(Refused(400)),
    }
}

impl Request {
    /// Reads a complete head (see [`head_length`]).
    pub(super) fn parse(raw: &Bytes) -> Result<Self, Refused> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        parsed.parse(raw).map_err(|_| Refused(400))?;
        let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
            return Err(Refused(400));
        };
        let headers: Vec<_> = parsed
            .headers
            .iter()
            .map(|field| {
                (
                    field.name.to_owned(),
                    String::from_utf8_lossy(field.value).into_owned(),
                )
            })
            .collect();
        let version = if parsed.version == Some(0) {
            Version::Http10
        } else {
            Version::Http11
        };
        let (method, target) = (method.to_owned(), target.to_owned());
        let mut request = Self {
            method,
            target,
            version,
            headers,
            framing: Framing::None,
            raw: raw.clone(),
        };
        request.framing = request.judge_framing()?;
        request.judge_host()?;
        Ok(request)
    }

    /// The values of all fields called `name`, in order.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The value of the first field called `name`.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether a comma-separated field holds `token`.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    }

    /// The target without the `http://host` of the absolute form.
    pub(super) fn origin_form(&self) -> &str {
        if self.target.starts_with('/') {
            return &self.target;
        }
        let Some((_, rest)) = self.target.split_once("://") else {
            return &self.target;
        };
        rest.find('/')
            .and_then(|start| rest.get(start..))
            .unwrap_or("/")
    }

    /// Whether the client asks to keep the connection.
    pub(super) fn keeps_alive(&self) -> bool {
        match self.version {
            Version::Http10 => self.has_token("Connection", "keep-alive"),
            Version::Http11 => !self.has_token("Connection", "close"),
        }
    }

    /// Whether the client waits for 100 before it sends the body.
    pub(super) fn expects_continue(&self) -> bool {
        self.version == Version::Http11
            && self.framing != Framing::None
            && self.has_token("Expect", "100-continue")
    }

    /// A head with both lengths and coding: chunked wins, and the connection must not go on.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.framing == Framing::Chunked && self.header("Content-Length").is_some()
    }

    fn judge_framing(&self) -> Result<Framing, Refused> {
        let codings: Vec<_> = self.all("Transfer-Encoding").collect();
        match codings.as_slice() {
            [] => {}
            [only] if only.trim().eq_ignore_ascii_case("chunked") => return Ok(Framing::Chunked),
            _ => return Err(Refused(501)),
        }
        let lengths: Vec<_> = self.all("Content-Length").collect();
        match lengths.as_slice() {
            [] => Ok(Framing::None),
            [only] if only.bytes().all(|byte| byte.is_ascii_digit()) => {
                only.parse().map(Framing::Length).map_err(|_| Refused(400))
            }
            _ => Err(Refused(400)),
        }
    }

    fn judge_host(&self) -> Result<(), Refused> {
        match (self.all("Host").count(), self.version) {
            (1, _) | (0, Version::Http10) => Ok(()),
            _ => Err(Refused(400)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: &str) -> Result<Request, Refused> {
        let head = format!("GET http://shop/a?b HTTP/1.1\r\nHost: shop\r\n{fields}\r\n");
        assert_eq!(head_length(head.as_bytes()), Ok(Some(head.len())));
        Request::parse(&Bytes::from(head))
    }

    #[test]
    fn framing_is_judged_as_by_tomcat() {
        let cases = [
            ("", Ok(Framing::None)),
            ("Content-Length: 5\r\n", Ok(Framing::Length(5))),
            (
                "Content-Length: 5\r\nContent-Length: 5\r\n",
                Err(Refused(400)),
            ),
            ("Content-Length: 5, 5\r\n", Err(Refused(400))),
            ("Content-Length: -5\r\n", Err(Refused(400))),
            ("Content-Length: +5\r\n", Err(Refused(400))),
            ("Transfer-Encoding: Chunked\r\n", Ok(Framing::Chunked)),
            ("Transfer-Encoding: xchunked\r\n", Err(Refused(501))),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(Refused(501))),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                Ok(Framing::Chunked),
            ),
            ("Host: other\r\n", Err(Refused(400))),
        ];
        for (fields, expected) in cases {
            assert_eq!(
                parse(fields).map(|request| request.framing),
                expected,
                "{fields:?}"
            );
        }
    }

    #[test]
    fn the_absolute_form_keeps_only_its_path() {
        let request = parse("").unwrap();
        assert_eq!(
            (request.target.as_str(), request.origin_form()),
            ("http://shop/a?b", "/a?b")
        );
    }

    #[test]
    fn an_address_in_the_query_is_no_absolute_form() {
        let head = Bytes::from("GET /a?to=http://b/ HTTP/1.0\r\n\r\n");
        assert_eq!(
            Request::parse(&head).unwrap().origin_form(),
            "/a?to=http://b/"
        );
    }

    #[test]
    fn an_incomplete_head_waits_and_a_broken_one_is_refused() {
        assert_eq!(head_length(b"GET / HTTP/1.1\r\nHo"), Ok(None));
        assert_eq!(head_length(b"\x16\x03\x01 junk\r\n\r\n"), Err(Refused(400)));
    }
}
