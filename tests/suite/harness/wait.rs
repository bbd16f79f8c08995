//! Deadlines and polling.

use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

/// Longest wait for anything that must happen, before scaling. What comes costs none of it; a busy machine takes
/// its time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(2);

static SCALE: LazyLock<f64> = LazyLock::new(|| {
    let set = std::env::var("CATTAIL_TEST_SCALE").ok();
    set.map_or(1.0, |text| {
        text.parse().expect("CATTAIL_TEST_SCALE is a number")
    })
});

/// A duration on this machine: times `CATTAIL_TEST_SCALE` (1 by default; 3 on a slow machine).
pub(crate) fn scaled(time: Duration) -> Duration {
    time.mul_f64(*SCALE)
}

/// Longest wait for anything that must happen.
pub(crate) fn patience() -> Duration {
    scaled(PATIENCE)
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < patience(),
            "not within {:?}: {what}",
            patience()
        );
        thread::park_timeout(POLL);
    }
}

/// Watches that `condition` holds for all of `time`.
#[track_caller]
pub(crate) fn stays(what: &str, time: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < time {
        assert!(condition(), "ended after {:?}: {what}", start.elapsed());
        thread::park_timeout(POLL);
    }
}

/// Runs `count` clients at once, each on a thread, and gives their results in order. A panic of
/// one is the test's.
pub(crate) fn in_parallel<T: Send>(count: usize, client: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let client = &client;
    thread::scope(|scope| {
        let running: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || client(number)))
            .collect();
        running
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}
