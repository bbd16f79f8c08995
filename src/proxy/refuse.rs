//! Which requests are refused before anything is done with them.
//!
//! hyper has parsed the head and refused what is not HTTP: bad bytes, a `Transfer-Encoding`
//! that does not end in `chunked` or comes by HTTP/1.0, an invalid or contradicting
//! `Content-Length`. What it lets pass and a proxy must not is refused here, so that nothing
//! behind this point meets a request that two servers could read in two ways. A refused request's
//! connection is closed.
//!
//! An absolute-form target must agree with `Host`: we neither rewrite one by the other nor
//! guess. A fragment in a target is never seen here: hyper cuts it off.

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header};

use crate::config::Limits;
use crate::observe::metrics::RefusalReason;

use super::authority::{Authority, Host};
use super::client::Scheme;
use super::headers::fields::{self, Field, Scan};

/// What is known of a request that may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The host asked for; `None`: an HTTP/1.0 request without.
    pub host: Option<Host>,
    /// What follows the head.
    pub body: DeclaredBody,
    /// Whether the client waits for a `100 Continue`.
    pub expectation: Expectation,
    /// Which fields are there.
    pub fields: Scan,
}

/// What a head says about the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclaredBody {
    /// There is none.
    None,
    /// This many bytes; may be zero.
    Length(u64),
    /// Chunks until the last.
    Chunked,
}

impl DeclaredBody {
    /// HTTP/2 ends a body without saying before how long it is: towards a backend that is as
    /// chunks are.
    #[must_use]
    pub fn or_streamed(self, version: Version, has_ended: bool) -> Self {
        if self == Self::None && version == Version::HTTP_2 && !has_ended {
            Self::Chunked
        } else {
            self
        }
    }
}

/// What a client waits for before it sends its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    None,
    /// `100 Continue`.
    Continue,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// `CONNECT` asks for a forward proxy.
    #[error("CONNECT is not supported")]
    MethodConnect,
    /// `TRACE` shows a client fields that others added.
    #[error("TRACE is not supported")]
    MethodTrace,
    /// The target is none of `/path`, `http://host/path`, or `*` of `OPTIONS`.
    #[error("the request target is not of a form that a server understands")]
    TargetForm,
    /// An absolute target of another scheme than http and https.
    #[error("the request target has an unsupported scheme")]
    TargetScheme,
    /// The authority of an absolute target is no `host[:port]`.
    #[error("the request target names no valid host")]
    TargetHost,
    /// The target and `Host` name different places.
    #[error("the request target and Host disagree")]
    TargetDisagrees,
    /// A target longer than `limits.target_bytes`.
    #[error("the request target is too long")]
    TargetTooLong,
    /// HTTP/1.1 without `Host`.
    #[error("Host is missing")]
    HostMissing,
    /// More than one `Host`.
    #[error("more than one Host")]
    HostRepeated,
    /// An empty `Host`: a URL of http names a host.
    #[error("Host is empty")]
    HostEmpty,
    /// Not `host[:port]`.
    #[error("Host is invalid")]
    HostInvalid,
    /// Not exactly one `chunked`.
    #[error("Transfer-Encoding is something else than chunked")]
    TransferEncoding,
    /// HTTP/1.0 knows no transfer codings.
    #[error("Transfer-Encoding in an HTTP/1.0 request")]
    TransferEncodingInHttp10,
    /// Not one number.
    #[error("Content-Length is invalid")]
    ContentLength,
    /// A body longer than `limits.body_bytes`.
    #[error("the request body is too large")]
    BodyTooLarge,
    /// More fields than `limits.fields`; by HTTP/1 hyper has refused them before.
    #[error("the request has too many fields")]
    FieldsTooMany,
    /// Something else than `100-continue`.
    #[error("the expectation cannot be met")]
    Expectation,
    /// The connection's handshake was for a host of which other certificates are demanded.
    #[error("the connection was made for another host")]
    Misdirected,
    /// Another listener demands certificates for this host, this one asks for none.
    #[error("clients of this host must show a certificate, which this listener does not ask for")]
    CertificateElsewhere,
}

