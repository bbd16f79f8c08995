//! One walk over a header map: which of the fields that concern a proxy are there.
//!
//! Most requests hold none of the fields that must be removed or looked into; the bits say so
//! without a look-up by name.

use http::{HeaderMap, HeaderName, header};

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A field that concerns a proxy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Field {
            $($(#[$doc])* $name,)*
        }

        impl Field {
            /// All of them.
            pub const ALL: &[Field] = &[$(Field::$name,)*];
        }
    };
}

fields! {
    /// `Connection`
    Connection,
    /// `Proxy-Connection`, of clients of the nineties.
    ProxyConnection,
    /// `Keep-Alive`
    KeepAlive,
    /// `TE`
    Te,
    /// `Upgrade`
    Upgrade,
    /// `HTTP2-Settings`, of an upgrade to h2c.
    Http2Settings,
    /// `Proxy-Authorization`
    ProxyAuthorization,
    /// `Proxy-Authenticate`
    ProxyAuthenticate,
    /// `Proxy-Authentication-Info`
    ProxyAuthenticationInfo,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Content-Length`
    ContentLength,
    /// `Host`
    Host,
    /// `Expect`
    Expect,
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `X-Forwarded-Proto`
    XForwardedProto,
    /// `X-Forwarded-Host`
    XForwardedHost,
    /// `X-Forwarded-Port`
    XForwardedPort,
    /// Any other field whose name starts with `X-Forwarded-`.
    XForwardedOther,
    /// `X-Real-IP`
    XRealIp,
    /// `Forwarded`
    Forwarded,
    /// `Via`
    Via,
    /// `Location`
    Location,
    /// `Content-Location`
    ContentLocation,
    /// `Refresh`
    Refresh,
    /// `Link`
    Link,
    /// `Set-Cookie`
    SetCookie,
    /// `Content-Type`
    ContentType,
}

/// `X-Forwarded-For`
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-Host`
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Forwarded-Port`
pub const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// `X-Real-IP`
pub const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

impl Field {
    /// Which field a name is, if it concerns a proxy.
    pub fn of(name: &HeaderName) -> Option<Self> {
        Some(match *name {
            header::CONNECTION => Self::Connection,
            header::TE => Self::Te,
            header::UPGRADE => Self::Upgrade,
            header::PROXY_AUTHORIZATION => Self::ProxyAuthorization,
            header::PROXY_AUTHENTICATE => Self::ProxyAuthenticate,
            header::TRANSFER_ENCODING => Self::TransferEncoding,
            header::CONTENT_LENGTH => Self::ContentLength,
            header::HOST => Self::Host,
            header::EXPECT => Self::Expect,
            header::FORWARDED => Self::Forwarded,
            header::VIA => Self::Via,
            header::LOCATION => Self::Location,
            header::CONTENT_LOCATION => Self::ContentLocation,
            header::REFRESH => Self::Refresh,
            header::LINK => Self::Link,
            header::SET_COOKIE => Self::SetCookie,
            header::CONTENT_TYPE => Self::ContentType,
            _ => return Self::of_own_name(name.as_str()),
        })
    }

    // Names without a constant in `http::header`; the first letter spares the rest a comparison.
    fn of_own_name(name: &str) -> Option<Self> {
        match name.as_bytes().first()? {
            b'x' => {
                if name == "x-real-ip" {
                    return Some(Self::XRealIp);
                }
                Some(match name.strip_prefix("x-forwarded-")? {
                    "for" => Self::XForwardedFor,
                    "proto" => Self::XForwardedProto,
                    "host" => Self::XForwardedHost,
                    "port" => Self::XForwardedPort,
                    _ => Self::XForwardedOther,
                })
            }
            b'k' if name == "keep-alive" => Some(Self::KeepAlive),
            b'h' if name == "http2-settings" => Some(Self::Http2Settings),
            b'p' => match name {
                "proxy-connection" => Some(Self::ProxyConnection),
                "proxy-authentication-info" => Some(Self::ProxyAuthenticationInfo),
                _ => None,
            },
            _ => None,
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// A set of [`Field`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields(u32);

impl Fields {
    /// The set of these.
    pub const fn of(fields: &[Field]) -> Self {
        let mut bits = 0;
        let mut rest = fields;
        while let [field, tail @ ..] = rest {
            bits |= field.bit();
            rest = tail;
        }
        Self(bits)
    }

    /// Whether `field` is in the set.
    pub const fn has(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// Whether any field is in both sets.
    pub const fn has_any(self, other: Fields) -> bool {
        self.0 & other.0 != 0
    }

    /// What is in either set.
    #[must_use]
    pub const fn or(self, other: Fields) -> Self {
        Self(self.0 | other.0)
    }

    const fn with(self, field: Field) -> Self {
        Self(self.0 | field.bit())
    }
}

/// What one walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scan {
    /// Fields that are there.
    pub present: Fields,
    /// Fields that are there on more than one line.
    pub repeated: Fields,
}

/// Walks `headers` once.
pub fn scan(headers: &HeaderMap) -> Scan {
    let mut scan = Scan::default();
    for name in headers.iter().filter_map(|(name, _)| Field::of(name)) {
        if scan.present.has(name) {
            scan.repeated = scan.repeated.with(name);
        }
        scan.present = scan.present.with(name);
    }
    scan
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_field_has_a_bit_of_its_own() {
        assert!(Field::ALL.len() <= 32);
        assert_eq!(
            Fields::of(Field::ALL).0.count_ones() as usize,
            Field::ALL.len()
        );
    }

    #[test]
    fn a_walk_finds_what_is_there_and_what_is_repeated() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "a"),
            ("Keep-Alive", "1"),
            ("X-Forwarded-For", "1"),
            ("X-Forwarded-For", "2"),
            ("X-Forwarded-Prefix", "/a"),
            ("x-real-ip", "1"),
            ("x-other", "1"),
            ("accept", "1"),
            ("proxy-connection", "1"),
        ] {
            let name = HeaderName::try_from(name).unwrap();
            headers.append(name, HeaderValue::from_static(value));
        }
        let found = scan(&headers);
        let expected = Fields::of(&[
            Field::Host,
            Field::KeepAlive,
            Field::XForwardedFor,
            Field::XForwardedOther,
            Field::XRealIp,
            Field::ProxyConnection,
        ]);
        assert_eq!(found.present, expected);
        assert_eq!(found.repeated, Fields::of(&[Field::XForwardedFor]));
    }
}
