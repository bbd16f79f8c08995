//! What variables stand for: the facts of one request, and templates filled in with them.

use std::io::Write;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use crate::config::{Piece, Template, Variable};

use super::authority::Host;
use super::client::{Client, Peer};
use super::headers::request_id::RequestIdSlot;
use crate::tls::ClientCertificate;

/// The facts of one request. Borrowed throughout: nothing is worked out before a template asks.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The connection's other end, or who is named as such.
    pub peer: &'a Peer,
    /// The client, perhaps behind it.
    pub client: &'a Client,
    /// The request's method.
    pub method: &'a Method,
    /// The request's target, as the client sent it.
    pub target: &'a Uri,
    /// The request's Host.
    pub host: Option<&'a Host>,
    /// The fields of the request. `None` while they are being edited: then the edited ones are
    /// meant, as they were before the edit.
    pub request_headers: Option<&'a HeaderMap>,
    /// The request's id, made when first asked for.
    pub request_id: &'a RequestIdSlot<'a>,
    /// The cluster, once there is one.
    pub cluster: Option<&'a str>,
    /// The backend, once there is one.
    pub backend: Option<&'a str>,
    /// The status, once there is one.
    pub status: Option<StatusCode>,
}

impl Facts<'_> {
    /// Fills in `template`. A variable without a value is empty. The bytes are whatever the
    /// client sent; see [`Facts::value`].
    pub fn render(&self, template: &Template) -> Vec<u8> {
        let mut text = Vec::new();
        for piece in &template.0 {
            match piece {
                Piece::Text(literal) => text.extend_from_slice(literal.as_bytes()),
                Piece::Variable(variable) => self.append(*variable, &mut text),
                Piece::RequestHeader(name) => self.append_header(name, &mut text),
            }
        }
        text
    }

    /// Fills in `template` as a header's value. `None`: the text holds CR, LF, NUL or another
    /// byte that no header may carry, and must not be sent.
    pub fn value(&self, template: &Template) -> Option<HeaderValue> {
        HeaderValue::try_from(self.render(template).trim_ascii().to_vec()).ok()
    }

    fn append(&self, variable: Variable, text: &mut Vec<u8>) {
        match variable {
            Variable::ClientIp => append_value(self.client.ip_value(), text),
            Variable::ClientPort => {
                append_number(self.peer.address().map(|address| address.port()), text);
            }
            Variable::PeerIp => append_value(self.peer.connected_ip_value(), text),
            Variable::Scheme => append_text(Some(self.client.scheme().as_str()), text),
            Variable::Host => {
                let start = text.len();
                append_text(self.host.map(Host::name), text);
                if let Some(host) = text.get_mut(start..) {
                    host.make_ascii_lowercase();
                }
            }
            Variable::HttpHost => append_text(self.host.map(Host::as_str), text),
            Variable::ServerPort => append_number(self.peer.server_port(), text),
            Variable::Method => append_text(Some(self.method.as_str()), text),
            Variable::Path => append_text(Some(self.target.path()), text),
            Variable::Query => append_text(self.target.query(), text),
            Variable::RequestUri => {
                let target = self.target.path_and_query().map_or("/", |it| it.as_str());
                // `http://host?query`
                append_text(target.starts_with('?').then_some("/"), text);
                append_text(Some(target), text);
            }
            Variable::RequestId => append_text(Some(self.request_id.id().as_str()), text),
            Variable::Cluster => append_text(self.cluster, text),
            Variable::Backend => append_text(self.backend, text),
            Variable::TlsVersion => {
                append_text(self.peer.secured().map(|it| it.version.as_str()), text);
            }
            Variable::TlsCipher => {
                append_text(self.peer.secured().map(|it| it.cipher.as_str()), text);
            }
            Variable::TlsServerName => {
                let secured = self.peer.secured();
                append_text(secured.and_then(|it| it.shown.server_name.as_deref()), text);
            }
            Variable::ClientCertSubject => {
                append_text(self.certificate().map(|it| it.facts.subject.as_str()), text);
            }
            Variable::ClientCertIssuer => {
                append_text(self.certificate().map(|it| it.facts.issuer.as_str()), text);
            }
            Variable::ClientCertSerial => {
                append_text(self.certificate().map(|it| it.facts.serial.as_str()), text);
            }
            Variable::ClientCertFingerprint => {
                append_text(self.certificate().map(|it| it.fingerprint.as_str()), text);
            }
            Variable::Status => append_number(self.status.map(|status| status.as_u16()), text),
            Variable::Told(fact) => {
                let value = self.peer.told().and_then(|told| told.get(fact));
                text.extend_from_slice(value.unwrap_or_default());
            }
        }
    }

    fn certificate(&self) -> Option<&ClientCertificate> {
        self.peer.secured()?.client.as_deref()
    }

    // Several lines of one field are one list; cookies are joined in their own way.
    fn append_header(&self, name: &HeaderName, text: &mut Vec<u8>) {
        let Some(headers) = self.request_headers else {
            return;
        };
        let separator: &[u8] = if *name == header::COOKIE {
            b"; "
        } else {
            b", "
        };
        for (place, line) in headers.get_all(name).iter().enumerate() {
            if place > 0 {
                text.extend_from_slice(separator);
            }
            text.extend_from_slice(line.as_bytes());
        }
    }
}

