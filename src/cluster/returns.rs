//! What is known of sessions that are away from home, beside the ledger: when they were answered
//! last, and whether those that went home were found there.
//!
//! From the take-over on, each request of such a session counts at it, as those at a survivor do
//! anyway; so nobody takes it away from under one. What is noted here is as old as it has to rest,
//! or as a request may be under way whose client has gone; bounded, as [`Recent`] is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::recent::Recent;
use crate::config::Cluster;
use crate::session::ledger::Key;

/// Sessions that may be lost before no more go home, whatever their share: some had ended already.
const FEW: u64 = 2;
/// Beyond these few, one in as many.
const SHARE: u64 = 100;
/// A session that had no copy in the store is not looked for again so soon.
const WITHOUT_COPY: Duration = Duration::from_mins(1);

/// Sessions of one cluster that go home, or will.
#[derive(Debug)]
pub struct Returns {
    born: Instant,
    /// Whether sessions are to go home: where they are not, nobody pays for what is noted.
    are_wanted: AtomicBool,
    noted: Mutex<Noted>,
    returned: AtomicU64,
    lost: AtomicU64,
    has_told: AtomicBool,
}

#[derive(Debug)]
struct Noted {
    answered: Recent,
    /// Whose client went away before the answer: the backend may still be at it.
    abandoned: Recent,
    /// Whose copy the store did not have, or was not asked for.
    without_copy: Recent,
}

/// How long nobody has used a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// A request of it may be under way, whose client has gone; or it had no copy just now, and
    /// nobody is to wait for a return that does not come.
    Unknown,
    /// Since so long.
    For(Duration),
    /// For as long as anybody has to know.
    Long,
}

impl Returns {
    /// Of a cluster with these settings.
    pub(super) fn new(config: &Cluster) -> Self {
        Self {
            born: Instant::now(),
            are_wanted: AtomicBool::new(config.fail_back.brings_home()),
            noted: Mutex::new(Noted {
                answered: Recent::new(quiet(config)),
                abandoned: Recent::new(config.timeouts.response),
                without_copy: Recent::new(WITHOUT_COPY),
            }),
            returned: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            has_told: AtomicBool::new(false),
        }
    }

    /// These settings are in force from now on. What was lost before is forgiven. Where nobody was to
    /// go home so far, everybody counts as answered just now.
    pub(super) fn follow(&self, config: &Cluster) {
        // First: what ends from now on is noted, and what has ended counts as if it ended now.
        self.are_wanted
            .store(config.fail_back.brings_home(), Relaxed);
        let at = self.born.elapsed();
        self.noted(|noted| {
            noted.answered.retime(quiet(config), at);
            noted.abandoned.retime(config.timeouts.response, at);
        });
        self.returned.store(0, Relaxed);
        self.lost.store(0, Relaxed);
        self.has_told.store(false, Relaxed);
    }

    /// A request of the session has ended.
    pub fn answered(&self, key: Key) {
        if !self.are_wanted.load(Relaxed) {
            return;
        }
        let at = self.born.elapsed();
        self.noted(|noted| noted.answered.note(key.number(), at));
    }

    /// The client of a request went away before it was answered. That is rare, and remembered for so
    /// long that it is noted whatever the administrator wants at the moment.
    pub fn abandoned(&self, key: Key) {
        let at = self.born.elapsed();
        self.noted(|noted| noted.abandoned.note(key.number(), at));
    }

    /// The session cannot go home: no copy of it was found.
    pub fn has_no_copy(&self, key: Key) {
        let at = self.born.elapsed();
        self.noted(|noted| noted.without_copy.note(key.number(), at));
    }

    /// How long nobody has used the session that is to rest for `quiet`, requests in flight not
    /// counted.
    pub fn rest(&self, key: Key, quiet: Duration) -> Rest {
        let at = self.born.elapsed();
        self.noted(|noted| {
            // The settings that ask for it are not in force yet.
            let is_kept = noted.answered.time() >= quiet;
            let is_among = |recent: &Recent| recent.since(key.number(), at).is_some();
            if !is_kept || is_among(&noted.abandoned) || is_among(&noted.without_copy) {
                return Rest::Unknown;
            }
            let since = noted.answered.since(key.number(), at);
            since.map_or(Rest::Long, Rest::For)
        })
    }

    /// A request takes its session home.
    pub fn goes_home(&self) {
        self.returned.fetch_add(1, Relaxed);
    }

    /// A session that was brought home was not known there. The answer is whether no more go from
    /// now on.
    pub fn has_lost(&self) -> bool {
        self.lost.fetch_add(1, Relaxed);
        self.are_over() && !self.has_told.swap(true, Relaxed)
    }

    /// Whether too many were lost: the others stay, until the configuration is loaded anew.
    pub fn are_over(&self) -> bool {
        self.lost.load(Relaxed) > FEW + self.returned.load(Relaxed) / SHARE
    }

