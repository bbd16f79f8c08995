//! Events on their way to the receiver, in order and within bounds. Pure: the time is passed in.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Webhook;
use crate::observe::events::Event;

/// Events on their way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The one that is sent.
    in_hand: Option<Waiting>,
    waiting: VecDeque<Waiting>,
    /// The number of the last event that was looked at.
    seen: u64,
}

#[derive(Debug)]
struct Waiting {
    event: Event,
    since: Instant,
}

impl Outbox {
    /// The number of the last event that was looked at.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Events up to this number are not for the receiver.
    pub(super) fn pass_over(&mut self, number: u64) {
        self.seen = number;
    }

    /// Takes in what the log has after [`Self::seen`], as far as it is wanted. How many events were
    /// dropped for it, the oldest first.
    pub(super) fn take_in(&mut self, events: Vec<Event>, wanted: &Webhook, now: Instant) -> u64 {
        let mut dropped = 0;
        for event in events {
            // The log has forgotten what is missing, and what it was nobody knows.
            dropped += event.number.saturating_sub(self.seen.saturating_add(1));
            self.seen = event.number;
            if wanted.kinds.contains(&event.news.kind) {
                self.waiting.push_back(Waiting { event, since: now });
                dropped += self.shorten(wanted.queue);
            }
        }
        dropped
    }

    /// The configuration says something else now. How many events were dropped, since fewer may wait.
    pub(super) fn follow(&mut self, wanted: &Webhook) -> u64 {
        let is_wanted = |it: &Waiting| wanted.kinds.contains(&it.event.news.kind);
        self.in_hand = self.in_hand.take().filter(is_wanted);
        self.waiting.retain(is_wanted);
        self.shorten(wanted.queue)
    }

    /// The event to send: the same until it is [done with](Self::done), or too old.
    pub(super) fn next(&mut self) -> Option<Event> {
        if self.in_hand.is_none() {
            self.in_hand = self.waiting.pop_front();
        }
        self.in_hand.as_ref().map(|it| it.event.clone())
    }

    /// The event in hand has been delivered, or never will be.
    pub(super) fn done(&mut self) {
        self.in_hand = None;
    }

    /// Sending has failed: drops what is at least so old. How many that were.
    pub(super) fn give_up(&mut self, age: Duration, now: Instant) -> u64 {
        let is_old = |it: &Waiting| now.saturating_duration_since(it.since) >= age;
        let before = self.len();
        self.in_hand = self.in_hand.take().filter(|it| !is_old(it));
        while self.waiting.front().is_some_and(is_old) {
            self.waiting.pop_front();
        }
        (before - self.len()) as u64
    }

    /// Drops all. How many that were.
    pub(super) fn clear(&mut self) -> u64 {
        let before = self.len();
        self.in_hand = None;
        self.waiting.clear();
        before as u64
    }

