//! memcached's text protocol: the four questions that we ask, none of which changes anything or
//! counts as a use of the item.

use tokio::io::{AsyncRead, AsyncWrite};

use super::Bounds;
use super::connection::{Entry, Expiry, Head, unix_now};
use super::failure::Fault;
use super::wire::Wire;

/// memcached's own limit.
const LONGEST_KEY: usize = 250;
const PRODUCT: &str = "memcached";

/// Whether memcached can hold such a key. Any other would be a second command.
pub(super) fn is_key(key: &[u8]) -> bool {
    (1..=LONGEST_KEY).contains(&key.len()) && key.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

pub(super) fn ping() -> Vec<u8> {
    b"version\r\n".to_vec()
}

pub(super) fn has(key: &[u8]) -> Vec<u8> {
    [b"mg ", key, b" t s u\r\n"].concat()
}

pub(super) fn head(key: &[u8]) -> Vec<u8> {
    [b"mg ", key, b" v t s l u\r\n"].concat()
}

pub(super) fn keys() -> Vec<u8> {
    b"lru_crawler metadump hash\r\n".to_vec()
}

pub(super) async fn pong<S>(wire: &mut Wire<S>) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match wire.line().await? {
        line if line.starts_with(b"VERSION ") => Ok(()),
        line => Err(no_answer(line)),
    }
}

pub(super) async fn had<S>(wire: &mut Wire<S>) -> Result<bool, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match wire.line().await? {
        b"EN" => Ok(false),
        line if line == b"HD" || line.starts_with(b"HD ") => Ok(true),
        line => Err(no_answer(line)),
    }
}

pub(super) async fn head_of<S>(wire: &mut Wire<S>, bounds: &Bounds) -> Result<Option<Head>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let line = wire.line().await?;
    if line == b"EN" {
        return Ok(None);
    }
    let found = value_line(line)?;
    if found.size > bounds.value_bytes {
        return Err(Fault::LongValue(found.size));
    }
    let bytes = wire.counted(found.size, bounds.head_bytes).await?;
    Ok(Some(Head { bytes, ..found }))
}

/// `VA <size> t<left> s<size> l<idle>`, whose value follows.
fn value_line(line: &[u8]) -> Result<Head, Fault> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(b"VA"), Some(size)) = (words.next(), words.next().and_then(number)) else {
        return Err(no_answer(line));
    };
    let mut head = Head {
        bytes: Vec::new(),
        size,
        expiry: Expiry::Never,
        idle_seconds: None,
    };
    for word in words {
        match word.split_first() {
            Some((b't', b"-1")) => {}
            Some((b't', left)) => {
                let left: u64 = number(left).ok_or_else(|| no_answer(line))?;
                head.expiry = Expiry::At(unix_now().saturating_add(left));
            }
            Some((b'l', idle)) => head.idle_seconds = number(idle),
            _ => {}
        }
    }
    Ok(head)
}

/// The next line of the dump; `None`: that was all.
pub(super) async fn next_key<S>(wire: &mut Wire<S>) -> Result<Option<Entry>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match wire.line().await? {
        b"END" => Ok(None),
        line => entry(line).map(Some).ok_or_else(|| no_answer(line)),
    }
}

/// `key=… exp=… la=… … size=…`, in any order.
fn entry(line: &[u8]) -> Option<Entry> {
    let mut entry = Entry::default();
    for word in line.split(|byte| *byte == b' ') {
        let Some(at) = word.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (name, value) = (word.get(..at)?, word.get(at + 1..)?);
        match name {
            b"key" => entry.key = decoded(value)?,
            b"exp" if value == b"-1" => entry.expiry = Expiry::Never,
            b"exp" => entry.expiry = Expiry::At(number(value)?),
            b"la" => entry.last_access = number(value),
            b"size" => entry.size = number(value),
            _ => {}
        }
    }
    (1..=LONGEST_KEY)
        .contains(&entry.key.len())
        .then_some(entry)
}

/// Undoes the percent-encoding of a key.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'%' {
            let (digits, behind) = rest.split_at_checked(2)?;
            let digits = str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*first);
        }
    }
    Some(bytes)
}

fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    str::from_utf8(text)
        .ok()
        .filter(|_| is_number)?
        .parse()
        .ok()
}

fn no_answer(line: &[u8]) -> Fault {
    let no: [&[u8]; 4] = [b"SERVER_ERROR ", b"CLIENT_ERROR ", b"BUSY ", b"LOCKED"];
    if line == b"ERROR" {
        return Fault::Refused(
            "ERROR; memcached before 1.6 does not know this question".to_owned(),
        );
    }
    if line.starts_with(b"ERROR ") || no.iter().any(|start| line.starts_with(start)) {
        return Fault::refused(line);
    }
    Fault::of_line(PRODUCT, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_dump_are_read() {
        let line =
            b"key=bak%3AD2-n1.jvm1 exp=1795638150 la=1795636350 cas=7 fetch=no cls=9 size=594";
        let found = entry(line).unwrap();
        assert_eq!(found.key, b"bak:D2-n1.jvm1");
        assert_eq!(found.expiry, Expiry::At(1_795_638_150));
        assert_eq!(found.last_access, Some(1_795_636_350));
        assert_eq!(found.size, Some(594));
        assert_eq!(entry(b"key=a exp=-1").unwrap().expiry, Expiry::Never);
        // As it is sent, a key may be longer than it is.
        let long = |length| format!("key={}", "%3A".repeat(length));
        assert_eq!(entry(long(250).as_bytes()).unwrap().key.len(), 250);
        for bad in [
            &b""[..],
            b"exp=1",
            b"key=",
            b"key=%4",
            b"key=%zz",
            b"key=a exp=x",
            long(251).as_bytes(),
        ] {
            assert!(entry(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_never_a_second_command() {
        for bad in [&b""[..], b"a b", b"a\r\nflush_all", b"a\0", &[b'a'; 251]] {
            assert!(!is_key(bad), "{bad:?}");
        }
        assert!(is_key(b"bak:validity:D2-n1.jvm1") && is_key(&[b'a'; 250]));
    }
}
