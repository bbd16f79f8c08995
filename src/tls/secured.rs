//! What a handshake told of a connection.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;

use super::policy::{PolicyId, Shown};
use crate::config::tls::{ClientFact, Facts, TlsVersion, hex};

/// What a handshake told of a connection; made once for each.
#[derive(Debug)]
pub struct Secured {
    /// What was demanded of the client, and what it showed.
    pub shown: Shown,
    /// The version that both speak.
    pub version: TlsVersion,
    /// The cipher suite's name, as the registry of TLS has it.
    pub cipher: String,
    /// Whether keys of before went on.
    pub resumed: bool,
    /// Whether HTTP/2 was agreed upon.
    pub http2: bool,
    /// Who the client is, if it showed a certificate that was accepted.
    pub client: Option<Box<ClientCertificate>>,
}

/// A client's certificate that was accepted.
#[derive(Debug)]
pub struct ClientCertificate {
    /// What it says.
    pub facts: Facts,
    /// SHA-256 of it, in hex.
    pub fingerprint: String,
    /// What backends may be told, rendered once.
    pub told: Vec<(ClientFact, HeaderValue)>,
}

impl Secured {
    /// Reads it off a connection whose handshake is done.
    pub fn of(connection: &ServerConnection, policy: PolicyId) -> Self {
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => TlsVersion::V12,
            _ => TlsVersion::V13,
        };
        let cipher = connection.negotiated_cipher_suite();
        let cipher = cipher.and_then(|it| it.suite().as_str());
        let name = connection.server_name();
        let chain = connection.peer_certificates().unwrap_or_default();
        let client = chain.first();
        let client = client.and_then(ClientCertificate::read);
        Self {
            shown: Shown::new(policy, name, chain),
            version,
            cipher: registered(cipher.unwrap_or("unknown")),
            resumed: connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
            http2: connection.alpn_protocol() == Some(b"h2"),
            client: client.map(Box::new),
        }
    }
}

/// rustls writes those of TLS 1.3 with the version in front.
fn registered(cipher: &str) -> String {
    cipher.replace("TLS13_", "TLS_")
}

impl ClientCertificate {
    fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let facts = Facts::read(der)?;
        let fingerprint = hex(digest(&SHA256, der).as_ref(), "");
        let text = |fact: ClientFact| match fact {
            ClientFact::Subject => facts.subject.clone(),
            ClientFact::Issuer => facts.issuer.clone(),
            ClientFact::Serial => facts.serial.clone(),
            ClientFact::Fingerprint => fingerprint.clone(),
            ClientFact::Pem => escaped_pem(der),
        };
        let told = ClientFact::ALL.into_iter().filter_map(|(_, fact)| {
            let value = HeaderValue::try_from(text(fact)).ok()?;
            Some((fact, value))
        });
        let told = told.collect();
        Some(Self {
            facts,
            fingerprint,
            told,
        })
    }
}

/// PEM with percent signs for what no header or no URL can carry.
fn escaped_pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN%20CERTIFICATE-----%0A");
    for (place, c) in base64.chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            pem.push_str("%0A");
        }
        match c {
            '+' => pem.push_str("%2B"),
            '/' => pem.push_str("%2F"),
            '=' => pem.push_str("%3D"),
            other => pem.push(other),
        }
    }
    pem.push_str("%0A-----END%20CERTIFICATE-----%0A");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_in_a_header_is_pem_with_percent_signs() {
        assert_eq!(
            escaped_pem(&[0xfb, 0xff]),
            "-----BEGIN%20CERTIFICATE-----%0A%2B%2F8%3D%0A-----END%20CERTIFICATE-----%0A"
        );
        assert_eq!(escaped_pem(&[0; 60]).matches("%0A").count(), 4);
    }

    #[test]
    fn ciphers_are_named_as_the_registry_has_them() {
        assert_eq!(
            registered("TLS13_AES_128_GCM_SHA256"),
            "TLS_AES_128_GCM_SHA256"
        );
        let old = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        assert_eq!(registered(old), old);
    }
}