    /// Events that wait, with the one in hand.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.in_hand.is_some())
    }

    fn shorten(&mut self, most: usize) -> u64 {
        let mut dropped = 0;
        while self.waiting.len() > most {
            self.waiting.pop_front();
            dropped += 1;
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::WebhookUrl;
    use crate::observe::events::News;

    fn wanted(kinds: &[&str], queue: usize) -> Webhook {
        Webhook {
            tls: None,
            url: WebhookUrl::parse("http://a").unwrap(),
            kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
            token: None,
            timeout: Duration::from_secs(1),
            retry_time: Duration::from_mins(1),
            queue,
        }
    }

    fn event(number: u64, kind: &str) -> Event {
        Event {
            number,
            time: String::new(),
            news: News {
                kind: kind.to_owned(),
                ..News::default()
            },
        }
    }

    fn numbers(outbox: &mut Outbox) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Some(event) = outbox.next() {
            numbers.push(event.number);
            outbox.done();
        }
        numbers
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_the_oldest_are_dropped_but_not_the_one_in_hand() {
        let (mut outbox, wanted) = (Outbox::default(), wanted(&["state"], 2));
        let now = Instant::now();
        assert_eq!(outbox.take_in(vec![event(1, "state")], &wanted, now), 0);
        assert_eq!(outbox.next().unwrap().number, 1);
        let more = (2..=6).map(|number| event(number, "state")).collect();
        assert_eq!(outbox.take_in(more, &wanted, now), 3);
        assert_eq!(outbox.len(), 3);
        assert_eq!(outbox.next().unwrap().number, 1);
        assert_eq!(numbers(&mut outbox), [1, 5, 6]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_log_has_forgotten_counts_as_dropped() {
        let (mut outbox, wanted) = (Outbox::default(), wanted(&["order"], 9));
        let now = Instant::now();
        let events = vec![event(4, "order"), event(5, "state"), event(6, "order")];
        assert_eq!(outbox.take_in(events, &wanted, now), 3);
        assert_eq!((outbox.seen(), outbox.len()), (6, 2));
        outbox.pass_over(20);
        assert_eq!(outbox.take_in(vec![event(21, "order")], &wanted, now), 0);
        assert_eq!(numbers(&mut outbox), [4, 6, 21]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_old_are_given_up_also_in_hand() {
        let (mut outbox, wanted) = (Outbox::default(), wanted(&["state"], 9));
        let (start, minute) = (Instant::now(), Duration::from_mins(1));
        for (number, at) in [(1, 0), (2, 30), (3, 61)] {
            let now = start + Duration::from_secs(at);
            outbox.take_in(vec![event(number, "state")], &wanted, now);
        }
        assert_eq!(outbox.next().unwrap().number, 1);
        assert_eq!(outbox.give_up(minute, start + minute / 2), 0);
        assert_eq!(outbox.give_up(minute, start + minute), 1);
        assert_eq!(outbox.give_up(minute, start + minute * 2), 1);
        assert_eq!(numbers(&mut outbox), [3]);
    }

    #[tokio::test(start_paused = true)]
    async fn other_settings_keep_what_they_want_too() {
        let mut outbox = Outbox::default();
        let now = Instant::now();
        let all = wanted(&["state", "order"], 9);
        let events = ["state", "order", "state", "order", "order"];
        let events = (1..).zip(events).map(|(number, kind)| event(number, kind));
        outbox.take_in(events.collect(), &all, now);
        assert_eq!(outbox.next().unwrap().number, 1);
        assert_eq!(outbox.follow(&all), 0);
        assert_eq!(outbox.len(), 5);
        assert_eq!(outbox.follow(&wanted(&["order"], 2)), 1);
        assert_eq!(numbers(&mut outbox), [4, 5]);
        assert_eq!((outbox.clear(), outbox.len()), (0, 0));
    }

    proptest! {
        #[test]
        fn every_wanted_event_is_handed_out_once_and_in_order_or_counted_as_dropped(
            steps in prop::collection::vec((0..6_u8, 0..4_u64), 0..60),
            queue in 1..5_usize,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _inside = runtime.enter();
            let (mut outbox, wanted) = (Outbox::default(), wanted(&["order"], queue));
            let (mut number, mut dropped, mut handed) = (0, 0, Vec::new());
            let (mut now, mut orders) = (Instant::now(), 0);
            for (step, count) in steps {
                match step {
                    0 | 1 => {
                        let kind = ["order", "state"][usize::from(step)];
                        let events = (1..=count).map(|it| event(number + it, kind)).collect();
                        number += count;
                        orders += if kind == "order" { count } else { 0 };
                        dropped += outbox.take_in(events, &wanted, now);
                    }
                    2 => {
                        if let Some(event) = outbox.next() {
                            handed.push(event.number);
                            outbox.done();
                        }
                    }
                    3 => drop(outbox.next()),
                    4 => dropped += outbox.give_up(Duration::from_secs(3), now),
                    _ => now += Duration::from_secs(count),
                }
                prop_assert!(outbox.len() <= queue + 1);
            }
            let waiting = outbox.len() as u64;
            handed.extend(numbers(&mut outbox));
            prop_assert!(handed.is_sorted());
            prop_assert_eq!(handed.len() as u64 + dropped, orders, "{} waited", waiting);
        }
    }
}
