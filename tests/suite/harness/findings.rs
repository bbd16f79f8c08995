//! What browsers saw of their sessions.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Most stories that are kept of what went wrong.
const STORIES: usize = 10;

/// What all browsers saw. Sessions are counted once per group of parallel requests.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Answers.
    pub(crate) requests: usize,
    /// Groups of parallel requests.
    pub(crate) groups: usize,
    /// Groups of which an answer showed another session than the browser's.
    pub(crate) lost: usize,
    /// Groups with two answers of the same count: two copies of the session live on.
    pub(crate) forked: usize,
    /// Groups with a count that an earlier group had reached.
    pub(crate) stale: usize,
    /// Groups served by two Tomcats besides the owner.
    pub(crate) split: usize,
    /// Requests with another status than 200, or without an answer.
    pub(crate) failed: usize,
    /// Requests asked again because a kept connection had been closed before its answer began.
    pub(crate) reopened: usize,
    /// Longest wait for an answer.
    pub(crate) longest: Duration,
    /// How the first of these came about.
    stories: Vec<String>,
}

/// One answer about a session.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) tomcat: String,
    pub(super) id: String,
    pub(super) created_ms: u64,
    pub(super) hits: u64,
}

/// A browser's session, as it knows it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) id: String,
    pub(super) created_ms: u64,
    pub(super) hits: u64,
}

impl Findings {
    /// Whether no session was lost, forked, split or served from an old copy, and no request
    /// failed.
    pub(crate) fn is_clean(&self) -> bool {
        self.harmed() + self.failed + self.reopened == 0
    }

    /// Everything that happened to sessions and should not.
    pub(crate) fn harmed(&self) -> usize {
        self.lost + self.forked + self.stale + self.split
    }

    pub(super) fn failed(&mut self, how: String) {
        self.failed += 1;
        self.tell(how);
    }

    /// Judges the answers to one group that was asked with `known`'s cookie; the browser's session
    /// after it.
    pub(super) fn judge(&mut self, known: &Known, answers: &[Seen]) -> Known {
        self.groups += 1;
        let is_known =
            |seen: &Seen| base(&seen.id) == base(&known.id) && seen.created_ms == known.created_ms;
        let of_session: Vec<_> = answers.iter().filter(|seen| is_known(seen)).collect();
        let hits: BTreeSet<_> = of_session.iter().map(|seen| seen.hits).collect();
        let owner = known.id.split_once('.').map_or("", |(_, route)| route);
        let strangers: BTreeSet<_> = answers
            .iter()
            .map(|seen| seen.tomcat.as_str())
            .filter(|tomcat| *tomcat != owner)
            .collect();
        let found = [
            (&mut self.lost, of_session.len() < answers.len()),
            (&mut self.forked, hits.len() < of_session.len()),
            (
                &mut self.stale,
                hits.first().is_some_and(|least| *least <= known.hits),
            ),
            (&mut self.split, strangers.len() > 1),
        ];
        let mut is_harmed = false;
        for (count, is_so) in found {
            *count += usize::from(is_so);
            is_harmed |= is_so;
        }
        if is_harmed {
            self.tell(format!("{known:?} became {answers:#?}"));
        }
        let hits = hits.last().map_or(known.hits, |most| known.hits.max(*most));
        Known {
            hits,
            ..known.clone()
        }
    }

    fn tell(&mut self, story: String) {
        if self.stories.len() < STORIES {
            self.stories.push(story);
        }
    }
}

/// The part of an id that outlives moves.
pub(super) fn base(id: &str) -> &str {
    id.split(['-', '.']).next().unwrap_or(id)
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} requests in {} groups: {} lost, {} forked, {} stale, {} split; {} failed, \
             {} reopened; longest wait {:?}",
            self.requests,
            self.groups,
            self.lost,
            self.forked,
            self.stale,
            self.split,
            self.failed,
            self.reopened,
            self.longest
        )?;
        self.stories
            .iter()
            .try_for_each(|story| writeln!(f, "- {story}"))
    }
}
