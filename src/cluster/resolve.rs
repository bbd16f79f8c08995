//! Host names of backends: looked up at start and again in the background.
//!
//! Names are asked of the system (`getaddrinfo`: `/etc/hosts`, DNS, whatever the machine is set up
//! for). That way says no time to live, so names are looked up again at a fixed interval. The old
//! answer stays in use when a look-up fails or finds nothing: a resolver that is down takes no
//! backend out. Several addresses of one name are one backend, tried in order.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time;

/// Time between two look-ups of a name. Java's own resolver keeps an answer for 30 seconds; a
/// container that was started anew should be found sooner.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// Addresses of one name that are kept; further ones are left out.
pub const MAX_ADDRESSES: usize = 16;

/// Looks names up.
pub trait Resolve {
    /// The addresses of a name, in order of preference.
    fn look_up(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// The system's resolver, on tokio's threads for blocking work.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
pub enum ResolveFailure {
    /// The look-up failed.
    #[error("cannot resolve {host:?}")]
    LookUp {
        /// The name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// The look-up found nothing.
    #[error("{host:?} has no addresses")]
    NoAddress {
        /// The name.
        host: String,
    },
}

/// Looks a name up once.
pub async fn resolve(
    resolver: &impl Resolve,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, ResolveFailure> {
    let host_text = || host.to_owned();
    let answer = resolver
        .look_up(host, port)
        .await
        .map_err(|source| ResolveFailure::LookUp {
            host: host_text(),
            source,
        })?;
    merge(&[], &answer).ok_or_else(|| ResolveFailure::NoAddress { host: host_text() })
}

/// The new list of addresses; `None`: the old one stays.
///
/// Addresses that are still in the answer keep their order, new ones follow in the answer's order:
/// a resolver that turns its answers round changes nothing.
pub fn merge(old: &[SocketAddr], answer: &[SocketAddr]) -> Option<Vec<SocketAddr>> {
    if answer.is_empty() {
        return None;
    }
    let kept = old.iter().filter(|address| answer.contains(address));
    let mut merged = Vec::new();
    for address in kept.chain(answer) {
        if merged.len() < MAX_ADDRESSES && !merged.contains(address) {
            merged.push(*address);
        }
    }
    (merged != old).then_some(merged)
}

/// What a background look-up has to tell; its `Display` is the log line's message.
#[derive(Debug)]
pub enum News {
    /// The addresses changed.
    Changed(Vec<SocketAddr>),
    /// Look-ups fail from now on; the old addresses stay in use.
    Failing(ResolveFailure),
    /// Look-ups succeed again.
    Recovered,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(addresses) => write!(f, "now at {addresses:?}"),
            Self::Failing(failure) => write!(f, "{failure}; the known addresses stay in use"),
            Self::Recovered => f.write_str("can be resolved again"),
        }
    }
}

/// Looks a name up again and again, the first time after `offset`, and tells what changed. Runs
/// until it is dropped.
pub async fn keep_resolved(
    resolver: impl Resolve,
    (host, port): (&str, u16),
    mut known: Vec<SocketAddr>,
    offset: Duration,
    mut tell: impl FnMut(News),
) {
    let mut is_failing = false;
    time::sleep(offset).await;
    loop {
        match resolver.look_up(host, port).await {
            Ok(answer) if !answer.is_empty() => {
                if std::mem::replace(&mut is_failing, false) {
                    tell(News::Recovered);
                }
                if let Some(addresses) = merge(&known, &answer) {
                    known.clone_from(&addresses);
                    tell(News::Changed(addresses));
                }
            }
            failed => {
                if !std::mem::replace(&mut is_failing, true) {
                    let host = host.to_owned();
                    tell(News::Failing(match failed {
                        Err(source) => ResolveFailure::LookUp { host, source },
                        Ok(_) => ResolveFailure::NoAddress { host },
                    }));
                }
            }
        }
        time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    fn addresses(last: &[u8]) -> Vec<SocketAddr> {
        let address = |last: &u8| SocketAddr::from(([10, 0, 0, *last], 8080));
        last.iter().map(address).collect()
    }

    #[test]
    fn the_old_answer_stays_where_the_new_one_says_nothing_new() {
        for (old, answer, expected) in [
            (&[1, 2][..], &[][..], None),
            (&[1, 2], &[1, 2], None),
            (&[1, 2], &[2, 1], None),
            (&[1, 2], &[2, 2, 1, 1], None),
            (&[], &[2, 1, 2], Some(&[2, 1][..])),
            (&[1, 2], &[3, 2], Some(&[2, 3])),
            (&[1, 2], &[2], Some(&[2])),
            (&[1, 2], &[4, 3], Some(&[4, 3])),
        ] {
            assert_eq!(
                merge(&addresses(old), &addresses(answer)),
                expected.map(addresses),
                "{old:?} {answer:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_merged_answer_is_the_answer_in_another_order(
            old in prop::collection::vec(any::<u8>(), 0..20),
            answer in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let answer = addresses(&answer);
            if let Some(mut merged) = merge(&addresses(&old), &answer) {
                prop_assert!(!merged.is_empty() && merged.len() <= MAX_ADDRESSES);
                prop_assert!(merged.iter().all(|address| answer.contains(address)));
                let count = merged.len();
                merged.sort_unstable();
                merged.dedup();
                prop_assert_eq!(count, merged.len());
                prop_assert!(
                    count == MAX_ADDRESSES || answer.iter().all(|address| merged.contains(address))
                );
            }
        }
    }

    /// Answers from a list, one a look-up; `None` is a failure; the last one again and again.
    struct Script(Vec<Option<Vec<u8>>>, AtomicUsize);

    impl Script {
        fn new(answers: Vec<Option<Vec<u8>>>) -> Self {
            Self(answers, AtomicUsize::new(0))
        }
    }

    impl Resolve for Script {
        async fn look_up(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
            let turn = self.1.fetch_add(1, Ordering::Relaxed).min(self.0.len() - 1);
            match &self.0[turn] {
                Some(answer) => Ok(addresses(answer)),
                None => Err(io::Error::other("no resolver")),
            }
        }
    }

    async fn told(answers: Vec<Option<Vec<u8>>>) -> Vec<String> {
        let told = Mutex::new(Vec::new());
        let rounds = u32::try_from(answers.len()).unwrap();
        let run = keep_resolved(
            Script::new(answers),
            ("tomcat", 8080),
            addresses(&[1]),
            Duration::ZERO,
            |news| told.lock().unwrap().push(news.to_string()),
        );
        let ended = time::timeout(INTERVAL * rounds, run).await;
        assert!(ended.is_err());
        told.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_changed_is_told() {
        let answers = vec![
            Some(vec![1]),
            Some(vec![2]),
            Some(vec![2]),
            Some(vec![2, 3]),
        ];
        assert_eq!(
            told(answers).await,
            [
                "now at [10.0.0.2:8080]",
                "now at [10.0.0.2:8080, 10.0.0.3:8080]"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_fails_is_told_once_and_changes_nothing() {
        let answers = vec![None, None, Some(vec![]), Some(vec![1]), Some(vec![])];
        assert_eq!(
            told(answers).await,
            [
                "cannot resolve \"tomcat\"; the known addresses stay in use",
                "can be resolved again",
                "\"tomcat\" has no addresses; the known addresses stay in use",
            ]
        );
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_a_failure_at_start() {
        let nothing = Script::new(vec![Some(vec![])]);
        let failure = resolve(&nothing, "tomcat", 8080).await.unwrap_err();
        assert_eq!(failure.to_string(), "\"tomcat\" has no addresses");
        let broken = Script::new(vec![None]);
        let failure = resolve(&broken, "tomcat", 8080).await.unwrap_err();
        assert_eq!(failure.to_string(), "cannot resolve \"tomcat\"");
    }

    #[test]
    fn a_background_look_up_may_move_between_threads() {
        fn moves<T: Send>(_: &T) {}
        let name = ("tomcat", 8080);
        moves(&keep_resolved(
            SystemResolver,
            name,
            Vec::new(),
            INTERVAL,
            |_| (),
        ));
    }

    #[tokio::test]
    async fn the_system_knows_localhost() {
        let found = resolve(&SystemResolver, "localhost", 8080).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
    }
}