    fn noted<T>(&self, of: impl FnOnce(&mut Noted) -> T) -> T {
        of(&mut self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How long answers are kept: not at all where nobody asks.
fn quiet(config: &Cluster) -> Duration {
    if config.fail_back.brings_home() {
        config.quiet_before_return()
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use super::*;
    use crate::cluster::{self, Changes, Common};
    use crate::config;
    use crate::session::ledger::{ClusterNumber, Ledger};

    const SECOND: Duration = Duration::from_secs(1);

    fn config(policy: &str, more: &str) -> Cluster {
        let text = format!(
            "listeners: [{{ address: 127.0.0.1:0 }}]\nclusters: {{ shop: {{ replicated: true, \
             fail_back: {policy}, {more}, timeouts: {{ response: 10s }}, \
             backends: [127.0.0.1:80, 127.0.0.2:80] }} }}"
        );
        let config = config::load_text("returns.yaml", &text, &|_| None);
        config.unwrap().clusters.remove(0)
    }

    fn at_once(delay: &str) -> Cluster {
        config("at_once", &format!("drain: {{ backup_delay: {delay} }}"))
    }

    /// Each ledger makes other keys; these tests compare keys of one.
    fn key(base: &[u8]) -> Key {
        static LEDGER: LazyLock<Ledger> = LazyLock::new(|| Ledger::new(1));
        LEDGER.key(ClusterNumber::default(), base)
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_rests_from_its_last_answer_on() {
        let (returns, one) = (Returns::new(&at_once("1s")), key(b"one"));
        assert_eq!(returns.rest(one, SECOND), Rest::Long);
        returns.answered(one);
        tokio::time::advance(SECOND / 4).await;
        assert_eq!(returns.rest(one, SECOND), Rest::For(SECOND / 4));
        assert_eq!(returns.rest(key(b"another"), SECOND), Rest::Long);
        tokio::time::advance(SECOND).await;
        assert_eq!(returns.rest(one, SECOND), Rest::Long);
        returns.abandoned(one);
        tokio::time::advance(9 * SECOND).await;
        assert_eq!(returns.rest(one, SECOND), Rest::Unknown);
        tokio::time::advance(SECOND).await;
        assert_eq!(returns.rest(one, SECOND), Rest::Long);
        // What was forgotten already may be younger than what is asked for from now on.
        returns.follow(&at_once("2s"));
        assert_eq!(returns.rest(one, SECOND), Rest::For(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn who_had_no_copy_is_left_alone_for_a_while() {
        let (returns, one) = (Returns::new(&at_once("1s")), key(b"one"));
        returns.has_no_copy(one);
        tokio::time::advance(59 * SECOND).await;
        assert_eq!(returns.rest(one, SECOND), Rest::Unknown);
        assert_eq!(returns.rest(key(b"another"), SECOND), Rest::Long);
        tokio::time::advance(SECOND).await;
        assert_eq!(returns.rest(one, SECOND), Rest::Long);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_to_go_home_from_now_on_was_answered_just_now() {
        let stays = config("new_sessions", "drain: { backup_delay: 1s }");
        let returns = Returns::new(&stays);
        returns.answered(key(b"one"));
        assert_eq!(returns.noted(|noted| noted.answered.len()), 0);
        // The settings are published a moment before they are followed here.
        let rest = |returns: &Returns| returns.rest(key(b"one"), SECOND);
        assert_eq!(rest(&returns), Rest::Unknown);
        returns.follow(&at_once("1s"));
        tokio::time::advance(SECOND / 4).await;
        assert_eq!(rest(&returns), Rest::For(SECOND / 4));
        tokio::time::advance(SECOND).await;
        returns.answered(key(b"one"));
        assert_eq!(rest(&returns), Rest::For(Duration::ZERO));
        returns.follow(&stays);
        returns.follow(&at_once("1s"));
        assert_eq!(
            returns.rest(key(b"another"), SECOND),
            Rest::For(Duration::ZERO)
        );
    }

    fn lose(returns: &Returns) -> [bool; 5] {
        for _ in 0..100 {
            returns.goes_home();
        }
        [(); 5].map(|()| returns.has_lost())
    }

    #[test]
    fn too_many_lost_keep_the_others_and_are_told_once() {
        let returns = Returns::new(&at_once("1s"));
        assert_eq!(lose(&returns), [false, false, false, true, false]);
        assert!(returns.are_over());
        returns.follow(&at_once("1s"));
        assert!(!returns.are_over());
    }

    #[tokio::test(start_paused = true)]
    async fn a_configuration_that_is_not_taken_changes_nothing() {
        let common = Common::new(&Arc::new(Changes::default()), 16, 1);
        let before = cluster::Cluster::new(at_once("1s"), None, 1, &common);
        let returns = &before.sessions.returns;
        lose(returns);
        returns.answered(key(b"one"));
        tokio::time::advance(SECOND / 2).await;
        let after = cluster::Cluster::new(at_once("5s"), Some(&before), 1, &common);
        assert_eq!(returns.rest(key(b"one"), SECOND), Rest::For(SECOND / 2));
        assert_eq!(returns.rest(key(b"another"), SECOND), Rest::Long);
        assert!(returns.are_over());
        after.take_over();
        assert_eq!(
            returns.rest(key(b"another"), SECOND),
            Rest::For(Duration::ZERO)
        );
        assert!(!returns.are_over());
    }
}
