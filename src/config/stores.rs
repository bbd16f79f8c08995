//! Where memcached-session-manager keeps sessions: addresses, and MSM's own way of writing them.

use std::fmt;
use std::time::Duration;

/// Where memcached listens unless told otherwise.
const MEMCACHED_PORT: u16 = 11211;
/// Where redis listens unless told otherwise.
const REDIS_PORT: u16 = 6379;
/// Store nodes of one cluster.
pub const MOST_NODES: usize = 64;

/// One memcached or redis.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum StoreAddress {
    /// Or whatever speaks memcached's text protocol.
    Memcached {
        /// A name or an address; IPv6 without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// Or whatever speaks RESP.
    Redis {
        /// A name or an address; IPv6 without brackets.
        host: String,
        /// Its port.
        port: u16,
        /// The number of the database.
        database: u32,
        /// Who asks; redis before 6 knows no names.
        user: Option<String>,
        /// A secret.
        password: Option<String>,
    },
}

/// Why a text is no address of a store; a hint for whom wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoStoreAddress(pub String);

impl StoreAddress {
    /// Reads `host:port`, the port being optional.
    pub fn memcached(text: &str) -> Result<Self, NoStoreAddress> {
        if text.contains("://") {
            return Err(no("write host:port, without a scheme"));
        }
        let (host, port) = host_and_port(text, MEMCACHED_PORT)?;
        Ok(Self::Memcached { host, port })
    }

    /// Reads `redis://[user:password@]host[:port][/database]`.
    pub fn redis(text: &str) -> Result<Self, NoStoreAddress> {
        if text.starts_with("rediss://") {
            return Err(no("TLS to stores is not available in this version"));
        }
        let Some(rest) = text.strip_prefix("redis://") else {
            return Err(no("write redis://host:6379"));
        };
        let (who, place) = match rest.rsplit_once('@') {
            Some((who, place)) => (Some(who), place),
            None => (None, rest),
        };
        let (place, database) = match place.split_once('/') {
            Some((place, "")) => (place, 0),
            Some((place, database)) => {
                let number = database.parse();
                let hint = "the database is a number, as in redis://host:6379/0";
                (place, number.map_err(|_| no(hint))?)
            }
            None => (place, 0),
        };
        let (host, port) = host_and_port(place, REDIS_PORT)?;
        let (user, password) = match who.map(|who| who.split_once(':')) {
            None => (None, None),
            Some(None) => return Err(no("before the @ stands user:password, or :password")),
            Some(Some((user, password))) => (
                Some(decoded(user)?).filter(|user| !user.is_empty()),
                Some(decoded(password)?).filter(|password| !password.is_empty()),
            ),
        };
        Ok(Self::Redis {
            host,
            port,
            database,
            user,
            password,
        })
    }

    /// Where to connect.
    pub fn host_and_port(&self) -> (&str, u16) {
        match self {
            Self::Memcached { host, port } | Self::Redis { host, port, .. } => (host, *port),
        }
    }
}

/// As it would be typed, without a password: the same text as `Debug`, since both end up in logs.
impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self.host_and_port();
        let (open, close) = if host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        match self {
            Self::Memcached { .. } => write!(f, "{open}{host}{close}:{port}"),
            Self::Redis {
                database,
                user,
                password,
                ..
            } => {
                f.write_str("redis://")?;
                if user.is_some() || password.is_some() {
                    let hidden = if password.is_some() { "***" } else { "" };
                    write!(f, "{}:{hidden}@", user.as_deref().unwrap_or_default())?;
                }
                write!(f, "{open}{host}{close}:{port}/{database}")
            }
        }
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A store node: an address, and the name that session ids have for it, if they have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedStore {
    /// As in `base-n1.jvm1`; a single memcached may have none, and redis has none.
    pub name: Option<String>,
    /// Where it is.
    pub address: StoreAddress,
}

/// Where the sessions of a cluster are kept, and what is asked there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stores {
    /// In the order of the file, which is MSM's: the copy of a non-sticky session lies on the next.
    pub nodes: Vec<NamedStore>,
    /// What stands before session ids in keys.
    pub key_prefix: String,
    /// Whether MSM keeps sessions in the stores alone, each on two nodes.
    pub non_sticky: bool,
    /// Time between two questions whether a store answers.
    pub interval: Duration,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Whether a session's store is asked for its copy before the session leaves its owner.
    pub look_before_failover: bool,
}

impl Stores {
    /// Where the copy of what lies on this node is: the next one, in non-sticky mode.
    pub fn backup_of(&self, node: usize) -> Option<usize> {
        let count = self.nodes.len();
        (self.non_sticky && count > 1).then(|| (node + 1) % count)
    }
}

