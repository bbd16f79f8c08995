//! One connection to one store. Each question ends within its time-out, whatever the store does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::config::StoreAddress;

use super::failure::{Fault, Stage, StoreError};
use super::wire::Wire;
use super::{Bounds, memcached, redis};

/// When an item ends, in seconds since 1970 by this machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expiry {
    /// It stays.
    #[default]
    Never,
    /// Then.
    At(u64),
}

/// The start of a value, and what the store knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// The length of all of it.
    pub size: u64,
    /// When it ends.
    pub expiry: Expiry,
    /// Since its last use, if the store keeps that.
    pub idle_seconds: Option<u64>,
}

/// One key of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// When it ends.
    pub expiry: Expiry,
    /// Its last use in seconds since 1970, if the store keeps that.
    pub last_access: Option<u64>,
    /// Bytes: in memcached of the whole item, in redis of the value.
    pub size: Option<u64>,
}

/// A connection to one store.
#[derive(Debug)]
pub struct Connection<S = TcpStream> {
    store: Arc<str>,
    is_redis: bool,
    bounds: Bounds,
    wire: Wire<S>,
    stage: Stage,
    /// A question is under way, or was given up: its answer may still come.
    is_busy: bool,
    /// redis was asked not to count our questions as uses.
    is_no_touch: bool,
}

impl Connection {
    /// Connects, and signs in where the address says so, all of it within `timeout`.
    pub async fn connect(address: &StoreAddress, timeout: Duration) -> Result<Self, StoreError> {
        Self::bounded(address, Bounds::within(timeout)).await
    }

    /// As [`connect`](Self::connect), with bounds of one's own.
    pub async fn bounded(address: &StoreAddress, bounds: Bounds) -> Result<Self, StoreError> {
        Self::made_by(Instant::now() + bounds.timeout, address, bounds).await
    }

    /// As [`bounded`](Self::bounded), done by `until`.
    pub(super) async fn made_by(
        until: Instant,
        address: &StoreAddress,
        bounds: Bounds,
    ) -> Result<Self, StoreError> {
        let failed = |fault| StoreError {
            store: address.to_string().into(),
            stage: Stage::Connect,
            fault,
        };
        let stream = TcpStream::connect((address.host(), address.port()));
        let stream = match timeout_at(until, stream).await {
            Ok(made) => made.map_err(|error| failed(Fault::Io(error)))?,
            Err(_) => return Err(failed(Fault::Timeout(bounds.timeout))),
        };
        // Small questions wait for nothing; where the system refuses, they are only later.
        stream.set_nodelay(true).ok();
        let mut connection = Self::over(stream, address, bounds);
        connection.sign_in(address, until).await?;
        Ok(connection)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Over a stream that is there already, without signing in.
    pub fn over(stream: S, address: &StoreAddress, bounds: Bounds) -> Self {
        Self {
            store: address.to_string().into(),
            is_redis: matches!(address, StoreAddress::Redis { .. }),
            bounds,
            wire: Wire::new(stream),
            stage: Stage::Ask,
            is_busy: false,
            is_no_touch: false,
        }
    }

    /// Whether it can be asked again; not after an error, nor after a question was given up.
    pub fn is_usable(&self) -> bool {
        !self.is_busy
    }

    /// Waits until the store hangs up, or says something that nobody has asked. It cannot be asked
    /// again then; where the wait is given up, it can.
    pub async fn ended(&mut self) {
        self.wire.ended().await;
        self.is_busy = true;
    }

    /// Whether the store answers at all.
    pub async fn ping(&mut self) -> Result<(), StoreError> {
        let is_redis = self.is_redis;
        let question = if is_redis {
            redis::command(&[b"PING"])
        } else {
            memcached::ping()
        };
        self.ask(async |it: &mut Self| {
            it.send(&question).await?;
            if is_redis {
                redis::done(&mut it.wire).await
            } else {
                memcached::pong(&mut it.wire).await
            }
        })
        .await
    }

    /// Whether there is a value under `key`; that does not count as a use of it. A key that
    /// memcached cannot hold is not there.
    pub async fn has(&mut self, key: &[u8]) -> Result<bool, StoreError> {
        self.has_by(Instant::now() + self.bounds.timeout, key).await
    }

    /// As [`has`](Self::has), told by `until`.
    pub(super) async fn has_by(&mut self, until: Instant, key: &[u8]) -> Result<bool, StoreError> {
        let is_redis = self.is_redis;
        if !is_redis && !memcached::is_key(key) {
            return Ok(false);
        }
        let question = async |it: &mut Self| {
            if is_redis {
                it.send(&redis::command(&[b"EXISTS", key])).await?;
                redis::had(&mut it.wire).await
            } else {
                it.send(&memcached::has(key)).await?;
                memcached::had(&mut it.wire).await
            }
        };
        self.until(until, self.bounds.timeout, question).await
    }

    /// The start of the value under `key`; `None`: there is none.
    pub async fn head(&mut self, key: &[u8]) -> Result<Option<Head>, StoreError> {
        let bounds = self.bounds;
        if !self.is_redis {
            if !memcached::is_key(key) {
                return Ok(None);
            }
            return self
                .ask(async |it: &mut Self| {
                    it.send(&memcached::head(key)).await?;
                    memcached::head_of(&mut it.wire, &bounds).await
                })
                .await;
        }
        self.ask(async |it: &mut Self| {
            it.ask_not_to_touch().await?;
            let question = [redis::about(key), redis::start_of(key, &bounds)].concat();
            it.send(&question).await?;
            redis::head_of(&mut it.wire, &bounds).await
        })
        .await
    }

    /// All keys of the store, one after the other; none of them is kept.
    pub fn keys(&mut self) -> Keys<'_, S> {
        let until = Instant::now() + self.bounds.keys_timeout;
        Keys {
            connection: self,
            until,
            cursor: None,
            read: VecDeque::new(),
            count: 0,
            is_over: false,
        }
    }

