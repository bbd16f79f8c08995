//! What a response says about the session of its request.
//!
//! A pure table: what the request showed, what the response's session cookie says, and who
//! answered, in; a verdict, out. The reasons are those of Tomcat and memcached-session-manager: a
//! take-over keeps the base and changes the jvm route; a session that is not found is replaced by
//! a new one with another base.

use super::ledger::Loss;
use crate::observe::metrics::{LossCause, Verdict};

/// A response's session cookie, compared with the id that its request showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// There is none.
    None,
    /// It takes the session's cookie away.
    Away,
    /// The same base.
    SameBase {
        /// Whether the jvm route is another one.
        route_changed: bool,
        /// Whether the store node is another one.
        node_changed: bool,
    },
    /// Another base, under the path of the session that was shown.
    OtherBase,
    /// A session for another path, or the request showed none.
    Apart,
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// The session's owner.
    ByOwner {
        /// Whether it was down since the session's last response.
        restarted: bool,
    },
    /// Another backend.
    Elsewhere {
        /// For this reason.
        cause: LossCause,
        /// What the session's store node says.
        copy: StoreCopy,
    },
}

/// The copy of a session in its store, as far as the proxy has asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreCopy {
    /// Nobody has asked.
    #[default]
    Unasked,
    /// Nobody could say.
    Unknown,
    /// It was there before the request went to another backend than the owner.
    There,
    /// It was not there then.
    Gone,
    /// It was there, and after the answer it was not: who takes a session over deletes the copy.
    Taken,
}

/// What happened to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// In a word.
    pub verdict: Verdict,
    /// Why it is lost, if it is.
    pub cause: Option<LossCause>,
}

/// What happened to the session that the request showed, served as `served`; `None` for `served`:
/// it showed none. `None`: nothing is said about any session.
pub fn classify(cookie: Cookie, served: Option<Served>) -> Option<Outcome> {
    let plain = |verdict| {
        Some(Outcome {
            verdict,
            cause: None,
        })
    };
    let lost = |cause| {
        Some(Outcome {
            verdict: Verdict::Lost,
            cause: Some(cause),
        })
    };
    match (cookie, served) {
        (Cookie::None | Cookie::Away, None) => None,
        (_, None) | (Cookie::Apart, Some(_)) => plain(Verdict::Created),
        (Cookie::None, Some(Served::ByOwner { .. })) => plain(Verdict::CarriedOn),
        (
            Cookie::None | Cookie::OtherBase,
            Some(Served::Elsewhere {
                copy: StoreCopy::Gone, ..
            }),
        ) => lost(LossCause::NoCopy),
        (Cookie::None, Some(Served::Elsewhere { .. })) => plain(Verdict::Undecided),
        (Cookie::Away, Some(_)) => plain(Verdict::Ended),
        (
            Cookie::SameBase {
                route_changed,
                node_changed,
            },
            Some(_),
        ) => plain(match (route_changed, node_changed) {
            (true, _) => Verdict::TakenOver,
            (false, true) => Verdict::StoreNodeChanged,
            (false, false) => Verdict::CarriedOn,
        }),
        (Cookie::OtherBase, Some(Served::ByOwner { restarted: true })) => {
            lost(LossCause::Restarted)
        }
        (
            Cookie::OtherBase,
            Some(
                Served::ByOwner { restarted: false }
                // Taken over, and renewed at once: the login of a user whose Tomcat is gone.
                | Served::Elsewhere {
                    copy: StoreCopy::Taken,
                    ..
                },
            ),
        ) => plain(Verdict::Renewed),
        (Cookie::OtherBase, Some(Served::Elsewhere { cause, .. })) => lost(cause),
    }
}

impl Outcome {
    /// A loss is told once, however many requests of the session were on their way.
    #[must_use]
    pub fn told(self, cookie: Cookie, loss: Loss) -> Self {
        let verdict = match (loss, cookie) {
            (Loss::New, _) => return self,
            (Loss::Missed, _) => {
                return Self {
                    cause: Some(LossCause::NoCopy),
                    ..self
                };
            }
            (Loss::Told, Cookie::None) => Verdict::Undecided,
            (Loss::Told, _) => Verdict::Created,
            (Loss::None, _) => Verdict::Renewed,
        };
        Self {
            verdict,
            cause: None,
        }
    }
}

