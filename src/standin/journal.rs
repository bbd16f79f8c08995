//! What a stand-in saw: requests and connections, counted for ever, remembered within bounds.
//!
//! Written by the stand-in's thread, read and waited for by tests.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::body::Checksum;
use super::request::Request;

/// How a request's body came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// Not read to the end, or not yet.
    Unread,
    /// Complete, by its framing.
    Complete,
    /// The connection ended before the body did.
    Cut,
    /// Its chunks made no sense.
    Malformed,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The method.
    pub method: String,
    /// The target, exactly as it came.
    pub target: String,
    /// All fields, in order and in their own case.
    pub headers: Vec<(String, String)>,
    /// The whole head, byte for byte.
    pub head: Bytes,
    /// The body's first bytes, up to the builder's bound.
    pub body: Vec<u8>,
    /// All of the body's bytes, the unrecorded ones included.
    pub body_bytes: u64,
    /// The checksum of all of the body's bytes, once it ended.
    pub checksum: Checksum,
    /// How the body ended.
    pub body_end: BodyEnd,
    /// The fields behind a chunked body.
    pub trailers: Vec<(String, String)>,
    /// The connection's number, from 1.
    pub connection: u64,
    /// The request's number on its connection, from 1.
    pub number: u64,
    /// When the head was complete.
    pub at: Instant,
}

impl Recorded {
    /// The value of the first field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The values of all fields called `name`, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

/// The counts of a stand-in, since its first start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Complete request heads.
    pub requests: u64,
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// Requests in progress now: head read, answer not ended.
    pub in_progress: u64,
    /// The most requests in progress at one time.
    pub concurrent_peak: u64,
}

#[derive(Debug, Default)]
struct Pages {
    counts: Counts,
    requests: VecDeque<Recorded>,
    failures: Vec<String>,
}

/// The number of a journal entry, from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry(u64);

#[derive(Debug)]
pub(super) struct Journal {
    pages: Mutex<Pages>,
    changed: Condvar,
    /// Requests remembered; the oldest go first.
    kept_requests: usize,
    /// Bytes remembered of each body.
    kept_body: usize,
}

impl Journal {
    pub(super) fn new(kept_requests: usize, kept_body: usize) -> Self {
        let (pages, changed) = (Mutex::default(), Condvar::new());
        Self {
            pages,
            changed,
            kept_requests,
            kept_body,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.pages().counts
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        self.pages().requests.iter().cloned().collect()
    }

    pub(super) fn failures(&self) -> Vec<String> {
        self.pages().failures.clone()
    }

    /// Waits until `condition` holds, at most `limit`. False when the time ran out.
    pub(super) fn wait(&self, limit: Duration, condition: impl Fn(&Counts) -> bool) -> bool {
        let pages = self.pages();
        let waited = self
            .changed
            .wait_timeout_while(pages, limit, |now| !condition(&now.counts));
        let (pages, _) = waited.unwrap_or_else(PoisonError::into_inner);
        condition(&pages.counts)
    }

    pub(super) fn note_failure(&self, failure: String) {
        self.write(|pages| pages.failures.push(failure));
    }

    /// Notes a new connection and gives its number.
    pub(super) fn connection_opened(&self) -> u64 {
        self.write(|pages| {
            pages.counts.connections_accepted += 1;
            pages.counts.open_connections += 1;
            pages.counts.connections_accepted
        })
    }

    pub(super) fn connection_closed(&self) {
        self.write(|pages| pages.counts.open_connections -= 1);
    }

    /// Notes a request whose head is complete; [`Self::request_ended`] must follow.
    pub(super) fn request_began(&self, request: &Request, connection: u64, number: u64) -> Entry {
        let recorded = Recorded {
            method: request.method.clone(),
            target: request.target.clone(),
            headers: request.headers.clone(),
            head: request.raw.clone(),
            body: Vec::new(),
            body_bytes: 0,
            checksum: Checksum::default(),
            body_end: BodyEnd::Unread,
            trailers: Vec::new(),
            connection,
            number,
            at: Instant::now(),
        };
        self.write(|pages| {
            pages.requests.push_back(recorded);
            while pages.requests.len() > self.kept_requests {
                pages.requests.pop_front();
            }
            let counts = &mut pages.counts;
            counts.requests += 1;
            counts.in_progress += 1;
            counts.concurrent_peak = counts.concurrent_peak.max(counts.in_progress);
            Entry(counts.requests - 1)
        })
    }

    pub(super) fn request_ended(&self) {
        self.write(|pages| pages.counts.in_progress -= 1);
    }

    pub(super) fn body_grew(&self, entry: Entry, bytes: &[u8]) {
        self.amend(entry, |recorded| {
            recorded.body_bytes += bytes.len() as u64;
            let room = self.kept_body.saturating_sub(recorded.body.len());
            recorded.body.extend(bytes.iter().take(room));
        });
    }

    pub(super) fn body_ended(
        &self,
        entry: Entry,
        (end, checksum): (BodyEnd, Checksum),
        trailers: &[(String, String)],
    ) {
        self.amend(entry, |recorded| {
            recorded.body_end = end;
            recorded.checksum = checksum;
            recorded.trailers = trailers.to_vec();
        });
    }

    fn amend(&self, Entry(number): Entry, change: impl FnOnce(&mut Recorded)) {
        self.write(|pages| {
            let first = pages.counts.requests - pages.requests.len() as u64;
            let index = number
                .checked_sub(first)
                .and_then(|index| usize::try_from(index).ok());
            if let Some(recorded) = index.and_then(|index| pages.requests.get_mut(index)) {
                change(recorded);
            }
        });
    }

    fn write<T>(&self, change: impl FnOnce(&mut Pages) -> T) -> T {
        let outcome = change(&mut self.pages());
        self.changed.notify_all();
        outcome
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str) -> Request {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        Request::parse(&Bytes::from(head)).unwrap()
    }

    #[test]
    fn the_oldest_requests_are_forgotten_and_still_counted() {
        let journal = Journal::new(2, 3);
        let entries: Vec<_> = ["/1", "/2", "/3"]
            .map(|target| journal.request_began(&request(target), 1, 1))
            .into();
        for entry in &entries {
            journal.body_grew(*entry, b"long body");
        }
        let kept = journal.requests();
        let targets: Vec<_> = kept
            .iter()
            .map(|recorded| recorded.target.as_str())
            .collect();
        assert_eq!(
            (targets.as_slice(), journal.counts().requests),
            (["/2", "/3"].as_slice(), 3)
        );
        assert_eq!(
            (kept[1].body.as_slice(), kept[1].body_bytes),
            (b"lon".as_slice(), 9)
        );
    }

    #[test]
    fn waiting_ends_with_the_condition_or_the_limit() {
        let journal = Journal::new(1, 1);
        journal.request_began(&request("/"), 1, 1);
        assert!(journal.wait(Duration::ZERO, |counts| counts.requests == 1));
        assert!(!journal.wait(Duration::from_millis(1), |counts| counts.requests == 2));
    }
}
