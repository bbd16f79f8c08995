//! The line that an agent answers, in HAProxy's words.
//!
//! Pure. Words are separated by spaces, tabs or commas; their case does not matter; of several of
//! one kind the last counts. Behind `#` stands, up to the line's end, why.

use crate::cluster::machine::AgentWord;

/// The largest share, in percent of the configured weight; more is taken as this.
pub const MOST_PERCENT: u32 = 1_000;
/// The largest `maxconn`; more is taken as this.
pub const MOST_REQUESTS: usize = 1_000_000;
/// Bytes of a reason that are kept.
const MOST_REASON: usize = 100;

/// What an agent said in one line. What it did not speak of stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// `75%`: of the configured weight.
    pub percent: Option<u32>,
    /// `maxconn:30`: the most requests at a time; 0 is unlimited.
    pub max_requests: Option<usize>,
    /// `ready`, `drain` or `maint`.
    pub wish: Option<AgentWord>,
    /// `up`, `down`, `fail` or `stopped`.
    pub health: Option<AgentWord>,
    /// What stood behind `#`, in printable ASCII.
    pub reason: Option<String>,
    /// Words that mean nothing here.
    pub unknown: u64,
}

impl Said {
    /// Reads a line, without its end.
    pub fn read(line: &[u8]) -> Self {
        let mut said = Self::default();
        let hash = line.iter().position(|byte| *byte == b'#');
        let (words, reason) = line
            .split_at_checked(hash.unwrap_or(line.len()))
            .unwrap_or_default();
        let reason = reason.get(1..).unwrap_or_default().trim_ascii();
        if !reason.is_empty() {
            let kept = reason.get(..MOST_REASON).unwrap_or(reason);
            said.reason = Some(kept.escape_ascii().to_string());
        }
        let is_gap = |byte: &u8| matches!(byte, b' ' | b'\t' | b',' | b'\r');
        for word in words.split(is_gap).filter(|word| !word.is_empty()) {
            said.take(&word.to_ascii_lowercase());
        }
        said
    }

    /// Whether it said nothing that is known.
    pub fn is_nonsense(&self) -> bool {
        let Self {
            percent,
            max_requests,
            wish,
            health,
            ..
        } = self;
        percent.is_none() && max_requests.is_none() && wish.is_none() && health.is_none()
    }

    fn take(&mut self, word: &[u8]) {
        match word {
            b"ready" => self.wish = Some(AgentWord::Ready),
            b"drain" => self.wish = Some(AgentWord::Drain),
            b"maint" => self.wish = Some(AgentWord::Maint),
            b"up" => self.health = Some(AgentWord::Up),
            b"down" | b"fail" | b"failed" | b"stopped" => self.health = Some(AgentWord::Down),
            _ => self.take_number(word),
        }
    }

    fn take_number(&mut self, word: &[u8]) {
        let percent = word.strip_prefix(b"weight:").unwrap_or(word);
        if let Some(percent) = percent.strip_suffix(b"%").and_then(number) {
            let percent = u32::try_from(percent).unwrap_or(u32::MAX);
            self.percent = Some(percent.min(MOST_PERCENT));
        } else if let Some(most) = word.strip_prefix(b"maxconn:").and_then(number) {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            self.max_requests = Some(most.min(MOST_REQUESTS));
        } else {
            self.unknown += 1;
        }
    }
}

/// A whole number; one that is too long is as large as can be.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = str::from_utf8(digits).ok()?;
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
