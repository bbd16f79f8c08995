//! What happened to backends, for people and programs that want to hear of it: the last ones are
//! kept, each has a number, and whoever waits is woken.
//!
//! Told from any thread, never on the way of a request that goes well. As many are kept as a reader
//! may have missed; older ones are in the log.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::access_log::rfc3339;
use super::metrics::WebhookEvents;

/// Events that are kept.
pub const KEPT: usize = 1000;

/// What an event can be about: its kinds.
pub const KINDS: &[&str] = &["state", "order", "drained", "evacuation"];

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number, from one; rises by one each.
    pub number: u64,
    /// When, in RFC 3339.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub news: News,
}

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// One of [`KINDS`].
    pub kind: String,
    /// The cluster.
    pub cluster: String,
    /// The backend.
    pub backend: String,
    /// The state before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The state now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// Why, in a word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// Who wanted it: the address that the order came from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// All of it in a sentence.
    pub text: String,
}

/// The last events.
#[derive(Debug)]
pub struct EventLog {
    kept: Mutex<VecDeque<Event>>,
    last: watch::Sender<u64>,
    /// What becomes of them at the receiver that the configuration names.
    pub webhook: WebhookEvents,
}

impl Default for EventLog {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            last: watch::Sender::new(0),
            webhook: WebhookEvents::default(),
        }
    }
}

impl EventLog {
    /// Keeps the news and wakes who waits for some.
    pub fn tell(&self, news: News) {
        debug_assert!(KINDS.contains(&news.kind.as_str()), "{news:?}");
        let mut kept = self.kept();
        let number = *self.last.borrow() + 1;
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let time = rfc3339(SystemTime::now());
        kept.push_back(Event { number, time, news });
        self.last.send_replace(number);
    }

    /// The kept events after this number, the oldest first, `most` at most.
    pub fn after(&self, number: u64, most: usize) -> Vec<Event> {
        let kept = self.kept();
        let later = kept.iter().filter(|event| event.number > number);
        later.take(most).cloned().collect()
    }

    /// The last `most` events, the oldest first.
    pub fn last(&self, most: usize) -> Vec<Event> {
        let kept = self.kept();
        let skipped = kept.len().saturating_sub(most);
        kept.iter().skip(skipped).cloned().collect()
    }

    /// To wait for more: the number of the last event.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(text: &str) -> News {
        News {
            kind: "state".to_owned(),
            text: text.to_owned(),
            ..News::default()
        }
    }

    #[test]
    fn events_are_numbered_and_the_oldest_are_forgotten() {
        let log = EventLog::default();
        for number in 1..=KEPT + 10 {
            log.tell(news(&number.to_string()));
        }
        let all = log.after(0, usize::MAX);
        assert_eq!(all.len(), KEPT);
        assert_eq!((all[0].number, all[0].news.text.as_str()), (11, "11"));
        let few = log.after(500, 2);
        let numbers: Vec<_> = few.iter().map(|event| event.number).collect();
        assert_eq!(numbers, [501, 502]);
        assert_eq!(log.last(1)[0].number, KEPT as u64 + 10);
        assert_eq!(*log.watch().borrow(), KEPT as u64 + 10);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let log = EventLog::default();
        let mut waits = log.watch();
        let told = async { log.tell(news("now")) };
        let (woken, ()) = tokio::join!(waits.changed(), told);
        woken.unwrap();
        assert_eq!(log.after(0, 1)[0].news.text, "now");
    }
}
