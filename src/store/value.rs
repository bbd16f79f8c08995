//! What memcached-session-manager stores, as far as it can be read without Java. Numbers are
//! big-endian, lengths signed 16-bit: a principal of more than 32 KiB spoils them.
//!
//! Attributes and principals are never looked into beyond the mark of their serializer.

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A session.
    Session(Header),
    /// Until when a session is valid.
    Validity(Validity),
    /// One byte: MSM tries whether a key is free.
    Probe,
    /// Begins as a session, but its lengths cannot be true.
    HalfWritten(&'static str),
    /// Somebody else's.
    Foreign,
}

/// What stands before a session's attributes. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// 1 or 2.
    pub version: u16,
    /// Where the attributes begin.
    pub attributes_at: u16,
    /// When the session was made.
    pub created: i64,
    /// The use before the last one.
    pub last_accessed: i64,
    /// Seconds without a request until it ends; not above 0: never.
    pub max_inactive: i32,
    /// No client has shown it yet.
    pub is_new: bool,
    /// It was not ended.
    pub is_valid: bool,
    /// The last use, as of the last backup.
    pub this_accessed: i64,
    /// When it was stored.
    pub last_backup: i64,
    /// The session id as of then. It is a secret.
    pub id: Vec<u8>,
    /// How its user signed in.
    pub auth: Auth,
    /// What wrote the attributes; `None`: not within what was read.
    pub serializer: Option<Serializer>,
}

/// Shows no id.
impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header")
            .field("version", &self.version)
            .field("attributes_at", &self.attributes_at)
            .field("created", &self.created)
            .field("max_inactive", &self.max_inactive)
            .field("auth", &self.auth)
            .field("serializer", &self.serializer)
            .finish_non_exhaustive()
    }
}

/// How the session's user signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// BASIC.
    Basic,
    /// `CLIENT_CERT`.
    ClientCert,
    /// DIGEST.
    Digest,
    /// FORM.
    Form,
}

impl Auth {
    /// As the deployment descriptor writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "BASIC",
            Self::ClientCert => "CLIENT_CERT",
            Self::Digest => "DIGEST",
            Self::Form => "FORM",
        }
    }
}

/// What wrote the attributes, by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serializer {
    /// Java's own.
    Java,
    /// javolution's XML.
    Javolution,
    /// xstream's XML.
    Xstream,
    /// flexjson.
    Json,
    /// What has no mark of its own.
    Kryo,
}

impl Serializer {
    /// As shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Javolution => "javolution",
            Self::Xstream => "xstream",
            Self::Json => "flexjson",
            Self::Kryo => "kryo",
        }
    }

    fn of(attributes: &[u8]) -> Option<Self> {
        match attributes {
            [] => None,
            [0xac, 0xed, 0, 5, ..] => Some(Self::Java),
            [b'<', b'?', ..] => Some(Self::Javolution),
            [b'<', ..] => Some(Self::Xstream),
            [b'{', ..] => Some(Self::Json),
            _ => Some(Self::Kryo),
        }
    }
}

/// Until when a session is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Seconds without a request until it ends.
    pub max_inactive: i32,
    /// The use before the last one, in milliseconds since 1970.
    pub last_accessed: i64,
    /// The last use.
    pub this_accessed: i64,
}

const VALIDITY_SIZE: u64 = 20;
/// Longer than a key of memcached; so that the header up to the sign-in is always within what is
/// read of a value.
const LONGEST_ID: usize = 256;
const WRONG_LENGTHS: &str = "its lengths disagree";
const TOO_SHORT: &str = "it ends within its header";

impl Value {
    /// Reads a value of `size` bytes by its first ones, `head`.
    pub fn read(head: &[u8], size: u64) -> Self {
        let read = match (size, head) {
            (1, _) => return Self::Probe,
            (VALIDITY_SIZE, _) => validity(head),
            _ => session(head, size),
        };
        read.unwrap_or(Self::Foreign)
    }
}

fn validity(head: &[u8]) -> Option<Value> {
    let mut fields = Fields { rest: head, at: 0 };
    let validity = Validity {
        max_inactive: i32::from_be_bytes(fields.array()?),
        last_accessed: fields.time()?,
        this_accessed: fields.time()?,
    };
    let is_time = |time: i64| time >= 0;
    let times = [validity.last_accessed, validity.this_accessed];
    times
        .into_iter()
        .all(is_time)
        .then_some(Value::Validity(validity))
}

/// `None`: this is no session at all.
fn session(head: &[u8], size: u64) -> Option<Value> {
    let mut fields = Fields { rest: head, at: 0 };
    let version = u16::from_be_bytes(fields.array()?);
    if !matches!(version, 1 | 2) {
        return None;
    }
    let attributes_at = i16::from_be_bytes(fields.array()?);
    let (created, last_accessed) = (fields.time()?, fields.time()?);
    let max_inactive = i32::from_be_bytes(fields.array()?);
    let (is_new, is_valid) = (fields.flag()?, fields.flag()?);
    let (this_accessed, last_backup) = (fields.time()?, fields.time()?);
    let Ok(attributes_at) = u16::try_from(attributes_at) else {
        return Some(Value::HalfWritten(WRONG_LENGTHS));
    };
    if u64::from(attributes_at) > size {
        return Some(Value::HalfWritten(TOO_SHORT));
    }
    let Some((id, auth)) = fields.id_and_auth() else {
        return Some(Value::HalfWritten(TOO_SHORT));
    };
    let parts = if version == 1 { 1 } else { 3 };
    if !fields.parts_end_at(parts, attributes_at.into(), head.len() as u64 == size) {
        return Some(Value::HalfWritten(WRONG_LENGTHS));
    }
    let attributes = head.get(usize::from(attributes_at)..).unwrap_or_default();
    Some(Value::Session(Header {
        version,
        attributes_at,
        created,
        last_accessed,
        max_inactive,
        is_new,
        is_valid,
        this_accessed,
        last_backup,
        id: id.to_vec(),
        auth,
        serializer: Serializer::of(attributes),
    }))
}

struct Fields<'v> {
    rest: &'v [u8],
    at: u64,
}

impl<'v> Fields<'v> {
    fn take(&mut self, length: usize) -> Option<&'v [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        self.at += length as u64;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn time(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.array()?))
    }

    fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [b'0'] => Some(false),
            [b'1'] => Some(true),
            _ => None,
        }
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(i16::from_be_bytes(self.array()?)).ok()
    }

    fn id_and_auth(&mut self) -> Option<(&'v [u8], Auth)> {
        let length = self.length()?;
        if length > LONGEST_ID {
            return None;
        }
        let id = self.take(length)?;
        let auth = match u16::from_be_bytes(self.array()?) {
            0 => Auth::None,
            1 => Auth::Basic,
            2 => Auth::ClientCert,
            3 => Auth::Digest,
            4 => Auth::Form,
            _ => return None,
        };
        Some((id, auth))
    }

    /// Whether `count` counted parts end at `end`, as far as they were read; `is_all`: nothing
    /// was left unread.
    fn parts_end_at(&mut self, count: usize, end: u64, is_all: bool) -> bool {
        for _ in 0..count {
            if self.rest.len() < 2 {
                return !is_all && self.at <= end;
            }
            let Some(length) = self.length() else {
                return false;
            };
            if self.at + length as u64 > end {
                return false;
            }
            if self.take(length).is_none() {
                return !is_all;
            }
        }
        self.at == end
    }
}

#[cfg(test)]
mod tests;
