//! What a header of version 2 says besides addresses: fields with a type and a length (TLVs), kept
//! as they came and looked through when somebody asks.

use super::{Broken, crc32c};

const CRC32C: u8 = 0x03;
const SSL: u8 = 0x20;
/// Amazon's own; a byte of its own says what follows.
const AWS: u8 = 0xea;
const AWS_VPCE: u8 = 0x01;

/// Of the fields in `SSL`: flags of the client, and how its certificate was verified.
const SSL_FIXED: usize = 5;
const CLIENT_SSL: u8 = 0x01;

/// A text that a load balancer tells of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    /// `$proxy_alpn`: the protocol that was agreed on (ALPN).
    Alpn,
    /// `$proxy_authority`: the host that the client asked for (SNI).
    Authority,
    /// `$proxy_unique_id`: the load balancer's id of the connection.
    UniqueId,
    /// `$proxy_tls_version`: the version of the client's TLS.
    TlsVersion,
    /// `$proxy_tls_cipher`: its cipher.
    TlsCipher,
    /// `$proxy_tls_cn`: the common name in the client's certificate.
    TlsCn,
    /// `$proxy_vpce_id`: Amazon's id of the VPC endpoint.
    VpceId,
}

impl Fact {
    /// Every fact.
    pub const ALL: [Self; 7] = [
        Self::Alpn,
        Self::Authority,
        Self::UniqueId,
        Self::TlsVersion,
        Self::TlsCipher,
        Self::TlsCn,
        Self::VpceId,
    ];

    /// Its name as a variable, without `$`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alpn => "proxy_alpn",
            Self::Authority => "proxy_authority",
            Self::UniqueId => "proxy_unique_id",
            Self::TlsVersion => "proxy_tls_version",
            Self::TlsCipher => "proxy_tls_cipher",
            Self::TlsCn => "proxy_tls_cn",
            Self::VpceId => "proxy_vpce_id",
        }
    }

    /// The type of its field, and whether that is one within `SSL`.
    const fn place(self) -> (u8, bool) {
        match self {
            Self::Alpn => (0x01, false),
            Self::Authority => (0x02, false),
            Self::UniqueId => (0x05, false),
            Self::TlsVersion => (0x21, true),
            Self::TlsCn => (0x22, true),
            Self::TlsCipher => (0x23, true),
            Self::VpceId => (AWS, false),
        }
    }
}

/// What a header says besides addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    fields: Box<[u8]>,
}

impl Told {
    /// Fields that were verified.
    pub(super) fn of(fields: &[u8]) -> Self {
        Self {
            fields: fields.into(),
        }
    }

    /// A fact, if it was told. Whatever bytes a load balancer has taken from its client.
    pub fn get(&self, fact: Fact) -> Option<&[u8]> {
        let (wanted, is_of_tls) = fact.place();
        let fields = if is_of_tls {
            self.ssl()?.get(SSL_FIXED..)?
        } else {
            &self.fields
        };
        let value = first(fields, wanted)?;
        match fact {
            Fact::VpceId => value.strip_prefix(&[AWS_VPCE]),
            _ => Some(value),
        }
    }

    /// Whether the client speaks TLS, which the load balancer has taken off.
    pub fn is_by_tls(&self) -> bool {
        let flags = self.ssl().and_then(|value| value.first());
        flags.is_some_and(|flags| flags & CLIENT_SSL != 0)
    }

    fn ssl(&self) -> Option<&[u8]> {
        first(&self.fields, SSL)
    }
}

/// The first field of a type.
fn first(fields: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut found = Fields(fields).map_while(Result::ok);
    found.find_map(|(kind, value)| (kind == wanted).then_some(value))
}

/// Whether fields end where they should, and the checksum, if there is one, is that of the header.
pub(super) fn verify(header: &[u8], fields: &[u8]) -> Result<(), Broken> {
    let begin = header.len() - fields.len();
    let mut at = begin;
    for field in Fields(fields) {
        let (kind, value) = field?;
        at += FIELD_FIXED;
        match kind {
            SSL => {
                let inner = value.get(SSL_FIXED..).ok_or(Broken::Fields)?;
                Fields(inner).try_for_each(|field| field.map(drop))?;
            }
            CRC32C => {
                let expected = value.try_into().map_err(|_| Broken::Fields)?;
                let own = at..at + value.len();
                // As if its own bytes were zero.
                let bytes = header.iter().enumerate();
                let bytes = bytes.map(|(at, byte)| if own.contains(&at) { 0 } else { *byte });
                if crc32c::of(bytes) != u32::from_be_bytes(expected) {
                    return Err(Broken::Checksum);
                }
            }
            _ => {}
        }
        at += value.len();
    }
    Ok(())
}

/// Type and length.
const FIELD_FIXED: usize = 3;

/// Goes through fields; ends with the first one that goes beyond the end.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u8, &'a [u8]), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.0.split_first_chunk::<FIELD_FIXED>();
        let field = field.and_then(|([kind, high, low], rest)| {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (value, rest) = rest.split_at_checked(length)?;
            self.0 = rest;
            Some((*kind, value))
        });
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Broken::Fields))
    }
}
