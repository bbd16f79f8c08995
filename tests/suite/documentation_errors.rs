//! `docs/errors.md` and the table of the code say the same.

use std::collections::BTreeSet;

use cattail::observe::metrics::ErrorReason;
use cattail::proxy::errors::{Answer, ConnectFailure, Connection, ProxyError, RetryAfter};
use cattail::proxy::refuse::Refusal;

const PAGE: &str = include_str!("../../docs/errors.md");

/// Every error but refusals, which are many.
const OTHERS: [ProxyError; 20] = [
    ProxyError::NoRule,
    ProxyError::AccessDenied,
    ProxyError::NoBackend,
    ProxyError::BackendsFull,
    ProxyError::QueueFull,
    ProxyError::Shed,
    ProxyError::QueueTime,
    ProxyError::OwnerUnavailable,
    ProxyError::StoreUnreachable,
    ProxyError::UpstreamConnect(ConnectFailure::Timeout),
    ProxyError::UpstreamConnect(ConnectFailure::Refused),
    ProxyError::UpstreamConnect(ConnectFailure::Tls),
    ProxyError::UpstreamTimeout,
    ProxyError::UpstreamProtocol,
    ProxyError::UpstreamClosed,
    ProxyError::BodyTooLarge,
    ProxyError::BodyTimeout,
    ProxyError::BodyMalformed,
    ProxyError::ClientGone,
    ProxyError::UpgradeRefused,
];

/// A new error does not compile until it is in the list above.
fn is_listed(error: ProxyError) -> bool {
    use ProxyError as E;
    match error {
        // Refusals are listed elsewhere; to the other one no way leads yet.
        E::Refused(_) | E::ShuttingDown => false,
        E::NoRule
        | E::AccessDenied
        | E::NoBackend
        | E::BackendsFull
        | E::QueueFull
        | E::Shed
        | E::QueueTime
        | E::OwnerUnavailable
        | E::StoreUnreachable
        | E::UpstreamConnect(
            ConnectFailure::Timeout | ConnectFailure::Refused | ConnectFailure::Tls,
        )
        | E::UpstreamTimeout
        | E::UpstreamProtocol
        | E::UpstreamClosed
        | E::BodyTooLarge
        | E::BodyTimeout
        | E::BodyMalformed
        | E::ClientGone
        | E::UpgradeRefused => OTHERS.contains(&error),
    }
}

fn row(answer: Answer) -> String {
    let retry_after = match answer.retry_after {
        RetryAfter::Told => "yes",
        RetryAfter::Untold => "no",
    };
    let connection = match answer.connection {
        Connection::Keep => "kept",
        Connection::Close => "closed",
    };
    let (reason, status) = (answer.reason, answer.status.as_u16());
    format!("| `{reason}` | {status} | {retry_after} | {connection} | ")
}

#[test]
fn every_error_is_on_its_page_as_it_is_and_no_other() {
    let refusals = Refusal::ALL.map(ProxyError::Refused);
    let rows: BTreeSet<String> = OTHERS
        .into_iter()
        .chain(refusals)
        .map(|error| row(error.answer()))
        .collect();
    let missing: Vec<_> = rows
        .iter()
        .filter(|row| !PAGE.lines().any(|line| line.starts_with(row.as_str())))
        .collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:#?}");
    let unknown: Vec<_> = PAGE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter(|line| !rows.iter().any(|row| line.starts_with(row.as_str())))
        .collect();
    assert!(unknown.is_empty(), "no such errors: {unknown:#?}");
}

#[test]
fn an_error_has_one_name_in_the_log_and_in_the_metrics() {
    for error in OTHERS {
        assert!(is_listed(error));
        let counted = error.kind().map(ErrorReason::label);
        assert!(
            counted.is_none_or(|label| label == error.reason()),
            "{error}"
        );
    }
}
