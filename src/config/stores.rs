//! Where the session store is: addresses of memcached and redis, and the list of them as
//! memcached-session-manager writes it (`memcachedNodes`).
//!
//! ```text
//! host:11211                                  memcached
//! redis://[user:password@]host[:6379][/db]    redis
//! n1:host:11211 n2:host:11211                 memcachedNodes
//! ```

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

mod url;

pub(super) use url::host_and_port;

/// What redis listens on unless the address says otherwise.
pub const REDIS_PORT: u16 = 6379;
/// No address that anyone means is longer.
const LONGEST_ADDRESS: usize = 1024;
/// Store nodes of one cluster: nobody has more, and each is a bit of a set.
pub const MOST_STORE_NODES: usize = 64;

/// One memcached or redis. Neither `Display` nor `Debug` shows the password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum StoreAddress {
    /// A memcached, spoken to in its text protocol.
    Memcached {
        /// Name or address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A redis.
    Redis {
        /// Name or address, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// The number of the database.
        database: u32,
        /// As whom to sign in; MSM's client leaves it out and shows the password alone.
        user: Option<String>,
        /// What to sign in with.
        password: Option<String>,
    },
}

impl StoreAddress {
    /// Reads `host:port` or a redis URL.
    pub fn parse(text: &str) -> Result<Self, BadStoreAddress> {
        if text.len() > LONGEST_ADDRESS {
            return Err(BadStoreAddress::TooLong);
        }
        match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("redis") => url::redis(rest),
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("rediss") => Err(BadStoreAddress::Tls),
            Some((scheme, _)) if scheme.to_ascii_lowercase().starts_with("http") => {
                Err(BadStoreAddress::Couchbase)
            }
            Some(_) => Err(BadStoreAddress::Scheme),
            None => {
                let (host, port) = url::host_and_port(text, None)?;
                Ok(Self::Memcached { host, port })
            }
        }
    }

    /// Name or address, without brackets.
    pub fn host(&self) -> &str {
        match self {
            Self::Memcached { host, .. } | Self::Redis { host, .. } => host,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Memcached { port, .. } | Self::Redis { port, .. } => *port,
        }
    }

    /// The product's name.
    pub fn product(&self) -> &'static str {
        match self {
            Self::Memcached { .. } => "memcached",
            Self::Redis { .. } => "redis",
        }
    }
}

/// `host:port`, or the URL without user and password.
impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Redis { .. } = self {
            f.write_str("redis://")?;
        }
        match self.host() {
            host if host.contains(':') => write!(f, "[{host}]")?,
            host => f.write_str(host)?,
        }
        write!(f, ":{}", self.port())?;
        match self {
            Self::Redis { database, .. } if *database > 0 => write!(f, "/{database}"),
            Self::Redis { .. } | Self::Memcached { .. } => Ok(()),
        }
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreAddress({self})")
    }
}

/// Where the sessions of a cluster are kept, and what is asked there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stores {
    /// Tomcat's file, if that is where the nodes were read.
    pub context: Option<PathBuf>,
    /// In the order of the file, which is MSM's: the copy of a non-sticky session lies on the next.
    pub nodes: Vec<StoreNode>,
    /// What stands before session ids in keys.
    pub key_prefix: String,
    /// Whether MSM keeps sessions in the stores alone, each on two nodes if there are two.
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

/// A store node: a store, and its name in session ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoreNode {
    /// The `n1` in an id; `None`: ids name no store node, since there is one only.
    pub name: Option<String>,
    /// Where it is.
    pub address: StoreAddress,
}

