//! Fake Tomcats: `let tomcat = Tomcat::start("jvm1");`. All of [`StandIn`] is theirs.

use std::ops::Deref;

use cattail::standin::{Builder, Counts, Recorded, SharedSessions, StandIn};

use super::wait::patience;

/// A fake Tomcat. When it is dropped, whatever failed inside it fails the test.
#[derive(Debug)]
pub(crate) struct Tomcat(StandIn);

impl Tomcat {
    /// A Tomcat with the defaults of the real one.
    pub(crate) fn start(jvm_route: &str) -> Self {
        Self::build(jvm_route, |builder| builder)
    }

    /// A Tomcat with other settings: `Tomcat::build("jvm1", |tomcat| tomcat.store_node("n1"))`.
    pub(crate) fn build(jvm_route: &str, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let started = settings(StandIn::builder(jvm_route)).start();
        Self(started.unwrap_or_else(|failure| panic!("{jvm_route} does not start: {failure}")))
    }

    /// Waits for what its counts must come to.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&Counts) -> bool) {
        let came = self.wait(patience(), condition);
        assert!(came, "{}: not {what}: {:?}", self.name(), self.counts());
    }

    /// Waits until it has seen `count` requests.
    #[track_caller]
    pub(crate) fn wait_for_requests(&self, count: u64) {
        self.wait_for(&format!("{count} requests"), |counts| {
            counts.requests >= count
        });
    }

    /// The last request it saw.
    #[track_caller]
    pub(crate) fn last_request(&self) -> Recorded {
        self.requests()
            .pop()
            .unwrap_or_else(|| panic!("{} saw no request", self.name()))
    }
}

impl Deref for Tomcat {
    type Target = StandIn;

    fn deref(&self) -> &StandIn {
        &self.0
    }
}

impl Drop for Tomcat {
    fn drop(&mut self) {
        self.0.kill();
        let failures = self.0.failures();
        if !std::thread::panicking() {
            assert!(failures.is_empty(), "inside {}: {failures:#?}", self.name());
        }
    }
}

/// Tomcats that share their sessions.
pub(crate) fn tomcats<const N: usize>(jvm_routes: [&str; N]) -> [Tomcat; N] {
    let sessions = SharedSessions::default();
    jvm_routes.map(|jvm_route| Tomcat::build(jvm_route, |tomcat| tomcat.sessions(&sessions)))
}
