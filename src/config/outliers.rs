//! When a backend's answers speak against it.

use std::time::Duration;

use http::StatusCode;

/// Bounds on bad and slow answers; a backend beyond them gets no new sessions for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outliers {
    /// Bad answers in a row; zero: nobody counts.
    pub consecutive: u32,
    /// Which statuses are bad answers. Attempts that end without an answer always are.
    pub statuses: Vec<StatusCode>,
    /// Share of bad answers within the window, in percent; zero: nobody counts.
    pub bad_percent: u32,
    /// How many times as slow as the others; zero: nobody counts.
    pub slow_factor: u32,
    /// What is faster on average is never slow.
    pub slow_time: Duration,
    /// Over which time shares and averages are taken.
    pub window: Duration,
    /// With fewer answers in the window nothing is said of shares and averages.
    pub requests: u32,
    /// How long it gets no new sessions the first time; twice as long each further time.
    pub time: Duration,
    /// The longest such time.
    pub longest: Duration,
}

impl Outliers {
    /// Whether anything is looked at.
    pub fn is_on(&self) -> bool {
        self.consecutive > 0 || self.bad_percent > 0 || self.slow_factor > 0
    }
}
