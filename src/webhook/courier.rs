//! Brings events to the receiver: from the log into the outbox, from there over the network.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::outbox::Outbox;
use super::receiver::{Connector, Failure, Receiver};
use crate::cluster::Common;
use crate::config::Webhook;
use crate::observe::metrics::{Delivery, DropReason};

/// The pause after a first failure; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What events that wait get at the process's end, at most.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// Who is told, and of what.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The receiver; `None`: nobody.
    pub webhook: Option<Webhook>,
    /// Events up to this number are for nobody: when they happened, there was no receiver.
    pub after: u64,
}

impl Settings {
    /// Another configuration is in force, and this was the last event before it. Whether anything
    /// is different now.
    pub fn follow(&mut self, webhook: Option<&Webhook>, last: u64) -> bool {
        if self.webhook.as_ref() == webhook {
            return false;
        }
        if self.webhook.is_none() {
            self.after = last;
        }
        self.webhook = webhook.cloned();
        true
    }
}

/// Brings events to the receiver that the configuration names.
#[derive(Debug)]
pub struct Courier<C> {
    receiver: Receiver<C>,
    inbox: Inbox,
    /// Whether the last event could not be delivered.
    is_failing: bool,
}

/// What comes in: events and settings.
#[derive(Debug)]
struct Inbox {
    common: Arc<Common>,
    outbox: Outbox,
    news: watch::Receiver<u64>,
    settings: watch::Receiver<Settings>,
    /// Events up to this number are for nobody.
    after: u64,
    /// Events dropped since the last one was delivered.
    dropped: u64,
}

impl<C: Connector> Courier<C> {
    /// One that follows `settings`.
    pub fn new(common: Arc<Common>, settings: watch::Receiver<Settings>, connector: C) -> Self {
        let news = common.events.watch();
        Self {
            receiver: Receiver::new(connector),
            inbox: Inbox {
                common,
                outbox: Outbox::default(),
                news,
                settings,
                after: 0,
                dropped: 0,
            },
            is_failing: false,
        }
    }

    /// Runs until nobody sends settings any more, and a little beyond: what waits then gets a last
    /// chance.
    pub async fn run(mut self) {
        loop {
            let is_over = self.inbox.settings.has_changed().is_err();
            let settings = self.inbox.settings.borrow_and_update().clone();
            self.inbox.turn(&settings);
            self.is_failing &= settings.webhook.is_some();
            match &settings.webhook {
                Some(webhook) if is_over => return self.last_round(webhook).await,
                Some(webhook) => self.serve(webhook).await,
                None if is_over => return,
                // Looked at above.
                None => drop(self.inbox.settings.changed().await),
            }
        }
    }

    /// Delivers events until the settings change.
    async fn serve(&mut self, webhook: &Webhook) {
        let mut pause = PAUSE;
        loop {
            self.inbox.take_in(webhook);
            let Some(event) = self.inbox.outbox.next() else {
                select! {
                    biased;
                    _ = self.inbox.settings.changed() => return,
                    _ = self.inbox.news.changed() => continue,
                }
            };
            let sent = self.receiver.deliver(webhook, &event);
            let Some(sent) = self.inbox.meanwhile(webhook, sent).await else {
                return;
            };
            if self.conclude(webhook, sent) {
                pause = PAUSE;
                continue;
            }
            if self.inbox.meanwhile(webhook, sleep(pause)).await.is_none() {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether the event in hand is done with.
    fn conclude(&mut self, webhook: &Webhook, sent: Result<(), Failure>) -> bool {
        let inbox = &mut self.inbox;
        let result = match &sent {
            Ok(()) => Delivery::Delivered,
            Err(failure) => failure.counts_as(),
        };
        inbox.common.events.webhook.requests.inc(result);
        let is_done = match sent {
            Ok(()) => {
                inbox.outbox.done();
                let dropped = std::mem::take(&mut inbox.dropped);
                if std::mem::take(&mut self.is_failing) {
                    let receiver = &webhook.url;
                    tracing::info!(%receiver, dropped, "events are delivered again");
                }
                true
            }
            Err(failure) if failure.is_about_the_event() => {
                inbox.outbox.done();
                inbox.drop_counted(DropReason::Unfit, 1);
                true
            }
            Err(failure) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    let (receiver, failure) = (&webhook.url, whole(&failure));
                    tracing::warn!(%receiver, failure, "events cannot be delivered; they wait");
                }
                let old = inbox.outbox.give_up(webhook.retry_time, Instant::now());
                inbox.drop_counted(DropReason::Old, old);
                false
            }
        };
        inbox.show();
        is_done
    }

    /// The process ends: one attempt for each that waits, until one fails or time is up.
    async fn last_round(&mut self, webhook: &Webhook) {
        self.inbox.take_in(webhook);
        let round = async {
            while let Some(event) = self.inbox.outbox.next() {
                let sent = self.receiver.deliver(webhook, &event).await;
                if !self.conclude(webhook, sent) {
                    break;
                }
            }
        };
        // Over or not, what is left is told below.
        drop(timeout(LAST_CHANCE, round).await);
        self.inbox.forget(" and the process ends");
    }
}

impl Inbox {
    /// Does `work`, and takes events in meanwhile; `None`: the settings have changed.
    async fn meanwhile<T>(
        &mut self,
        webhook: &Webhook,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        loop {
            select! {
                biased;
                _ = self.settings.changed() => return None,
                done = &mut work => return Some(done),
                _ = self.news.changed() => self.take_in(webhook),
            }
        }
    }

    fn take_in(&mut self, webhook: &Webhook) {
        self.news.mark_unchanged();
        let events = self.common.events.after(self.outbox.seen(), usize::MAX);
        let dropped = self.outbox.take_in(events, webhook, Instant::now());
        self.drop_counted(DropReason::Full, dropped);
        self.show();
    }

    /// Other settings are in force.
    fn turn(&mut self, settings: &Settings) {
        let was_off = settings.after != self.after;
        if was_off || settings.webhook.is_none() {
            self.forget(": the configuration named no receiver any more");
        }
        if was_off {
            self.after = settings.after;
            self.outbox.pass_over(settings.after);
        }
        if let Some(webhook) = &settings.webhook {
            let dropped = self.outbox.follow(webhook);
            self.drop_counted(DropReason::Full, dropped);
        }
        self.show();
    }

    /// Drops what waits.
    fn forget(&mut self, why: &str) {
        let left = self.outbox.clear();
        self.common
            .events
            .webhook
            .dropped
            .add(DropReason::Ended, left);
        if left > 0 {
            tracing::warn!(events = left, "events are not delivered{why}");
        }
        self.dropped = 0;
        self.show();
    }

    /// Counts events that are dropped; the first ones since the last delivery are told of.
    fn drop_counted(&mut self, reason: DropReason, count: u64) {
        if count == 0 {
            return;
        }
        if self.dropped == 0 {
            let reason = reason.label();
            tracing::warn!(reason, "events are dropped that should have been delivered");
        }
        self.dropped += count;
        self.common.events.webhook.dropped.add(reason, count);
    }

    fn show(&self) {
        let waiting = self.outbox.len();
        self.common.events.webhook.set_waiting(waiting);
    }
}

/// A failure with all its causes.
fn whole(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests;
