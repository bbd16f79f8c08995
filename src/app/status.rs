//! How clusters and backends stand, as the API says it; and its orders, followed.

use std::time::Duration;

use super::shown::Shown;
use crate::admin::api::model::{
    BackendStatus, ClusterStatus, EvacuationStatus, Open, SessionCount, StateOrder, Status,
};
use crate::admin::api::{Order, Unfit};
use crate::balance::Slot;
use crate::cluster::machine::{State, Wish};
use crate::cluster::{Backend, Cluster, Evacuation, Pace};
use crate::observe::access_log::rfc3339;

/// Requests and tunnels that are named.
const MOST_OPEN: usize = 50;
/// Weights that the file takes, and so orders.
const WEIGHTS: std::ops::RangeInclusive<u32> = 1..=65_535;

impl Shown {
    /// How everything stands.
    pub(super) fn stand(&self) -> Status {
        let snapshot = self.published.snapshot();
        let last = *self.published.common.events.watch().borrow();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clusters: snapshot.clusters.iter().map(|it| cluster(it)).collect(),
            last_event: last,
        }
    }

    /// How one backend stands.
    pub(super) fn stand_of(&self, cluster: &str, name: &str) -> Result<BackendStatus, Unfit> {
        let snapshot = self.published.snapshot();
        let (cluster, slot) = find(&snapshot.clusters, cluster, name)?;
        backend(cluster, slot).ok_or_else(|| Unfit::Backend(name.to_owned(), Vec::new()))
    }

    /// Follows an order.
    pub(super) fn follow(
        &self,
        (cluster_name, name): (&str, &str),
        order: Order,
        by: &str,
    ) -> Result<BackendStatus, Unfit> {
        let snapshot = self.published.snapshot();
        let (cluster, slot) = find(&snapshot.clusters, cluster_name, name)?;
        match order {
            Order::State(None) => {
                let order = (by, true);
                let left = cluster.order_state(slot, None, Pace::default(), order);
                left.map_err(Unfit::Refused)?;
            }
            Order::State(Some(order)) => order_state(cluster, slot, &order, by)?,
            Order::Weight(weight) => {
                if let Some(wrong) = weight.filter(|weight| !WEIGHTS.contains(weight)) {
                    return Err(Unfit::Weight(wrong));
                }
                cluster.order_weight(slot, weight, by);
            }
        }
        self.keep_orders();
        backend(cluster, slot).ok_or_else(|| Unfit::Backend(name.to_owned(), Vec::new()))
    }
}

fn order_state(cluster: &Cluster, slot: Slot, order: &StateOrder, by: &str) -> Result<(), Unfit> {
    let wish = Wish::parse(&order.state).ok_or_else(|| Unfit::State(order.state.clone()))?;
    if order.rate == Some(0) {
        return Err(Unfit::Rate(0));
    }
    // What the file says anyway need not be ordered.
    let filed = cluster
        .backend(slot)
        .map(|backend| backend.settings().state.into());
    let wish = Some(wish).filter(|wish| Some(*wish) != filed);
    if order.restarted
        && let Some(backend) = cluster.backend(slot)
    {
        backend.note_restart();
    }
    let pace = Pace {
        rate: order.rate,
        deadline: order.deadline_s.map(Duration::from_secs),
    };
    cluster
        .order_state(slot, wish, pace, (by, order.force))
        .map_err(Unfit::Refused)
}

fn find<'a>(
    clusters: &'a [std::sync::Arc<Cluster>],
    name: &str,
    backend: &str,
) -> Result<(&'a Cluster, Slot), Unfit> {
    let named = clusters.iter().find(|it| it.config.name.as_str() == name);
    let Some(cluster) = named else {
        let known = clusters.iter().map(|it| it.config.name.to_string());
        return Err(Unfit::Cluster(name.to_owned(), known.collect()));
    };
    let slot = cluster.slot_named(backend).ok_or_else(|| {
        let known = cluster.backends.iter().map(|it| it.name.to_string());
        Unfit::Backend(backend.to_owned(), known.collect())
    })?;
    Ok((cluster, slot))
}

