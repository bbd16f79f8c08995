//! Whether a client heeds that it was told to end its connection.
//!
//! `h2` says GOAWAY with the highest number there is, and a PING; it takes no more requests once the
//! PING is answered. A client that does not answer could ask for ever.

use crate::proxy::conversation::Patience;

/// What a client was told, and what it may still ask.
#[derive(Debug)]
pub(super) struct Farewell {
    /// Requests that may come in all.
    at_last: u64,
    /// How long requests may come that were asked before the client heard it.
    grace_ms: u64,
    said_at_ms: Option<u64>,
    /// Requests that came within that time.
    requests: u64,
}

impl Farewell {
    pub(super) fn new(patience: Patience, at_last: u64) -> Self {
        Self {
            at_last,
            grace_ms: u64::try_from(patience.farewell().as_millis()).unwrap_or(u64::MAX),
            said_at_ms: None,
            requests: 0,
        }
    }

    pub(super) fn is_said(&self) -> bool {
        self.said_at_ms.is_some()
    }

    pub(super) fn say(&mut self, now_ms: u64) {
        self.said_at_ms = Some(now_ms);
    }

    /// Whether the client goes on with requests; they are `requests` by now.
    pub(super) fn is_ignored(&mut self, requests: u64, now_ms: u64) -> bool {
        let Some(said_at_ms) = self.said_at_ms else {
            return false;
        };
        if now_ms.saturating_sub(said_at_ms) <= self.grace_ms {
            self.requests = requests;
        }
        requests > self.requests || requests > self.at_last
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(1),
        idle: Duration::ZERO,
        send: Duration::from_secs(2),
    };

    #[test]
    fn who_was_told_nothing_ignores_nothing() {
        let mut farewell = Farewell::new(PATIENCE, 10);
        assert!(!farewell.is_ignored(11, 1_000_000));
    }

    #[test]
    fn requests_on_their_way_are_answered_and_later_ones_are_too_many() {
        let mut farewell = Farewell::new(PATIENCE, 10);
        farewell.say(5_000);
        assert!(!farewell.is_ignored(4, 5_000));
        assert!(!farewell.is_ignored(7, 7_000));
        // These take their time.
        assert!(!farewell.is_ignored(7, 90_000));
        assert!(farewell.is_ignored(8, 90_100));
    }

    #[test]
    fn there_is_a_number_that_none_go_beyond() {
        let mut farewell = Farewell::new(PATIENCE, 10);
        farewell.say(5_000);
        assert!(!farewell.is_ignored(10, 5_100));
        assert!(farewell.is_ignored(11, 5_100));
    }
}