impl Refusal {
    /// All of them, for metrics.
    pub const ALL: [Self; 19] = [
        Self::MethodConnect,
        Self::MethodTrace,
        Self::TargetForm,
        Self::TargetScheme,
        Self::TargetHost,
        Self::TargetDisagrees,
        Self::TargetTooLong,
        Self::HostMissing,
        Self::HostRepeated,
        Self::HostEmpty,
        Self::HostInvalid,
        Self::TransferEncoding,
        Self::TransferEncodingInHttp10,
        Self::ContentLength,
        Self::BodyTooLarge,
        Self::FieldsTooMany,
        Self::Expectation,
        Self::Misdirected,
        Self::CertificateElsewhere,
    ];

    /// The metric label.
    pub fn reason(self) -> &'static str {
        self.kind().label()
    }

    /// As it is counted.
    pub fn kind(self) -> RefusalReason {
        match self {
            Self::MethodConnect => RefusalReason::MethodConnect,
            Self::MethodTrace => RefusalReason::MethodTrace,
            Self::TargetForm => RefusalReason::TargetForm,
            Self::TargetScheme => RefusalReason::TargetScheme,
            Self::TargetHost => RefusalReason::TargetHost,
            Self::TargetDisagrees => RefusalReason::TargetDisagrees,
            Self::TargetTooLong => RefusalReason::TargetTooLong,
            Self::HostMissing => RefusalReason::HostMissing,
            Self::HostRepeated => RefusalReason::HostRepeated,
            Self::HostEmpty => RefusalReason::HostEmpty,
            Self::HostInvalid => RefusalReason::HostInvalid,
            Self::TransferEncoding => RefusalReason::TransferEncoding,
            Self::TransferEncodingInHttp10 => RefusalReason::TransferEncodingInHttp10,
            Self::ContentLength => RefusalReason::ContentLength,
            Self::BodyTooLarge => RefusalReason::BodyTooLarge,
            Self::FieldsTooMany => RefusalReason::FieldsTooMany,
            Self::Expectation => RefusalReason::Expectation,
            Self::Misdirected => RefusalReason::Misdirected,
            Self::CertificateElsewhere => RefusalReason::CertificateElsewhere,
        }
    }

    /// The answer's status.
    pub fn status(self) -> StatusCode {
        match self {
            // 405 would have to name the methods that the resource does allow; we do not know.
            Self::MethodConnect | Self::MethodTrace => StatusCode::NOT_IMPLEMENTED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::FieldsTooMany => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::CertificateElsewhere => StatusCode::FORBIDDEN,
            Self::TargetForm
            | Self::TargetScheme
            | Self::TargetHost
            | Self::TargetDisagrees
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostEmpty
            | Self::HostInvalid
            | Self::TransferEncoding
            | Self::TransferEncodingInHttp10
            | Self::ContentLength => StatusCode::BAD_REQUEST,
        }
    }
}

/// Decides whether a request may go on. Walks the fields once and allocates nothing, except for
/// an absolute target by HTTP/1.0 without `Host`.
pub fn check(head: &Parts, limits: &Limits) -> Result<Checked, Refusal> {
    // The method first: CONNECT has a target form of its own.
    match head.method {
        Method::CONNECT => return Err(Refusal::MethodConnect),
        Method::TRACE => return Err(Refusal::MethodTrace),
        _ => {}
    }
    let fields = fields::scan(&head.headers);
    if head.version == Version::HTTP_2 && head.headers.len() > limits.head_fields {
        return Err(Refusal::FieldsTooMany);
    }
    if target_len(&head.uri) > limits.target_bytes.as_usize() {
        return Err(Refusal::TargetTooLong);
    }
    let host = check_target(head, check_host(head, fields)?)?;
    Ok(Checked {
        host,
        body: check_body(head, fields, limits)?,
        expectation: check_expectation(head, fields)?,
        fields,
    })
}

fn target_len(target: &Uri) -> usize {
    let path = target
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    let scheme = target
        .scheme_str()
        .map_or(0, |scheme| scheme.len() + "://".len());
    let authority = target
        .authority()
        .map_or(0, |authority| authority.as_str().len());
    scheme + authority + path
}

