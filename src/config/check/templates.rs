//! Texts with variables: parsed once, so that a wrong name is found before the first request.

use http::{HeaderName, HeaderValue};

use crate::config::nearest::nearest;
use crate::config::{Piece, Template, Variable};
use crate::observe::{LogField, LogFormatProblem, LogPiece};
use crate::proxy_protocol::Fact;

use super::at::At;

/// Where a template is used; not every variable has a meaning everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The target of a redirect.
    Redirect,
    /// A header on the way to the backend.
    RequestHeader,
    /// A header on the way to the client.
    ResponseHeader,
}

/// Every variable by its name.
pub(in crate::config) const VARIABLES: &[(&str, Variable)] = &[
    ("client_ip", Variable::ClientIp),
    ("client_port", Variable::ClientPort),
    ("peer_ip", Variable::PeerIp),
    ("scheme", Variable::Scheme),
    ("host", Variable::Host),
    ("http_host", Variable::HttpHost),
    ("server_port", Variable::ServerPort),
    ("method", Variable::Method),
    ("path", Variable::Path),
    ("query", Variable::Query),
    ("request_uri", Variable::RequestUri),
    ("request_id", Variable::RequestId),
    ("cluster", Variable::Cluster),
    ("backend", Variable::Backend),
    ("tls_version", Variable::TlsVersion),
    ("tls_cipher", Variable::TlsCipher),
    ("tls_server_name", Variable::TlsServerName),
    ("client_cert_subject", Variable::ClientCertSubject),
    ("client_cert_issuer", Variable::ClientCertIssuer),
    ("client_cert_serial", Variable::ClientCertSerial),
    ("client_cert_fingerprint", Variable::ClientCertFingerprint),
    ("status", Variable::Status),
    ("proxy_alpn", Variable::Told(Fact::Alpn)),
    ("proxy_authority", Variable::Told(Fact::Authority)),
    ("proxy_unique_id", Variable::Told(Fact::UniqueId)),
    ("proxy_tls_version", Variable::Told(Fact::TlsVersion)),
    ("proxy_tls_cipher", Variable::Told(Fact::TlsCipher)),
    ("proxy_tls_cn", Variable::Told(Fact::TlsCn)),
    ("proxy_vpce_id", Variable::Told(Fact::VpceId)),
];

/// What nginx calls the same.
const NGINX: &[(&str, &str)] = &[
    ("remote_addr", "client_ip"),
    ("remote_port", "client_port"),
    ("realip_remote_addr", "peer_ip"),
    ("request_method", "method"),
    ("uri", "path"),
    ("document_uri", "path"),
    ("args", "query"),
    ("query_string", "query"),
    ("server_name", "host"),
    ("proxy_host", "backend"),
    ("upstream_addr", "backend"),
    ("ssl_protocol", "tls_version"),
    ("ssl_cipher", "tls_cipher"),
    ("ssl_server_name", "tls_server_name"),
    ("ssl_client_s_dn", "client_cert_subject"),
    ("ssl_client_i_dn", "client_cert_issuer"),
    ("ssl_client_serial", "client_cert_serial"),
    ("ssl_client_fingerprint", "client_cert_fingerprint"),
    ("proxy_protocol_addr", "client_ip"),
    ("proxy_protocol_port", "client_port"),
    ("proxy_protocol_tlv_alpn", "proxy_alpn"),
    ("proxy_protocol_tlv_authority", "proxy_authority"),
    ("proxy_protocol_tlv_unique_id", "proxy_unique_id"),
    ("proxy_protocol_tlv_ssl_version", "proxy_tls_version"),
    ("proxy_protocol_tlv_ssl_cipher", "proxy_tls_cipher"),
    ("proxy_protocol_tlv_ssl_cn", "proxy_tls_cn"),
    ("proxy_protocol_tlv_aws_vpce_id", "proxy_vpce_id"),
];

/// Too long for texts: a header of its own carries it.
const CERTIFICATE_ITSELF: [&str; 3] = [
    "ssl_client_escaped_cert",
    "ssl_client_cert",
    "ssl_client_raw_cert",
];

const NGINX_FIELDS: &[(&str, &str)] = &[
    ("remote_addr", "client_ip"),
    ("time_local", "time"),
    ("time_iso8601", "time"),
    ("request_uri", "uri"),
    ("request_method", "method"),
    ("server_protocol", "protocol"),
    ("body_bytes_sent", "bytes_out"),
    ("bytes_sent", "bytes_out"),
    ("request_length", "bytes_in"),
    ("request_time", "duration"),
    ("upstream_response_time", "backend_duration"),
    ("upstream_addr", "backend"),
    ("http_referer", "referer"),
    ("http_user_agent", "user_agent"),
    ("ssl_protocol", "tls_version"),
    ("ssl_cipher", "tls_cipher"),
    ("ssl_server_name", "tls_server_name"),
    ("ssl_client_s_dn", "client_cert_subject"),
    ("realip_remote_addr", "peer"),
    ("proxy_protocol_addr", "client_ip"),
    ("proxy_protocol_tlv_alpn", "proxy_alpn"),
    ("proxy_protocol_tlv_authority", "proxy_authority"),
    ("proxy_protocol_tlv_unique_id", "proxy_unique_id"),
    ("proxy_protocol_tlv_ssl_version", "proxy_tls_version"),
    ("proxy_protocol_tlv_ssl_cipher", "proxy_tls_cipher"),
    ("proxy_protocol_tlv_ssl_cn", "proxy_tls_cn"),
    ("proxy_protocol_tlv_aws_vpce_id", "proxy_vpce_id"),
];

