//! What the API says and takes, as JSON. Commands read it with the same types.

use serde::{Deserialize, Serialize};

use crate::observe::events::Event;

/// How everything stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version that runs.
    pub version: String,
    /// The clusters, in the order of the file.
    pub clusters: Vec<ClusterStatus>,
    /// The number of the last event.
    pub last_event: u64,
}

/// How a cluster stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// Its name.
    pub name: String,
    /// Requests in flight at its backends, tunnels included.
    pub requests_in_flight: usize,
    /// Tunnels open.
    pub tunnels: u64,
    /// Requests that wait for the owner of their session.
    pub held: usize,
    /// Whether sessions can be moved: `replicated: true`, or `stores`.
    pub sessions_can_move: bool,
    /// Its backends, in the order of the file.
    pub backends: Vec<BackendStatus>,
}

/// How a backend stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackendStatus {
    /// Its cluster's name.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Its address as written.
    pub address: String,
    /// Its jvm route, configured or learned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jvm_route: Option<String>,
    /// Its state.
    pub state: String,
    /// Why it is in it, in a word; absent: it began in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Whether it was down, and waits to be enabled by hand (`fail_back: never`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// Since when it is in it, in RFC 3339; absent: it began in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The state that the file wants.
    pub file_state: String,
    /// The state that an administrator has ordered in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered_state: Option<String>,
    /// The weight in force.
    pub weight: u32,
    /// The weight of the file.
    pub file_weight: u32,
    /// The weight that an administrator has ordered in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered_weight: Option<u32>,
    /// Whether it is only used when no other is usable.
    pub backup: bool,
    /// Requests in flight, tunnels included.
    pub requests_in_flight: usize,
    /// The most at a time; 0: no bound.
    pub max_requests: usize,
    /// Live sessions that it owns.
    pub sessions: SessionCount,
    /// Whether it has neither sessions nor requests.
    pub empty: bool,
    /// Seconds for which sessions may show up that nobody has seen since the proxy was started: a
    /// backend may be called empty only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsure_for_s: Option<u64>,
    /// While it is being emptied: seconds until no session is left, if it goes on as until now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty_in_s: Option<u64>,
    /// While it takes no new sessions: the oldest of its requests and tunnels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Open>,
    /// Its evacuation, under way or over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evacuation: Option<EvacuationStatus>,
}

/// Live sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCount {
    /// Those that a response has made or renewed.
    pub issued: usize,
    /// Those that only a client has shown.
    pub claimed: usize,
}

impl SessionCount {
    /// All of them.
    pub fn all(self) -> usize {
        self.issued + self.claimed
    }
}

/// A request or a tunnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// `request` or `tunnel`.
    pub kind: String,
    /// How long it has been there, in seconds.
    pub age_s: f64,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// How an evacuation goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvacuationStatus {
    /// `gathering`, `moving`, `closing`; `done`, `cut_off`, `stopped`.
    pub stage: String,
    /// Sessions marked each second.
    pub rate: u32,
    /// When it ends, after its beginning, whatever is still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u64>,
    /// When it began, in RFC 3339.
    pub began: String,
    /// Sessions there were at the beginning.
    pub sessions_at_start: usize,
    /// Which part of them is marked.
    pub marked_percent: u64,
    /// Sessions that have another owner now.
    pub moved: u64,
    /// Sessions that their new owner did not know.
    pub lost: u64,
    /// Sessions that stayed, since no store has a copy of them.
    pub without_copy: u64,
}

/// An order about a state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateOrder {
    /// `up`, `draining`, `evacuating` or `disabled`.
    pub state: String,
    /// Also if no other backend takes new sessions.
    #[serde(default)]
    pub force: bool,
    /// `up`: its process has been replaced since it served last, with all that it held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restarted: bool,
    /// `evacuating`: sessions marked each second; absent: as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// `evacuating`: seconds until it ends, whatever is still there; absent: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u64>,
}

/// An order about a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightOrder {
    /// From 1 to 65535.
    pub weight: u32,
}

/// Events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// The oldest first.
    pub events: Vec<Event>,
    /// What to ask for next: `after` this one.
    pub last: u64,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// In a word, for programs.
    pub error: String,
    /// In a sentence, for people.
    pub message: String,
}
