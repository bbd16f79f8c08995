//! The background loop that watches one backend.
//!
//! It decides when to ask, never what an answer means. At most one question to a backend is under
//! way at a time; between two stands the configured interval, but one that just went Down is asked
//! again soon, so that a mere restart costs little.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::cluster::ConnectFault;
use crate::cluster::machine::{Event, Needed};

use super::connect::Endpoint;
use super::failure::ProbeFailure;
use super::pace::{Mood, Pace};
use super::probe::{Aim, Probe};
use super::question::Verdict;

/// How soon a backend that just went Down is asked.
pub const SOON: Duration = Duration::from_millis(100);

/// A backend as its monitor sees it.
pub trait Subject {
    /// What it needs now: its machine's answer.
    fn needed(&self) -> Needed;
    /// Whether it is about to change: its machine's answer.
    fn mood(&self) -> Mood;
    /// Whether it is Down.
    fn is_down(&self) -> bool;
    /// Where it is now.
    fn endpoint(&self) -> Endpoint;
    /// Takes in what was found; [`Outcome::event`] says what it is to the machine.
    fn report(&self, outcome: Outcome);
    /// Takes in whether a check's answer made a session.
    fn note_session(&self, made: Made);
    /// To be notified (`notify_one`) when the backend goes Down or its needs change otherwise.
    fn wake(&self) -> &Notify;
}

/// What a check's answer did with sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It made one, which nobody will use.
    Session,
    /// Nothing.
    Nothing,
}

/// What a question found.
#[derive(Debug)]
pub enum Outcome {
    /// The check passed.
    CheckPassed,
    /// The check passed, and the backend wants no new sessions.
    CheckDrains,
    /// The check failed.
    CheckFailed(ProbeFailure),
    /// The check failed, and asked elsewhere than where requests go.
    FailedElsewhere(ProbeFailure),
    /// It answered `OPTIONS *`.
    Answered,
    /// It did not.
    Unanswered(ProbeFailure),
}

impl Outcome {
    /// What it is to the state machine; `None`: it says nothing about the backend.
    pub fn event(&self) -> Option<Event> {
        match self {
            Self::CheckPassed => Some(Event::CheckPassed),
            Self::CheckDrains => Some(Event::CheckDrains),
            Self::Answered => Some(Event::Answered),
            Self::CheckFailed(failure) => event_of(failure, Some(Event::CheckFailed)),
            // Nobody there is no proof that nobody is here.
            Self::FailedElsewhere(failure) => {
                event_of(failure, Some(Event::CheckFailed)).map(|_| Event::CheckFailed)
            }
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
        | ProbeFailure::Tls(_)
        | ProbeFailure::TlsTimeout
        | ProbeFailure::Broken(_)
        | ProbeFailure::Ended
        | ProbeFailure::AnswerTimeout(_)
        | ProbeFailure::NotHttp(_)
        | ProbeFailure::NotHttp2(_)
        | ProbeFailure::HeadTooLong
        | ProbeFailure::BadBody
        | ProbeFailure::Status(_)
        | ProbeFailure::Body => otherwise,
    }
}

/// Watches a backend until it is dropped; dropping it at any time is safe. `offset` delays the
/// first look ([`Pace::first`]).
pub async fn watch(subject: impl Subject, mut probe: impl Probe, mut pace: Pace, offset: Duration) {
    let mut next = pace.moment(Instant::now() + offset);
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
        if let Some(outcome) = question(&subject, &mut probe).await {
            subject.report(outcome);
        }
        next = pace.after(started, subject.mood());
    }
}

async fn question(subject: &impl Subject, probe: &mut impl Probe) -> Option<Outcome> {
    let endpoint = subject.endpoint();
    match subject.needed() {
        Needed::Nothing => {
            // Nobody asks for a while: the other side closes it, and so do we.
            probe.forget_connection();
            None
        }
        Needed::Check => check(subject, probe, &endpoint).await,
        Needed::Answer => Some(match probe.speaks_http(&endpoint).await {
            Ok(()) => Outcome::Answered,
            Err(failure) => Outcome::Unanswered(failure),
        }),
    }
}

async fn check(
    subject: &impl Subject,
    probe: &mut impl Probe,
    endpoint: &Endpoint,
) -> Option<Outcome> {
    let was_down = subject.is_down();
    if was_down {
        probe.forget_connection();
    }
    let found = probe.check(endpoint).await;
    if let Some(made) = found.made {
        subject.note_session(made);
    }
    // It fell while it was asked: a good answer is one of its former life.
    if found.verdict.is_ok() && !was_down && subject.is_down() {
        return None;
    }
    Some(match found.verdict {
        // An open port, or an answer from elsewhere, brings nobody back alone: a Tomcat opens its
        // port before it can serve.
        Ok(Verdict::Passes) if was_down && probe.aim() != Aim::Service => {
            match probe.speaks_http(endpoint).await {
                Ok(()) => Outcome::CheckPassed,
                Err(failure) => Outcome::CheckFailed(failure),
            }
        }
        Ok(Verdict::Passes) => Outcome::CheckPassed,
        Ok(Verdict::Drains) => Outcome::CheckDrains,
        Err(failure) if probe.aim() == Aim::Elsewhere => Outcome::FailedElsewhere(failure),
        Err(failure) => Outcome::CheckFailed(failure),
    })
}

#[cfg(test)]
mod tests;
