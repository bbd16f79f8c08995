//! What rules and clusters ask for, compiled when a configuration is loaded, so that requests
//! only apply it.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::headers::cookies::CookieRewrites;
use super::headers::edit::HeaderEdits;
use super::headers::host::{UpstreamHost, own_host};
use super::prefix::Replacement;
use crate::config::{Action, BackendAddr, Cluster, Config, ProxyAction, Rule};

/// A rule's part.
#[derive(Debug, Default)]
pub struct RulePlan {
    /// From the public path prefix to the backend's.
    pub way_there: Option<Replacement>,
    /// And back.
    pub way_back: Option<Replacement>,
    /// After the cluster's.
    pub request: HeaderEdits,
    /// After the cluster's.
    pub response: HeaderEdits,
    /// What backends are told in request heads by us alone, so that no trailer may say it.
    pub decided: Arc<[HeaderName]>,
}

impl RulePlan {
    /// Compiles a rule. `told`: headers by which backends are told of certificates.
    pub fn new(rule: &Rule, config: &Config, told: &[HeaderName]) -> Self {
        let Action::Proxy(action) = &rule.action else {
            return Self::default();
        };
        let way_there = action
            .replace_prefix
            .as_ref()
            .map(|to| Replacement::new(&rule.path, to));
        Self {
            way_back: way_there.as_ref().map(Replacement::reversed),
            way_there,
            request: HeaderEdits::new(&action.request_headers),
            response: HeaderEdits::new(&action.response_headers),
            decided: decided(action, config, told),
        }
    }
}

fn decided(action: &ProxyAction, config: &Config, told: &[HeaderName]) -> Arc<[HeaderName]> {
    let cluster = config.clusters.get(action.cluster);
    let state = cluster.and_then(|it| it.drain.state_header.as_ref());
    let of_cluster = cluster.map(|it| &it.request_headers);
    let rules = of_cluster.into_iter().chain([&action.request_headers]);
    let edited = rules.flat_map(|rules| {
        let set = rules.set.iter().chain(&rules.add).map(|(name, _)| name);
        set.chain(&rules.remove)
    });
    let single = config.request_id.iter().chain(state);
    let mut names: Vec<_> = told.iter().chain(single).chain(edited).cloned().collect();
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    names.into()
}

/// A cluster's part.
#[derive(Debug)]
pub struct ClusterPlan {
    /// By slot.
    pub backends: Vec<BackendPlan>,
    /// Changes to requests.
    pub request: HeaderEdits,
    /// Changes to responses.
    pub response: HeaderEdits,
    /// Rewrites of cookies.
    pub cookies: CookieRewrites,
}

/// A backend's part.
#[derive(Debug)]
pub struct BackendPlan {
    /// The Host it sees.
    pub host: UpstreamHost,
    /// Its own address, as it would name itself.
    pub own: String,
}

impl ClusterPlan {
    /// Compiles a cluster.
    pub fn new(cluster: &Cluster) -> Self {
        let backend = |address: &BackendAddr| BackendPlan {
            // The checks of the configuration let no text pass that is no Host.
            host: UpstreamHost::new(&cluster.host, address)
                .unwrap_or_else(|| UpstreamHost::Keep(HeaderValue::from_static("localhost"))),
            own: own_host(address),
        };
        Self {
            backends: cluster
                .backends
                .iter()
                .map(|it| backend(&it.address))
                .collect(),
            request: HeaderEdits::new(&cluster.request_headers),
            response: HeaderEdits::new(&cluster.response_headers),
            cookies: CookieRewrites::new(&cluster.rewrite),
        }
    }
}
