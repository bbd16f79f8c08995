//! What one question may cost, whatever the store answers.

use std::time::Duration;

/// What one question may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// For connecting, and for each question as a whole.
    pub timeout: Duration,
    /// For all the keys of a store as a whole.
    pub keys_timeout: Duration,
    /// Keys of a store that are read before it counts as endless.
    pub most_keys: u64,
    /// As much of a value is kept.
    pub head_bytes: usize,
    /// The longest value; what is beyond `head_bytes` is read and dropped.
    pub value_bytes: u64,
}

impl Bounds {
    /// Those for questions that end within `timeout`.
    pub fn within(timeout: Duration) -> Self {
        Self {
            timeout,
            keys_timeout: timeout.saturating_mul(30),
            most_keys: 10_000_000,
            head_bytes: 512,
            value_bytes: 64 * 1024 * 1024,
        }
    }
}