fn check_host(head: &Parts, fields: Scan) -> Result<Option<Host>, Refusal> {
    if fields.repeated.has(Field::Host) {
        return Err(Refusal::HostRepeated);
    }
    let value = if fields.present.has(Field::Host) {
        head.headers.get(header::HOST)
    } else {
        None
    };
    match value {
        None if head.version == Version::HTTP_10 => Ok(None),
        None => Err(Refusal::HostMissing),
        Some(value) if value.is_empty() => Err(Refusal::HostEmpty),
        Some(value) => Host::parse(value).map(Some).ok_or(Refusal::HostInvalid),
    }
}

fn check_target(head: &Parts, host: Option<Host>) -> Result<Option<Host>, Refusal> {
    let path = head.uri.path_and_query().map(PathAndQuery::as_str);
    let Some(authority) = head.uri.authority() else {
        return if is_path(path, &head.method) {
            Ok(host)
        } else {
            Err(Refusal::TargetForm)
        };
    };
    // By HTTP/2 the path stands by itself, and only there it can be something else than a path.
    if head.version == Version::HTTP_2 && !is_path(path, &head.method) {
        return Err(Refusal::TargetForm);
    }
    // An authority without a scheme is the form of CONNECT.
    let scheme = head.uri.scheme_str().ok_or(Refusal::TargetForm)?;
    let scheme = Scheme::parse(scheme).ok_or(Refusal::TargetScheme)?;
    let asked = Authority::parse(authority.as_str()).ok_or(Refusal::TargetHost)?;
    match host {
        Some(host) if host.authority().is_same(asked, scheme.default_port()) => Ok(Some(host)),
        Some(_) => Err(Refusal::TargetDisagrees),
        None => HeaderValue::from_str(authority.as_str())
            .ok()
            .and_then(|value| Host::parse(&value))
            .map(Some)
            .ok_or(Refusal::TargetHost),
    }
}

fn is_path(path: Option<&str>, method: &Method) -> bool {
    match path {
        Some("*") => method == Method::OPTIONS,
        Some(path) => path.starts_with('/'),
        None => false,
    }
}

fn check_body(head: &Parts, fields: Scan, limits: &Limits) -> Result<DeclaredBody, Refusal> {
    if fields.present.has(Field::TransferEncoding) {
        if head.version == Version::HTTP_10 {
            return Err(Refusal::TransferEncodingInHttp10);
        }
        let only = !fields.repeated.has(Field::TransferEncoding);
        let value = head.headers.get(header::TRANSFER_ENCODING);
        return match value {
            Some(value) if only && is_token(value, b"chunked") => Ok(DeclaredBody::Chunked),
            _ => Err(Refusal::TransferEncoding),
        };
    }
    if !fields.present.has(Field::ContentLength) {
        return Ok(DeclaredBody::None);
    }
    let length = content_length(&head.headers).ok_or(Refusal::ContentLength)?;
    // Servers behind us count in signed 64 bits.
    if length > limits.body_bytes.0.min(i64::MAX as u64) {
        return Err(Refusal::BodyTooLarge);
    }
    Ok(DeclaredBody::Length(length))
}

// hyper has merged equal lines into one; several here would mean that it did not.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let value = values.next()?.as_bytes();
    if values.next().is_some() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn check_expectation(head: &Parts, fields: Scan) -> Result<Expectation, Refusal> {
    // HTTP/1.0 knows no expectations: RFC 9110, 10.1.1 wants them ignored.
    if !fields.present.has(Field::Expect) || head.version == Version::HTTP_10 {
        return Ok(Expectation::None);
    }
    let mut values = head.headers.get_all(header::EXPECT).iter();
    if values.all(|value| is_token(value, b"100-continue")) {
        // hyper cannot say 100 by HTTP/2 yet: the body is asked for at once, as if it had.
        Ok(match head.version {
            Version::HTTP_2 => Expectation::None,
            _ => Expectation::Continue,
        })
    } else {
        Err(Refusal::Expectation)
    }
}

fn is_token(value: &HeaderValue, token: &[u8]) -> bool {
    value.as_bytes().eq_ignore_ascii_case(token)
}

#[cfg(test)]
mod tests;
