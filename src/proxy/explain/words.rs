//! What an explanation is made of; as JSON it is what the admin side answers.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::leaving::Leaving;

/// A word of a closed set, such as a binding or the reason of an error.
pub(in crate::proxy) type Word = Cow<'static, str>;

/// Where a request would go, and why. `Display` is for people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// The rule that it falls under.
    pub rule: Option<MatchedRule>,
    /// The cluster that the rule names.
    pub cluster: Option<String>,
    /// What stands in the request under the names of session ids, in the order of trust.
    pub ids: Vec<FoundId>,
    /// How many more there are.
    pub ids_left_out: usize,
    /// Who owns the session; `None`: nobody is known, or there is no session.
    pub owner: Option<Owner>,
    /// What it means for the session that its backend is being emptied, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
    /// All backends of the cluster, in the order of the file.
    pub backends: Vec<Candidate>,
    /// Where to.
    pub choice: Choice,
}

/// A rule, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchedRule {
    /// `None`: either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Word>,
    /// `None`: any host.
    pub host: Option<String>,
    /// Its path.
    pub path: String,
    /// What it does.
    pub action: Action,
    /// It admits some clients only, and the question names none.
    pub access_unknown: bool,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It passes to a cluster.
    Cluster,
    /// It sends the client elsewhere.
    Redirect,
    /// It answers with a fixed text.
    Respond,
}

/// Something that stands where a session id may stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundId {
    /// `cookie` or `path`.
    pub place: Word,
    /// The name of the cookie or of the parameter.
    pub name: String,
    /// The id, shortened; `None`: it is none.
    pub id: Option<String>,
    /// The store node in it, if logs may show it.
    pub store_node: Option<String>,
    /// The jvm route in it, if logs may show it.
    pub jvm_route: Option<String>,
    /// Whom its route names.
    pub names: RouteNames,
    /// Why it is not believed.
    pub rejected: Option<Word>,
    /// Why it is the one of the request's ids that counts; `None`: it is not.
    pub chosen: Option<WhyChosen>,
}

/// Whom a jvm route names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteNames {
    /// There is none, or it is nobody's.
    Nobody,
    /// More than one backend uses it: it says nothing.
    Several,
    /// This backend.
    Backend(String),
}

/// Why one of several ids counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyChosen {
    /// It is the first whose route names a backend of the cluster.
    Named,
    /// No route names one, and it is the first that the ledger knows.
    Remembered,
    /// Nothing is known of any, and it is the first.
    First,
}

/// Who owns a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The backend.
    pub backend: String,
    /// How that is known.
    pub by: KnownBy,
}

/// How an owner is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// Its configured jvm route stands in the id.
    JvmRoute,
    /// Its learned jvm route stands in the id.
    LearnedRoute,
    /// The route that the proxy appended to the id.
    OwnRoute,
    /// The sealed affinity cookie.
    AffinityCookie,
    /// The ledger.
    Ledger,
    /// The ledger: it has taken the session over, and the client has not shown that yet.
    TakeOver,
}

/// A backend, as the request sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name.
    pub backend: String,
    /// Its state.
    pub state: Word,
    /// Its place in the order of the session's base, from 1; `None`: it is no survivor, or there is
    /// no session.
    pub rank: Option<usize>,
    /// What speaks for or against it.
    pub notes: Vec<Note>,
}

/// What speaks for or against a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// It owns the session.
    Owner,
    /// Requests of the session are in flight there, away from its owner.
    Pinned,
    /// It is down or disabled.
    CannotServe,
    /// It is draining or evacuating.
    TakesNoNew,
    /// It is a backup, and others serve.
    Backup,
    /// It owned the session before and may hold an old copy: it comes last.
    FormerOwner,
    /// As many requests are in flight there as may be.
    Full,
    /// It lets requests time out.
    Slow,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Choice {
    /// Who decides.
    pub way: Way,
    /// The backend; `None`: none, or the balance decides when the request comes.
    pub backend: Option<String>,
    /// How the session decides, as the metric `cattail_session_requests_total` has it.
    pub binding: Option<Word>,
    /// How the cluster balances, where the balance decides.
    pub balance: Option<String>,
    /// The owner that the request waits for first.
    pub waits_for: Option<String>,
    /// How long at most.
    pub hold_ms: Option<u64>,
    /// How long it waits for a place at most, where all is full.
    pub queue_ms: Option<u64>,
    /// Why it is refused, as the metric `cattail_errors_total` has it.
    pub error: Option<Word>,
}

/// Who decides where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The rule: it answers by itself.
    #[default]
    Rule,
    /// The session.
    Session,
    /// The balance.
    Balance,
    /// The request waits for a place, at the backend or at any.
    Queue,
    /// The proxy refuses the request.
    Refused,
}

impl Explanation {
    /// Of a request that the proxy refuses.
    pub(super) fn refused(rule: Option<MatchedRule>, error: &'static str) -> Self {
        Self {
            rule,
            choice: Choice {
                way: Way::Refused,
                error: Some(error.into()),
                ..Choice::default()
            },
            ..Self::default()
        }
    }
}
