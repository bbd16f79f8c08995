//! HTTP/1.1 to a backend: one exchange at a time, driven by whoever waits for it.
//!
//! There is no task, no channel and no wake-up beyond the socket's own: the request's future and the
//! response's body poll the connection themselves. [`Answer`] reads what comes and knows no socket;
//! `machine` puts it and the request onto one.

mod answer;
mod carrier;
mod chunks;
mod head;
mod machine;
mod output;
mod sending;

pub use answer::{Answer, Part};
pub use carrier::{AloneCarrier, AnswerBody};
pub use head::{BadAnswer, says, write as write_head, write_field, write_line};

#[cfg(test)]
mod tests;
