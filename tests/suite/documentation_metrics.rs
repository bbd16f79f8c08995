//! `docs/metrics.md` with the pages beside it, and the metrics of the program say the same.

use std::collections::BTreeSet;

use cattail::observe::metrics::{
    AgentResult, BackendState, Binding, CheckResult, ConnectionRefusal, Delivery, DropReason,
    EjectionCause, EntryKind, ErrorReason, EvacuationEnd, EvictedKind, Handshake, HeaderFault,
    Http2Error, LossCause, ParseError, RefusalReason, RejectedId, ReloadResult, RetryReason,
    RouteAlarm, Stage, StatusClass, TlsFault, TunnelEnd, Verdict,
    names::{self, Metric, MetricKind},
};

/// All pages, as one.
const PAGE: &str = concat!(
    include_str!("../../docs/metrics.md"),
    include_str!("../../docs/session-metrics.md"),
    include_str!("../../docs/listener-metrics.md"),
    include_str!("../../docs/proxy-protocol.md"),
    include_str!("../../docs/http2.md"),
    include_str!("../../docs/websocket.md"),
    "\n## Events\n",
    include_str!("../../docs/events.md")
);

fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let labels: Vec<_> = metric
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    let labels = labels.join(", ");
    format!(
        "| `{}` | {kind} | {labels} | {} |",
        metric.name, metric.help
    )
}

#[test]
fn every_metric_is_on_its_page() {
    let rows: BTreeSet<_> = PAGE.lines().collect();
    let missing: Vec<_> = names::ALL
        .iter()
        .map(row)
        .filter(|row| !rows.contains(row.as_str()))
        .collect();
    assert!(missing.is_empty(), "on no page:\n{}", missing.join("\n"));
}

#[test]
fn every_metric_on_the_page_exists() {
    let known: BTreeSet<_> = names::ALL.iter().map(|metric| metric.name).collect();
    let word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    for name in PAGE.split(|character| !word(character)) {
        if !name.starts_with("cattail_") {
            continue;
        }
        let histogram = name.trim_end_matches("_bucket");
        assert!(
            known.contains(name) || known.contains(histogram),
            "{name} is no metric"
        );
    }
}

#[test]
fn every_closed_set_is_on_the_page_whole() {
    let labels = |all: Vec<&'static str>, section: &str| {
        let (_, rest) = PAGE.split_once(section).expect(section);
        let table = rest
            .split("\n**")
            .next()
            .and_then(|part| part.split("\n## ").next());
        let shown: Vec<_> = table
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(value, _)| value)
            .collect();
        assert_eq!(shown, all, "{section}");
    };
    macro_rules! check {
        ($($kind:ident $section:literal)+) => {
            $(labels($kind::ALL.iter().map(|kind| kind.label()).collect(), $section);)+
        };
    }
    check! {
        StatusClass "of every metric with `code`**"
        RetryReason "of `cattail_retries_total`**"
        ErrorReason "of `cattail_errors_total`**"
        RefusalReason "of `cattail_requests_refused_total`**"
        ConnectionRefusal "of `cattail_connections_refused_total`**"
        HeaderFault "of `cattail_proxy_protocol_errors_total`**"
        Http2Error "of `cattail_http2_errors_total`**"
        TunnelEnd "of `cattail_tunnels_ended_total`**"
        ParseError "of `cattail_parse_errors_total`**"
        Handshake "of `cattail_tls_handshakes_total`**"
        TlsFault "of `cattail_tls_connections_broken_total`**"
        Stage "of `cattail_backend_failures_total`**"
        BackendState "of `cattail_backend_state_changes_total`**"
        EvacuationEnd "of `cattail_backend_evacuations_total`**"
        EjectionCause "of `cattail_backend_ejections_total`**"
        CheckResult "of `cattail_backend_checks_total`**"
        AgentResult "of `cattail_backend_agent_answers_total`**"
        Binding "of `cattail_session_requests_total`**"
        Verdict "of `cattail_session_verdicts_total`**"
        LossCause "of `cattail_sessions_lost_total`**"
        RejectedId "of `cattail_session_ids_rejected_total`**"
        RouteAlarm "of `cattail_route_alarms_total`**"
        EntryKind "of `cattail_sessions` and `cattail_ledger_entries`**"
        EvictedKind "of `cattail_ledger_evictions_total`**"
        ReloadResult "of `cattail_config_reloads_total`**"
        Delivery "of `cattail_webhook_requests_total`**"
        DropReason "of `cattail_events_dropped_total`**"
    }
}
