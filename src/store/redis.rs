//! RESP2, as much of it as our questions need: no nesting but that of SCAN's answer, every length
//! bounded before anything is kept.

use tokio::io::{AsyncRead, AsyncWrite};

use super::Bounds;
use super::connection::{Entry, Expiry, Head, unix_now};
use super::failure::Fault;
use super::wire::Wire;

const PRODUCT: &str = "redis";
/// No key of MSM is longer; of a longer one the start is kept.
const MOST_KEY: usize = 1024;
/// Keys that are asked for at a time.
const PAGE: &str = "250";
/// A page may be longer than asked for, but not by that much.
const MOST_IN_PAGE: u64 = 16 * 1024;
/// Questions about keys that are under way at a time.
pub(super) const AT_A_TIME: usize = 100;

/// What the first line of an answer says.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    /// Its length; the bytes follow.
    Bulk(Option<u64>),
    /// How many answers follow.
    Array(u64),
}

/// One command as redis wants it: its words, each with its length.
pub(super) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

pub(super) fn page(cursor: &[u8]) -> Vec<u8> {
    command(&[b"SCAN", cursor, b"COUNT", PAGE.as_bytes()])
}

/// Asks not to count as a use; releases before 7.2 say that they do not know the question.
pub(super) fn no_touch() -> Vec<u8> {
    command(&[b"CLIENT", b"NO-TOUCH", b"ON"])
}

/// The idle time first: asking for the length may count as a use.
pub(super) fn about(key: &[u8]) -> Vec<u8> {
    let idle = command(&[b"OBJECT", b"IDLETIME", key]);
    let left = command(&[b"PTTL", key]);
    let length = command(&[b"STRLEN", key]);
    [idle, left, length].concat()
}

pub(super) fn start_of(key: &[u8], bounds: &Bounds) -> Vec<u8> {
    let last = bounds.head_bytes.saturating_sub(1).to_string();
    command(&[b"GETRANGE", key, b"0", last.as_bytes()])
}

/// An answer that says that it was done, or why not.
pub(super) async fn done<S>(wire: &mut Wire<S>) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match reply(wire).await? {
        Reply::Simple(_) => Ok(()),
        other => Err(other.unexpected()),
    }
}

/// As [`done`], but a no is an answer, too.
pub(super) async fn done_or_not<S>(wire: &mut Wire<S>) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match reply(wire).await? {
        Reply::Simple(_) | Reply::Error(_) => Ok(()),
        other => Err(other.unexpected()),
    }
}

pub(super) async fn had<S>(wire: &mut Wire<S>) -> Result<bool, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match reply(wire).await? {
        Reply::Integer(0) => Ok(false),
        Reply::Integer(1) => Ok(true),
        other => Err(other.unexpected()),
    }
}

/// Idle time, remaining time and length of a key.
pub(super) struct About {
    idle_seconds: Option<u64>,
    expiry: Expiry,
    size: Option<u64>,
}

/// The answer to [`about`]; `None`: there is no such key.
pub(super) async fn told_about<S>(wire: &mut Wire<S>) -> Result<Option<About>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let idle_seconds = match reply(wire).await? {
        Reply::Integer(idle) => u64::try_from(idle).ok(),
        // Some policies of redis keep no idle time.
        Reply::Error(_) | Reply::Bulk(None) => None,
        other => return Err(other.unexpected()),
    };
    let expiry = match reply(wire).await? {
        Reply::Integer(-2) => None,
        Reply::Integer(-1) => Some(Expiry::Never),
        Reply::Integer(left) => {
            let left = u64::try_from(left).map_err(|_| Reply::Integer(left).unexpected())?;
            Some(Expiry::At(unix_now().saturating_add(left.div_ceil(1000))))
        }
        other => return Err(other.unexpected()),
    };
    let size = match reply(wire).await? {
        Reply::Integer(size) => u64::try_from(size).ok(),
        // A list or a hash has no length of this kind.
        Reply::Error(text) if text.starts_with(b"WRONGTYPE") => None,
        other => return Err(other.unexpected()),
    };
    Ok(expiry.map(|expiry| About {
        idle_seconds,
        expiry,
        size,
    }))
}

/// The answers to [`about`] and [`start_of`].
pub(super) async fn head_of<S>(wire: &mut Wire<S>, bounds: &Bounds) -> Result<Option<Head>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let about = told_about(wire).await?;
    let bytes = match reply(wire).await? {
        Reply::Bulk(Some(length)) if length <= bounds.head_bytes as u64 => {
            wire.counted(length, bounds.head_bytes).await?
        }
        Reply::Bulk(Some(length)) => return Err(Fault::LongValue(length)),
        Reply::Bulk(None) => Vec::new(),
        Reply::Error(text) if text.starts_with(b"WRONGTYPE") => Vec::new(),
        other => return Err(other.unexpected()),
    };
    Ok(about.map(|about| Head {
        bytes,
        size: about.size.unwrap_or_default(),
        expiry: about.expiry,
        idle_seconds: about.idle_seconds,
    }))
}

