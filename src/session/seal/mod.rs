//! Sealed cookies: a cookie of the proxy's own tells every instance with the same key ring which
//! backend owns a session whose id does not say it.
//!
//! What is inside is secret and cannot be changed by the client; it is bound to the cluster, to
//! the session's base and to the time of sealing. `docs/decisions/0023-sealed-cookie.md` has the
//! reasons. Whether the backend still exists and can serve is the caller's question.

mod line;
mod payload;

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::{AeadInPlace, Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use http::HeaderValue;

use crate::config::{AffinityCookie, SealKey};
use crate::observe::metrics::RejectedId;

use payload::Payload;

/// Authenticated with every seal: what else a key may be used for opens none of ours.
const PURPOSE: &[u8] = b"cattail: owner of a session";
/// Each is tried on a forged cookie, so their number is a price.
const MOST_KEYS: usize = 16;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// Nonce, sealed payload and tag.
const MOST_BYTES: usize = NONCE_BYTES + payload::MOST_BYTES + TAG_BYTES;
/// In base64. Nothing longer is looked at.
const MOST_CHARACTERS: usize = MOST_BYTES.div_ceil(3) * 4;
/// How far the clocks of two instances may differ.
const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// Seals and opens the cookies of one cluster; made when the configuration is loaded.
pub struct Seals {
    name: String,
    cluster: String,
    max_age: u64,
    /// The first seals, all open. Empty if there is no randomness for a key: then nothing is
    /// sealed and nothing opens.
    ciphers: Vec<XChaCha20Poly1305>,
}

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The backend's name.
    pub backend: &'a str,
    /// The base of the session's id.
    pub base: &'a [u8],
    /// Those of the session's own cookie.
    pub attributes: Attributes<'a>,
}

/// Attributes of the session's cookie, which ours follows. `HttpOnly` is not among them: ours
/// always has it.
///
/// They come from a backend and are not trusted: a path or domain that does not fit into a cookie
/// line, or together more than 512 bytes, are replaced by `Path=/` without a domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `Path`; without one, ours has none either.
    pub path: Option<&'a [u8]>,
    /// `Domain`.
    pub domain: Option<&'a [u8]>,
    /// `Secure`.
    pub secure: bool,
    /// `Partitioned`.
    pub partitioned: bool,
    /// `SameSite`, in any case; a value that no browser knows is left out.
    pub same_site: Option<&'a [u8]>,
    /// `Max-Age` in seconds; none for a cookie that ends with the browser.
    pub max_age: Option<u64>,
}

/// Where [`Seals::open`] unpacks a cookie, so that it needs no memory of its own.
pub struct Room([u8; MOST_BYTES]);

/// What a sealed cookie says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The name of the backend that owned the session; it may be gone from the configuration.
    pub backend: &'a str,
    /// Those of the session's own cookie, when this was sealed.
    pub attributes: Attributes<'a>,
    /// Whether it should be issued anew: half of its time is over, or its key is on its way out.
    pub is_old: bool,
}

impl Seals {
    /// Prepares the keys of `cookie` (of more than 16 the first) for the cluster of that name.
    ///
    /// Without keys there is one of this process alone, the same at every call, so that a reload
    /// of the configuration keeps the sessions.
    pub fn new(cookie: &AffinityCookie, cluster: &str) -> Self {
        let process_key = if cookie.keys.is_empty() {
            process_key()
        } else {
            None
        };
        let keys = cookie.keys.iter().take(MOST_KEYS).chain(process_key);
        Self {
            name: cookie.name.clone(),
            cluster: cluster.to_owned(),
            max_age: cookie.max_age.as_secs(),
            ciphers: keys
                .map(|SealKey(key)| XChaCha20Poly1305::new(Key::from_slice(key)))
                .collect(),
        }
    }

