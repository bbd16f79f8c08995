//! How many clients may be connected: in all, and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts connections over all workers. Touched when a connection begins and ends, never for a
/// request.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    per_client: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place; given back on drop.
#[derive(Debug)]
pub struct Place {
    _in_all: OwnedSemaphorePermit,
    counted: Option<(Arc<Admission>, IpAddr)>,
}

impl Admission {
    /// As many places as `limits.connections` says. Fixed for the life of the process.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            per_client: Mutex::default(),
        })
    }

    /// Waits for a place. While a worker waits here it accepts nothing, so that further clients
    /// queue in the kernel.
    pub async fn place(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
        Some(Place {
            _in_all: permit,
            counted: None,
        })
    }

    /// Connections that hold a place of this client.
    #[cfg(test)]
    fn of_client(&self, ip: IpAddr) -> usize {
        let per_client = self
            .per_client
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        per_client.get(&client_key(ip)).copied().unwrap_or(0)
    }
}

impl Place {
    /// Counts the place for `ip`, unless that client has `limit` already (zero: no limit).
    pub fn count_for(&mut self, admission: &Arc<Admission>, ip: IpAddr, limit: usize) -> Admitted {
        if limit == 0 {
            return Admitted::Yes;
        }
        let key = client_key(ip);
        let mut per_client = admission
            .per_client
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = per_client.entry(key).or_insert(0);
        if *count >= limit {
            return Admitted::No;
        }
        *count += 1;
        self.counted = Some((Arc::clone(admission), key));
        Admitted::Yes
    }
}

/// Whether a client may have another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It may.
    Yes,
    /// It has as many as it may.
    No,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((admission, key)) = self.counted.take() else {
            return;
        };
        let mut per_client = admission
            .per_client
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = per_client.get_mut(&key) {
            *count -= 1;
            // Nobody stays in the table who is not connected, so connections bound it.
            if *count == 0 {
                per_client.remove(&key);
            }
        }
    }
}

/// An IPv6 client owns at least its /64; counting single addresses would not limit it.
pub(super) fn client_key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_has_as_many_connections_as_it_may_and_no_more() {
        let admission = Admission::new(10);
        let ip: IpAddr = "192.0.2.1".parse().unwrap();
        let mut places = Vec::new();
        for expected in [Admitted::Yes, Admitted::Yes, Admitted::No] {
            let mut place = admission.place().await.unwrap();
            assert_eq!(place.count_for(&admission, ip, 2), expected);
            places.push(place);
        }
        assert_eq!(admission.of_client(ip), 2);
        places.clear();
        assert_eq!(admission.of_client(ip), 0);
        assert!(admission.per_client.lock().unwrap().is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let key = |text: &str| client_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }

    #[tokio::test]
    async fn a_full_house_waits_until_a_place_is_given_back() {
        let admission = Admission::new(1);
        let place = admission.place().await;
        let mut next = std::pin::pin!(admission.place());
        assert!(
            std::future::poll_fn(|cx| {
                std::task::Poll::Ready(next.as_mut().poll(cx).is_pending())
            })
            .await
        );
        drop(place);
        assert!(next.await.is_some());
    }
}
