//! A connection to one store, whatever it speaks.

use std::future::Future;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::timeout;

use super::failure::{Fault, Stage, StoreFailure};
use super::wire::Wire;
use super::{memcached, redis};
use crate::config::StoreAddress;

/// Bytes of a value that are read: MSM's header with an id and a principal, and the beginning of
/// the attributes.
pub(super) const HEAD: usize = 1024;

/// One store, asked over a connection of its own. After a failure the connection is of no use.
#[derive(Debug)]
pub struct Connection {
    address: StoreAddress,
    wire: Wire,
    time: Duration,
    /// Whether memcached knows the meta commands; older ones and some that only speak like it do
    /// not.
    has_meta: bool,
}

/// The beginning of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// At most a kibibyte of it.
    pub bytes: Vec<u8>,
    /// How long the value is, in bytes.
    pub size: u64,
    /// Seconds until it goes; `None`: never, or nobody says.
    pub ttl: Option<u64>,
}

/// A key that a store has, and what it tells of it at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundKey {
    /// As it is.
    pub key: Vec<u8>,
    /// Unix time at which it goes; `None`: never, or nobody says.
    pub expires: Option<u64>,
    /// Unix time of the last access, if the store knows.
    pub accessed: Option<u64>,
    /// Bytes that the store spends on it, if it says.
    pub size: Option<u64>,
}

/// How much of a store is gone through at most.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Keys.
    pub keys: u64,
    /// Time, over all.
    pub time: Duration,
}

impl Connection {
    /// Connects, and signs in where the address says as whom. `time` bounds this and each question.
    pub async fn connect(address: &StoreAddress, time: Duration) -> Result<Self, StoreFailure> {
        let fail = |stage, fault| StoreFailure {
            store: address.clone(),
            stage,
            fault,
        };
        let (host, port) = address.host_and_port();
        let wire = match timeout(time, Wire::connect(host, port)).await {
            Ok(Ok(wire)) => wire,
            Ok(Err(error)) => return Err(fail(Stage::Connect, error.into())),
            Err(_) => return Err(fail(Stage::Connect, Fault::TimedOut)),
        };
        let mut connection = Self {
            address: address.clone(),
            wire,
            time,
            has_meta: true,
        };
        if let StoreAddress::Redis { .. } = address {
            let signed_in = timeout(time, redis::sign_in(&mut connection.wire, address)).await;
            signed_in
                .unwrap_or(Err(Fault::TimedOut))
                .map_err(|fault| fail(Stage::Authenticate, fault))?;
        }
        Ok(connection)
    }

    /// Whether it answers at all.
    pub async fn ping(&mut self) -> Result<(), StoreFailure> {
        let asked = match &self.address {
            StoreAddress::Memcached { .. } => {
                within(self.time, memcached::version(&mut self.wire)).await
            }
            StoreAddress::Redis { .. } => within(self.time, redis::ping(&mut self.wire)).await,
        };
        asked.map_err(|fault| self.failure(fault))
    }

    /// Whether it has this key. The store does not take that for a use of it.
    pub async fn has(&mut self, key: &[u8]) -> Result<bool, StoreFailure> {
        let asked = match &self.address {
            StoreAddress::Memcached { .. } => {
                let asked = memcached::has(&mut self.wire, &mut self.has_meta, key);
                within(self.time, asked).await
            }
            StoreAddress::Redis { .. } => within(self.time, redis::has(&mut self.wire, key)).await,
        };
        asked.map_err(|fault| self.failure(fault))
    }

    /// The beginning of a value; `None`: there is none. The store does not take that for a use.
    pub async fn head(&mut self, key: &[u8]) -> Result<Option<Head>, StoreFailure> {
        let asked = match &self.address {
            StoreAddress::Memcached { .. } => {
                let asked = memcached::head(&mut self.wire, &mut self.has_meta, key);
                within(self.time, asked).await
            }
            StoreAddress::Redis { .. } => within(self.time, redis::head(&mut self.wire, key)).await,
        };
        asked.map_err(|fault| self.failure(fault))
    }

    /// Goes through all keys. `each` may end it; the answer is whether it came to the end of them.
    pub async fn keys(
        &mut self,
        most: Most,
        each: impl FnMut(FoundKey) -> ControlFlow<()>,
    ) -> Result<bool, StoreFailure> {
        let asked = match &self.address {
            StoreAddress::Memcached { .. } => {
                within(most.time, memcached::keys(&mut self.wire, most.keys, each)).await
            }
            StoreAddress::Redis { .. } => {
                within(most.time, redis::keys(&mut self.wire, most.keys, each)).await
            }
        };
        asked.map_err(|fault| self.failure(fault))
    }

    /// Whether it may be asked again: nothing came that nobody has asked for.
    pub fn is_clean(&self) -> bool {
        !self.wire.has_unread()
    }

    fn failure(&self, fault: Fault) -> StoreFailure {
        StoreFailure {
            store: self.address.clone(),
            stage: Stage::Answer,
            fault,
        }
    }
}

async fn within<T>(
    time: Duration,
    asked: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    timeout(time, asked).await.unwrap_or(Err(Fault::TimedOut))
}
