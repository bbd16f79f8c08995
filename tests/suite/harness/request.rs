//! Requests, written as one reads them: `Request::get("/x").header("Host", "shop").send(proxy)`.

use cattail::standin::Address;

use super::client::Raw;
use super::response::Response;

/// A request under construction.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    target: String,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Whole(Vec<u8>),
    Chunked(Vec<Vec<u8>>, Vec<(String, String)>),
}

/// GET of a path on a connection of its own.
#[track_caller]
pub(crate) fn get(from: impl Into<Address>, path: &str) -> Response {
    Request::get(path).send(from)
}

impl Request {
    /// Any method.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1",
            headers: Vec::new(),
            body: Body::None,
        }
    }

    /// A GET.
    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST with a `Content-Length`.
    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body(body)
    }

    /// As HTTP/1.0; a Host is sent only if it is set.
    pub(crate) fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// Adds a field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body with its `Content-Length`.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// A body in these chunks.
    pub(crate) fn chunked(mut self, chunks: &[&[u8]]) -> Self {
        self.body = Body::Chunked(
            chunks.iter().map(|chunk| chunk.to_vec()).collect(),
            Vec::new(),
        );
        self
    }

    /// A field behind the chunks.
    pub(crate) fn trailer(mut self, name: &str, value: &str) -> Self {
        let Body::Chunked(_, trailers) = &mut self.body else {
            panic!("only behind chunks")
        };
        trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The head alone, with the fields of its body.
    pub(crate) fn head_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version);
        let has_host = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"));
        if !has_host && self.version == "HTTP/1.1" {
            head.push_str("Host: shop.example\r\n");
        }
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        match &self.body {
            Body::None => {}
            Body::Whole(body) => {
                head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
            }
            Body::Chunked(..) => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The body as it goes over the wire.
    pub(crate) fn body_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match &self.body {
            Body::None => {}
            Body::Whole(body) => bytes.extend_from_slice(body),
            Body::Chunked(chunks, trailers) => {
                for chunk in chunks {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n");
                for (name, value) in trailers {
                    bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
                bytes.extend_from_slice(b"\r\n");
            }
        }
        bytes
    }

    /// The whole request as it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head_bytes(), self.body_bytes()].concat()
    }

    /// Sends it on a connection of its own and reads the response.
    #[track_caller]
    pub(crate) fn send(&self, to: impl Into<Address>) -> Response {
        self.send_on(&mut Raw::connect(to))
    }

    /// Sends it on this connection and reads the response.
    #[track_caller]
    pub(crate) fn send_on(&self, connection: &mut Raw) -> Response {
        connection.send(self.bytes());
        connection.read_response_to(&self.method)
    }
}
