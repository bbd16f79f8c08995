//! A session that is away from home: whether its next request takes it back, rests for a moment
//! first, or stays with the survivor.
//!
//! A session's *home* is the backend that it left because it had to; the ledger remembers it. From
//! the take-over on, each of its requests is counted at the survivor, so that nobody takes the
//! session away from under one. The decision is pure; its table stands in `docs/failing-back.md`.

use std::time::Duration;

use super::decide::Policy;
use super::route::{Candidates, Missing, Seeking};
use super::shown::Bound;
use crate::balance::Slot;
use crate::cluster::machine::State;
use crate::cluster::{Cluster, ClusterStores, Rest};
use crate::config::{Affinity, FailBack};
use crate::observe::metrics::Binding;
use crate::proxy::select::Chosen;
use crate::session::classify::StoreCopy;
use crate::session::ledger::Known;

/// Times that one request waits for its session to come to rest.
const MOST_RESTS: u8 = 2;

/// What is known of a session that is away, no request of which is at its survivor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away {
    /// What the administrator wants.
    policy: FailBack,
    /// Whether the client shows the id that its survivor knows it by.
    shows_it: bool,
    /// How long nobody is to have used it.
    quiet: Duration,
}

/// What a session's home would be for it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtHome {
    /// It takes no new sessions, or has no room, or is slow, or was left out of turn.
    Closed,
    /// It may hold an old copy.
    Stale,
    /// It warms up, and this session's turn comes later.
    Cold,
    /// If it dies again, only the survivor could go on, with an old copy.
    Alone,
    /// A good place.
    Ready,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Homeward {
    /// The session stays, for this request.
    Stay,
    /// This request takes it home after this time, if nothing comes between.
    After(Duration),
    /// This request takes it home.
    Go,
}

/// Whether the session goes home with its next request. What its `home` would be for it now, and then
/// how long nobody has used it, is asked only where something hangs on it: the latter under a lock.
pub(super) fn homeward(
    away: Away,
    home: impl FnOnce() -> AtHome,
    rest: impl FnOnce() -> Rest,
) -> Homeward {
    if !away.policy.brings_home() || !away.shows_it || home() != AtHome::Ready {
        return Homeward::Stay;
    }
    let left = match rest() {
        Rest::Unknown => return Homeward::Stay,
        Rest::Long => Duration::ZERO,
        Rest::For(since) => away.quiet.saturating_sub(since),
    };
    match away.policy {
        _ if left.is_zero() => Homeward::Go,
        FailBack::AtOnce => Homeward::After(left),
        FailBack::WhenIdle | FailBack::NewSessions | FailBack::Never => Homeward::Stay,
    }
}

