//! An explanation for people.

use std::fmt::{self, Display, Formatter};

use super::words::{
    Action, Candidate, Choice, Explanation, FoundId, KnownBy, MatchedRule, Note, RouteNames, Way,
    WhyChosen,
};

/// Where the second column begins.
const COLUMN: usize = 10;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:COLUMN$}", "rule")?;
        match &self.rule {
            Some(rule) => self.write_rule(rule, f)?,
            None => f.write_str("none matches\n")?,
        }
        if self.cluster.is_some() {
            self.write_session(f)?;
            self.write_backends(f)?;
        }
        write!(f, "{:COLUMN$}{}", "choice", self.choice)
    }
}

impl Explanation {
    fn write_rule(&self, rule: &MatchedRule, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &rule.scheme {
            write!(f, "{scheme}://")?;
        }
        write!(f, "{}{}", rule.host.as_deref().unwrap_or("*"), rule.path)?;
        match (rule.action, &self.cluster) {
            (Action::Cluster, Some(cluster)) => write!(f, " -> cluster {cluster}")?,
            (Action::Cluster, None) => {}
            (Action::Redirect, _) => f.write_str(" -> a redirect")?,
            (Action::Respond, _) => f.write_str(" -> a fixed answer")?,
        }
        if rule.access_unknown {
            f.write_str(" (its allow and deny are not looked at: no client is given)")?;
        }
        f.write_str("\n")
    }

    fn write_session(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let is_bound = self.ids.iter().any(|id| id.chosen.is_some());
        let several = self.ids.iter().filter(|id| id.id.is_some()).count() > 1;
        if self.ids.is_empty() {
            let none = match self.choice.binding.as_deref() {
                None => "not looked for (affinity: none)",
                Some("ignored") => "not looked for: the path is ignored",
                Some(_) => "none",
            };
            writeln!(f, "{:COLUMN$}{none}", "ids")?;
        }
        for (place, id) in self.ids.iter().enumerate() {
            write!(f, "{:COLUMN$}{id}", if place == 0 { "ids" } else { "" })?;
            match id.chosen.filter(|_| several) {
                Some(WhyChosen::Named) => {
                    f.write_str(" <- counts: the first that names a backend")?;
                }
                Some(WhyChosen::Remembered) => {
                    f.write_str(" <- counts: the first that the ledger knows")?;
                }
                Some(WhyChosen::First) => f.write_str(" <- counts: the first")?,
                None => {}
            }
            f.write_str("\n")?;
        }
        if self.ids_left_out > 0 {
            writeln!(f, "{:COLUMN$}and {} more", "", self.ids_left_out)?;
        }
        match &self.owner {
            Some(owner) => writeln!(f, "{:COLUMN$}{}, {}", "owner", owner.backend, owner.by)?,
            None if is_bound => writeln!(f, "{:COLUMN$}nobody is known", "owner")?,
            None => {}
        }
        match &self.leaving {
            Some(leaving) => writeln!(f, "{:COLUMN$}{leaving}", "leaving"),
            None => Ok(()),
        }
    }

    fn write_backends(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let longest = |of: fn(&Candidate) -> usize| self.backends.iter().map(of).max();
        let name = longest(|it| it.backend.chars().count()).unwrap_or_default();
        let state = longest(|it| it.state.len()).unwrap_or_default();
        for (place, candidate) in self.backends.iter().enumerate() {
            let label = if place == 0 { "backends" } else { "" };
            let (backend, words) = (&candidate.backend, candidate.words());
            let line = format!(
                "{label:COLUMN$}{backend:name$}  {:state$}  {words}",
                candidate.state
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Candidate {
    fn words(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for note in &self.notes {
            words.push(note.text().to_owned());
        }
        match self.rank {
            None => {}
            Some(1) => words.push("first in the order of the base".to_owned()),
            Some(rank) => words.push(format!("number {rank} in the order of the base")),
        }
        words.join("; ")
    }
}

impl Note {
    fn text(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Pinned => "requests of the session are in flight there",
            Self::CannotServe => "cannot serve",
            Self::TakesNoNew => "takes no session that is not its own",
            Self::Backup => "backup, and others serve",
            Self::FormerOwner => "owned the session before, so it comes last",
            Self::Full => "full",
            Self::Slow => "lets requests time out",
        }
    }
}

impl Display for FoundId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.place, self.name)?;
        match (&self.id, &self.rejected) {
            (Some(id), _) => f.write_str(id)?,
            (None, why) => {
                let why = why.as_deref().unwrap_or_default();
                return write!(f, "not believed: {}", rejection(why));
            }
        }
        let mut parts = Vec::new();
        if let Some(node) = &self.store_node {
            parts.push(format!("store node {node}"));
        }
        match (&self.jvm_route, &self.names) {
            (Some(route), RouteNames::Nobody) => {
                parts.push(format!("jvm route {route}, which is nobody's"));
            }
            (Some(route), RouteNames::Several) => {
                parts.push(format!("jvm route {route}, which several backends use"));
            }
            (Some(route), RouteNames::Backend(_)) => parts.push(format!("jvm route {route}")),
            (None, _) => {}
        }
        if parts.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", parts.join(", "))
    }
}

/// The reason behind the word of the metric `cattail_session_ids_rejected_total`.
fn rejection(word: &str) -> &str {
    match word {
        "no_base" => "nothing stands before the store node and the jvm route",
        "too_long" => "more than 512 bytes",
        "control_character" => "a control character in it",
        "undecodable" => "not in the encoding of the dialect",
        "seal_forged" => "no key opens the seal",
        "seal_expired" => "the seal is too old",
        "seal_foreign" => "the seal is another cluster's",
        "seal_other" => "the seal is another session's",
        other => other,
    }
}

impl Display for KnownBy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JvmRoute => "by its jvm route (configured)",
            Self::LearnedRoute => "by its jvm route (learned)",
            Self::OwnRoute => "by the route that the proxy appended",
            Self::AffinityCookie => "by the affinity cookie",
            Self::Ledger => "by the ledger",
            Self::TakeOver => {
                "by the ledger: it took the session over, the client shows it not yet"
            }
        })
    }
}

impl Display for Choice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let (Some(owner), Some(hold)) = (&self.waits_for, self.hold_ms) {
            write!(f, "waits for {owner} for {hold} ms at most, then ")?;
        }
        let binding = self.binding.as_deref().unwrap_or("affinity: none");
        match (self.way, &self.backend) {
            (Way::Rule, _) => f.write_str("the rule answers by itself"),
            (Way::Session, backend) => {
                write!(f, "{} ({binding})", backend.as_deref().unwrap_or("none"))
            }
            (Way::Balance, Some(backend)) => {
                write!(f, "{backend} ({binding}, by balance")?;
                self.write_balance(f)
            }
            (Way::Balance, None) => {
                write!(f, "the balance decides ({binding}")?;
                self.write_balance(f)
            }
            (Way::Queue, backend) => {
                let backend = backend.as_deref().unwrap_or("any backend");
                let time = self.queue_ms.unwrap_or_default();
                write!(
                    f,
                    "waits for a place at {backend} for {time} ms at most ({binding})"
                )
            }
            (Way::Refused, _) => {
                let error = self.error.as_deref().unwrap_or_default();
                write!(f, "refused: {error}")?;
                match &self.binding {
                    Some(binding) => write!(f, " ({binding})"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Choice {
    fn write_balance(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.balance {
            Some(balance) => write!(f, ", {balance})"),
            None => f.write_str(")"),
        }
    }
}
