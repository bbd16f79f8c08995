//! Where a request would go, and why: the same functions that route requests, asked without
//! sending anything.
//!
//! [`explain`] takes a [`Question`] and a [`Snapshot`]: that of a running proxy, with its real
//! states and ledger, or one that was made from a file alone. It reads, and changes nothing. Session
//! ids are secrets: an [`Explanation`] has them shortened.

mod candidates;
mod leaving;
mod question;
mod text;
mod words;

use std::net::IpAddr;

pub use leaving::{LeavesWhen, Leaving};
pub use question::{Question, Unclear};
pub use words::{
    Action, Candidate, Choice, Explanation, FoundId, KnownBy, MatchedRule, Note, Owner, RouteNames,
    Way, WhyChosen,
};

use super::affinity::{Destination, Looked, look};
use super::refuse;
use super::select::{self, Nobody};
use super::worker::Snapshot;
use crate::balance::{KeyHash, Slot};
use crate::cluster::Cluster;
use crate::config::{self, Balance, HashKey, HostPattern};
use words::Word;

/// Where a request like this would go now.
pub fn explain(snapshot: &Snapshot, question: &Question) -> Result<Explanation, Unclear> {
    let head = question.head()?;
    let config = &snapshot.config;
    let checked = refuse::check(&head, &config.limits).map_err(Unclear::Refused)?;
    let host = checked.host.as_ref().map(super::authority::Host::name);
    let place = snapshot
        .rules
        .find(question.scheme(), host, head.uri.path());
    let Some(rule) = place.and_then(|place| config.rules.get(place)) else {
        return Ok(Explanation::refused(None, "no_rule"));
    };
    let action = match &rule.action {
        config::Action::Proxy(action) => snapshot.clusters.get(action.cluster),
        config::Action::Redirect { .. } => {
            return Ok(by_the_rule(question, rule, Action::Redirect));
        }
        config::Action::Respond { .. } => return Ok(by_the_rule(question, rule, Action::Respond)),
    };
    let matched = matched(question, rule, Action::Cluster);
    let Some(cluster) = action else {
        return Ok(Explanation::refused(Some(matched), "no_rule"));
    };
    if !admits(rule, question.client) {
        let refused = Explanation::refused(Some(matched), "access_denied");
        let cluster = Some(cluster.config.name.to_string());
        return Ok(Explanation { cluster, ..refused });
    }
    let client = question.client.map(|client| client.to_string());
    let client = client.as_deref().map(str::as_bytes);
    let hash = select::hash_key(&cluster.config.balance, &head, client);
    let looked = look(cluster, &head);
    let choice = choice(cluster, &looked, hash);
    Ok(Explanation {
        rule: Some(matched),
        cluster: Some(cluster.config.name.to_string()),
        backends: candidates::candidates(cluster, &looked),
        ids: looked.ids,
        ids_left_out: looked.left_out,
        owner: looked.owner,
        leaving: looked.leaving,
        choice,
    })
}

fn admits(rule: &config::Rule, client: Option<IpAddr>) -> bool {
    client.is_none_or(|client| rule.access.admits(Some(client)))
}

fn matched(question: &Question, rule: &config::Rule, action: Action) -> MatchedRule {
    let restricts = rule.access != config::Access::default();
    MatchedRule {
        scheme: rule.scheme.map(|scheme| scheme.as_str().into()),
        host: match &rule.host {
            HostPattern::Any => None,
            HostPattern::Suffix(suffix) => Some(format!("*{suffix}")),
            HostPattern::Exact(name) => Some(name.clone()),
        },
        path: rule.path.clone(),
        action,
        access_unknown: restricts && question.client.is_none(),
    }
}

fn by_the_rule(question: &Question, rule: &config::Rule, action: Action) -> Explanation {
    let matched = matched(question, rule, action);
    if !admits(rule, question.client) {
        return Explanation::refused(Some(matched), "access_denied");
    }
    Explanation {
        rule: Some(matched),
        ..Explanation::default()
    }
}

