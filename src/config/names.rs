//! Names that must not be swapped for each other.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a text that the configuration's checks have accepted.
            pub fn new(text: &str) -> Self {
                Self(Arc::from(text))
            }

            /// The text as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A cluster's key under `clusters:`; a metric label.
    ClusterName
);
name!(
    /// A backend's name, unique in its cluster: metric label, command-line argument and
    /// rendezvous key.
    BackendName
);
name!(
    /// The part of a session id that names its Tomcat. Compared exactly: `jvm1` is neither
    /// `jvm11` nor `JVM1`.
    JvmRoute
);

/// Where a backend listens, as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BackendAddr {
    /// An IP address and port: nothing to resolve.
    Ip(SocketAddr),
    /// A host name, resolved at start and again in the background.
    Host {
        /// The name, without a port.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix-domain socket (Tomcat's `unixDomainSocketPath`).
    Unix(PathBuf),
}

impl BackendAddr {
    /// Whether it is a Unix-domain socket.
    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

impl fmt::Display for BackendAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => write!(f, "{addr}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
