//! The values that MSM stores: the fields before the attributes, which need no Java to be read.
//!
//! All numbers are big-endian. The attributes that follow are never looked at but for the bytes
//! that tell the serializer.

/// Where the session id's length stands.
const FIXED: usize = 44;

/// A value under a session's key, or its backup's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionHeader {
    /// Of the layout: 1 or 2.
    pub version: u16,
    /// When the session began, in milliseconds of Unix time.
    pub created_ms: i64,
    /// When it was used before the last time.
    pub accessed_before_ms: i64,
    /// When it was used last, as of this backup.
    pub accessed_ms: i64,
    /// When this was written.
    pub written_ms: i64,
    /// Seconds that it may be idle; 0 or less: for ever.
    pub idle_seconds: i32,
    /// Whether nobody has shown its id yet.
    pub is_new: bool,
    /// Whether it lives.
    pub is_valid: bool,
    /// The whole session id, as it was then.
    pub id: String,
    /// How its user has signed in.
    pub auth: Auth,
    /// Whether a user has.
    pub has_principal: bool,
    /// How its attributes are written.
    pub serializer: Serializer,
}

/// How a user has signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Nobody has, or the application did it by itself.
    None,
    /// HTTP Basic.
    Basic,
    /// A client certificate.
    ClientCert,
    /// HTTP Digest.
    Digest,
    /// A form.
    Form,
}

impl Auth {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::ClientCert => "client_cert",
            Self::Digest => "digest",
            Self::Form => "form",
        }
    }
}

/// How attributes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Serializer {
    /// Java's own serialization.
    Java,
    /// XML, by Javolution or `XStream`.
    Xml,
    /// JSON, by flexjson.
    Json,
    /// Something else: Kryo, as far as MSM's own ones go.
    Kryo,
    /// There are none, or too little of them came.
    Unknown,
}

impl Serializer {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Xml => "xml",
            Self::Json => "json",
            Self::Kryo => "kryo",
            Self::Unknown => "unknown",
        }
    }

    fn of(attributes: &[u8]) -> Self {
        let text = attributes.trim_ascii_start();
        match attributes {
            [0xac, 0xed, 0x00, 0x05, ..] => Self::Java,
            [] => Self::Unknown,
            _ if text.starts_with(b"<") => Self::Xml,
            _ if text.starts_with(b"{") => Self::Json,
            _ => Self::Kryo,
        }
    }
}

/// Why a value is not a session's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSession {
    /// One byte: MSM asks so whether a session is there still.
    #[error("a probe of MSM's")]
    Probe,
    /// Not of MSM's layout.
    #[error("not a session of MSM's")]
    Foreign,
    /// It begins like one, and its lengths lead beyond its end.
    #[error("half a session")]
    HalfWritten,
}

impl SessionHeader {
    /// Reads the beginning of a value of `size` bytes.
    pub fn read(head: &[u8], size: u64) -> Result<Self, NoSession> {
        if head == [1] {
            return Err(NoSession::Probe);
        }
        let version = u16_at(head, 0).ok_or(NoSession::Foreign)?;
        let flag = |at: usize| match head.get(at) {
            Some(b'0' | 0) => Ok(false),
            Some(b'1' | 1) => Ok(true),
            Some(_) => Err(NoSession::Foreign),
            None => Err(NoSession::HalfWritten),
        };
        if !matches!(version, 1 | 2) {
            return Err(NoSession::Foreign);
        }
        let long = |at| i64_at(head, at).ok_or(NoSession::HalfWritten);
        let (is_new, is_valid) = (flag(24)?, flag(25)?);
        let attributes = length_at(head, 2)?;
        let id_length = length_at(head, 42)?;
        let end = FIXED + id_length;
        if attributes < end || u64::try_from(attributes).unwrap_or(u64::MAX) > size {
            return Err(NoSession::HalfWritten);
        }
        let id = head.get(FIXED..end).ok_or(NoSession::HalfWritten)?;
        let id = std::str::from_utf8(id).map_err(|_| NoSession::Foreign)?;
        let auth = match u16_at(head, end).ok_or(NoSession::HalfWritten)? {
            0 => Auth::None,
            1 => Auth::Basic,
            2 => Auth::ClientCert,
            3 => Auth::Digest,
            4 => Auth::Form,
            _ => return Err(NoSession::Foreign),
        };
        let principal = u16_at(head, end + 2).ok_or(NoSession::HalfWritten)?;
        Ok(Self {
            version,
            created_ms: long(4)?,
            accessed_before_ms: long(12)?,
            idle_seconds: i32_at(head, 20).ok_or(NoSession::HalfWritten)?,
            is_new,
            is_valid,
            accessed_ms: long(26)?,
            written_ms: long(34)?,
            id: id.to_owned(),
            auth,
            has_principal: principal > 0,
            serializer: Serializer::of(head.get(attributes..).unwrap_or_default()),
        })
    }
}

/// A value under a validity's key: whether a non-sticky session lives, and since when it idles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Seconds that the session may be idle; 0 or less: for ever.
    pub idle_seconds: i32,
    /// When it was used before the last time, in milliseconds of Unix time.
    pub accessed_before_ms: i64,
    /// When it was used last.
    pub accessed_ms: i64,
}

