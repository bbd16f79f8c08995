//! The background loop that watches one backend.
//!
//! It decides when to ask, never what an answer means. At most one question to a backend is under
//! way at a time; between two stands the configured interval, but one that just went Down is asked
//! again soon, so that a mere restart costs little.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::balance::xxh64;
use crate::cluster::ConnectFault;
use crate::cluster::machine::{Event, Needed};
use crate::config::Health;

use super::probe::{Probe, ProbeFailure, Target};

/// How soon a backend that just went Down is asked.
pub const SOON: Duration = Duration::from_millis(100);

/// A backend as its monitor sees it.
pub trait Subject {
    /// What it needs now: its machine's answer.
    fn needed(&self) -> Needed;
    /// Where it is now.
    fn target(&self) -> Target;
    /// Takes in what was found; [`Outcome::event`] says what it is to the machine.
    fn report(&self, outcome: Outcome);
    /// To be notified (`notify_one`) when the backend goes Down or its needs change otherwise.
    fn wake(&self) -> &Notify;
}

/// What a question found.
#[derive(Debug)]
pub enum Outcome {
    /// The check passed, in this time.
    CheckPassed(Duration),
    /// The check failed.
    CheckFailed(ProbeFailure),
    /// It answered `OPTIONS *`, in this time.
    Answered(Duration),
    /// It did not.
    Unanswered(ProbeFailure),
}

impl Outcome {
    /// What it is to the state machine; `None`: it says nothing about the backend.
    pub fn event(&self) -> Option<Event> {
        match self {
            Self::CheckPassed(_) => Some(Event::CheckPassed),
            Self::Answered(_) => Some(Event::Answered),
            Self::CheckFailed(failure) => event_of(failure, Some(Event::CheckFailed)),
            Self::Unanswered(failure) => event_of(failure, None),
        }
    }
}

fn event_of(failure: &ProbeFailure, otherwise: Option<Event>) -> Option<Event> {
    match failure {
        ProbeFailure::Connect { fault, .. } => match fault {
            ConnectFault::Refused => Some(Event::Refused),
            ConnectFault::Unreachable => Some(Event::Unreachable),
            ConnectFault::Inconclusive => None,
        },
        // Within a check's time, which may be short, a late connection is not yet proof.
        ProbeFailure::ConnectTimeout { .. }
        | ProbeFailure::NoAddress
        | ProbeFailure::Broken(_)
        | ProbeFailure::Ended
        | ProbeFailure::AnswerTimeout(_)
        | ProbeFailure::NotHttp(_)
        | ProbeFailure::HeadTooLong
        | ProbeFailure::Status(_) => otherwise,
    }
}

/// Watches a backend until it is dropped; dropping it at any time is safe. `offset` delays the
/// first look ([`start_offset`]).
pub async fn watch(subject: impl Subject, probe: impl Probe, health: Health, offset: Duration) {
    let mut next = Instant::now() + offset;
    loop {
        tokio::select! {
            // A backend that is woken all the time is still asked.
            biased;
            () = sleep_until(next) => {}
            () = subject.wake().notified() => {
                next = next.min(Instant::now() + SOON);
                continue;
            }
        }
        let started = Instant::now();
        if let Some(outcome) = question(&subject, &probe, &health).await {
            subject.report(outcome);
        }
        next = started + health.interval;
    }
}

async fn question(subject: &impl Subject, probe: &impl Probe, health: &Health) -> Option<Outcome> {
    match subject.needed() {
        Needed::Nothing => None,
        Needed::Check => Some(match probe.check(&subject.target(), health).await {
            Ok(time) => Outcome::CheckPassed(time),
            Err(failure) => Outcome::CheckFailed(failure),
        }),
        Needed::Answer => {
            let target = subject.target();
            Some(match probe.speaks_http(&target, health.timeout).await {
                Ok(time) => Outcome::Answered(time),
                Err(failure) => Outcome::Unanswered(failure),
            })
        }
    }
}

/// Where in the first interval a backend's watch begins: spread by name, so that hundreds of
/// backends are not asked at one moment.
pub fn start_offset(cluster: &str, backend: &str, interval: Duration) -> Duration {
    let hash = xxh64(cluster.as_bytes()) ^ xxh64(backend.as_bytes()).rotate_left(1);
    let part = u32::try_from(hash >> 48).unwrap_or(0);
    interval * part / (1 << 16)
}

#[cfg(test)]
mod tests;
