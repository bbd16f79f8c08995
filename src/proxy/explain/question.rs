//! What is asked, as the head of a request.

use std::fmt;
use std::net::IpAddr;

use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri, Version};
use serde::{Deserialize, Serialize};

use crate::config::Scheme;
use crate::proxy::refuse::Refusal;

/// A request of which the way is asked.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// `http://host/path?query`, or the path alone.
    pub url: String,
    /// The value of its `Cookie` field; several lines are several fields. Each may begin with the
    /// field's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// Its `Host`, if it is another than the URL's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Whom it is from. Without it, no `allow` and `deny` are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
}

/// URL and cookies have secrets in them.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("host", &self.host)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// Why a question has no answer. Repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// The URL is none.
    #[error("this is no URL: expected http://host/path or /path")]
    Url,
    /// The host cannot stand in a `Host` field.
    #[error("this is no host: expected host or host:port")]
    Host,
    /// The cookie cannot stand in a `Cookie` field.
    #[error("this is no cookie: expected the value of a Cookie field, such as JSESSIONID=…")]
    Cookie,
    /// The proxy answers such a request with an error of the client's.
    #[error("the proxy refuses such a request: {0}")]
    Refused(Refusal),
}

impl Question {
    /// The scheme of its URL; a path alone is asked for by plain HTTP.
    pub(super) fn scheme(&self) -> Scheme {
        let scheme = self.url.split_once("://").map(|(scheme, _)| scheme);
        scheme.and_then(Scheme::parse).unwrap_or(Scheme::Http)
    }

    /// The head of such a request. Without any host it is HTTP/1.0, which needs none.
    pub(super) fn head(&self) -> Result<Parts, Unclear> {
        let url: Uri = self.url.parse().map_err(|_| Unclear::Url)?;
        // `shop/cart` would be a host alone, as in CONNECT.
        if url.scheme().is_none() && !self.url.starts_with('/') {
            return Err(Unclear::Url);
        }
        let target = url.path_and_query().map_or("/", PathAndQuery::as_str);
        // `http://host?query`
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        let target: Uri = target.parse().map_err(|_| Unclear::Url)?;
        let host = self.host.as_deref();
        let host = host.or(url.authority().map(http::uri::Authority::as_str));
        let mut request = Request::new(());
        *request.uri_mut() = target;
        *request.version_mut() = host.map_or(Version::HTTP_10, |_| Version::HTTP_11);
        let headers = request.headers_mut();
        if let Some(host) = host {
            let host = HeaderValue::from_str(host).map_err(|_| Unclear::Host)?;
            headers.insert(HOST, host);
        }
        for line in self.cookie.as_deref().unwrap_or_default().lines() {
            let line = cookie_value(line.trim());
            if !line.is_empty() {
                let line = HeaderValue::from_bytes(line.as_bytes());
                headers.append(COOKIE, line.map_err(|_| Unclear::Cookie)?);
            }
        }
        Ok(request.into_parts().0)
    }
}

/// A line without the name of the field, as it is copied from a browser's tools.
fn cookie_value(line: &str) -> &str {
    match line.split_once(':') {
        Some((name, value)) if name.trim_end().eq_ignore_ascii_case("cookie") => value.trim(),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(url: &str, cookie: &str, host: Option<&str>) -> Result<Parts, Unclear> {
        let question = Question {
            url: url.to_owned(),
            cookie: Some(cookie.to_owned()),
            host: host.map(str::to_owned),
            client: None,
        };
        question.head()
    }

    #[test]
    fn a_url_becomes_a_target_and_a_host() {
        let cases = [
            (
                "http://shop:81/a;b/%2F?c",
                None,
                "/a;b/%2F?c",
                Some("shop:81"),
            ),
            ("https://shop", None, "/", Some("shop")),
            ("http://shop?c", None, "/?c", Some("shop")),
            ("http://shop/", Some("other"), "/", Some("other")),
            ("/cart", Some("shop"), "/cart", Some("shop")),
            ("/cart", None, "/cart", None),
        ];
        for (url, host, target, expected) in cases {
            let head = asked(url, "", host).unwrap();
            assert_eq!(head.uri.to_string(), target, "{url}");
            let found = head.headers.get(HOST).map(|host| host.to_str().unwrap());
            assert_eq!(found, expected, "{url}");
        }
        for url in ["", "cart", "shop:80", "http://", "/ a", "*"] {
            assert_eq!(asked(url, "", None).unwrap_err(), Unclear::Url, "{url:?}");
        }
        assert_eq!(asked("/", "", Some("a\nb")).unwrap_err(), Unclear::Host);
    }

    #[test]
    fn a_url_tells_its_scheme() {
        for (url, expected) in [
            ("http://shop/", Scheme::Http),
            ("HTTPS://shop/", Scheme::Https),
            ("/to?https://shop", Scheme::Http),
            ("/cart", Scheme::Http),
        ] {
            let question = Question {
                url: url.to_owned(),
                ..Question::default()
            };
            assert_eq!(question.scheme(), expected, "{url}");
        }
    }

    #[test]
    fn cookies_are_taken_as_they_are_copied() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("a=b; c=d", &["a=b; c=d"]),
            ("Cookie: a=b\n", &["a=b"]),
            ("cookie:a=b:c\r\n\r\nCOOKIE : d=e\n", &["a=b:c", "d=e"]),
            ("a=b:c", &["a=b:c"]),
            ("Cookie=b:c", &["Cookie=b:c"]),
        ];
        for (text, expected) in cases {
            let head = asked("/", text, None).unwrap();
            let lines = head.headers.get_all(COOKIE).iter();
            let lines: Vec<&str> = lines.map(|line| line.to_str().unwrap()).collect();
            assert_eq!(lines, expected, "{text:?}");
        }
        assert_eq!(asked("/", "a=\u{7}", None).unwrap_err(), Unclear::Cookie);
    }

    #[test]
    fn a_question_does_not_show_its_secrets() {
        let question = Question {
            url: "/;jsessionid=SECRET".to_owned(),
            cookie: Some("JSESSIONID=SECRET".to_owned()),
            ..Question::default()
        };
        assert!(!format!("{question:?}").contains("SECRET"));
    }
}
