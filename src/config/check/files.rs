//! Files that the configuration names: secrets and error pages.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::config::{SealKey, Secret};

use super::at::At;
use super::context::Words;

/// Keys of one key file: those in use, and those whose cookies have not yet run out.
const MOST_KEYS: usize = 16;
/// Largest error page or secret.
const MAX_BYTES: u64 = 1 << 20;

/// Reads at most `most` bytes of a file; the error is ready to print, and has a number if it is the
/// system's.
pub(in crate::config) fn read_limited(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // A pipe or a device could block the start for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let file = std::fs::File::open(path)?;
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("more than {most} bytes")));
    }
    Ok(content)
}

/// The file named here, and where it was found.
pub(super) fn page(at: &At<'_>) -> Option<(PathBuf, Bytes)> {
    let (path, content) = read(at)?;
    Some((path, Bytes::from(content)))
}

/// The text of the file named here, and where it was found.
pub(super) fn text(at: &At<'_>) -> Option<(PathBuf, String)> {
    let (path, content) = read(at)?;
    let Ok(text) = String::from_utf8(content) else {
        complain(at, &path, "bytes that are no text");
        return None;
    };
    Some((path, text))
}

/// The secret in the file named here, and where it was found. A line end at its end is no part
/// of it.
pub(super) fn secret(at: &At<'_>) -> Option<(PathBuf, Secret)> {
    let (path, text) = text(at)?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        complain(at, &path, "an empty file");
        return None;
    }
    if has_mode(&path, 0o004) {
        at.warn(
            "a file that only its owner and group can read",
            "take the others' right to read it away: chmod o-r",
        );
    }
    Some((path, Secret(text.to_owned())))
}

/// The keys in the file named here, and where it was found. What is wrong with a line is told
/// without its text.
pub(super) fn keys(at: &At<'_>) -> Option<(PathBuf, Vec<SealKey>)> {
    let (path, content) = read(at)?;
    match parse_keys(&content) {
        Ok(keys) => {
            if has_mode(&path, 0o077) {
                at.warn(
                    "a file that only its owner can read",
                    "who knows the keys can make cookies: chmod go= takes the others' rights away",
                );
            }
            Some((path, keys))
        }
        Err(why) => {
            let words = Words {
                found: format!("{}: {why}", at.found()),
                expected: format!("1 to {MOST_KEYS} lines, each a key of 64 hex digits"),
                hint: Some(
                    "openssl rand -hex 32 makes a key; lines that begin with # do not count"
                        .to_owned(),
                ),
            };
            at.context.complain(at.node.place, &at.path, words);
            None
        }
    }
}

fn parse_keys(content: &[u8]) -> Result<Vec<SealKey>, String> {
    let mut keys = Vec::new();
    for (index, line) in content.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let number = index + 1;
        let key = key(line).ok_or_else(|| format!("line {number} is no key"))?;
        if keys.contains(&key) {
            return Err(format!("line {number} is a key that stands there already"));
        }
        keys.push(key);
    }
    match keys.len() {
        0 => Err("no key".to_owned()),
        count if count > MOST_KEYS => Err(format!("{count} keys")),
        _ => Ok(keys),
    }
}

fn key(line: &[u8]) -> Option<SealKey> {
    let mut key = [0; 32];
    if line.len() != 2 * key.len() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    for (byte, digits) in key.iter_mut().zip(line.chunks_exact(2)) {
        let [high, low] = digits else { return None };
        *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
    }
    Some(SealKey(key))
}

fn read(at: &At<'_>) -> Option<(PathBuf, Vec<u8>)> {
    let typed = at.text()?;
    if typed.is_empty() {
        at.wrong(None);
        return None;
    }
    let joined = at.context.directory.join(typed);
    let path = std::path::absolute(&joined).unwrap_or(joined);
    match read_limited(&path, MAX_BYTES) {
        Ok(content) => Some((path, content)),
        Err(why) => {
            complain(at, &path, &why.to_string());
            None
        }
    }
}

fn complain(at: &At<'_>, path: &Path, why: &str) {
    let words = Words {
        found: format!("{}: {why}", at.found()),
        expected: "a readable file with something in it, of at most 1MiB".to_owned(),
        hint: at
            .plain_text()
            .is_some_and(|typed| Path::new(typed).is_relative())
            .then(|| format!("looked for {}", path.display())),
    };
    at.context.complain(at.node.place, &at.path, words);
}

/// Whether any of these rights to the file is given.
pub(super) fn has_mode(path: &Path, rights: u32) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & rights != 0)
}