    async fn sign_in(&mut self, address: &StoreAddress, until: Instant) -> Result<(), StoreError> {
        let StoreAddress::Redis {
            user,
            password,
            database,
            ..
        } = address
        else {
            return Ok(());
        };
        let limit = self.bounds.timeout;
        let questions = async |it: &mut Self| {
            it.stage = Stage::Authenticate;
            if let Some(password) = password {
                it.authenticate(user.as_deref(), password).await?;
            }
            if *database > 0 {
                let number = database.to_string();
                let question = redis::command(&[b"SELECT", number.as_bytes()]);
                it.wire.send(&question).await?;
                redis::done(&mut it.wire).await?;
            }
            Ok(())
        };
        self.until(until, limit, questions).await
    }

    /// MSM's client leaves the user out: so do we where redis does not know that user.
    async fn authenticate(&mut self, user: Option<&str>, password: &str) -> Result<(), Fault> {
        let password = password.as_bytes();
        if let Some(user) = user {
            let question = redis::command(&[b"AUTH", user.as_bytes(), password]);
            self.wire.send(&question).await?;
            match redis::done(&mut self.wire).await {
                Err(Fault::Refused(_)) => {}
                other => return other,
            }
        }
        self.wire
            .send(&redis::command(&[b"AUTH", password]))
            .await?;
        redis::done(&mut self.wire).await
    }

    async fn ask_not_to_touch(&mut self) -> Result<(), Fault> {
        if !self.is_no_touch {
            self.send(&redis::no_touch()).await?;
            redis::done_or_not(&mut self.wire).await?;
            self.is_no_touch = true;
        }
        Ok(())
    }

    async fn send(&mut self, question: &[u8]) -> Result<(), Fault> {
        self.stage = Stage::Ask;
        self.wire.send(question).await?;
        self.stage = Stage::Answer;
        Ok(())
    }

