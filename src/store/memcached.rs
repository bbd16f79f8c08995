//! memcached's text protocol, as far as it is needed to look and not to touch.

use std::ops::ControlFlow;

use super::connection::{FoundKey, HEAD, Head};
use super::failure::{Fault, shown};
use super::wire::Wire;

const PROTOCOL: &str = "memcached's protocol";
/// Longest key that memcached takes.
const KEY: usize = 250;
/// Longest value that is waited for: memcached's own greatest limit for an item.
const VALUE: u64 = 1 << 30;

/// Asks for the version.
pub(super) async fn version(wire: &mut Wire) -> Result<(), Fault> {
    wire.send(b"version\r\n").await?;
    let line = wire.line().await?;
    if line.starts_with(b"VERSION ") {
        Ok(())
    } else {
        Err(strange(&line))
    }
}

/// Whether the key is there.
pub(super) async fn has(wire: &mut Wire, meta: &mut bool, key: &[u8]) -> Result<bool, Fault> {
    if !may_be_a_key(key) {
        return Ok(false);
    }
    if *meta {
        wire.send(&question(b"mg ", key, b" t u\r\n")).await?;
        let line = wire.line().await?;
        match line.as_slice() {
            b"ERROR" => *meta = false,
            b"EN" => return Ok(false),
            line if line.starts_with(b"HD") => return Ok(true),
            line => return Err(strange(line)),
        }
    }
    Ok(get(wire, key, 0).await?.is_some())
}

/// The beginning of the key's value.
pub(super) async fn head(
    wire: &mut Wire,
    meta: &mut bool,
    key: &[u8],
) -> Result<Option<Head>, Fault> {
    if !may_be_a_key(key) {
        return Ok(None);
    }
    if *meta {
        wire.send(&question(b"mg ", key, b" v t u\r\n")).await?;
        let line = wire.line().await?;
        match line.as_slice() {
            b"ERROR" => *meta = false,
            b"EN" => return Ok(None),
            line => {
                let Some(MetaValue { size, ttl }) = meta_value(line) else {
                    return Err(strange(line));
                };
                let bytes = value(wire, size, HEAD).await?;
                return Ok(Some(Head { bytes, size, ttl }));
            }
        }
    }
    get(wire, key, HEAD).await
}

/// What `mg` says of a value that follows.
struct MetaValue {
    size: u64,
    ttl: Option<u64>,
}

fn meta_value(line: &[u8]) -> Option<MetaValue> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.strip_prefix("VA ")?.split(' ');
    let size = words.next()?.parse().ok().filter(|size| *size <= VALUE)?;
    // -1: it never goes.
    let ttl = words.find_map(|word| word.strip_prefix('t'));
    let ttl = ttl.and_then(|ttl| ttl.parse().ok());
    Some(MetaValue { size, ttl })
}

/// The way of those that know no meta commands; it counts as a use.
async fn get(wire: &mut Wire, key: &[u8], kept: usize) -> Result<Option<Head>, Fault> {
    wire.send(&question(b"get ", key, b"\r\n")).await?;
    let line = wire.line().await?;
    if line == b"END" {
        return Ok(None);
    }
    let Some(size) = value_size(&line) else {
        return Err(strange(&line));
    };
    let bytes = value(wire, size, kept).await?;
    let end = wire.line().await?;
    if end != b"END" {
        return Err(strange(&end));
    }
    let ttl = None;
    Ok(Some(Head { bytes, size, ttl }))
}

/// Of `VALUE key flags size`.
fn value_size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let size = text.strip_prefix("VALUE ")?.split(' ').nth(2)?;
    size.parse().ok().filter(|size| *size <= VALUE)
}

async fn value(wire: &mut Wire, size: u64, kept: usize) -> Result<Vec<u8>, Fault> {
    let bytes = wire.piece(size, kept).await?;
    let end = wire.piece(2, 2).await?;
    if end == b"\r\n" {
        Ok(bytes)
    } else {
        Err(strange(&end))
    }
}

/// Goes through all keys, by the crawler that looks at them without using them.
pub(super) async fn keys(
    wire: &mut Wire,
    most: u64,
    mut each: impl FnMut(FoundKey) -> ControlFlow<()>,
) -> Result<bool, Fault> {
    wire.send(b"lru_crawler metadump all\r\n").await?;
    for _ in 0..most {
        let line = wire.line().await?;
        if line == b"END" {
            return Ok(true);
        }
        let Some(found) = dumped(&line) else {
            return Err(strange(&line));
        };
        if each(found).is_break() {
            return Ok(false);
        }
    }
    Ok(false)
}

/// One line of the dump: `key=… exp=… la=… cas=… fetch=… cls=… size=…`.
pub(super) fn dumped(line: &[u8]) -> Option<FoundKey> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split(' ');
    let key = percent_decoded(words.next()?.strip_prefix("key=")?)?;
    let mut found = FoundKey {
        key,
        expires: None,
        accessed: None,
        size: None,
    };
    for (name, number) in words.filter_map(|word| word.split_once('=')) {
        // -1: it never goes.
        let number = number.parse().ok();
        match name {
            "exp" => found.expires = number,
            "la" => found.accessed = number,
            "size" => found.size = number,
            _ => {}
        }
    }
    Some(found)
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        decoded.push(u8::try_from(high << 4 | low).ok()?);
    }
    Some(decoded)
}

/// What memcached would take for two words, or refuse, is no key that anybody has stored.
fn may_be_a_key(key: &[u8]) -> bool {
    !key.is_empty() && key.len() <= KEY && key.iter().all(u8::is_ascii_graphic)
}

fn question(command: &[u8], key: &[u8], rest: &[u8]) -> Vec<u8> {
    [command, key, rest].concat()
}

/// An answer that is none to the question: in memcached's own words, or in another's.
fn strange(line: &[u8]) -> Fault {
    const OWN: [&[u8]; 4] = [b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR", b"BUSY"];
    if OWN.iter().any(|word| line.starts_with(word)) {
        return Fault::Refused(shown(line));
    }
    Fault::Strange {
        protocol: PROTOCOL,
        said: shown(line),
    }
}
