//! RESP, the protocol of redis, as far as it is needed to look and not to touch.

use std::ops::ControlFlow;

use super::connection::{FoundKey, HEAD, Head};
use super::failure::{Fault, shown};
use super::wire::Wire;
use crate::config::StoreAddress;

const PROTOCOL: &str = "redis' protocol";
/// Longest text in an answer: no key that is asked about is longer, and of values only the beginning
/// is asked for.
const TEXT: u64 = 64 * 1024;
/// Keys in one answer of a scan, which may hold some more than were asked for.
const KEYS: usize = 100_000;
/// Keys that a scan is asked for at a time.
const ASKED: &[u8] = b"500";

/// A reply.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Simple(Vec<u8>),
    Number(i64),
    /// `None`: there is nothing.
    Text(Option<Vec<u8>>),
    /// How many replies follow.
    Array(usize),
}

/// As whom the address says, to the database it names.
pub(super) async fn sign_in(wire: &mut Wire, address: &StoreAddress) -> Result<(), Fault> {
    let StoreAddress::Redis {
        database,
        user,
        password,
        ..
    } = address
    else {
        return Ok(());
    };
    if let Some(password) = password {
        let words: Vec<&[u8]> = match user {
            Some(user) => vec![b"AUTH", user.as_bytes(), password.as_bytes()],
            None => vec![b"AUTH", password.as_bytes()],
        };
        ok(wire, &words).await?;
    }
    if *database > 0 {
        ok(wire, &[b"SELECT", database.to_string().as_bytes()]).await?;
    }
    Ok(())
}

async fn ok(wire: &mut Wire, words: &[&[u8]]) -> Result<(), Fault> {
    wire.send(&command(words)).await?;
    match reply(wire).await? {
        Reply::Simple(said) if said == b"OK" => Ok(()),
        other => Err(unexpected(&other)),
    }
}

/// Asks for a sign of life.
pub(super) async fn ping(wire: &mut Wire) -> Result<(), Fault> {
    wire.send(&command(&[b"PING"])).await?;
    match reply(wire).await? {
        Reply::Simple(said) if said == b"PONG" => Ok(()),
        other => Err(unexpected(&other)),
    }
}

/// Whether the key is there.
pub(super) async fn has(wire: &mut Wire, key: &[u8]) -> Result<bool, Fault> {
    wire.send(&command(&[b"EXISTS", key])).await?;
    Ok(number(wire).await? > 0)
}

/// The beginning of the key's value: three questions in one go.
pub(super) async fn head(wire: &mut Wire, key: &[u8]) -> Result<Option<Head>, Fault> {
    let last = (HEAD - 1).to_string();
    let questions = [
        command(&[b"PTTL", key]),
        command(&[b"STRLEN", key]),
        command(&[b"GETRANGE", key, b"0", last.as_bytes()]),
    ];
    wire.send(&questions.concat()).await?;
    let ttl = number(wire).await?;
    // A list or a hash has neither: both are answered with an error, and both must be read.
    let size = number(wire).await;
    let bytes = reply(wire).await;
    let (size, bytes) = match (size, bytes) {
        (Ok(size), Ok(Reply::Text(Some(bytes)))) => (size, bytes),
        (Err(Fault::Refused(_)), Err(Fault::Refused(_))) if ttl > -2 => (0, Vec::new()),
        (Err(fault), _) | (_, Err(fault)) => return Err(fault),
        (_, Ok(other)) => return Err(unexpected(&other)),
    };
    // -2: there is no such key; -1: it never goes.
    Ok((ttl > -2).then(|| Head {
        bytes,
        size: u64::try_from(size).unwrap_or(0),
        ttl: u64::try_from(ttl).ok().map(|ms| ms / 1000),
    }))
}

/// Goes through all keys, a few at a time. One that comes twice is given twice.
pub(super) async fn keys(
    wire: &mut Wire,
    most: u64,
    mut each: impl FnMut(FoundKey) -> ControlFlow<()>,
) -> Result<bool, Fault> {
    let mut cursor = b"0".to_vec();
    let mut seen = 0;
    // Every answer counts as one key at least: an endless scan of nothing ends too.
    while seen < most {
        wire.send(&command(&[b"SCAN", &cursor, b"COUNT", ASKED]))
            .await?;
        match reply(wire).await? {
            Reply::Array(2) => {}
            other => return Err(unexpected(&other)),
        }
        cursor = text(wire).await?;
        let count = match reply(wire).await? {
            Reply::Array(count) if count <= KEYS => count,
            other => return Err(unexpected(&other)),
        };
        let mut goes_on = ControlFlow::Continue(());
        for _ in 0..count {
            let key = text(wire).await?;
            // What is left of an answer is read all the same: the connection stays usable.
            if goes_on.is_continue() {
                goes_on = each(FoundKey {
                    key,
                    expires: None,
                    accessed: None,
                    size: None,
                });
            }
        }
        seen += u64::try_from(count).unwrap_or(most).max(1);
        if goes_on.is_break() {
            return Ok(false);
        }
        if cursor == b"0" {
            return Ok(true);
        }
    }
    Ok(false)
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        command.extend_from_slice(word);
        command.extend_from_slice(b"\r\n");
    }
    command
}

async fn number(wire: &mut Wire) -> Result<i64, Fault> {
    match reply(wire).await? {
        Reply::Number(number) => Ok(number),
        other => Err(unexpected(&other)),
    }
}

async fn text(wire: &mut Wire) -> Result<Vec<u8>, Fault> {
    match reply(wire).await? {
        Reply::Text(Some(text)) => Ok(text),
        other => Err(unexpected(&other)),
    }
}

async fn reply(wire: &mut Wire) -> Result<Reply, Fault> {
    let line = wire.line().await?;
    let strange = || Fault::Strange {
        protocol: PROTOCOL,
        said: shown(&line),
    };
    let Some((kind, rest)) = line.split_first() else {
        return Err(strange());
    };
    let number = || {
        let text = std::str::from_utf8(rest).ok()?;
        text.parse::<i64>().ok()
    };
    match kind {
        b'+' => Ok(Reply::Simple(rest.to_vec())),
        b'-' => Err(Fault::Refused(shown(rest))),
        b':' => Ok(Reply::Number(number().ok_or_else(strange)?)),
        b'*' => {
            let count = number().and_then(|count| usize::try_from(count).ok());
            Ok(Reply::Array(count.ok_or_else(strange)?))
        }
        b'$' => match number().ok_or_else(strange)? {
            -1 => Ok(Reply::Text(None)),
            length => {
                let length = u64::try_from(length).map_err(|_| strange())?;
                if length > TEXT {
                    return Err(Fault::TooLong);
                }
                let most = usize::try_from(length).unwrap_or(0);
                let text = wire.piece(length, most).await?;
                match wire.piece(2, 2).await?.as_slice() {
                    b"\r\n" => Ok(Reply::Text(Some(text))),
                    _ => Err(strange()),
                }
            }
        },
        _ => Err(strange()),
    }
}

fn unexpected(reply: &Reply) -> Fault {
    let said = match reply {
        Reply::Simple(text) => shown(text),
        Reply::Number(number) => number.to_string(),
        Reply::Text(_) => "a text".to_owned(),
        Reply::Array(count) => format!("a list of {count}"),
    };
    Fault::Strange {
        protocol: PROTOCOL,
        said,
    }
}