    async fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let limit = self.bounds.timeout;
        self.until(Instant::now() + limit, limit, question).await
    }

    /// Runs `question` until it is answered or the time is over.
    async fn until<T>(
        &mut self,
        until: Instant,
        limit: Duration,
        question: impl AsyncFnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let result = if self.is_busy {
            self.stage = Stage::Ask;
            Err(Fault::OutOfStep)
        } else {
            self.is_busy = true;
            match timeout_at(until, question(self)).await {
                Ok(result) => result,
                Err(_) => Err(Fault::Timeout(limit)),
            }
        };
        match result {
            Ok(answer) => {
                self.is_busy = false;
                Ok(answer)
            }
            Err(fault) => Err(StoreError {
                store: self.store.clone(),
                stage: self.stage,
                fault,
            }),
        }
    }
}

/// The keys of a store. Given up halfway, it leaves its connection unusable.
#[derive(Debug)]
pub struct Keys<'c, S = TcpStream> {
    connection: &'c mut Connection<S>,
    until: Instant,
    /// redis: where to go on; `None`: nothing was asked yet.
    cursor: Option<Vec<u8>>,
    read: VecDeque<Entry>,
    count: u64,
    is_over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Keys<'_, S> {
    /// The next key; `None`: that was all. Nothing comes after an error. redis may tell a key
    /// twice.
    pub async fn next(&mut self) -> Option<Result<Entry, StoreError>> {
        if self.is_over {
            return None;
        }
        let next = match self.read.pop_front() {
            Some(entry) => Ok(Some(entry)),
            None => self.more().await,
        };
        match next {
            Ok(Some(entry)) => {
                self.count += 1;
                let most = self.connection.bounds.most_keys;
                if self.count <= most {
                    return Some(Ok(entry));
                }
                self.is_over = true;
                self.connection.is_busy = true;
                Some(Err(StoreError {
                    store: self.connection.store.clone(),
                    stage: Stage::Answer,
                    fault: Fault::ManyKeys(most),
                }))
            }
            Ok(None) => {
                self.is_over = true;
                None
            }
            Err(error) => {
                self.is_over = true;
                Some(Err(error))
            }
        }
    }

    async fn more(&mut self) -> Result<Option<Entry>, StoreError> {
        let (until, limit) = (self.until, self.connection.bounds.keys_timeout);
        let (cursor, read) = (&mut self.cursor, &mut self.read);
        if self.connection.is_redis {
            let pages = async |it: &mut Connection<S>| pages(it, cursor, read).await;
            return self.connection.until(until, limit, pages).await;
        }
        let is_first = cursor.is_none();
        *cursor = Some(Vec::new());
        if !is_first {
            // Between two lines of one answer the connection is in step.
            self.connection.is_busy = false;
        }
        let line = async |it: &mut Connection<S>| {
            if is_first {
                it.send(&memcached::keys()).await?;
            }
            memcached::next_key(&mut it.wire).await
        };
        let entry = self.connection.until(until, limit, line).await?;
        // The rest of the dump is still to come.
        self.connection.is_busy = entry.is_some();
        Ok(entry)
    }
}

/// Reads pages until one has a key. A key that ended between two questions is left out.
async fn pages<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    cursor: &mut Option<Vec<u8>>,
    read: &mut VecDeque<Entry>,
) -> Result<Option<Entry>, Fault> {
    loop {
        let from = match cursor.as_deref() {
            Some(b"0") => return Ok(None),
            Some(from) => from,
            None => b"0",
        };
        connection.ask_not_to_touch().await?;
        connection.send(&redis::page(from)).await?;
        let (next, mut entries) = redis::next_page(&mut connection.wire).await?;
        *cursor = Some(next);
        for some in entries.chunks_mut(redis::AT_A_TIME) {
            let questions: Vec<_> = some.iter().map(|entry| redis::about(&entry.key)).collect();
            connection.send(&questions.concat()).await?;
            for entry in some {
                if redis::complete(&mut connection.wire, entry).await? {
                    read.push_back(std::mem::take(entry));
                }
            }
        }
        if let Some(entry) = read.pop_front() {
            return Ok(Some(entry));
        }
    }
}

/// Seconds since 1970.
pub(super) fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