fn choice(cluster: &Cluster, looked: &Looked, hash: Option<KeyHash>) -> Choice {
    let name = |slot| cluster.backend(slot).map(|it| it.name.to_string());
    let waits_for = looked.waits_for.and_then(name);
    let hold = cluster.config.sessions.hold;
    let hold_ms = waits_for
        .as_ref()
        .map(|_| u64::try_from(hold.as_millis()).unwrap_or(u64::MAX));
    let binding = |binding: crate::observe::metrics::Binding| Some(binding.label().into());
    let waited = Choice {
        waits_for,
        hold_ms,
        ..Choice::default()
    };
    match looked.destination {
        Destination::At(slot, by) => Choice {
            way: Way::Session,
            backend: name(slot),
            binding: binding(by),
            ..waited
        },
        Destination::Full(slot, by) => full(cluster, slot.and_then(name), binding(by), waited),
        Destination::Nowhere(nobody, by) => Choice {
            way: Way::Refused,
            binding: binding(by),
            error: Some(nobody.error().reason().into()),
            ..waited
        },
        Destination::Balance(by) => match balance(cluster, hash) {
            Ok(slot) => Choice {
                way: Way::Balance,
                backend: slot.and_then(name),
                binding: by.and_then(binding),
                balance: Some(way_of_balancing(&cluster.config.balance)),
                ..waited
            },
            Err(Nobody::Free) => full(cluster, None, by.and_then(binding), waited),
            Err(nobody) => Choice {
                way: Way::Refused,
                binding: by.and_then(binding),
                error: Some(nobody.error().reason().into()),
                ..waited
            },
        },
    }
}

/// All is full: the request waits, if it may.
fn full(
    cluster: &Cluster,
    backend: Option<String>,
    binding: Option<Word>,
    waited: Choice,
) -> Choice {
    let queue = cluster.config.queue;
    let may_wait = queue.length > 0;
    let error = Nobody::Free.error().reason();
    let time = u64::try_from(queue.time.as_millis()).unwrap_or(u64::MAX);
    Choice {
        way: if may_wait { Way::Queue } else { Way::Refused },
        backend: backend.filter(|_| may_wait),
        binding,
        queue_ms: may_wait.then_some(time),
        error: (!may_wait).then(|| error.into()),
        ..waited
    }
}

/// Who gets a balanced request, if that is certain: by hash, or since only one takes part.
fn balance(cluster: &Cluster, hash: Option<KeyHash>) -> Result<Option<Slot>, Nobody> {
    let balancing = cluster.balancing();
    let has_room = |slot: &Slot| cluster.backend(*slot).is_some_and(|it| it.has_room());
    let members = balancing.schedule.members().iter().map(|it| it.slot);
    let mut free = members.filter(has_room);
    if !cluster.queue.has_room() && !balancing.schedule.is_empty() {
        return Err(Nobody::Free);
    }
    let Some(first) = free.next() else {
        return Err(select::why_nobody(&balancing, &[]));
    };
    let is_alone = free.next().is_none();
    Ok(match (&cluster.config.balance, hash) {
        (Balance::Hash(_), Some(hash)) => balancing.rendezvous.rank(hash).find(has_room),
        _ => is_alone.then_some(first),
    })
}

fn way_of_balancing(balance: &Balance) -> String {
    match balance {
        Balance::RoundRobin => "round_robin".to_owned(),
        Balance::LeastRequests => "least_requests".to_owned(),
        Balance::TwoChoices => "two_choices".to_owned(),
        Balance::LeastSessions => "least_sessions".to_owned(),
        Balance::Hash(HashKey::ClientAddress) => "hash of the client's address".to_owned(),
        Balance::Hash(HashKey::Uri) => "hash of the URI".to_owned(),
        Balance::Hash(HashKey::Header(name)) => format!("hash of the header {name}"),
        Balance::Hash(HashKey::Cookie(name)) => format!("hash of the cookie {name}"),
    }
}
