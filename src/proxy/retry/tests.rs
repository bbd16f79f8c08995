use std::io;

use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::observe::metrics::Stage;
use crate::upstream::Reason;

fn policy() -> Retry {
    Retry {
        statuses: vec![StatusCode::BAD_GATEWAY],
        timeouts: true,
        time: Duration::from_secs(10),
        buffer: crate::config::ByteSize::kib(64),
        budget_percent: 20,
        budget_min: 1,
    }
}

fn failure(request: Sent, kind: FailureKind) -> UpstreamFailure {
    UpstreamFailure {
        stage: Stage::AwaitHead,
        request,
        connection: Connection::Fresh,
        kind,
    }
}

fn situation(policy: &Retry, method: Repeat) -> Situation<'_> {
    Situation {
        policy,
        method,
        body: Body::AtHand,
        elapsed: Duration::ZERO,
        past: Past::default(),
        load: Load::default(),
    }
}

fn refused() -> FailureKind {
    FailureKind::Refused(io::ErrorKind::ConnectionRefused.into())
}

#[test]
fn what_provably_never_left_is_tried_again_whatever_the_method() {
    let policy = policy();
    for method in [Repeat::Idempotent, Repeat::Once] {
        let now = situation(&policy, method);
        let refused = failure(Sent::Nothing, refused());
        assert_eq!(may_retry(&refused, &now), Some(RetryReason::Connect));
        let timed_out = failure(Sent::Nothing, FailureKind::TimedOut);
        assert_eq!(may_retry(&timed_out, &now), Some(RetryReason::Connect));
    }
}

#[test]
fn what_may_have_left_is_tried_again_only_if_idempotent_and_at_hand() {
    let policy = policy();
    let kinds = || {
        [
            (FailureKind::WentDown, RetryReason::BackendDown),
            (
                FailureKind::Farewell(StatusCode::NOT_FOUND),
                RetryReason::BackendDown,
            ),
            (FailureKind::TimedOut, RetryReason::Timeout),
            (
                FailureKind::Status(StatusCode::BAD_GATEWAY),
                RetryReason::Status,
            ),
        ]
    };
    for (kind, reason) in kinds() {
        let now = situation(&policy, Repeat::Idempotent);
        assert_eq!(may_retry(&failure(Sent::Perhaps, kind), &now), Some(reason));
    }
    for (kind, _) in kinds() {
        let now = situation(&policy, Repeat::Once);
        assert_eq!(may_retry(&failure(Sent::Perhaps, kind), &now), None);
    }
    for (kind, _) in kinds() {
        let now = Situation {
            body: Body::Gone,
            ..situation(&policy, Repeat::Idempotent)
        };
        assert_eq!(may_retry(&failure(Sent::Perhaps, kind), &now), None);
    }
}

#[test]
fn a_bad_answer_and_a_bad_body_are_never_tried_again() {
    let policy = policy();
    for kind in [
        FailureKind::Protocol(Reason::ContentLength),
        FailureKind::RequestBody,
    ] {
        let now = situation(&policy, Repeat::Idempotent);
        assert_eq!(may_retry(&failure(Sent::Perhaps, kind), &now), None);
    }
}

#[test]
fn nothing_is_tried_again_after_the_time_is_up() {
    let policy = policy();
    let elapsed = policy.time;
    let now = Situation {
        elapsed,
        ..situation(&policy, Repeat::Idempotent)
    };
    assert_eq!(may_retry(&failure(Sent::Nothing, refused()), &now), None);
}

#[test]
fn statuses_and_timeouts_need_to_be_named_and_stay_within_the_budget() {
    let named = policy();
    let unnamed = Retry {
        statuses: Vec::new(),
        timeouts: false,
        ..policy()
    };
    let status = || failure(Sent::Perhaps, FailureKind::Status(StatusCode::BAD_GATEWAY));
    let timeout = || failure(Sent::Perhaps, FailureKind::TimedOut);
    for failure in [status(), timeout()] {
        assert_eq!(
            may_retry(&failure, &situation(&unnamed, Repeat::Idempotent)),
            None
        );
        let past = Past {
            asked_for: 1,
            ..Past::default()
        };
        let again = Situation {
            past,
            ..situation(&named, Repeat::Idempotent)
        };
        assert_eq!(may_retry(&failure, &again), None, "once");
        let full = Load {
            in_flight: 5,
            retrying: 1,
        };
        let now = Situation {
            load: full,
            ..situation(&named, Repeat::Idempotent)
        };
        assert_eq!(
            may_retry(&failure, &now),
            None,
            "20 % of 5 is 1, and that one is taken"
        );
        let room = Load {
            in_flight: 10,
            retrying: 1,
        };
        let now = Situation {
            load: room,
            ..situation(&named, Repeat::Idempotent)
        };
        assert!(may_retry(&failure, &now).is_some(), "20 % of 10 is 2");
    }
}

proptest! {
    #[test]
    fn a_request_that_may_have_left_is_never_repeated_if_it_must_not_be(
        kind in 0..6_usize,
        reused in any::<bool>(),
        at_hand in any::<bool>(),
    ) {
        let kind = match kind {
            0 => FailureKind::TimedOut,
            1 => FailureKind::WentDown,
            2 => FailureKind::Farewell(StatusCode::NOT_FOUND),
            3 => FailureKind::Status(StatusCode::BAD_GATEWAY),
            4 => FailureKind::Protocol(Reason::HeadTooLarge),
            _ => FailureKind::RequestBody,
        };
        let connection = if reused { Connection::Reused } else { Connection::Fresh };
        let failure = UpstreamFailure { connection, ..failure(Sent::Perhaps, kind) };
        let policy = policy();
        let body = if at_hand { Body::AtHand } else { Body::Gone };
        let now = Situation { body, ..situation(&policy, Repeat::Once) };
        prop_assert_eq!(may_retry(&failure, &now), None);
    }
}