/// A header's value or a redirect's target.
pub(super) fn template(at: &At<'_>, used: Use) -> Option<Template> {
    let mut pieces = Vec::new();
    for piece in split(at, at.text()?)? {
        pieces.push(match piece {
            Split::Text(text) if HeaderValue::from_str(&text).is_ok() => Piece::Text(text),
            Split::Text(_) => {
                at.unlike("a text of one line, without control characters", None);
                return None;
            }
            Split::Name(name) => named(at, &name, used)?,
        });
    }
    Some(Template(pieces))
}

/// A log line's form.
pub(super) fn log_format(at: &At<'_>) -> Option<Vec<LogPiece>> {
    let bare = "write $$ for the character '$'".to_owned();
    let (expected, hint) = match LogPiece::parse(at.text()?) {
        Ok(pieces) => return Some(pieces),
        Err(LogFormatProblem::UnknownField { name, .. }) => {
            unknown(
                at,
                &name,
                LogField::ALL.map(LogField::name).into_iter(),
                NGINX_FIELDS,
            );
            return None;
        }
        Err(LogFormatProblem::BareDollar { .. }) => {
            ("a variable's name after each '$'", Some(bare))
        }
        Err(LogFormatProblem::OpenBrace { .. }) => ("a '}' behind each '${'", Some(bare)),
        Err(LogFormatProblem::ControlCharacter { .. }) => {
            ("a text of one line, without control characters", None)
        }
        Err(LogFormatProblem::NoField) => ("a text with at least one field", None),
    };
    at.unlike(expected, hint);
    None
}

fn named(at: &At<'_>, name: &str, used: Use) -> Option<Piece> {
    if let Some((_, variable)) = VARIABLES.iter().find(|(known, _)| *known == name) {
        return usable(at, name, *variable, used).then_some(Piece::Variable(*variable));
    }
    // Any other `$http_NAME` is a header of the request, as in nginx.
    if let Some(header) = name.strip_prefix("http_") {
        let header = header.replace('_', "-");
        if let Ok(header) = HeaderName::from_bytes(header.as_bytes()) {
            return Some(Piece::RequestHeader(header));
        }
    }
    unknown(at, name, VARIABLES.iter().map(|(name, _)| *name), NGINX);
    None
}

fn usable(at: &At<'_>, name: &str, variable: Variable, used: Use) -> bool {
    let fits = match variable {
        Variable::Backend | Variable::Status => used == Use::ResponseHeader,
        Variable::Cluster => used != Use::Redirect,
        _ => true,
    };
    if !fits {
        let hint = match variable {
            Variable::Cluster => format!("${name} is not known where no cluster is asked"),
            _ => format!("${name} is known in response_headers and in the access log"),
        };
        at.unlike("variables that are known at this point", Some(hint));
    }
    fits
}

fn unknown<'a>(
    at: &At<'_>,
    name: &str,
    known: impl Iterator<Item = &'a str>,
    theirs: &[(&str, &'a str)],
) {
    let known: Vec<&str> = known.collect();
    let renamed = theirs.iter().find(|(theirs, _)| *theirs == name);
    let near = renamed
        .map(|(_, ours)| *ours)
        .or_else(|| nearest(name, known.iter().copied()));
    let list: Vec<String> = known.iter().map(|name| format!("${name}")).collect();
    let expected = format!("variables of these: {}", list.join(" "));
    let hint = match near {
        _ if CERTIFICATE_ITSELF.contains(&name) => format!(
            "${name} is unknown; pem in client_headers of a listener's tls names a header for it"
        ),
        Some(near) => format!("${name} is unknown; write ${near}"),
        None => format!("${name} is unknown; write $$ for the character '$'"),
    };
    at.unlike(expected, Some(hint));
}

/// A piece before its name is looked up.
enum Split {
    Text(String),
    Name(String),
}

/// Splits at `$name`; `$$` is the character itself.
fn split(at: &At<'_>, text: &str) -> Option<Vec<Split>> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            literal.push('$');
            rest = after;
            continue;
        }
        let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let end = after.find(|c| !is_letter(c)).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        if name.is_empty() {
            let hint = "write $$ for the character '$'".to_owned();
            at.unlike("a variable's name after each '$'", Some(hint));
            return None;
        }
        if !literal.is_empty() {
            pieces.push(Split::Text(std::mem::take(&mut literal)));
        }
        pieces.push(Split::Name(name.to_owned()));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Split::Text(literal));
    }
    Some(pieces)
}