/// Reads MSM's `memcachedNodes`: `n1:host:port n2:host:port`, with white space or one comma
/// between them; a single `host:port`; or the URL of one redis.
pub fn memcached_nodes(text: &str) -> Result<Vec<NamedStore>, NoStoreAddress> {
    let text = text.trim();
    if text.starts_with("redis://") || text.starts_with("rediss://") {
        let address = StoreAddress::redis(text)?;
        return Ok(vec![NamedStore {
            name: None,
            address,
        }]);
    }
    if text.contains("://") {
        return Err(no("of the URLs only redis:// is understood"));
    }
    let parts: Vec<&str> = text
        .split(|byte: char| byte == ',' || byte.is_whitespace())
        .collect();
    let mut nodes: Vec<NamedStore> = Vec::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let node = match part.splitn(3, ':').collect::<Vec<_>>().as_slice() {
            [name, host, port] if is_node_name(name) => NamedStore {
                name: Some((*name).to_owned()),
                address: StoreAddress::memcached(&format!("{host}:{port}"))?,
            },
            [_, _] => NamedStore {
                name: None,
                address: StoreAddress::memcached(part)?,
            },
            _ => return Err(no("each node is name:host:port, as in n1:10.0.0.1:11211")),
        };
        if nodes.iter().any(|other| other.name == node.name) {
            return Err(no("two nodes have one name, or none"));
        }
        nodes.push(node);
    }
    match nodes.len() {
        0 => Err(no("no node; write n1:host:port")),
        count if count > MOST_NODES => Err(no("at most 64 nodes")),
        1 => Ok(nodes),
        // What has no name can only stand alone.
        _ if nodes.iter().any(|node| node.name.is_none()) => {
            Err(no("several nodes need names, as in n1:10.0.0.1:11211"))
        }
        _ => Ok(nodes),
    }
}

/// MSM takes nothing else.
pub fn is_node_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(is_word)
}

fn no(hint: &str) -> NoStoreAddress {
    NoStoreAddress(hint.to_owned())
}

fn host_and_port(text: &str, usual: u16) -> Result<(String, u16), NoStoreAddress> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or(rest))),
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        None => usual,
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => port,
            Ok(_) | Err(_) => return Err(no("a port is a number from 1 to 65535")),
        },
    };
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    let is_v6 = text.starts_with('[');
    if host.is_empty() || !host.bytes().all(is_of_host) || (host.contains(':') && !is_v6) {
        return Err(no("write host:port; IPv6 stands in brackets"));
    }
    Ok((host.to_owned(), port))
}

/// `%3A` stands for a colon: a password may hold what a URL may not.
fn decoded(text: &str) -> Result<String, NoStoreAddress> {
    let bad = || no("% stands before two hex digits");
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(bytes.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (high, low) = (digit().ok_or_else(bad)?, digit().ok_or_else(bad)?);
        decoded.push(high << 4 | low);
    }
    String::from_utf8(decoded).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_they_are_typed() {
        let memcached = |text: &str| StoreAddress::memcached(text).map(|it| it.to_string());
        for (typed, shown) in [
            ("10.0.0.1:11211", "10.0.0.1:11211"),
            ("cache.internal", "cache.internal:11211"),
            ("[fd00::1]:9101", "[fd00::1]:9101"),
            ("[fd00::1]", "[fd00::1]:11211"),
        ] {
            assert_eq!(memcached(typed).unwrap(), shown);
        }
        for wrong in [
            "",
            ":1",
            "a:0",
            "a:65536",
            "fd00::1:1",
            "a b:1",
            "http://a:1",
            "a:b",
        ] {
            assert!(memcached(wrong).is_err(), "{wrong}");
        }
        let redis = |text: &str| StoreAddress::redis(text).map(|it| it.to_string());
        for (typed, shown) in [
            ("redis://a", "redis://a:6379/0"),
            ("redis://a:1/3", "redis://a:1/3"),
            ("redis://:s%40cret@a/", "redis://:***@a:6379/0"),
            ("redis://ada:secret@a:1/2", "redis://ada:***@a:1/2"),
        ] {
            assert_eq!(redis(typed).unwrap(), shown);
        }
        for wrong in [
            "a:1",
            "rediss://a",
            "redis://",
            "redis://a/x",
            "redis://x@a",
            "redis://:%4@a",
        ] {
            assert!(redis(wrong).is_err(), "{wrong}");
        }
        let secret = StoreAddress::redis("redis://:s%40cret@a").unwrap();
        assert!(
            matches!(&secret, StoreAddress::Redis { password: Some(it), .. } if it == "s@cret")
        );
        assert!(!format!("{secret:?}").contains("cret"));
    }

    #[test]
    fn nodes_as_msm_reads_them() {
        let names = |text: &str| {
            let nodes = memcached_nodes(text)?;
            let shown = nodes.iter().map(|node| {
                let name = node.name.as_deref().unwrap_or("-");
                format!("{name}={}", node.address)
            });
            Ok::<_, NoStoreAddress>(shown.collect::<Vec<_>>().join(" "))
        };
        for (typed, shown) in [
            ("n1:a:1 n2:b:2", "n1=a:1 n2=b:2"),
            ("n1:a:1,n2:b:2", "n1=a:1 n2=b:2"),
            (" n1:a:1\n n2:b:2 ", "n1=a:1 n2=b:2"),
            ("n1:a:1", "n1=a:1"),
            ("a:1", "-=a:1"),
            ("redis://a", "-=redis://a:6379/0"),
        ] {
            assert_eq!(names(typed).unwrap(), shown);
        }
        for wrong in [
            "",
            "n1",
            "n-1:a:1",
            "n1:a:1 n1:b:2",
            "a:1 b:2",
            "n1:a:1 b:2",
            "http://a:8091/pools",
        ] {
            assert!(names(wrong).is_err(), "{wrong}");
        }
    }
}