/// How much a verdict says, where a response has several session cookies: that about the session
/// that was shown counts before what is created beside it.
pub fn weight(cookie: Cookie) -> u8 {
    match cookie {
        Cookie::None => 0,
        Cookie::Apart => 1,
        Cookie::Away => 2,
        Cookie::OtherBase => 3,
        Cookie::SameBase { .. } => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Option<Served> = Some(Served::ByOwner { restarted: false });
    const RESTARTED: Option<Served> = Some(Served::ByOwner { restarted: true });
    const SURVIVOR: Option<Served> = Some(at_survivor(StoreCopy::Unknown));

    const fn elsewhere(cause: LossCause, copy: StoreCopy) -> Served {
        Served::Elsewhere { cause, copy }
    }

    const fn at_survivor(copy: StoreCopy) -> Served {
        elsewhere(LossCause::OwnerDown, copy)
    }

    fn same(route_changed: bool, node_changed: bool) -> Cookie {
        Cookie::SameBase {
            route_changed,
            node_changed,
        }
    }

    #[test]
    fn the_table_of_verdicts() {
        use Verdict::{
            CarriedOn, Created, Ended, Lost, Renewed, StoreNodeChanged, TakenOver, Undecided,
        };
        let rows = [
            (Cookie::None, None, None),
            (Cookie::Away, None, None),
            (Cookie::Apart, None, Some(Created)),
            (Cookie::None, OWNER, Some(CarriedOn)),
            (Cookie::None, RESTARTED, Some(CarriedOn)),
            (Cookie::None, SURVIVOR, Some(Undecided)),
            (same(true, false), SURVIVOR, Some(TakenOver)),
            (same(true, true), SURVIVOR, Some(TakenOver)),
            (same(true, false), OWNER, Some(TakenOver)),
            (same(false, true), OWNER, Some(StoreNodeChanged)),
            (same(false, true), SURVIVOR, Some(StoreNodeChanged)),
            (same(false, false), OWNER, Some(CarriedOn)),
            (Cookie::OtherBase, OWNER, Some(Renewed)),
            (Cookie::OtherBase, RESTARTED, Some(Lost)),
            (Cookie::OtherBase, SURVIVOR, Some(Lost)),
            (Cookie::Apart, OWNER, Some(Created)),
            (Cookie::Apart, SURVIVOR, Some(Created)),
            (Cookie::Away, OWNER, Some(Ended)),
            (Cookie::Away, SURVIVOR, Some(Ended)),
        ];
        for (cookie, served, expected) in rows {
            let verdict = classify(cookie, served).map(|outcome| outcome.verdict);
            assert_eq!(verdict, expected, "{cookie:?} {served:?}");
        }
    }

    #[test]
    fn the_stores_word_on_what_another_than_the_owner_answers() {
        use Verdict::{Ended, Lost, Renewed, TakenOver, Undecided};
        let rows = [
            (Cookie::None, at_survivor(StoreCopy::There), Undecided),
            (Cookie::None, at_survivor(StoreCopy::Taken), Undecided),
            (Cookie::None, at_survivor(StoreCopy::Gone), Lost),
            (Cookie::OtherBase, at_survivor(StoreCopy::There), Lost),
            (Cookie::OtherBase, at_survivor(StoreCopy::Taken), Renewed),
            (Cookie::OtherBase, at_survivor(StoreCopy::Gone), Lost),
            (same(true, false), at_survivor(StoreCopy::Gone), TakenOver),
            (Cookie::Away, at_survivor(StoreCopy::Gone), Ended),
        ];
        for (cookie, served, expected) in rows {
            let verdict = classify(cookie, Some(served)).map(|outcome| outcome.verdict);
            assert_eq!(verdict, Some(expected), "{cookie:?} {served:?}");
        }
    }

    #[test]
    fn what_is_lost_has_its_cause_and_nothing_else_has() {
        let cause = |served| classify(Cookie::OtherBase, served).and_then(|it| it.cause);
        assert_eq!(cause(RESTARTED), Some(LossCause::Restarted));
        for why in LossCause::ALL {
            assert_eq!(cause(Some(elsewhere(*why, StoreCopy::There))), Some(*why));
        }
        assert_eq!(cause(OWNER), None);
        let no_copy = Some(LossCause::NoCopy);
        assert_eq!(cause(Some(at_survivor(StoreCopy::Gone))), no_copy);
    }

    #[test]
    fn a_loss_is_told_once() {
        use Verdict::{Created, Lost, Renewed, Undecided};
        let lost = classify(Cookie::OtherBase, SURVIVOR).unwrap();
        let verdicts = |cookie| {
            let losses = [Loss::New, Loss::Missed, Loss::Told, Loss::None];
            losses.map(|loss| lost.told(cookie, loss).verdict)
        };
        assert_eq!(verdicts(Cookie::OtherBase), [Lost, Lost, Created, Renewed]);
        assert_eq!(verdicts(Cookie::None), [Lost, Lost, Undecided, Renewed]);
        let cause = |loss| lost.told(Cookie::OtherBase, loss).cause;
        assert_eq!(cause(Loss::New), Some(LossCause::OwnerDown));
        assert_eq!(cause(Loss::Missed), Some(LossCause::NoCopy));
        assert_eq!(cause(Loss::Told), None);
    }
}
