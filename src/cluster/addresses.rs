//! Where a backend can be reached now.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::BackendAddr;

/// What a backend's address stands for at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// Tried in order. Empty: the name was never resolved.
    Ip(Vec<SocketAddr>),
    /// A socket on this host.
    Unix(PathBuf),
}

impl Addresses {
    /// What is known without asking anybody.
    pub fn known(address: &BackendAddr) -> Self {
        match address {
            BackendAddr::Ip(address) => Self::Ip(vec![*address]),
            BackendAddr::Host { .. } => Self::Ip(Vec::new()),
            BackendAddr::Unix(path) => Self::Unix(path.clone()),
        }
    }
}
