use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::super::{
    BackendCells, BackendEvents, BackendStatus, Binding, ClusterCells, EjectionCause, LedgerStatus,
    ListenerCells, LossCause, PerWorker, ProcessEvents, RejectedId, ReloadResult, RouteAlarm,
    SessionCounts, Verdict, WorkerCells, WorkerId,
};
use super::*;

fn text_of(collect: impl Fn(&mut Scrape) + Send + Sync + 'static) -> String {
    Exposition::new(collect).unwrap().text().unwrap()
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}

#[test]
fn workers_are_summed_and_every_code_is_there_from_the_start() {
    let cells = Arc::new(PerWorker::<ClusterCells>::new(2));
    cells.of(WorkerId(0)).answer(StatusCode::OK);
    cells.of(WorkerId(1)).answer(StatusCode::NO_CONTENT);
    cells
        .of(WorkerId(1))
        .duration
        .record(Duration::from_millis(3));
    let text = text_of(move |scrape| scrape.cluster("shop", &cells));
    for line in [
        "# TYPE cattail_requests_total counter",
        r#"cattail_requests_total{cluster="shop",code="2xx"} 2"#,
        r#"cattail_requests_total{cluster="shop",code="5xx"} 0"#,
        r#"cattail_request_duration_seconds_bucket{cluster="shop",le="0.0025"} 0"#,
        r#"cattail_request_duration_seconds_bucket{cluster="shop",le="0.005"} 1"#,
        r#"cattail_request_duration_seconds_bucket{cluster="shop",le="+Inf"} 1"#,
        r#"cattail_request_duration_seconds_sum{cluster="shop"} 0.003"#,
        r#"cattail_request_duration_seconds_count{cluster="shop"} 1"#,
    ] {
        assert!(has_line(&text, line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_label_cannot_break_out_of_its_quotes() {
    let cells = Arc::new(PerWorker::<ListenerCells>::new(1));
    cells.of(WorkerId(0)).connections.inc();
    let text = text_of(move |scrape| scrape.listener("a\"} 1\nb\\", &cells));
    let line = r#"cattail_connections_total{listener="a\"} 1\nb\\"} 1"#;
    assert!(has_line(&text, line), "{text}");
}

#[test]
fn a_backend_is_in_one_of_all_states() {
    let text = text_of(|scrape| {
        let status = BackendStatus {
            state: "draining",
            states: &["up", "draining", "down"],
            serves: true,
            in_flight: 3,
            limit: 200,
            weight: 5,
            percent: 100,
        };
        scrape.backend_status("shop", "jvm1", status);
    });
    let labels = r#"cluster="shop",backend="jvm1""#;
    for line in [
        format!("cattail_backend_state{{{labels},state=\"draining\"}} 1"),
        format!("cattail_backend_state{{{labels},state=\"up\"}} 0"),
        format!("cattail_backend_state{{{labels},state=\"down\"}} 0"),
        format!("cattail_backend_up{{{labels}}} 1"),
        format!("cattail_backend_requests_in_flight{{{labels}}} 3"),
        format!("cattail_backend_requests_limit{{{labels}}} 200"),
        format!("cattail_backend_weight{{{labels}}} 5"),
    ] {
        assert!(has_line(&text, &line), "{line} is not in\n{text}");
    }
}

#[test]
fn every_block_is_shown_under_declared_names() {
    let backends = Arc::new(PerWorker::<BackendCells>::new(2));
    let events = Arc::new(BackendEvents::default());
    events.ejections.inc(EjectionCause::Connect);
    let process = Arc::new(ProcessEvents::default());
    process.reloads.inc(ReloadResult::Failure);
    let workers = Arc::new(PerWorker::<WorkerCells>::new(2));
    workers.of(WorkerId(1)).connections_open.inc();
    let text = text_of(move |scrape| {
        scrape.backend("shop", "jvm1", &backends);
        scrape.backend("shop", "jvm2", &backends);
        scrape.backend_events("shop", "jvm1", &events);
        scrape.process_events(&process);
        scrape.workers(&workers);
        scrape.process();
    });
    for line in [
        r#"cattail_backend_ejections_total{cluster="shop",backend="jvm1",cause="connect"} 1"#,
        r#"cattail_config_reloads_total{result="failure"} 1"#,
        r#"cattail_worker_connections_open{worker="1"} 1"#,
        r#"cattail_backend_attempts_total{cluster="shop",backend="jvm2"} 0"#,
    ] {
        assert!(has_line(&text, line), "{line} is not in\n{text}");
    }
    let declared: BTreeSet<_> = names::ALL.iter().map(|metric| metric.name).collect();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(declared.contains(name), "{name}");
    }
}

#[test]
fn what_responses_say_of_sessions_is_counted_by_backend() {
    let cells = Arc::new(PerWorker::<BackendCells>::new(2));
    for worker in [WorkerId(0), WorkerId(1)] {
        cells.of(worker).verdicts.inc(Verdict::Lost);
    }
    cells.of(WorkerId(0)).losses.inc(LossCause::OwnerDown);
    cells.of(WorkerId(1)).losses.inc(LossCause::Restarted);
    let text = text_of(move |scrape| scrape.backend("shop", "jvm2", &cells));
    let labels = r#"cluster="shop",backend="jvm2""#;
    for line in [
        format!("cattail_session_verdicts_total{{{labels},verdict=\"lost\"}} 2"),
        format!("cattail_session_verdicts_total{{{labels},verdict=\"taken_over\"}} 0"),
        format!("cattail_sessions_lost_total{{{labels},cause=\"owner_down\"}} 1"),
        format!("cattail_sessions_lost_total{{{labels},cause=\"restarted\"}} 1"),
        format!("cattail_sessions_lost_total{{{labels},cause=\"spilled\"}} 0"),
    ] {
        assert!(has_line(&text, &line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_requests_show_of_sessions_is_counted_by_cluster() {
    let cells = Arc::new(PerWorker::<ClusterCells>::new(1));
    let cell = cells.of(WorkerId(0));
    cell.bindings.inc(Binding::Owner);
    cell.rejected_ids.inc(RejectedId::SealForged);
    cell.route_alarms.inc(RouteAlarm::Shared);
    let text = text_of(move |scrape| scrape.cluster("shop", &cells));
    for line in [
        r#"cattail_session_requests_total{cluster="shop",binding="owner"} 1"#,
        r#"cattail_session_requests_total{cluster="shop",binding="survivor"} 0"#,
        r#"cattail_session_ids_rejected_total{cluster="shop",reason="seal_forged"} 1"#,
        r#"cattail_route_alarms_total{cluster="shop",alarm="shared"} 1"#,
    ] {
        assert!(has_line(&text, line), "{line} is not in\n{text}");
    }
}

#[test]
fn live_sessions_and_the_ledger_are_shown_as_given() {
    let text = text_of(|scrape| {
        for (backend, issued) in [("jvm1", 7), ("jvm2", 8)] {
            let counts = SessionCounts { issued, claimed: 2 };
            scrape.sessions("shop", backend, counts);
        }
        scrape.store_node("shop", "n1", 15);
        scrape.store_node("shop", "other", 0);
        scrape.held("shop", 3);
        scrape.ledger(LedgerStatus {
            capacity: 1000,
            issued: 15,
            claimed: 4,
            evicted_claimed: 5,
            evicted_unseen: 6,
            evicted_issued: 9,
            claims_refused: 10,
            waits: 11,
        });
    });
    for line in [
        r#"cattail_sessions{cluster="shop",backend="jvm1",kind="issued"} 7"#,
        r#"cattail_sessions{cluster="shop",backend="jvm2",kind="issued"} 8"#,
        r#"cattail_sessions{cluster="shop",backend="jvm2",kind="claimed"} 2"#,
        r#"cattail_store_node_sessions{cluster="shop",store_node="n1"} 15"#,
        r#"cattail_store_node_sessions{cluster="shop",store_node="other"} 0"#,
        r#"cattail_held_requests{cluster="shop"} 3"#,
        "cattail_ledger_capacity_entries 1000",
        r#"cattail_ledger_entries{kind="issued"} 15"#,
        r#"cattail_ledger_entries{kind="claimed"} 4"#,
        r#"cattail_ledger_evictions_total{kind="claimed"} 5"#,
        r#"cattail_ledger_evictions_total{kind="unseen"} 6"#,
        r#"cattail_ledger_evictions_total{kind="issued"} 9"#,
        "cattail_ledger_claims_refused_total 10",
        "cattail_ledger_waits_total 11",
    ] {
        assert!(has_line(&text, line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_process_reports_itself() {
    let text = text_of(Scrape::process);
    let value = |name: &str| -> f64 {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap().split(' ').nth(1).unwrap().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 100_000.0);
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_max_fds") >= value("process_open_fds"));
    assert!(value("process_start_time_seconds") > 1_600_000_000.0);
    assert!(value("process_cpu_seconds_total") >= 0.0);
}
