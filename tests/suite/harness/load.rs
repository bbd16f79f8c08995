//! Clients that go on asking while something happens to the proxy or its Tomcats.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cattail::standin::Address;
use tokio::time::Instant;

use super::browser::Browser;
use super::request::Request;
use super::response::Response;
use super::wait::eventually;

/// Clients at work.
#[derive(Debug, Default)]
pub(crate) struct Load {
    asked: AtomicUsize,
    answered: AtomicUsize,
    over: AtomicBool,
}

/// One answer under load.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) response: Response,
    pub(crate) took: Duration,
}

impl Load {
    /// Waits until `count` more requests were answered.
    #[track_caller]
    pub(crate) fn go_on(&self, count: usize) {
        let goal = self.answered.load(Ordering::Relaxed) + count;
        eventually(&format!("{count} more answers"), || {
            self.over.load(Ordering::Relaxed) || self.answered.load(Ordering::Relaxed) >= goal
        });
    }

    fn work(&self, to: &Address, request: impl Fn(usize) -> Request) -> Vec<Answered> {
        let (mut browser, mut answers) = (Browser::new(to.clone()), Vec::new());
        while !self.over.load(Ordering::Relaxed) {
            let request = request(self.asked.fetch_add(1, Ordering::Relaxed));
            let started = Instant::now();
            let response = browser.ask(&request);
            let took = started.elapsed();
            answers.push(Answered { response, took });
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        answers
    }
}

/// Ends the clients' work, also if the test or one of them fails.
struct Over<'a>(&'a Load);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// `clients` browsers, each on a kept connection, ask for `request(0)`, `request(1)` and so on
/// while `act` runs; all their answers. A connection that breaks under a request fails the test.
pub(crate) fn under_load(
    to: impl Into<Address>,
    clients: usize,
    request: impl Fn(usize) -> Request + Sync,
    act: impl FnOnce(&Load),
) -> Vec<Answered> {
    let (to, load, request) = (to.into(), Load::default(), &request);
    thread::scope(|scope| {
        let working: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    let _over = Over(&load);
                    load.work(&to, request)
                })
            })
            .collect();
        {
            let _over = Over(&load);
            act(&load);
        }
        working
            .into_iter()
            .flat_map(|client| {
                client
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}
