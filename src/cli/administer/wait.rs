//! Waiting for a backend, and telling how far it is.

use std::io::{self, IsTerminal, Write};
use std::thread::park_timeout;
use std::time::Duration;

use tokio::time::Instant;

use super::client::{Client, Named};
use super::show::progress;
use crate::admin::api::model::BackendStatus;
use crate::cli::Failure;
use crate::cli::output::print;

/// Between two looks while nothing happens, and while nobody answers.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two lines where nobody sees a line change.
const QUIET: Duration = Duration::from_secs(10);
/// So long a cattail that does not answer is asked again: it may be about to reload its listener.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// It has neither sessions nor requests.
    Empty,
    /// Its evacuation is over.
    Evacuated,
    /// It takes new sessions.
    Up,
    /// It serves nothing.
    Down,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Come {
    /// Not yet.
    NotYet,
    /// It is so.
    Done,
    /// It will not be so.
    Never(&'static str),
}

impl Awaited {
    fn come(self, now: &BackendStatus) -> Come {
        let state = now.state.as_str();
        let is = |done: bool| if done { Come::Done } else { Come::NotYet };
        match self {
            Self::Empty if matches!(state, "up" | "warming") => {
                Come::Never("it takes new sessions: drain it first")
            }
            Self::Empty => is(now.empty),
            Self::Up => is(matches!(state, "up" | "warming")),
            Self::Down => is(matches!(state, "down" | "disabled")),
            Self::Evacuated => match now.evacuation.as_ref().map(|it| it.stage.as_str()) {
                Some("done") => Come::Done,
                Some("cut_off") => Come::Never("the deadline came first; what was there was ended"),
                Some("stopped") => Come::Never("too many sessions were lost: it was stopped"),
                Some(_) => Come::NotYet,
                None => Come::Never("another order took the place of the evacuation"),
            },
        }
    }
}

/// Waits, and tells how far it is.
pub(super) fn wait_for(
    client: &Client,
    named: &Named,
    awaited: Awaited,
    deadline: Option<Duration>,
) -> Result<(), Failure> {
    let began = Instant::now();
    // Cattail ends an evacuation itself; it is given a moment to say so.
    let deadline = match awaited {
        Awaited::Evacuated => deadline.map(|deadline| deadline + Duration::from_secs(5)),
        _ => deadline,
    };
    let mut teller = Teller::new();
    let mut silent_since = None;
    let mut last_event = client.status()?.last_event;
    loop {
        let now = match client.backend(named) {
            Ok(now) => now,
            Err(failure @ Failure::Unusable(_)) => return Err(failure),
            Err(failure) => {
                let since = *silent_since.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    return Err(failure);
                }
                park_timeout(PAUSE);
                continue;
            }
        };
        silent_since = None;
        match awaited.come(&now) {
            Come::Done => {
                teller.end()?;
                print(&format!("{named} {}", progress(&now)))?;
                return Ok(());
            }
            Come::Never(why) => {
                teller.end()?;
                print(&format!("{named} {}", progress(&now)))?;
                eprintln_line(&format!("cattail: {named}: {why}"))?;
                return Err(Failure::Incomplete);
            }
            Come::NotYet => teller.tell(&format!("{named} {}", progress(&now)))?,
        }
        if deadline.is_some_and(|deadline| began.elapsed() >= deadline) {
            teller.end()?;
            print(&format!("{named} {}", progress(&now)))?;
            eprintln_line(&format!("cattail: {named}: the deadline came first"))?;
            return Err(Failure::Incomplete);
        }
        last_event = client.next_event(last_event, PAUSE).unwrap_or(last_event);
    }
}

/// One line that changes on a terminal, and a line now and then elsewhere.
struct Teller {
    is_terminal: bool,
    told: Option<Instant>,
    line: String,
}

impl Teller {
    fn new() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            told: None,
            line: String::new(),
        }
    }

    fn tell(&mut self, line: &str) -> io::Result<()> {
        let is_due = self.is_terminal || self.told.is_none_or(|told| told.elapsed() >= QUIET);
        if line == self.line || !is_due {
            return Ok(());
        }
        line.clone_into(&mut self.line);
        self.told = Some(Instant::now());
        let mut stderr = io::stderr();
        if self.is_terminal {
            write!(stderr, "\r\x1b[K{line}")?;
            stderr.flush()
        } else {
            writeln!(stderr, "{line}")
        }
    }

    fn end(&mut self) -> io::Result<()> {
        if self.is_terminal && self.told.is_some() {
            write!(io::stderr(), "\r\x1b[K")?;
        }
        Ok(())
    }
}

fn eprintln_line(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{line}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::api::model::{EvacuationStatus, SessionCount};

    fn backend(state: &str, sessions: usize, evacuation: Option<&str>) -> BackendStatus {
        BackendStatus {
            cluster: "shop".to_owned(),
            name: "jvm1".to_owned(),
            address: String::new(),
            jvm_route: None,
            state: state.to_owned(),
            cause: None,
            waits: false,
            since: None,
            file_state: "up".to_owned(),
            ordered_state: None,
            weight: 1,
            file_weight: 1,
            ordered_weight: None,
            backup: false,
            requests_in_flight: 0,
            max_requests: 0,
            sessions: SessionCount {
                issued: sessions,
                claimed: 0,
            },
            empty: sessions == 0,
            unsure_for_s: None,
            empty_in_s: None,
            open: Vec::new(),
            evacuation: evacuation.map(|stage| EvacuationStatus {
                stage: stage.to_owned(),
                rate: 50,
                deadline_s: None,
                began: String::new(),
                sessions_at_start: 10,
                marked_percent: 0,
                moved: 0,
                lost: 0,
                without_copy: 0,
            }),
        }
    }

    #[test]
    fn what_is_waited_for_has_come_or_will_or_never_does() {
        use Awaited::{Down, Empty, Evacuated, Up};
        let is_never =
            |awaited: Awaited, now: &BackendStatus| matches!(awaited.come(now), Come::Never(_));
        assert_eq!(Empty.come(&backend("draining", 3, None)), Come::NotYet);
        assert_eq!(Empty.come(&backend("draining", 0, None)), Come::Done);
        assert_eq!(Empty.come(&backend("down", 0, None)), Come::Done);
        assert!(is_never(Empty, &backend("up", 0, None)));
        assert_eq!(Up.come(&backend("down", 0, None)), Come::NotYet);
        assert_eq!(Up.come(&backend("warming", 0, None)), Come::Done);
        assert_eq!(Down.come(&backend("disabled", 0, None)), Come::Done);
        let evacuating = |stage| backend("evacuating", 5, Some(stage));
        assert_eq!(Evacuated.come(&evacuating("moving")), Come::NotYet);
        assert_eq!(Evacuated.come(&evacuating("done")), Come::Done);
        assert!(is_never(Evacuated, &evacuating("cut_off")));
        assert!(is_never(Evacuated, &evacuating("stopped")));
        assert!(is_never(Evacuated, &backend("up", 5, None)));
    }
}