fn append_text(value: Option<&str>, text: &mut Vec<u8>) {
    text.extend_from_slice(value.unwrap_or_default().as_bytes());
}

fn append_value(value: Option<&HeaderValue>, text: &mut Vec<u8>) {
    text.extend_from_slice(value.map(HeaderValue::as_bytes).unwrap_or_default());
}

fn append_number(value: Option<u16>, text: &mut Vec<u8>) {
    if let Some(number) = value {
        let written = write!(text, "{number}");
        debug_assert!(written.is_ok(), "a Vec takes everything");
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::client::{Entrance, Scheme, Trust};
    use crate::proxy::headers::request_id::RequestIds;

    use super::*;

    #[test]
    fn every_variable_has_its_value() {
        let entrance = Entrance {
            scheme: Scheme::Http,
            port: Some(8080),
        };
        let peer = Peer::new(
            Some("10.0.0.1:4711".parse().unwrap()),
            entrance,
            Trust::Trusted,
        );
        let client = Client::behind("192.0.2.9".parse().unwrap(), Scheme::Https);
        let host = Host::parse(&HeaderValue::from_static("Www.Example:81"));
        let target: Uri = "/a;b/%2F?c=d".parse().unwrap();
        let ids = RequestIds::seeded([1, 2, 3, 4]);
        let request_id = RequestIdSlot::new(None, &ids);
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        headers.append("cookie", HeaderValue::from_static("a=b"));
        headers.append("cookie", HeaderValue::from_static("c=d"));
        let facts = Facts {
            peer: &peer,
            client: &client,
            method: &Method::GET,
            target: &target,
            host: host.as_ref(),
            request_headers: Some(&headers),
            request_id: &request_id,
            cluster: Some("shop"),
            backend: Some("jvm1"),
            status: Some(StatusCode::NOT_FOUND),
        };
        let variable = |variable| Piece::Variable(variable);
        let request_header = |name| Piece::RequestHeader(HeaderName::from_static(name));
        let id = request_id.id().as_str().to_owned();
        let cases = [
            (variable(Variable::ClientIp), "192.0.2.9"),
            (variable(Variable::ClientPort), "4711"),
            (variable(Variable::PeerIp), "10.0.0.1"),
            (variable(Variable::Scheme), "https"),
            (variable(Variable::Host), "www.example"),
            (variable(Variable::HttpHost), "Www.Example:81"),
            (variable(Variable::ServerPort), "8080"),
            (variable(Variable::Method), "GET"),
            (variable(Variable::Path), "/a;b/%2F"),
            (variable(Variable::Query), "c=d"),
            (variable(Variable::RequestUri), "/a;b/%2F?c=d"),
            (variable(Variable::RequestId), &id),
            (variable(Variable::Cluster), "shop"),
            (variable(Variable::Backend), "jvm1"),
            (variable(Variable::Status), "404"),
            (request_header("x-a"), "1, 2"),
            (request_header("cookie"), "a=b; c=d"),
            (request_header("x-none"), ""),
        ];
        for (piece, expected) in cases {
            let text = Piece::Text("=".to_owned());
            let template = Template(vec![text.clone(), piece.clone(), text]);
            let found = String::from_utf8(facts.render(&template)).unwrap();
            assert_eq!(found, format!("={expected}="), "{piece:?}");
        }
    }
}
