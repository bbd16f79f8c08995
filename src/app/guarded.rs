//! A backend whose agent is asked, as that watch sees it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::balance::Slot;
use crate::cluster::machine::Wish;
use crate::cluster::machine::{AgentWord, Event};
use crate::cluster::{Backend, Cluster};
use crate::health::agent::{AgentFailure, Said, Ward};
use crate::health::{Endpoint, ProbeFailure};
use crate::observe::metrics::AgentResult;

use super::watched::endpoint_of;

/// A backend and the port of its agent.
pub(super) struct Guarded {
    cluster: Arc<Cluster>,
    slot: Slot,
    backend: Arc<Backend>,
    port: u16,
    last: Mutex<Last>,
}

/// What the agent said last, so that each change is told once.
#[derive(Debug, PartialEq, Eq, Default)]
struct Last {
    fails: bool,
    wish: Option<AgentWord>,
    health: Option<AgentWord>,
}

impl Guarded {
    pub(super) fn new(
        cluster: &Arc<Cluster>,
        slot: Slot,
        backend: &Arc<Backend>,
        port: u16,
    ) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            slot,
            backend: Arc::clone(backend),
            port,
            last: Mutex::default(),
        }
    }

    /// Tells in the log what has changed.
    fn tell(&self, said: &Result<Said, AgentFailure>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (cluster, backend) = (&self.cluster.config.name, &self.backend.name);
        match said {
            Err(failure) if !last.fails => {
                let cause = std::error::Error::source(failure).map(ToString::to_string);
                let cause = cause.unwrap_or_default();
                tracing::warn!(%cluster, %backend, %failure, cause, "its agent says nothing");
                last.fails = true;
            }
            Err(_) => {}
            Ok(said) => {
                if last.fails {
                    tracing::info!(%cluster, %backend, "its agent speaks again");
                }
                let now = Last {
                    fails: false,
                    wish: said.wish.or(last.wish),
                    health: said.health.or(last.health),
                };
                if (now.wish, now.health) != (last.wish, last.health) {
                    let words = [said.wish, said.health].into_iter().flatten();
                    let words: Vec<_> = words.map(AgentWord::as_str).collect();
                    let (words, reason) = (words.join(" "), said.reason.as_deref());
                    let reason = reason.unwrap_or_default();
                    tracing::info!(%cluster, %backend, words, reason, "its agent says");
                }
                *last = now;
            }
        }
    }
}

impl Ward for Guarded {
    fn agent(&self) -> Option<Endpoint> {
        if self.backend.stand().wish == Wish::Disabled {
            return None;
        }
        Some(match self.cluster.config.health.agent.address {
            Some(address) => Endpoint::of(address, self.port),
            None => endpoint_of(&self.backend).at_port(self.port),
        })
    }

    fn heard(&self, said: Result<Said, AgentFailure>) {
        self.backend.events.agent_answers.inc(result_of(&said));
        self.tell(&said);
        let Ok(said) = said else { return };
        self.backend.events.agent_unknown.add(said.unknown);
        self.cluster
            .agent_weighs(self.slot, said.percent, said.max_requests);
        for word in [said.wish, said.health].into_iter().flatten() {
            self.cluster.report(self.slot, Event::Agent(word));
        }
    }
}

fn result_of(said: &Result<Said, AgentFailure>) -> AgentResult {
    let failure = match said {
        Ok(_) => return AgentResult::Success,
        Err(AgentFailure::TooLong | AgentFailure::Nonsense(_)) => return AgentResult::Protocol,
        Err(AgentFailure::Unheard(failure)) => failure,
    };
    match failure {
        ProbeFailure::Connect { .. }
        | ProbeFailure::ConnectTimeout { .. }
        | ProbeFailure::NoAddress => AgentResult::Connect,
        ProbeFailure::AnswerTimeout(_) | ProbeFailure::TlsTimeout => AgentResult::Timeout,
        ProbeFailure::Tls(_)
        | ProbeFailure::Broken(_)
        | ProbeFailure::Ended
        | ProbeFailure::NotHttp(_)
        | ProbeFailure::NotHttp2(_)
        | ProbeFailure::HeadTooLong
        | ProbeFailure::BadBody
        | ProbeFailure::Status(_)
        | ProbeFailure::Body => AgentResult::Protocol,
    }
}
