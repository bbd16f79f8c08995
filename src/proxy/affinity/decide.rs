//! Where a request with a session goes: a pure decision.
//!
//! Its table stands in `docs/affinity.md`. A session leaves its owner only when the owner cannot
//! serve, never because it is slow, full or answers errors; and then all requests of the session
//! go to the same survivor, since the first Tomcat that takes a session over deletes the copy that
//! others would need.

use crate::balance::Slot;
use crate::config::{Affinity, Cluster};
use crate::observe::metrics::Binding;

/// What is known of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::proxy) struct Seen {
    /// The survivor that requests of this session are in flight at.
    pub(in crate::proxy) pin: Option<Slot>,
    /// Its owner, as id, seal and ledger have it.
    pub(in crate::proxy) owner: Option<Slot>,
    /// Whether the owner took it over and the client has not shown that yet.
    pub(in crate::proxy) moved: bool,
    /// Whether it had to leave another one to come to this owner.
    pub(in crate::proxy) away: bool,
}

/// What the administrator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) struct Policy {
    /// `affinity: prefer`: the owner is a hint, not a must.
    pub(in crate::proxy) prefer: bool,
    /// A session does not move.
    pub(in crate::proxy) strict: bool,
    /// Whether this request may still wait for its owner.
    pub(in crate::proxy) may_wait: bool,
}

impl Policy {
    /// The policy of a cluster, for a request that has not waited yet.
    pub(in crate::proxy) fn of(config: &Cluster) -> Self {
        Self {
            prefer: config.affinity == Affinity::Prefer,
            strict: config.sessions.strict,
            may_wait: !config.sessions.hold.is_zero(),
        }
    }
}

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Decision {
    /// To this backend and no other.
    To(Slot, Binding),
    /// To the first survivor in the order of the base.
    Survivor(Binding),
    /// As one without a session.
    Balance,
    /// Nowhere yet: this owner may come back.
    Wait(Slot),
    /// Nowhere.
    Refuse,
}

/// Where a request of the session goes now. A backend `serves` if it can serve sessions of its own and
/// this request has not found otherwise; it `is_busy` if it takes no request more, or lets requests
/// time out.
pub(in crate::proxy) fn decide(
    seen: Seen,
    policy: Policy,
    serves: impl Fn(Slot) -> bool,
    is_busy: impl Fn(Slot) -> bool,
) -> Decision {
    let stays_at = |slot, binding| {
        // Where the owner is a hint, any other can serve as well.
        if policy.prefer && is_busy(slot) {
            Decision::Balance
        } else {
            Decision::To(slot, binding)
        }
    };
    if let Some(survivor) = seen.pin
        && serves(survivor)
    {
        return stays_at(survivor, Binding::Pin);
    }
    let Some(owner) = seen.owner else {
        return Decision::Survivor(Binding::UnknownRoute);
    };
    if serves(owner) {
        let binding = if seen.moved {
            Binding::Pin
        } else {
            Binding::Owner
        };
        return stays_at(owner, binding);
    }
    if policy.may_wait {
        Decision::Wait(owner)
    } else if policy.strict {
        Decision::Refuse
    } else {
        Decision::Survivor(Binding::Survivor)
    }
}