impl Bound {
    /// Where a request goes whose session is away from home, at a survivor that serves it and has no
    /// request of it in flight.
    #[cold]
    pub(super) fn away(
        &mut self,
        seeking: &Seeking<'_>,
        (candidates, policy): (Candidates<'_>, Policy),
        (slot, binding): (Slot, Binding),
    ) -> Result<Chosen, Missing> {
        let cluster = &seeking.view.cluster;
        if self.seen.pin.is_some() && self.must_let_first_go(cluster) {
            // The first one is at a home that has just died: what becomes of it decides for all.
            return Err(Missing::First);
        }
        if let Some(home) = self.home(cluster, slot) {
            match self.homeward(candidates, policy, (slot, home)) {
                Homeward::After(rest) if self.rests < MOST_RESTS => {
                    self.rests += 1;
                    return Err(Missing::Rest(rest));
                }
                Homeward::Go if self.must_look_to_leave(cluster) => {
                    return Err(Missing::CopyToLeave);
                }
                // Without a copy it would be lost.
                Homeward::Go if cluster.stores.is_none() || self.copy == StoreCopy::There => {
                    return self.goes(seeking, candidates, home);
                }
                // Each further request would wait, and ask, for nothing.
                Homeward::Go => cluster.sessions.returns.has_no_copy(self.key),
                Homeward::After(_) | Homeward::Stay => {}
            }
        }
        self.is_decided(binding, seeking);
        self.pinned(seeking, candidates, slot)
    }

    /// To its home, or to whom another request of it has chosen in this moment. What does not come to
    /// its home is not counted as come.
    fn goes(
        &mut self,
        seeking: &Seeking<'_>,
        candidates: Candidates<'_>,
        home: Slot,
    ) -> Result<Chosen, Missing> {
        let chosen = self.pinned(seeking, candidates, home)?;
        if chosen.slot == home {
            self.is_decided(Binding::Returned, seeking);
            candidates.cluster.sessions.returns.goes_home();
        } else {
            self.is_decided(Binding::Pin, seeking);
        }
        Ok(chosen)
    }

    /// Where the session is at home, if it is away, at `slot`.
    fn home(&self, cluster: &Cluster, slot: Slot) -> Option<Slot> {
        let seen = self.seen;
        let is_there = seen.away && seen.owner == Some(slot) && seen.pin.is_none();
        let former = self.known.as_ref().map(Known::former);
        let home = former.filter(|_| is_there)?.home()?;
        cluster.sessions.slot(home).filter(|home| *home != slot)
    }

    /// Where the session goes with its next request, for those who only ask; whether its store has the
    /// copy is not asked for them.
    pub(super) fn goes_home(
        &self,
        candidates: Candidates<'_>,
        policy: Policy,
        at: Slot,
    ) -> Option<Slot> {
        let home = self.home(candidates.cluster, at)?;
        let goes = self.homeward(candidates, policy, (at, home)) != Homeward::Stay;
        Some(home).filter(|_| goes && !self.is_ignored)
    }

    /// Whether its next request takes the session from `at` to its home.
    fn homeward(
        &self,
        candidates: Candidates<'_>,
        policy: Policy,
        (at, home): (Slot, Slot),
    ) -> Homeward {
        let cluster = candidates.cluster;
        // A reload may have said otherwise since the session left.
        if policy.strict || !cluster.sessions_can_move() {
            return Homeward::Stay;
        }
        let keeps_id = self.known.as_ref().is_some_and(Known::kept_id);
        let quiet = cluster.config.quiet_before_return();
        let in_doubt = cluster.stores.as_ref();
        let in_doubt = in_doubt.is_some_and(ClusterStores::any_in_doubt);
        let away = Away {
            policy: cluster.config.fail_back,
            shows_it: (!self.seen.moved || keeps_id) && !in_doubt,
            quiet,
        };
        let rest = || cluster.sessions.returns.rest(self.key, quiet);
        homeward(away, || self.at_home(candidates, (at, home)), rest)
    }

    fn at_home(&self, candidates: Candidates<'_>, (at, home): (Slot, Slot)) -> AtHome {
        let cluster = candidates.cluster;
        let takes = |slot: Slot| {
            let backend = cluster.backend(slot);
            candidates.serves(slot) && backend.is_some_and(|backend| backend.takes_new())
        };
        let Some(backend) = cluster.backend(home) else {
            return AtHome::Closed;
        };
        if !takes(home) || candidates.is_busy(home) || cluster.sessions.returns.are_over() {
            return AtHome::Closed;
        }
        if self.is_fenced(cluster, home) {
            return AtHome::Stale;
        }
        if backend.state() == State::Warming && !backend.warmth().reaches(self.key.low()) {
            return AtHome::Cold;
        }
        let could_go_on = |slot: Slot| {
            slot != at && slot != home && takes(slot) && !self.is_fenced(cluster, slot)
        };
        let config = &cluster.config;
        let keeps_copies = config.affinity == Affinity::Sticky && !config.sessions.replicated;
        if !keeps_copies || cluster.slots().any(could_go_on) {
            AtHome::Ready
        } else {
            AtHome::Alone
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUIET: Duration = Duration::from_secs(10);
    const NEVER: [FailBack; 2] = [FailBack::NewSessions, FailBack::Never];

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn away(policy: FailBack) -> Away {
        Away {
            policy,
            shows_it: true,
            quiet: QUIET,
        }
    }

    #[test]
    fn nobody_is_asked_about_a_session_that_stays_anyway() {
        let never = || -> Rest { panic!("under a lock") };
        let hidden = Away {
            shows_it: false,
            ..away(FailBack::AtOnce)
        };
        for away in [away(FailBack::NewSessions), away(FailBack::Never), hidden] {
            assert_eq!(homeward(away, || panic!("asked"), never), Homeward::Stay);
        }
        let closed = homeward(away(FailBack::AtOnce), || AtHome::Closed, never);
        assert_eq!(closed, Homeward::Stay);
    }

    #[test]
    fn the_table_of_policies() {
        let (idle, busy) = (Rest::For(ms(10_000)), Rest::For(ms(9_999)));
        let (stay, go) = (Homeward::Stay, Homeward::Go);
        let rows = [
            (FailBack::WhenIdle, Rest::Long, go),
            (FailBack::WhenIdle, idle, go),
            (FailBack::WhenIdle, busy, stay),
            (FailBack::WhenIdle, Rest::Unknown, stay),
            (FailBack::AtOnce, Rest::Long, go),
            (FailBack::AtOnce, idle, go),
            (FailBack::AtOnce, busy, Homeward::After(ms(1))),
            (FailBack::AtOnce, Rest::Unknown, stay),
        ];
        for (policy, rest, expected) in rows {
            let decided = homeward(away(policy), || AtHome::Ready, || rest);
            assert_eq!(decided, expected, "{policy:?} {rest:?}");
        }
        for (policy, rest) in NEVER
            .into_iter()
            .flat_map(|it| [(it, Rest::Long), (it, idle)])
        {
            let decided = homeward(away(policy), || AtHome::Ready, || rest);
            assert_eq!(decided, stay, "{policy:?}");
        }
    }

    fn policy() -> impl Strategy<Value = FailBack> {
        prop::sample::select(FailBack::WORDS.map(|(_, policy)| policy).to_vec())
    }

    fn home() -> impl Strategy<Value = AtHome> {
        use AtHome::{Alone, Closed, Cold, Ready, Stale};
        prop::sample::select(vec![Alone, Closed, Cold, Ready, Stale])
    }

    fn rest() -> impl Strategy<Value = Rest> {
        prop_oneof![
            Just(Rest::Unknown),
            Just(Rest::Long),
            (0_u64..20_000).prop_map(|since| Rest::For(ms(since))),
        ]
    }

    proptest! {
        #[test]
        fn a_session_goes_only_to_a_good_home_by_its_own_id_and_at_rest(
            policy in policy(), home in home(), rest in rest(), shows_it in any::<bool>(),
            quiet in 0_u64..20_000,
        ) {
            let away = Away { policy, shows_it, quiet: ms(quiet) };
            let rested = match rest {
                Rest::Unknown => false,
                Rest::Long => true,
                Rest::For(since) => since >= away.quiet,
            };
            let may = !NEVER.contains(&policy) && home == AtHome::Ready && shows_it;
            match homeward(away, || home, || rest) {
                Homeward::Go => prop_assert!(may && rested),
                Homeward::After(wait) => {
                    prop_assert!(may && !rested && policy == FailBack::AtOnce);
                    // After that time, and no sooner, it has rested.
                    prop_assert!(Duration::ZERO < wait && wait <= away.quiet);
                    prop_assert!(
                        matches!(rest, Rest::For(since) if since + wait == away.quiet)
                    );
                }
                Homeward::Stay => {
                    prop_assert!(!may || !rested);
                    prop_assert!(!may || policy == FailBack::WhenIdle || rest == Rest::Unknown);
                }
            }
        }
    }
}