    /// The cookie's value for `owner`, another one each time. `None` if the names are longer than
    /// the configuration allows, or the system has no randomness.
    pub fn seal(&self, owner: &Owner<'_>, now: SystemTime) -> Option<String> {
        let cipher = self.ciphers.first()?;
        let mut bytes = [0; MOST_BYTES];
        let (nonce, rest) = bytes.split_at_mut_checked(NONCE_BYTES)?;
        fill_random(nonce)?;
        let length = payload::write(rest, &self.cluster, owner, seconds(now))?;
        let (payload, rest) = rest.split_at_mut_checked(length)?;
        let tag = cipher
            .encrypt_in_place_detached(XNonce::from_slice(nonce), PURPOSE, payload)
            .ok()?;
        rest.get_mut(..TAG_BYTES)?.copy_from_slice(&tag);
        let sealed = bytes.get(..NONCE_BYTES + length + TAG_BYTES)?;
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens a cookie's value for the session of `base`, or for any session. Allocates nothing.
    ///
    /// What is wrong is looked for in this order: [`RejectedId::SealForged`],
    /// [`RejectedId::SealForeign`], [`RejectedId::SealExpired`], [`RejectedId::SealOther`].
    pub fn open<'r>(
        &self,
        value: &[u8],
        base: Option<&[u8]>,
        now: SystemTime,
        room: &'r mut Room,
    ) -> Result<Opened<'r>, RejectedId> {
        let (key, payload) = self.unseal(value, room).ok_or(RejectedId::SealForged)?;
        let payload = Payload::read(payload).ok_or(RejectedId::SealForged)?;
        if payload.cluster != self.cluster.as_bytes() {
            return Err(RejectedId::SealForeign);
        }
        let now = seconds(now);
        let age = now.saturating_sub(payload.issued);
        let is_early = payload.issued > now.saturating_add(CLOCK_SKEW.as_secs());
        if is_early || age > self.max_age {
            return Err(RejectedId::SealExpired);
        }
        if base.is_some_and(|base| !payload.is_of(base)) {
            return Err(RejectedId::SealOther);
        }
        Ok(Opened {
            backend: payload.backend,
            attributes: payload.attributes,
            is_old: key > 0 || age > self.max_age / 2,
        })
    }

    /// A `Set-Cookie` line that seals `owner`, under the conditions of [`Seals::seal`].
    pub fn set_cookie(&self, owner: &Owner<'_>, now: SystemTime) -> Option<HeaderValue> {
        let value = self.seal(owner, now)?;
        line::build(&self.name, &value, owner.attributes)
    }

    /// A `Set-Cookie` line that takes ours away, for when the session has ended. `attributes` are
    /// those under which it was set: a browser finds it by its path and domain.
    pub fn take_away(&self, attributes: Attributes<'_>) -> Option<HeaderValue> {
        let ended = Attributes {
            max_age: Some(0),
            ..attributes
        };
        line::build(&self.name, "", ended)
    }

    /// The payload and the number of the key that opened it.
    fn unseal<'r>(&self, value: &[u8], room: &'r mut Room) -> Option<(usize, &'r [u8])> {
        if value.len() > MOST_CHARACTERS {
            return None;
        }
        let length = URL_SAFE_NO_PAD.decode_slice(value, &mut room.0).ok()?;
        let sealed = room.0.get_mut(..length)?;
        let (nonce, rest) = sealed.split_at_mut_checked(NONCE_BYTES)?;
        let (payload, tag) = rest.split_at_mut_checked(rest.len().checked_sub(TAG_BYTES)?)?;
        let (nonce, tag) = (XNonce::from_slice(nonce), Tag::from_slice(tag));
        // A key that does not fit leaves the payload as it is: the tag is compared first.
        let key = self.ciphers.iter().position(|cipher| {
            cipher
                .decrypt_in_place_detached(nonce, PURPOSE, payload, tag)
                .is_ok()
        })?;
        Some((key, payload))
    }
}

/// No key is shown.
impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seals")
            .field("name", &self.name)
            .field("cluster", &self.cluster)
            .field("max_age", &self.max_age)
            .field("keys", &self.ciphers.len())
            .finish_non_exhaustive()
    }
}

impl Default for Room {
    fn default() -> Self {
        Self([0; MOST_BYTES])
    }
}

/// `None` if the system has no randomness: a key that could be guessed is worse than none. The
/// next call tries again.
fn process_key() -> Option<&'static SealKey> {
    static KEY: OnceLock<SealKey> = OnceLock::new();
    if KEY.get().is_none() {
        let mut key = [0; 32];
        fill_random(&mut key)?;
        // Whoever was first wins.
        return Some(KEY.get_or_init(|| SealKey(key)));
    }
    KEY.get()
}

/// `None` if the kernel's generator fails: in early boot, or where the system call is forbidden.
fn fill_random(bytes: &mut [u8]) -> Option<()> {
    let flags = rustix::rand::GetRandomFlags::empty();
    let filled = rustix::rand::getrandom(&mut *bytes, flags).ok()?;
    (filled == bytes.len()).then_some(())
}

/// By the wall clock: instances that share keys share no other.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
