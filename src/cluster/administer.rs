//! What administrators order of a backend, and evacuations as they go on.

use std::fmt;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::evacuation::{Evacuation, Plan, Step};
use super::machine::{Cause, Machine, Transition, Wish};
use super::{Backend, Cluster};
use crate::balance::Slot;
use crate::config::Affinity;
use crate::observe::events::News;
use crate::observe::metrics::EvacuationEnd;

/// Why an order is not followed; what it says is meant for who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// No other backend would take new sessions.
    TheLast,
    /// Sessions cannot move: the configuration does not say that every Tomcat can go on with them.
    NotReplicated,
    /// Sessions must not move: `strict`.
    Strict,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TheLast => {
                "no other backend of the cluster takes new sessions now; force it, or enable another first"
            }
            Self::NotReplicated => {
                "sessions can only be moved where every Tomcat can go on with them: \
                 the cluster needs `stores`, or `replicated: true`; `drain` waits until they have ended"
            }
            Self::Strict => {
                "the cluster is `strict`: its sessions stay with their Tomcat; `drain` waits until they have ended"
            }
        })
    }
}

/// How sessions are to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// Sessions marked each second; `None`: as configured.
    pub rate: Option<u32>,
    /// Then it ends, whatever is still there.
    pub deadline: Option<Duration>,
}

impl Cluster {
    /// Changes what is ordered of a backend's state; `None` leaves it to the file. `by`: who says
    /// so.
    pub fn order_state(
        &self,
        slot: Slot,
        wish: Option<Wish>,
        pace: Pace,
        (by, force): (&str, bool),
    ) -> Result<(), Refused> {
        let Some(backend) = self.backend(slot) else {
            return Ok(());
        };
        let wanted = wish.unwrap_or_else(|| backend.settings().state.into());
        if wanted == Wish::Evacuating {
            self.may_evacuate()?;
        }
        let _one = self.administering();
        if wanted != Wish::Up && !force && self.is_the_last(backend) {
            return Err(Refused::TheLast);
        }
        self.order_kept(backend, wish);
        let evacuation = (wanted == Wish::Evacuating).then(|| self.plan_evacuation(slot, pace));
        // Known before the state says so: a request that sees the state finds it.
        backend.set_evacuation(evacuation);
        let text = match wish {
            Some(wish) => format!("ordered: {}", wish.as_str()),
            None => "left to the configuration again".to_owned(),
        };
        self.tell_order(backend, by, text);
        self.move_machine(backend, wish, None);
        Ok(())
    }

    /// Changes the weight; `None` leaves it to the file.
    pub fn order_weight(&self, slot: Slot, weight: Option<u32>, by: &str) {
        let Some(backend) = self.backend(slot) else {
            return;
        };
        let (cluster, name) = (&self.config.name, &backend.name);
        self.sessions
            .common
            .orders
            .change(cluster.as_str(), name.as_str(), |order| {
                order.weight = weight;
            });
        backend.order_weight(weight);
        self.changes.announce();
        let text = match weight {
            Some(weight) => format!("ordered: weight {weight}"),
            None => "weight left to the configuration again".to_owned(),
        };
        self.tell_order(backend, by, text);
    }

    /// What the backend's agent says of its weight, in percent, and of the most requests at a time.
    /// What it does not speak of stays as it was.
    pub fn agent_weighs(&self, slot: Slot, percent: Option<u32>, most: Option<usize>) {
        let Some(backend) = self.backend(slot) else {
            return;
        };
        let before = backend.max_requests();
        if most.is_some() {
            backend.set_agent_max(most);
        }
        let is_news = percent.is_some() && backend.set_agent_weight(percent);
        // Who waits for room may have it now.
        if is_news || backend.max_requests() != before {
            self.changes.announce();
        }
    }

    /// A backend has no agent any more: what that one said is forgotten.
    pub(super) fn forget_agent(&self, backend: &Backend) {
        let flip = backend.advance(&self.changes, Machine::forget_agent);
        self.tell(backend, flip);
        backend.set_agent_max(None);
        if backend.set_agent_weight(None) {
            self.changes.announce();
        }
    }

    /// Follows orders from before the process was started.
    pub(super) fn resume(&self) {
        for slot in self.slots() {
            let Some(backend) = self.backend(slot) else {
                continue;
            };
            if backend.stand().wish != Wish::Evacuating {
                continue;
            }
            if self.may_evacuate().is_err() {
                // The file has changed since: what has not moved stays.
                self.order_kept(backend, Some(Wish::Draining));
                backend.set_evacuation(None);
                self.move_machine(backend, Some(Wish::Draining), None);
            } else if backend.evacuation().is_none() {
                let evacuation = self.plan_evacuation(slot, Pace::default());
                backend.set_evacuation(Some(evacuation));
            }
        }
    }

    /// Lets evacuations go on. Called every now and then, off the request's way.
    pub fn go_on_evacuating(&self) {
        for slot in self.slots() {
            let Some(backend) = self.backend(slot) else {
                continue;
            };
            let Some(evacuation) = backend.evacuation().clone() else {
                continue;
            };
            // The last word is an administrator's.
            let _one = self.administering();
            let is_current = |current: &Arc<Evacuation>| Arc::ptr_eq(current, &evacuation);
            if !backend.evacuation().as_ref().is_some_and(is_current) {
                continue;
            }
            let attempts = backend.cells.sum(|cells| cells.attempts.value());
            let sessions = self.sessions.live(slot);
            if let Some(step) = evacuation.advance(backend.in_flight(), attempts, sessions) {
                self.evacuated(slot, &evacuation, step);
            }
        }
    }

