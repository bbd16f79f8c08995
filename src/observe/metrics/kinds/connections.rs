//! Why connections of clients are closed before there is a request.

use super::Kind;
use crate::proxy_protocol::Broken;

kind!(
    /// Why a client connection was closed right after it was accepted.
    ConnectionRefusal {
        /// `limits.connections` are open.
        Limit = "limit",
        /// `limits.connections_per_client` of this address are open.
        LimitClient = "limit_client",
        /// The listener's `allow` and `deny` keep the address out.
        Access = "access",
        /// This address has begun as many TLS handshakes as `limits.handshakes.per_client` allows.
        HandshakesClient = "handshakes_client",
        /// All clients have begun as many as `limits.handshakes.in_all` allows.
        Handshakes = "handshakes",
        /// The listener wants a PROXY header, and the peer is none of those who may send one.
        ProxyProtocol = "proxy_protocol",
    }
);

kind!(
    /// Why a connection was closed on which a PROXY header was awaited.
    HeaderFault {
        /// What came begins like no PROXY header.
        Signature = "signature",
        /// Another version than 1 and 2.
        Version = "version",
        /// Another command than LOCAL and PROXY.
        Command = "command",
        /// An unknown address family or transport.
        Family = "family",
        /// More bytes than allowed.
        TooLong = "too_long",
        /// Malformed addresses.
        Addresses = "addresses",
        /// Malformed fields behind the addresses (TLVs).
        Fields = "fields",
        /// A wrong checksum.
        Checksum = "checksum",
        /// Not complete in time.
        Timeout = "timeout",
        /// The peer closed within the header.
        Incomplete = "incomplete",
    }
);

impl From<Broken> for HeaderFault {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Signature => Self::Signature,
            Broken::Version => Self::Version,
            Broken::Command => Self::Command,
            Broken::Family => Self::Family,
            Broken::TooLong => Self::TooLong,
            Broken::Addresses => Self::Addresses,
            Broken::Fields => Self::Fields,
            Broken::Checksum => Self::Checksum,
        }
    }
}

kind!(
    /// Why a request head was given up.
    ParseError {
        /// More bytes or fields than allowed.
        TooLarge = "too_large",
        /// Not HTTP.
        Malformed = "malformed",
        /// Not complete in time.
        Timeout = "timeout",
        /// The client closed within the head.
        Incomplete = "incomplete",
        /// An HTTP version that is not served.
        Version = "version",
    }
);

kind!(
    /// What became of a TLS handshake.
    Handshake {
        /// Done, with new keys.
        Full = "full",
        /// Done, with keys of before.
        Resumed = "resumed",
        /// Not done in time.
        Timeout = "timeout",
        /// Not done when `limits.handshakes.under_way` newer ones had begun.
        Displaced = "displaced",
        /// The client spoke HTTP without TLS.
        PlainHttp = "plain_http",
        /// The client spoke something else.
        NotTls = "not_tls",
        /// The client asked for a host no certificate is for.
        UnknownHost = "unknown_host",
        /// No version, cipher or kind of key in common.
        Incompatible = "incompatible",
        /// The client showed no certificate where one is demanded.
        NoCertificate = "no_certificate",
        /// The client's certificate was not accepted.
        BadCertificate = "bad_certificate",
        /// The client ended it with an alert, as when it does not trust our certificate.
        ClientRefused = "client_refused",
        /// The client closed.
        Closed = "closed",
        /// What the client sent broke TLS's rules.
        Malformed = "malformed",
    }
);

kind!(
    /// Why a connection was closed after its TLS handshake, for what it sent below HTTP.
    TlsFault {
        /// 256 KiB of records in turn that carry nothing.
        Barren = "barren",
        /// Records without content, one after the other.
        Empty = "empty",
        /// New keys, again and again.
        Keys = "keys",
        /// Another handshake was wanted, again and again.
        Renegotiation = "renegotiation",
        /// Warnings, again and again.
        Warnings = "warnings",
        /// An alert that ends it.
        Alert = "alert",
        /// Anything else that breaks the rules of TLS.
        Malformed = "malformed",
    }
);