fn cluster(cluster: &Cluster) -> ClusterStatus {
    ClusterStatus {
        name: cluster.config.name.to_string(),
        requests_in_flight: cluster.in_flight(),
        tunnels: cluster.cells.sum(|cells| cells.tunnels.value()),
        held: cluster.sessions.held(),
        sessions_can_move: cluster.sessions_can_move(),
        backends: cluster
            .slots()
            .filter_map(|slot| backend(cluster, slot))
            .collect(),
    }
}

fn backend(cluster: &Cluster, slot: Slot) -> Option<BackendStatus> {
    let backend = cluster.backend(slot)?;
    let (settings, stand) = (backend.settings(), backend.stand());
    let issued = cluster.sessions.issued(slot);
    let sessions = SessionCount {
        issued,
        claimed: cluster.sessions.live(slot).saturating_sub(issued),
    };
    let in_flight = backend.in_flight();
    let filed: Wish = settings.state.into();
    let unsure = cluster.unsure_for().map(|time| time.as_secs().max(1));
    Some(BackendStatus {
        cluster: cluster.config.name.to_string(),
        name: backend.name.to_string(),
        address: backend.address.to_string(),
        jvm_route: cluster.jvm_route(slot).map(|route| route.to_string()),
        state: stand.state.as_str().to_owned(),
        cause: stand.last.map(|(flip, _)| flip.cause.as_str().to_owned()),
        waits: stand.waits,
        since: stand.last.map(|(_, at)| rfc3339(at)),
        file_state: filed.as_str().to_owned(),
        ordered_state: stand.ordered.map(|wish| wish.as_str().to_owned()),
        weight: backend.weight(),
        file_weight: settings.weight,
        ordered_weight: backend.ordered_weight(),
        backup: settings.backup,
        requests_in_flight: in_flight,
        max_requests: backend.max_requests(),
        sessions,
        empty: sessions.all() == 0 && in_flight == 0 && unsure.is_none(),
        unsure_for_s: unsure,
        empty_in_s: empty_in(backend, stand.state, sessions.all()),
        open: open(backend),
        evacuation: backend.evacuation().as_deref().map(evacuation),
    })
}

/// How long it takes until no session is left, if it goes on as since the drain began.
fn empty_in(backend: &Backend, state: State, sessions: usize) -> Option<u64> {
    let (began, at_start) = backend.drain_began()?;
    let gone = at_start.checked_sub(sessions).filter(|gone| *gone > 0)?;
    if sessions == 0 {
        return None;
    }
    let is_emptied = matches!(state, State::Draining | State::Evacuating);
    let seconds =
        began.elapsed().as_secs() * u64::try_from(sessions).ok()? / u64::try_from(gone).ok()?;
    is_emptied.then_some(seconds)
}

fn open(backend: &Backend) -> Vec<Open> {
    let all = backend.open().into_iter().take(MOST_OPEN);
    all.map(|request| Open {
        kind: if request.is_tunnel {
            "tunnel"
        } else {
            "request"
        }
        .to_owned(),
        age_s: (request.since.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        client: request.client.map(|client| client.to_string()),
    })
    .collect()
}

fn evacuation(evacuation: &Evacuation) -> EvacuationStatus {
    let tally = evacuation.tally();
    EvacuationStatus {
        stage: evacuation.stage().as_str().to_owned(),
        rate: evacuation.rate(),
        deadline_s: evacuation.deadline().map(|deadline| deadline.as_secs()),
        began: rfc3339(evacuation.began_at),
        sessions_at_start: evacuation.sessions(),
        marked_percent: evacuation.marked_percent(),
        moved: tally.moved,
        lost: tally.lost,
        without_copy: tally.without_copy,
    }
}