    /// Tells of backends that are drained and have become empty. Called every now and then.
    pub fn watch_drains(&self) {
        for slot in self.slots() {
            let Some(backend) = self.backend(slot) else {
                continue;
            };
            let is_sure = self.unsure_for().is_none();
            if backend.note_drain(self.sessions.live(slot), is_sure) {
                let text = "drained: no session and no request is left".to_owned();
                tracing::info!(cluster = %self.config.name, backend = %backend.name, "{text}");
                self.sessions.common.events.tell(News {
                    kind: "drained".to_owned(),
                    cluster: self.config.name.to_string(),
                    backend: backend.name.to_string(),
                    text,
                    ..News::default()
                });
            }
        }
    }

    fn evacuated(&self, slot: Slot, evacuation: &Evacuation, step: Step) {
        let Some(backend) = self.backend(slot) else {
            return;
        };
        let tally = evacuation.tally();
        let silent = self.sessions.live(slot);
        let came = format!(
            "{} moved, {} lost, {silent} silent, {} without a copy, in {:.1} s",
            tally.moved,
            tally.lost,
            tally.without_copy,
            evacuation.age().as_secs_f64()
        );
        let (wish, text, end) = match step {
            Step::Close => (Some(Wish::Disabled), None, None),
            Step::Done => (
                None,
                Some(format!("evacuated: it may be stopped; {came}")),
                Some(EvacuationEnd::Done),
            ),
            Step::CutOff => (
                Some(Wish::Disabled),
                Some(format!(
                    "evacuated at the deadline, {} requests and tunnels ended: it may be stopped; {came}",
                    backend.in_flight()
                )),
                Some(EvacuationEnd::CutOff),
            ),
            Step::Stop => (
                Some(Wish::Draining),
                Some(format!(
                    "evacuation stopped, too many sessions lost: {came}"
                )),
                Some(EvacuationEnd::Stopped),
            ),
        };
        if let Some(wish) = wish {
            self.order_kept(backend, Some(wish));
            self.move_machine(backend, Some(wish), Some(Cause::Evacuated));
        }
        if step == Step::CutOff {
            backend.end_requests();
        }
        if let Some(end) = end {
            backend.events.evacuations.inc(end);
        }
        if let Some(text) = text {
            tracing::info!(cluster = %self.config.name, backend = %backend.name, "{text}");
            self.sessions.common.events.tell(News {
                kind: "evacuation".to_owned(),
                cluster: self.config.name.to_string(),
                backend: backend.name.to_string(),
                text,
                ..News::default()
            });
        }
    }

    /// Whether sessions can be moved: each Tomcat can go on with each of them, if only by a store.
    pub fn sessions_can_move(&self) -> bool {
        self.config.sessions.replicated || self.stores.is_some()
    }

    fn may_evacuate(&self) -> Result<(), Refused> {
        if self.config.affinity == Affinity::None {
            return Ok(());
        }
        if !self.sessions_can_move() {
            return Err(Refused::NotReplicated);
        }
        if self.config.sessions.strict {
            return Err(Refused::Strict);
        }
        Ok(())
    }

    fn plan_evacuation(&self, slot: Slot, pace: Pace) -> Arc<Evacuation> {
        let workers = self.sessions.common.workers;
        let plan = Plan {
            rate: pace.rate.unwrap_or(self.config.drain.rate).max(1),
            delay: self.config.drain.backup_delay,
            deadline: pace.deadline,
            sessions: self.sessions.live(slot),
            longest: self.config.timeouts.response,
        };
        Arc::new(Evacuation::new(plan, workers))
    }

    /// Whether nobody else takes new sessions.
    fn is_the_last(&self, backend: &Backend) -> bool {
        let mut others = self.backends.iter();
        !others.any(|other| !std::ptr::eq(&raw const **other, backend) && other.state().takes_new())
    }

    fn order_kept(&self, backend: &Backend, wish: Option<Wish>) {
        let (cluster, name) = (&self.config.name, &backend.name);
        let orders = &self.sessions.common.orders;
        orders.change(cluster.as_str(), name.as_str(), |order| order.wish = wish);
    }

    /// One order, or one step of an evacuation, at a time.
    fn administering(&self) -> MutexGuard<'_, ()> {
        let one = &self.sessions.common.administering;
        one.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn move_machine(&self, backend: &Backend, wish: Option<Wish>, cause: Option<Cause>) {
        let flip = backend.advance(&self.changes, |machine| {
            let flip = machine.order(wish);
            flip.map(|flip| Transition {
                cause: cause.unwrap_or(flip.cause),
                ..flip
            })
        });
        // The evacuation is known by the state too.
        self.changes.announce();
        self.tell(backend, flip);
    }

    fn tell_order(&self, backend: &Backend, by: &str, text: String) {
        tracing::info!(cluster = %self.config.name, backend = %backend.name, by, "{text}");
        self.sessions.common.events.tell(News {
            kind: "order".to_owned(),
            cluster: self.config.name.to_string(),
            backend: backend.name.to_string(),
            by: by.to_owned(),
            text,
            ..News::default()
        });
    }
}
