//! Asking the agent of a backend, a small program beside it, what share of the work it wants.
//!
//! One connection a question, as HAProxy does it: connect, send a line if one is configured, read
//! one line. Whoever cannot be reached or talks nonsense changes nothing.

mod words;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout_at};

pub use words::{MOST_PERCENT, MOST_REQUESTS, Said};

use super::connect::{Endpoint, connect};
use super::failure::ProbeFailure;
use super::pace::{Mood, Pace};

/// Most bytes of an agent's line.
const MAX_LINE_BYTES: usize = 1024;

/// Why an agent said nothing.
#[derive(Debug, thiserror::Error)]
pub enum AgentFailure {
    /// It could not be asked, or did not answer.
    #[error(transparent)]
    Unheard(#[from] ProbeFailure),
    /// Its line has no end.
    #[error("the line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// Its line has no word that is known.
    #[error("no word of {0:?} is known")]
    Nonsense(String),
}

/// A backend with an agent, as its watch sees it.
pub trait Ward {
    /// Where the agent is; `None`: nobody wants to know now.
    fn agent(&self) -> Option<Endpoint>;
    /// Takes in what the agent said.
    fn heard(&self, said: Result<Said, AgentFailure>);
}

/// Asks an agent until it is dropped; dropping it at any time is safe.
pub async fn watch_agent(ward: impl Ward, send: Option<String>, time: Duration, mut pace: Pace) {
    let line = send.map(|line| format!("{line}\n"));
    let line = line.as_deref().unwrap_or_default();
    let mut next = pace.moment(Instant::now() + pace.first());
    loop {
        sleep_until(next).await;
        let started = Instant::now();
        if let Some(endpoint) = ward.agent() {
            ward.heard(ask(&endpoint, line.as_bytes(), time).await);
        }
        next = pace.after(started, Mood::Steady);
    }
}

async fn ask(endpoint: &Endpoint, line: &[u8], time: Duration) -> Result<Said, AgentFailure> {
    let deadline = Instant::now() + time;
    let answer = async {
        let mut stream = connect(endpoint, deadline).await?;
        if !line.is_empty() {
            stream.write_all(line).await.map_err(ProbeFailure::Broken)?;
        }
        let mut heard = Vec::with_capacity(128);
        loop {
            if let Some(line) = first_line(&heard) {
                return meaning(line);
            }
            let room = MAX_LINE_BYTES.saturating_sub(heard.len());
            if room == 0 {
                return Err(AgentFailure::TooLong);
            }
            let read = (&mut stream).take(room as u64).read_buf(&mut heard).await;
            match read.map_err(ProbeFailure::Broken) {
                Ok(0) if heard.is_empty() => return Err(ProbeFailure::Ended.into()),
                // A line may end with the connection.
                Ok(0) => return meaning(&heard),
                Ok(_) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
    };
    let timed = timeout_at(deadline, answer).await;
    timed.unwrap_or_else(|_| Err(ProbeFailure::AnswerTimeout(time).into()))
}

fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | 0))?;
    bytes.get(..end)
}

fn meaning(line: &[u8]) -> Result<Said, AgentFailure> {
    let said = Said::read(line);
    if said.is_nonsense() {
        let shown = line.get(..80).unwrap_or(line);
        return Err(AgentFailure::Nonsense(shown.escape_ascii().to_string()));
    }
    Ok(said)
}

#[cfg(test)]
mod tests;