impl Validity {
    /// Reads a whole value; `None`: it is none of MSM's.
    pub fn read(value: &[u8]) -> Option<Self> {
        (value.len() == 20).then_some(())?;
        Some(Self {
            idle_seconds: i32_at(value, 0)?,
            accessed_before_ms: i64_at(value, 4)?,
            accessed_ms: i64_at(value, 12)?,
        })
    }
}

fn at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    at(bytes, place).map(u16::from_be_bytes)
}

fn i32_at(bytes: &[u8], place: usize) -> Option<i32> {
    at(bytes, place).map(i32::from_be_bytes)
}

fn i64_at(bytes: &[u8], place: usize) -> Option<i64> {
    at(bytes, place).map(i64::from_be_bytes)
}

/// A length in Java's signed 16 bits: MSM writes nonsense for what is longer than 32 KiB.
fn length_at(bytes: &[u8], place: usize) -> Result<usize, NoSession> {
    let length = at(bytes, place).ok_or(NoSession::HalfWritten)?;
    usize::try_from(i16::from_be_bytes(length)).map_err(|_| NoSession::HalfWritten)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(id: &str, auth: u16, attributes: &[u8]) -> Vec<u8> {
        let mut value = Vec::new();
        let header = FIXED + id.len() + 4;
        value.extend(2_u16.to_be_bytes());
        value.extend(u16::try_from(header).unwrap().to_be_bytes());
        value.extend(1_000_i64.to_be_bytes());
        value.extend(2_000_i64.to_be_bytes());
        value.extend(1_800_i32.to_be_bytes());
        value.extend(*b"01");
        value.extend(3_000_i64.to_be_bytes());
        value.extend(4_000_i64.to_be_bytes());
        value.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
        value.extend(id.as_bytes());
        value.extend(auth.to_be_bytes());
        value.extend(0_u16.to_be_bytes());
        value.extend(attributes);
        value
    }

    fn read(value: &[u8]) -> Result<SessionHeader, NoSession> {
        SessionHeader::read(value, value.len() as u64)
    }

    #[test]
    fn every_field_stands_where_msm_writes_it() {
        let header = read(&value("0A1B-n1.jvm1", 4, &[0xac, 0xed, 0, 5])).unwrap();
        assert_eq!(
            header,
            SessionHeader {
                version: 2,
                created_ms: 1_000,
                accessed_before_ms: 2_000,
                accessed_ms: 3_000,
                written_ms: 4_000,
                idle_seconds: 1_800,
                is_new: false,
                is_valid: true,
                id: "0A1B-n1.jvm1".to_owned(),
                auth: Auth::Form,
                has_principal: false,
                serializer: Serializer::Java,
            }
        );
        for (attributes, serializer) in [
            (&b"<?xml"[..], Serializer::Xml),
            (b"{\"a\":1}", Serializer::Json),
            (&[1, 0, 2], Serializer::Kryo),
            (b"", Serializer::Unknown),
        ] {
            let header = read(&value("0A1B", 0, attributes)).unwrap();
            assert_eq!(header.serializer, serializer, "{attributes:?}");
        }
    }

    #[test]
    fn what_is_no_session_is_told_apart() {
        assert_eq!(read(&[1]), Err(NoSession::Probe));
        for foreign in [&b""[..], b"x", b"locked", b"\x00\x07 anything at all"] {
            assert_eq!(read(foreign), Err(NoSession::Foreign), "{foreign:?}");
        }
        let whole = value("0A1B-n1.jvm1", 0, &[]);
        for end in 2..whole.len() {
            assert_eq!(read(&whole[..end]), Err(NoSession::HalfWritten), "{end}");
        }
        let lies = |at: usize, length: i16| {
            let mut value = whole.clone();
            value[at..at + 2].copy_from_slice(&length.to_be_bytes());
            read(&value)
        };
        for length in [-1, i16::MIN, 0, i16::MAX] {
            assert_eq!(lies(2, length), Err(NoSession::HalfWritten), "{length}");
        }
        for length in [-1, i16::MIN, i16::MAX] {
            assert_eq!(lies(42, length), Err(NoSession::HalfWritten), "{length}");
        }
    }

    #[test]
    fn a_validity_has_twenty_bytes() {
        let mut value = 1_800_i32.to_be_bytes().to_vec();
        value.extend(5_i64.to_be_bytes());
        value.extend(6_i64.to_be_bytes());
        let validity = Validity {
            idle_seconds: 1_800,
            accessed_before_ms: 5,
            accessed_ms: 6,
        };
        assert_eq!(Validity::read(&value), Some(validity));
        assert_eq!(Validity::read(&value[..19]), None);
        value.push(0);
        assert_eq!(Validity::read(&value), None);
    }

    proptest! {
        #[test]
        fn anything_is_read(bytes: Vec<u8>, size: u64) {
            drop(SessionHeader::read(&bytes, size));
            let _: Option<Validity> = Validity::read(&bytes);
        }
    }
}