impl StoreNode {
    /// Reads `memcachedNodes`: `n1:host:port` of each node, white space or one comma between them;
    /// or `host:port`, or a redis URL, alone.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, BadStoreNodes> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadStoreNodes::Empty);
        }
        if text.contains("://") {
            return match StoreAddress::parse(text) {
                Ok(address) => Ok(vec![Self {
                    name: None,
                    address,
                }]),
                Err(why) => Err(BadStoreNodes::at(0, why)),
            };
        }
        let mut nodes: Vec<Self> = Vec::new();
        for (place, part) in split(text).enumerate() {
            if place == MOST_STORE_NODES {
                return Err(BadStoreNodes::TooMany);
            }
            let node = Self::parse(part).map_err(|why| BadStoreNodes::at(place, why))?;
            if node.name.is_some() && nodes.iter().any(|other| other.name == node.name) {
                return Err(BadStoreNodes::at(place, BadStoreAddress::Twice));
            }
            nodes.push(node);
        }
        match nodes.iter().position(|node| node.name.is_none()) {
            Some(place) if nodes.len() > 1 => {
                Err(BadStoreNodes::at(place, BadStoreAddress::NoName))
            }
            _ => Ok(nodes),
        }
    }

    fn parse(text: &str) -> Result<Self, BadStoreAddress> {
        if text.is_empty() {
            return Err(BadStoreAddress::Separator);
        }
        let (name, rest) = match text.split_once(':') {
            // Of a bracketed address, and of `host:port`, the first colon ends no name.
            Some((name, rest)) if !text.starts_with('[') && rest.contains(':') => {
                (Some(name), rest)
            }
            _ => (None, text),
        };
        if name.is_some_and(|name| !is_node_name(name)) {
            return Err(BadStoreAddress::Name);
        }
        Ok(Self {
            name: name.map(str::to_owned),
            address: StoreAddress::parse(rest)?,
        })
    }
}

/// Whether MSM takes `name` as the name of a store node.
pub fn is_node_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(is_word)
}

/// The parts of a list: any white space, or exactly one comma, stands between two. A comma beside
/// white space, or two of them, has an empty part, as in MSM, which refuses it.
fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').flat_map(|piece| {
        let is_padded = piece.starts_with(char::is_whitespace);
        let is_followed = piece.ends_with(char::is_whitespace);
        let before = (is_padded || piece.is_empty()).then_some("");
        let after = is_followed.then_some("");
        before
            .into_iter()
            .chain(piece.split_whitespace())
            .chain(after)
    })
}

/// Why a text is no address of a store. Says nothing of what stands there: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadStoreAddress {
    /// More than any host name.
    #[error("longer than {LONGEST_ADDRESS} characters")]
    TooLong,
    /// Neither redis nor nothing before `://`.
    #[error("an unknown kind of URL; expected host:port or redis://host[:port][/db]")]
    Scheme,
    /// `rediss://`.
    #[error("rediss:// asks for TLS, which is not supported towards stores yet; use redis://")]
    Tls,
    /// `http://host:8091/pools`.
    #[error(
        "an http:// address, as of couchbase, which is not supported; expected memcached or redis"
    )]
    Couchbase,
    /// Nothing between two separators.
    #[error("nothing; between two nodes stands white space, or one comma and nothing else")]
    Separator,
    /// Nothing before the port.
    #[error("no host; expected host:port")]
    NoHost,
    /// What no host name has.
    #[error("a host name with characters that no host name has")]
    Host,
    /// memcached has no port of its own in MSM's grammar.
    #[error("no port; expected host:port")]
    NoPort,
    /// Not a number from 1 to 65535.
    #[error("a port that is no number from 1 to 65535")]
    Port,
    /// Behind the `/` of a redis URL.
    #[error("a database that is no number; expected redis://host[:port]/number")]
    Database,
    /// A `%` without two hexadecimal digits, or bytes that are no text.
    #[error("a user or password in which a % is not followed by two hexadecimal digits")]
    Escape,
    /// MSM takes `\w+`.
    #[error("a node name with other characters than letters, digits and _")]
    Name,
    /// The same name again.
    #[error("a node name that another node has already")]
    Twice,
    /// Several nodes of which one has no name.
    #[error("no node name, while there are several nodes; expected name:host:port")]
    NoName,
}

/// Why a text is no `memcachedNodes`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadStoreNodes {
    /// Nothing but white space.
    #[error("no node; expected n1:host:port, with white space or one comma between nodes")]
    Empty,
    /// Longer than any real one.
    #[error("more than {MOST_STORE_NODES} nodes")]
    TooMany,
    /// One of them.
    #[error("node {number}: {why}")]
    Node {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        why: BadStoreAddress,
    },
}

impl BadStoreNodes {
    fn at(place: usize, why: BadStoreAddress) -> Self {
        Self::Node {
            number: place + 1,
            why,
        }
    }
}

#[cfg(test)]
mod tests;
