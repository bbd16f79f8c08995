//! A browser: keeps its cookies and its connection.

use std::collections::BTreeMap;

use cattail::standin::Address;

use super::client::Raw;
use super::request::Request;
use super::response::Response;

/// One user's browser. Cookies are kept by name alone, without regard to their paths.
#[derive(Debug)]
pub(crate) struct Browser {
    to: Address,
    connection: Option<Raw>,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A browser that knows one site.
    pub(crate) fn new(to: impl Into<Address>) -> Self {
        Self {
            to: to.into(),
            connection: None,
            cookies: BTreeMap::new(),
        }
    }

    /// The session id it holds.
    #[track_caller]
    pub(crate) fn session_id(&self) -> &str {
        self.cookies.get("JSESSIONID").expect("a session cookie")
    }

    /// Opens a page.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.ask(&Request::get(path))
    }

    /// Sends any request with the browser's cookies. A kept connection that was closed meanwhile is
    /// replaced first; one that breaks under the request fails the test, since a user would see it.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Request) -> Response {
        let mut request = request.clone();
        let pairs: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !pairs.is_empty() {
            request = request.header("Cookie", &pairs.join("; "));
        }
        let kept = self.connection.take().filter(Raw::is_open);
        let mut connection = kept.unwrap_or_else(|| Raw::connect(&self.to));
        let response = request.send_on(&mut connection);
        if response.keeps_alive() {
            self.connection = Some(connection);
        }
        for line in response.all("Set-Cookie") {
            let pair = line.split(';').next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.expect("name=value");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }
}
