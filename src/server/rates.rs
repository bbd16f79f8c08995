//! How many TLS handshakes begin: of one client, and in all. Asked once per connection that is to be
//! secured, before anything of it is read; never for another one.
//!
//! What is remembered has a fixed size. Who has taken least is forgotten first, so that many
//! strangers cannot make the greedy one forgotten.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::admission::client_key;
use super::seldom::{Seldom, nanos};
use crate::config::HandshakeLimits;
use crate::observe::metrics::ConnectionRefusal;

/// So much of a rate may be taken at once.
const WINDOW: Duration = Duration::from_secs(10);
/// Clients that share a lock, and among whom one is chosen to be forgotten.
const WAYS: usize = 8;
/// With [`WAYS`]: how many clients are remembered, in half a MiB.
const SETS: usize = 4096;

/// What began lately, over all workers.
#[derive(Debug)]
pub struct Rates {
    origin: Instant,
    /// No client can choose with whom it shares a set.
    secret: RandomState,
    /// Made when the first handshake begins: without TLS there is none.
    clients: OnceLock<Box<[Mutex<Set>]>>,
    in_all: AtomicU64,
    told: [Seldom; 2],
}

type Set = [Entry; WAYS];

/// A client; whoever has taken nothing lately is as good as none.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    client: u64,
    paid_until: u64,
}

/// A handshake that may not begin.
#[derive(Debug, PartialEq, Eq)]
pub struct Overhasty {
    /// Which bound it met.
    pub why: ConnectionRefusal,
    /// To be told now, of so many for the same reason since the last time.
    pub tell_of: Option<u64>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            secret: RandomState::new(),
            clients: OnceLock::new(),
            in_all: AtomicU64::new(0),
            told: Default::default(),
        }
    }
}

impl Rates {
    /// Counts a handshake, unless it may not begin. `client`: nobody is counted where it is `None`.
    pub fn take(&self, client: Option<IpAddr>, limits: &HandshakeLimits) -> Result<(), Overhasty> {
        self.take_at(nanos(self.origin.elapsed()), client, limits)
    }

    fn take_at(
        &self,
        now: u64,
        client: Option<IpAddr>,
        limits: &HandshakeLimits,
    ) -> Result<(), Overhasty> {
        // The client first: who is greedy takes nothing from the others.
        if let Some(client) = client.filter(|_| limits.per_client > 0)
            && !self.take_of(client, now, limits.per_client)
        {
            return Err(self.overhasty(ConnectionRefusal::HandshakesClient, now));
        }
        let more = |paid_until| taken(paid_until, now, limits.in_all);
        if limits.in_all > 0 && self.in_all.fetch_update(Relaxed, Relaxed, more).is_err() {
            return Err(self.overhasty(ConnectionRefusal::Handshakes, now));
        }
        Ok(())
    }

    fn take_of(&self, client: IpAddr, now: u64, rate: u32) -> bool {
        let client = self.secret.hash_one(client_key(client));
        let sets = self.clients.get_or_init(|| {
            let set = || Mutex::new([Entry::default(); WAYS]);
            std::iter::repeat_with(set).take(SETS).collect()
        });
        let Some(set) = sets.get(usize::try_from(client).unwrap_or(0) % SETS) else {
            return true;
        };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let place = set.iter().position(|entry| entry.client == client);
        let entry = match place {
            Some(place) => set.get_mut(place),
            None => set.iter_mut().min_by_key(|entry| entry.paid_until),
        };
        let Some(entry) = entry else {
            return true;
        };
        if entry.client != client {
            *entry = Entry {
                client,
                paid_until: 0,
            };
        }
        match taken(entry.paid_until, now, rate) {
            Some(paid_until) => {
                entry.paid_until = paid_until;
                true
            }
            None => false,
        }
    }

    fn overhasty(&self, why: ConnectionRefusal, now: u64) -> Overhasty {
        let [of_client, in_all] = &self.told;
        let told = match why {
            ConnectionRefusal::HandshakesClient => of_client,
            _ => in_all,
        };
        Overhasty {
            why,
            tell_of: told.count(now),
        }
    }
}

/// Until when it is paid for if one more is taken; `None`: that would be more than a window ahead.
fn taken(paid_until: u64, now: u64, rate: u32) -> Option<u64> {
    let each = nanos(Duration::from_secs(1)) / u64::from(rate.max(1));
    let paid_until = paid_until.max(now).saturating_add(each);
    (paid_until - now <= nanos(WINDOW)).then_some(paid_until)
}

#[cfg(test)]
mod tests;