/// The answer to [`page`]: where to go on, and keys.
pub(super) async fn next_page<S>(wire: &mut Wire<S>) -> Result<(Vec<u8>, Vec<Entry>), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match reply(wire).await? {
        Reply::Array(2) => {}
        other => return Err(other.unexpected()),
    }
    let cursor = bulk(wire).await?;
    if cursor.is_empty() || cursor.len() > 20 || !cursor.iter().all(u8::is_ascii_digit) {
        return Err(Fault::of_line(PRODUCT, &cursor));
    }
    let count = match reply(wire).await? {
        Reply::Array(count) if count <= MOST_IN_PAGE => count,
        Reply::Array(count) => return Err(Fault::ManyKeys(count)),
        other => return Err(other.unexpected()),
    };
    let mut entries = Vec::new();
    for _ in 0..count {
        let key = bulk(wire).await?;
        entries.push(Entry {
            key,
            ..Entry::default()
        });
    }
    Ok((cursor, entries))
}

/// Adds to `entry` what redis tells about it; `false`: it is gone meanwhile.
pub(super) async fn complete<S>(wire: &mut Wire<S>, entry: &mut Entry) -> Result<bool, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(about) = told_about(wire).await? else {
        return Ok(false);
    };
    entry.expiry = about.expiry;
    entry.size = about.size;
    entry.last_access = about
        .idle_seconds
        .map(|idle| unix_now().saturating_sub(idle));
    Ok(true)
}

async fn bulk<S>(wire: &mut Wire<S>) -> Result<Vec<u8>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match reply(wire).await? {
        Reply::Bulk(Some(length)) => wire.counted(length, MOST_KEY).await,
        other => Err(other.unexpected()),
    }
}

async fn reply<S>(wire: &mut Wire<S>) -> Result<Reply, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let line = wire.line().await?;
    read(line).ok_or_else(|| Fault::of_line(PRODUCT, line))
}

fn read(line: &[u8]) -> Option<Reply> {
    let (kind, rest) = line.split_first()?;
    let number = || -> Option<i64> {
        let digits = rest.strip_prefix(b"-").unwrap_or(rest);
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        str::from_utf8(rest)
            .ok()
            .filter(|_| is_number)?
            .parse()
            .ok()
    };
    match kind {
        b'+' => Some(Reply::Simple(rest.to_vec())),
        b'-' => Some(Reply::Error(rest.to_vec())),
        b':' => number().map(Reply::Integer),
        b'$' => match number()? {
            -1 => Some(Reply::Bulk(None)),
            length => u64::try_from(length).ok().map(|it| Reply::Bulk(Some(it))),
        },
        b'*' => u64::try_from(number()?).ok().map(Reply::Array),
        _ => None,
    }
}

impl Reply {
    fn unexpected(&self) -> Fault {
        match self {
            Self::Error(text) => Fault::refused(text),
            Self::Simple(_) => Fault::Strange("a text".to_owned()),
            Self::Integer(_) => Fault::Strange("a number".to_owned()),
            Self::Bulk(_) => Fault::Strange("a value".to_owned()),
            Self::Array(_) => Fault::Strange("a list".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_read() {
        for (line, expected) in [
            (&b"+PONG"[..], Some(Reply::Simple(b"PONG".to_vec()))),
            (b"-ERR no", Some(Reply::Error(b"ERR no".to_vec()))),
            (b":-2", Some(Reply::Integer(-2))),
            (b"$512", Some(Reply::Bulk(Some(512)))),
            (b"$-1", Some(Reply::Bulk(None))),
            (b"*2", Some(Reply::Array(2))),
            (b"", None),
            (b":", None),
            (b":+1", None),
            (b"$-2", None),
            (b"*-1", None),
            (b"$99999999999999999999", None),
            (b"END", None),
        ] {
            assert_eq!(read(line), expected, "{line:?}");
        }
    }

    #[test]
    fn words_are_counted_whatever_they_hold() {
        let sent = command(&[b"EXISTS", b"a\r\nFLUSHALL"]);
        assert_eq!(sent, b"*2\r\n$6\r\nEXISTS\r\n$11\r\na\r\nFLUSHALL\r\n");
    }
}