/// The survivor: the first in the order of the base that may be taken; those that owned the base
/// before, and may hold an old copy of it, come last.
pub(in crate::proxy) fn survivor(
    order: &(impl Iterator<Item = Slot> + Clone),
    may_be_taken: impl Fn(Slot) -> bool,
    is_fenced: impl Fn(Slot) -> bool,
) -> Option<Slot> {
    order
        .clone()
        .find(|slot| may_be_taken(*slot) && !is_fenced(*slot))
        .or_else(|| order.clone().find(|slot| may_be_taken(*slot)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: Slot = Slot(0);
    const B: Slot = Slot(1);
    const STICKY: Policy = Policy {
        prefer: false,
        strict: false,
        may_wait: false,
    };

    fn seen(pin: Option<Slot>, owner: Option<Slot>, moved: bool) -> Seen {
        Seen {
            pin,
            owner,
            moved,
            away: false,
        }
    }

    fn idle(_: Slot) -> bool {
        false
    }

    fn up(_: Slot) -> bool {
        true
    }

    fn without(down: &[Slot]) -> impl Fn(Slot) -> bool {
        move |slot| !down.contains(&slot)
    }

    #[test]
    fn the_table_of_a_sticky_cluster() {
        let survivor = Decision::Survivor(Binding::Survivor);
        let rows = [
            (
                seen(None, Some(A), false),
                vec![],
                Decision::To(A, Binding::Owner),
            ),
            (
                seen(None, Some(A), true),
                vec![],
                Decision::To(A, Binding::Pin),
            ),
            (seen(None, Some(A), false), vec![A], survivor),
            (
                seen(Some(B), Some(A), false),
                vec![],
                Decision::To(B, Binding::Pin),
            ),
            (
                seen(Some(B), Some(A), false),
                vec![A],
                Decision::To(B, Binding::Pin),
            ),
            (
                seen(Some(B), Some(A), false),
                vec![B],
                Decision::To(A, Binding::Owner),
            ),
            (seen(Some(B), Some(A), false), vec![A, B], survivor),
            (
                seen(None, None, false),
                vec![],
                Decision::Survivor(Binding::UnknownRoute),
            ),
            (
                seen(Some(B), None, false),
                vec![],
                Decision::To(B, Binding::Pin),
            ),
        ];
        for (seen, down, expected) in rows {
            assert_eq!(
                decide(seen, STICKY, without(&down), idle),
                expected,
                "{seen:?} {down:?}"
            );
        }
    }

    #[test]
    fn a_strict_session_is_refused_and_one_that_may_wait_waits() {
        let down = || without(&[A]);
        let owned = seen(None, Some(A), false);
        let strict = Policy {
            strict: true,
            ..STICKY
        };
        assert_eq!(decide(owned, strict, down(), idle), Decision::Refuse);
        // Only where the owner is known: an id from elsewhere is no session to be kept.
        let unknown = Decision::Survivor(Binding::UnknownRoute);
        assert_eq!(
            decide(seen(None, None, false), strict, down(), idle),
            unknown
        );
        let patient = Policy {
            may_wait: true,
            ..strict
        };
        assert_eq!(decide(owned, patient, down(), idle), Decision::Wait(A));
        assert_eq!(
            decide(owned, patient, up, idle),
            Decision::To(A, Binding::Owner)
        );
    }

    #[test]
    fn a_session_leaves_a_full_or_slow_owner_only_where_the_owner_is_a_hint() {
        let prefer = Policy {
            prefer: true,
            ..STICKY
        };
        let owned = seen(None, Some(A), false);
        assert_eq!(decide(owned, prefer, up, up), Decision::Balance);
        let pinned = seen(Some(B), Some(A), false);
        assert_eq!(decide(pinned, prefer, up, up), Decision::Balance);
        assert_eq!(
            decide(owned, STICKY, up, up),
            Decision::To(A, Binding::Owner)
        );
        assert_eq!(
            decide(owned, prefer, up, idle),
            Decision::To(A, Binding::Owner)
        );
    }

    #[test]
    fn former_owners_come_last() {
        let order = [Slot(2), Slot(0), Slot(1)];
        let pick = |fenced: &[u16], out: &[u16]| {
            survivor(
                &order.iter().copied(),
                |slot| !out.contains(&slot.0),
                |slot| fenced.contains(&slot.0),
            )
            .map(|slot| slot.0)
        };
        assert_eq!(pick(&[], &[]), Some(2));
        assert_eq!(pick(&[2], &[]), Some(0));
        assert_eq!(pick(&[2, 0], &[]), Some(1));
        assert_eq!(pick(&[2, 0], &[1]), Some(2));
        assert_eq!(pick(&[2, 0, 1], &[2]), Some(0));
        assert_eq!(pick(&[], &[0, 1, 2]), None);
    }

    fn policies() -> impl Strategy<Value = Policy> {
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(prefer, strict, may_wait)| {
            Policy {
                prefer,
                strict,
                may_wait,
            }
        })
    }

    proptest! {
        #[test]
        fn an_owner_that_serves_gets_its_session_or_a_pin_does(
            pin in prop::option::of(0_u16..3),
            owner in 0_u16..3,
            moved in any::<bool>(),
            down in prop::collection::vec((0_u16..3).prop_map(Slot), 0..3),
            policy in policies(),
        ) {
            let seen = seen(pin.map(Slot), Some(Slot(owner)), moved);
            let decision = decide(seen, policy, without(&down), idle);
            let serves = |slot: Slot| !down.contains(&slot);
            let wished = seen.pin.filter(|it| serves(*it)).or(seen.owner.filter(|it| serves(*it)));
            match (decision, wished) {
                (Decision::To(slot, _), Some(wished)) => prop_assert_eq!(slot, wished),
                (Decision::To(..) | Decision::Balance, None) | (_, Some(_)) => {
                    prop_assert!(false, "{:?}", decision);
                }
                (Decision::Survivor(_) | Decision::Wait(_) | Decision::Refuse, None) => {}
            }
        }

        #[test]
        fn somebody_survives_exactly_if_somebody_may_be_taken(
            order in Just((0_u16..6).map(Slot).collect::<Vec<_>>()).prop_shuffle(),
            out in prop::collection::vec(0_u16..6, 0..7),
            fenced in prop::collection::vec(0_u16..6, 0..7),
        ) {
            let may = |slot: Slot| !out.contains(&slot.0);
            let is_fenced = |slot: Slot| fenced.contains(&slot.0);
            let found = survivor(&order.iter().copied(), may, is_fenced);
            prop_assert_eq!(found.is_some(), order.iter().any(|slot| may(*slot)));
            prop_assert!(found.is_none_or(may));
            let unfenced = order.iter().any(|slot| may(*slot) && !is_fenced(*slot));
            prop_assert_eq!(found.is_some_and(|slot| !is_fenced(slot)), unfenced);
        }
    }
}
