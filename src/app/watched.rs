//! A backend as its monitor sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::balance::Slot;
use crate::cluster::machine::{Needed, State};
use crate::cluster::{Addresses, Backend, Cluster};
use crate::health::{Endpoint, Made, Mood, Outcome, ProbeFailure, Subject};
use crate::observe::metrics::CheckResult;

/// A backend as its monitor sees it.
pub(super) struct Watched {
    cluster: Arc<Cluster>,
    slot: Slot,
    backend: Arc<Backend>,
    /// Whether it was told that checks make sessions.
    is_told: AtomicBool,
    /// What was told of checks that fail.
    failing: Mutex<Option<Failing>>,
}

/// The failure of checks that was told last.
#[derive(Debug)]
struct Failing {
    kind: CheckResult,
    told_at: Instant,
    has_passed: bool,
}

/// From one line about failures of other kinds to the next.
const ANOTHER_KIND: Duration = Duration::from_secs(10);
/// From one line about failures of one kind to the next, where checks have passed in between.
const THE_SAME_AGAIN: Duration = Duration::from_mins(1);

impl Watched {
    pub(super) fn new(cluster: &Arc<Cluster>, slot: Slot, backend: &Arc<Backend>) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            slot,
            backend: Arc::clone(backend),
            is_told: AtomicBool::new(false),
            failing: Mutex::default(),
        }
    }

    /// Why checks fail: the state alone does not say it. Once for each kind, and seldom enough that a
    /// backend which is up and down in turn fills no log.
    fn tell_failure(&self, outcome: &Outcome) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = match outcome {
            Outcome::CheckFailed(failure) | Outcome::FailedElsewhere(failure) => failure,
            Outcome::CheckPassed | Outcome::CheckDrains | Outcome::Answered => {
                if let Some(failing) = &mut *failing {
                    failing.has_passed = true;
                }
                return;
            }
            Outcome::Unanswered(_) => return,
        };
        let kind = result_of(outcome);
        let is_told = failing.as_ref().is_some_and(|last| {
            let since = last.told_at.elapsed();
            let is_news = if last.kind == kind {
                last.has_passed && since >= THE_SAME_AGAIN
            } else {
                since >= ANOTHER_KIND
            };
            !is_news
        });
        if is_told {
            return;
        }
        let (cluster, backend) = (&self.cluster.config.name, &self.backend.name);
        tracing::info!(%cluster, %backend, %failure, "a health check failed");
        *failing = Some(Failing {
            kind,
            told_at: Instant::now(),
            has_passed: false,
        });
    }
}

impl Subject for Watched {
    fn needed(&self) -> Needed {
        // One that was evacuated is about to be restarted: a refused connection is the proof, and
        // lets sessions go back to it.
        let is_gone = self.backend.state() == State::Disabled;
        if is_gone && self.backend.evacuation().is_some() {
            return Needed::Answer;
        }
        self.backend.needed()
    }

    fn mood(&self) -> Mood {
        if self.backend.wavers() {
            Mood::Wavering
        } else {
            Mood::Steady
        }
    }

    fn is_down(&self) -> bool {
        self.backend.is_down()
    }

    fn endpoint(&self) -> Endpoint {
        endpoint_of(&self.backend)
    }

    fn report(&self, outcome: Outcome) {
        self.backend.events.checks.inc(result_of(&outcome));
        self.tell_failure(&outcome);
        if let Some(event) = outcome.event() {
            self.cluster.report(self.slot, event);
        }
    }

    fn note_session(&self, made: Made) {
        let makes = made == Made::Session;
        if makes {
            self.backend.events.check_sessions.inc();
        }
        let was_told = self.is_told.swap(makes, Ordering::Relaxed);
        let (cluster, backend) = (&self.cluster.config.name, &self.backend.name);
        match (was_told, makes) {
            (false, true) => tracing::warn!(
                %cluster, %backend,
                "health checks make sessions; let health.path be a page that needs none"
            ),
            (true, false) => {
                tracing::info!(%cluster, %backend, "health checks make no sessions any more");
            }
            _ => {}
        }
    }

    fn wake(&self) -> &Notify {
        &self.backend.changed
    }
}

/// Where a backend is now.
pub(super) fn endpoint_of(backend: &Backend) -> Endpoint {
    match &**backend.addresses() {
        Addresses::Ip(addresses) => Endpoint::Tcp(addresses.as_slice().into()),
        Addresses::Unix(path) => Endpoint::Unix(path.as_path().into()),
    }
}

fn result_of(outcome: &Outcome) -> CheckResult {
    let failure = match outcome {
        Outcome::CheckPassed | Outcome::Answered => return CheckResult::Success,
        Outcome::CheckDrains => return CheckResult::Drains,
        Outcome::CheckFailed(failure)
        | Outcome::FailedElsewhere(failure)
        | Outcome::Unanswered(failure) => failure,
    };
    match failure {
        ProbeFailure::Connect { .. }
        | ProbeFailure::ConnectTimeout { .. }
        | ProbeFailure::NoAddress => CheckResult::Connect,
        ProbeFailure::AnswerTimeout(_) | ProbeFailure::TlsTimeout => CheckResult::Timeout,
        ProbeFailure::Tls(_) => CheckResult::Tls,
        ProbeFailure::Status(_) => CheckResult::Status,
        ProbeFailure::Body => CheckResult::Body,
        ProbeFailure::Broken(_)
        | ProbeFailure::Ended
        | ProbeFailure::NotHttp(_)
        | ProbeFailure::NotHttp2(_)
        | ProbeFailure::HeadTooLong
        | ProbeFailure::BadBody => CheckResult::Protocol,
    }
}
