//! Every metric: its name, kind, labels and meaning.
//!
//! `docs/metrics.md`, `docs/session-metrics.md` and `docs/events.md` list the same; a test holds
//! them together. Label values come from the configuration (cluster, backend, listener,
//! certificate, worker) or from a closed set ([`super::Kind`]), never from a client. One is a word
//! of the backends, `store_node`; whoever collects them keeps no more than 64 of a cluster apart.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Durations by bucket.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// `cattail_<thing>_<unit>_total` and the like.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// The labels of every sample, in this order.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: MetricKind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )+

        /// Every metric.
        pub const ALL: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    // Requests, as the clients see them.
    REQUESTS = Counter "cattail_requests_total" ["cluster", "code"]
        "Requests of a cluster, by the class of the answer that the client got.";
    REQUEST_DURATION = Histogram "cattail_request_duration_seconds" ["cluster"]
        "From the request head read to the last byte of the response handed out.";
    REQUEST_BYTES = Counter "cattail_request_bytes_total" ["cluster"]
        "Bytes of request bodies received from clients.";
    RESPONSE_BYTES = Counter "cattail_response_bytes_total" ["cluster"]
        "Bytes of response bodies handed out to clients.";
    RETRIES = Counter "cattail_retries_total" ["cluster", "reason"]
        "Attempts after the first one of a request, by the reason.";
    ERRORS = Counter "cattail_errors_total" ["cluster", "reason"]
        "Requests that the proxy answered by itself or whose response it cut off, by the reason.";
    QUEUED_REQUESTS = Gauge "cattail_queued_requests" ["cluster"]
        "Requests that wait for a place at a full backend now.";
    QUEUE_LENGTH = Gauge "cattail_queue_length" ["cluster"]
        "The most requests that may wait at a time, as configured; a tenth more of high priority.";
    QUEUE_DURATION = Histogram "cattail_queue_duration_seconds" ["cluster"]
        "How long requests waited for a place, those included that got none.";
    CLUSTER_LIMIT = Gauge "cattail_requests_limit" ["cluster"]
        "The most requests at all backends together, as configured; 0 is unlimited.";
    TUNNELS = Gauge "cattail_tunnels_open" ["cluster"]
        "Upgraded connections (WebSocket and the like) open now.";
    TUNNELS_ENDED = Counter "cattail_tunnels_ended_total" ["cluster", "reason"]
        "Upgraded connections that have ended, by the reason.";
    UNROUTED = Counter "cattail_requests_unrouted_total" ["code"]
        "Requests that no cluster answered: rules that answer by themselves, no rule, refusals.";
    REFUSED = Counter "cattail_requests_refused_total" ["reason"]
        "Requests refused before any rule was asked, by the reason.";
    PANICS = Counter "cattail_panics_total" []
        "Panics caught; each is a bug of the proxy.";

    // Backends.
    BACKEND_UP = Gauge "cattail_backend_up" ["cluster", "backend"]
        "1 if the backend serves requests, if only those of its own sessions, else 0.";
    BACKEND_STATE = Gauge "cattail_backend_state" ["cluster", "backend", "state"]
        "1 for the state that the backend is in, 0 for the others.";
    BACKEND_WEIGHT = Gauge "cattail_backend_weight" ["cluster", "backend"]
        "The weight in force: as ordered, else as configured, and of that what its agent says.";
    BACKEND_AGENT_PERCENT = Gauge "cattail_backend_agent_weight_percent" ["cluster", "backend"]
        "What its agent makes of the weight, in percent; 100 where it says nothing of it.";
    BACKEND_IN_FLIGHT = Gauge "cattail_backend_requests_in_flight" ["cluster", "backend"]
        "Requests at the backend now.";
    BACKEND_LIMIT = Gauge "cattail_backend_requests_limit" ["cluster", "backend"]
        "The most requests that it gets at a time, as configured or as its agent says; 0 is unlimited.";
    BACKEND_QUEUED_REQUESTS = Gauge "cattail_backend_queued_requests" ["cluster", "backend"]
        "Requests of sessions that wait for a place at this backend and no other now.";
    BACKEND_ATTEMPTS = Counter "cattail_backend_attempts_total" ["cluster", "backend"]
        "Attempts begun; a request may have several.";
    BACKEND_RESPONSES = Counter "cattail_backend_responses_total" ["cluster", "backend", "code"]
        "Response heads received, by the class of their status.";
    BACKEND_FAILURES = Counter "cattail_backend_failures_total" ["cluster", "backend", "stage"]
        "Attempts that failed, by how far they had come.";
    BACKEND_RESPONSE_TIME = Histogram "cattail_backend_response_time_seconds" ["cluster", "backend"]
        "From the start of an attempt to its response head.";
    BACKEND_SENT_BYTES = Counter "cattail_backend_sent_bytes_total" ["cluster", "backend"]
        "Bytes sent to the backend, heads and framing included.";
    BACKEND_RECEIVED_BYTES = Counter "cattail_backend_received_bytes_total" ["cluster", "backend"]
        "Bytes received from the backend, heads and framing included.";
    BACKEND_CONNECTS = Counter "cattail_backend_connects_total" ["cluster", "backend"]
        "Connections made to the backend.";
    BACKEND_CONNECT_FAILURES = Counter "cattail_backend_connect_failures_total" ["cluster", "backend"]
        "Connections that could not be made.";
    BACKEND_CONNECTIONS_OPEN = Gauge "cattail_backend_connections_open" ["cluster", "backend"]
        "Connections to the backend open now, idle or in use.";
    BACKEND_CONNECTIONS_IDLE = Gauge "cattail_backend_connections_idle" ["cluster", "backend"]
        "Connections to the backend kept for the next request.";
    BACKEND_REUSES = Counter "cattail_backend_connection_reuses_total" ["cluster", "backend"]
        "Attempts that used a kept connection.";
    BACKEND_EJECTIONS = Counter "cattail_backend_ejections_total" ["cluster", "backend", "cause"]
        "Times that the backend went down, by the cause.";
    BACKEND_STATE_CHANGES = Counter "cattail_backend_state_changes_total" ["cluster", "backend", "state"]
        "Changes of the backend's state, by the new one.";
    BACKEND_EVACUATIONS = Counter "cattail_backend_evacuations_total" ["cluster", "backend", "result"]
        "Evacuations of the backend, by how they ended.";
    BACKEND_CHECKS = Counter "cattail_backend_checks_total" ["cluster", "backend", "result"]
        "Active health checks, by how they ended.";
    BACKEND_CHECK_SESSIONS = Counter "cattail_backend_check_sessions_total" ["cluster", "backend"]
        "Active health checks whose answer made a session that nobody will use.";
    BACKEND_AGENT_ANSWERS = Counter "cattail_backend_agent_answers_total" ["cluster", "backend", "result"]
        "Questions to the backend's agent, by how they ended.";
    BACKEND_AGENT_UNKNOWN = Counter "cattail_backend_agent_unknown_words_total" ["cluster", "backend"]
        "Words in its agent's answers that are not known.";

    // Sessions.
    SESSION_REQUESTS = Counter "cattail_session_requests_total" ["cluster", "binding"]
        "Requests, by how their session decided where they went.";
    SESSION_VERDICTS = Counter "cattail_session_verdicts_total" ["cluster", "backend", "verdict"]
        "Responses of the backend, by what they say about the session of their request.";
    SESSIONS_LOST = Counter "cattail_sessions_lost_total" ["cluster", "backend", "cause"]
        "Sessions in whose place the backend made a new, empty one, by the cause.";
    SESSION_IDS_REJECTED = Counter "cattail_session_ids_rejected_total" ["cluster", "reason"]
        "Session ids of clients and cookies of the proxy that were not believed, by the reason.";
    ROUTE_ALARMS = Counter "cattail_route_alarms_total" ["cluster", "alarm"]
        "Times that something was seen to be wrong with jvm routes, by what it was.";
    SESSIONS = Gauge "cattail_sessions" ["cluster", "backend", "kind"]
        "Live sessions that the backend owns.";
    STORE_NODE_SESSIONS = Gauge "cattail_store_node_sessions" ["cluster", "store_node"]
        "Live issued sessions, by the store node in their id.";
    STORE_NODE_UP = Gauge "cattail_store_node_up" ["cluster", "store_node"]
        "Whether the store node answers: 1 or 0. Only with `stores`.";
    STORE_NODE_CHECK_FAILURES = Counter "cattail_store_node_check_failures_total" ["cluster", "store_node"]
        "Questions that the store node did not answer.";
    STORE_NODE_MOVES = Counter "cattail_store_node_moves_total" ["cluster", "store_node", "direction"]
        "Sessions that memcached-session-manager moved from or to the store node.";
    STORE_NODE_AT_RISK = Gauge "cattail_store_node_sessions_at_risk" ["cluster", "store_node"]
        "Live issued sessions of the store node of which no store that answers has a copy.";
    STORE_LOOKS = Counter "cattail_store_looks_total" ["cluster", "store_node", "result"]
        "Times that a request asked for the copy of its session before a fail-over, by the answer.";
    HELD_REQUESTS = Gauge "cattail_held_requests" ["cluster"]
        "Requests that wait for the owner of their session to come back, now.";

    // The ledger.
    LEDGER_ENTRIES = Gauge "cattail_ledger_entries" ["kind"]
        "Sessions that the ledger remembers, live or not.";
    LEDGER_CAPACITY = Gauge "cattail_ledger_capacity_entries" []
        "The most sessions that the ledger can remember, over all clusters.";
    LEDGER_EVICTIONS = Counter "cattail_ledger_evictions_total" ["kind"]
        "Sessions forgotten before their time, since the ledger was full.";
    LEDGER_CLAIMS_REFUSED = Counter "cattail_ledger_claims_refused_total" []
        "Ids of clients not remembered, since claimed sessions had their share of the ledger.";
    LEDGER_WAITS = Counter "cattail_ledger_waits_total" []
        "Times that a part of the ledger was in use by another thread, so that a worker waited.";

    // Listeners and workers.
    CONNECTIONS = Counter "cattail_connections_total" ["listener"]
        "Client connections accepted.";
    CONNECTIONS_OPEN = Gauge "cattail_connections_open" ["listener"]
        "Client connections open now.";
    CONNECTIONS_LIMIT = Gauge "cattail_connections_limit" []
        "The most client connections at a time, over all listeners, as configured.";
    CONNECTIONS_REFUSED = Counter "cattail_connections_refused_total" ["listener", "reason"]
        "Client connections closed as soon as they were accepted, by the reason.";
    ACCEPT_ERRORS = Counter "cattail_accept_errors_total" ["listener"]
        "Failures to accept, as when file descriptors run out.";
    PROXY_PROTOCOL_ERRORS = Counter "cattail_proxy_protocol_errors_total" ["listener", "reason"]
        "PROXY headers given up, by the reason; the connection is closed.";
    PARSE_ERRORS = Counter "cattail_parse_errors_total" ["listener", "reason"]
        "Request heads given up, by the reason.";
    HANDSHAKES = Counter "cattail_tls_handshakes_total" ["listener", "result"]
        "TLS handshakes, by what became of them.";
    HANDSHAKES_UNDER_WAY = Gauge "cattail_tls_handshakes_under_way" ["listener"]
        "TLS handshakes that have begun and are not done.";
    TLS_FAULTS = Counter "cattail_tls_connections_broken_total" ["listener", "reason"]
        "Connections closed after their TLS handshake for what came below HTTP, by the reason.";
    CERTIFICATE_END = Gauge "cattail_tls_certificate_not_after_timestamp_seconds" ["listener", "cluster", "certificate"]
        "When the first certificate of its chain expires, in seconds since 1970.";
    CERTIFICATE_RELOADS = Counter "cattail_tls_certificate_reloads_total" ["listener", "cluster", "result"]
        "Changes of files of certificates that were seen, by whether they could be used.";
    HTTP2_CONNECTIONS = Counter "cattail_http2_connections_total" ["listener"]
        "Client connections that speak HTTP/2.";
    HTTP2_REQUESTS = Counter "cattail_http2_requests_total" ["listener"]
        "Requests that came by HTTP/2.";
    HTTP2_ERRORS = Counter "cattail_http2_errors_total" ["listener", "reason"]
        "HTTP/2 connections closed for something that was wrong with them, by the reason.";
    HTTP2_STREAMS_STUCK = Counter "cattail_http2_streams_stuck_total" ["listener"]
        "Responses by HTTP/2 given up since their client took nothing of them for too long.";
    WORKER_CONNECTIONS_OPEN = Gauge "cattail_worker_connections_open" ["worker"]
        "Client connections open now; workers that differ much are out of balance.";

    // Events.
    WEBHOOK_REQUESTS = Counter "cattail_webhook_requests_total" ["result"]
        "Events sent to the receiver of `events.webhook`, each attempt, by how it ended.";
    EVENTS_DROPPED = Counter "cattail_events_dropped_total" ["reason"]
        "Events that should have been delivered to the receiver and were dropped, by the reason.";
    EVENTS_WAITING = Gauge "cattail_events_waiting" []
        "Events that wait to be delivered, now.";

    // The process.
    BUILD_INFO = Gauge "cattail_build_info" ["version"]
        "Always 1; the label names the version that runs.";
    STOPPING = Gauge "cattail_stopping" []
        "1 from the first stop signal on, else 0.";
    RELOADS = Counter "cattail_config_reloads_total" ["result"]
        "Reloads of the configuration, by how they ended.";
    LAST_RELOAD_SUCCESS = Gauge "cattail_config_last_reload_success" []
        "1 if the last load of the configuration succeeded, else 0.";
    LAST_RELOAD_TIMESTAMP = Gauge "cattail_config_last_reload_timestamp_seconds" []
        "When the configuration in force was loaded, in Unix time.";
    LOG_LINES_DROPPED = Counter "cattail_access_log_lines_dropped_total" []
        "Access log lines lost because the file or pipe did not take them in time.";
    LOG_WRITE_ERRORS = Counter "cattail_access_log_write_errors_total" []
        "Failures to open or write the access log.";
    PROCESS_CPU = Counter "process_cpu_seconds_total" []
        "User and system CPU time spent, in seconds.";
    PROCESS_RESIDENT = Gauge "process_resident_memory_bytes" []
        "Resident memory in bytes.";
    PROCESS_OPEN_FDS = Gauge "process_open_fds" []
        "Open file descriptors.";
    PROCESS_MAX_FDS = Gauge "process_max_fds" []
        "Allowed file descriptors.";
    PROCESS_START = Gauge "process_start_time_seconds" []
        "When the process started, in Unix time.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_end_as_their_kind_demands() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            let counter = metric.kind == MetricKind::Counter;
            assert_eq!(metric.name.ends_with("_total"), counter, "{}", metric.name);
            let prefixed =
                metric.name.starts_with("cattail_") || metric.name.starts_with("process_");
            assert!(prefixed && metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn labels_are_bounded() {
        let of_the_configuration = ["cluster", "backend", "listener", "certificate", "worker"];
        let of_closed_sets = [
            "code",
            "reason",
            "state",
            "stage",
            "cause",
            "result",
            "verdict",
            "binding",
            "alarm",
            "kind",
            "direction",
        ];
        let of_their_own = ["version", "store_node"];
        let allowed = [&of_the_configuration[..], &of_closed_sets, &of_their_own].concat();
        for metric in ALL {
            assert!(
                metric.labels.iter().all(|label| allowed.contains(label)),
                "{}",
                metric.name
            );
        }
    }
}
