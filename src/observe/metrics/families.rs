//! Which cell appears under which name: whole blocks of cells put into a [`Scrape`].

use super::blocks::{
    BackendCells, BackendEvents, CertificateReloads, ClusterCells, ListenerCells, ProcessEvents,
    WorkerCells,
};
use super::cells::{ByKind, Counter, PerWorker};
use super::kinds::Kind;
use super::names::{self, Metric};
use super::scrape::{Labels, Scrape};

/// How a backend stands at the time of a scrape.
#[derive(Debug, Clone, Copy)]
pub struct BackendStatus<'a> {
    /// The state's word.
    pub state: &'a str,
    /// The words of all states.
    pub states: &'a [&'a str],
    /// Whether it serves requests, if only those of its own sessions.
    pub serves: bool,
    /// Requests there now.
    pub in_flight: usize,
    /// The most requests at a time; zero: unlimited.
    pub limit: usize,
    /// The configured weight.
    pub weight: u32,
    /// What its agent makes of the weight.
    pub percent: u32,
}

type NumberOf<T> = fn(&T) -> u64;

impl Scrape {
    /// Adds what a cluster's workers counted.
    pub fn cluster(&mut self, cluster: &str, cells: &PerWorker<ClusterCells>) {
        let labels: Labels<'_> = &[("cluster", cluster)];
        self.kinds(names::REQUESTS, labels, cells, |cell| &cell.requests);
        self.histogram(names::REQUEST_DURATION, labels, cells, |cell| {
            &cell.duration
        });
        self.histogram(names::QUEUE_DURATION, labels, cells, |cell| &cell.queued);
        let bytes_in = cells.sum(|cell| cell.bytes_in.value());
        self.counter(names::REQUEST_BYTES, labels, bytes_in);
        let bytes_out = cells.sum(|cell| cell.bytes_out.value());
        self.counter(names::RESPONSE_BYTES, labels, bytes_out);
        self.kinds(names::RETRIES, labels, cells, |cell| &cell.retries);
        self.kinds(names::ERRORS, labels, cells, |cell| &cell.errors);
        self.gauge(
            names::TUNNELS,
            labels,
            cells.sum(|cell| cell.tunnels.value()),
        );
        self.kinds(names::TUNNELS_ENDED, labels, cells, |cell| {
            &cell.tunnels_ended
        });
        self.kinds(names::SESSION_REQUESTS, labels, cells, |cell| {
            &cell.bindings
        });
        self.kinds(names::SESSION_IDS_REJECTED, labels, cells, |cell| {
            &cell.rejected_ids
        });
        self.kinds(names::ROUTE_ALARMS, labels, cells, |cell| {
            &cell.route_alarms
        });
    }

    /// Adds what the workers counted of a backend.
    pub fn backend(&mut self, cluster: &str, backend: &str, cells: &PerWorker<BackendCells>) {
        let labels: Labels<'_> = &[("cluster", cluster), ("backend", backend)];
        self.kinds(names::BACKEND_RESPONSES, labels, cells, |cell| {
            &cell.responses
        });
        self.kinds(names::BACKEND_FAILURES, labels, cells, |cell| {
            &cell.failures
        });
        self.kinds(names::SESSION_VERDICTS, labels, cells, |cell| {
            &cell.verdicts
        });
        self.kinds(names::SESSIONS_LOST, labels, cells, |cell| &cell.losses);
        self.histogram(names::BACKEND_RESPONSE_TIME, labels, cells, |cell| {
            &cell.response_time
        });
        let counters: [(Metric, NumberOf<BackendCells>); 6] = [
            (names::BACKEND_ATTEMPTS, |cell| cell.attempts.value()),
            (names::BACKEND_SENT_BYTES, |cell| cell.bytes_sent.value()),
            (names::BACKEND_RECEIVED_BYTES, |cell| {
                cell.bytes_received.value()
            }),
            (names::BACKEND_CONNECTS, |cell| cell.connects.value()),
            (names::BACKEND_CONNECT_FAILURES, |cell| {
                cell.connect_failures.value()
            }),
            (names::BACKEND_REUSES, |cell| cell.reuses.value()),
        ];
        for (metric, number) in counters {
            self.counter(metric, labels, cells.sum(number));
        }
        let open = cells.sum(|cell| cell.connections_open.value());
        self.gauge(names::BACKEND_CONNECTIONS_OPEN, labels, open);
        let idle = cells.sum(|cell| cell.connections_idle.value());
        self.gauge(names::BACKEND_CONNECTIONS_IDLE, labels, idle);
    }

    /// Adds how a backend stands.
    pub fn backend_status(&mut self, cluster: &str, backend: &str, status: BackendStatus<'_>) {
        let labels: Labels<'_> = &[("cluster", cluster), ("backend", backend)];
        self.gauge(names::BACKEND_UP, labels, u64::from(status.serves));
        self.one_of(names::BACKEND_STATE, labels, (status.states, status.state));
        self.gauge(names::BACKEND_WEIGHT, labels, u64::from(status.weight));
        let percent = u64::from(status.percent);
        self.gauge(names::BACKEND_AGENT_PERCENT, labels, percent);
        self.gauge(names::BACKEND_IN_FLIGHT, labels, whole(status.in_flight));
        self.gauge(names::BACKEND_LIMIT, labels, whole(status.limit));
    }

    /// Adds a backend's rare events.
    pub fn backend_events(&mut self, cluster: &str, backend: &str, events: &BackendEvents) {
        let labels: Labels<'_> = &[("cluster", cluster), ("backend", backend)];
        for (cause, count) in events.ejections.iter() {
            let labels = with(names::BACKEND_EJECTIONS, labels, cause.label());
            self.counter(names::BACKEND_EJECTIONS, &labels, count.value());
        }
        for (state, count) in events.flips.iter() {
            let labels = with(names::BACKEND_STATE_CHANGES, labels, state.label());
            self.counter(names::BACKEND_STATE_CHANGES, &labels, count.value());
        }
        for (end, count) in events.evacuations.iter() {
            let labels = with(names::BACKEND_EVACUATIONS, labels, end.label());
            self.counter(names::BACKEND_EVACUATIONS, &labels, count.value());
        }
        for (result, count) in events.checks.iter() {
            let labels = with(names::BACKEND_CHECKS, labels, result.label());
            self.counter(names::BACKEND_CHECKS, &labels, count.value());
        }
        for (result, count) in events.agent_answers.iter() {
            let labels = with(names::BACKEND_AGENT_ANSWERS, labels, result.label());
            self.counter(names::BACKEND_AGENT_ANSWERS, &labels, count.value());
        }
        let made = events.check_sessions.value();
        self.counter(names::BACKEND_CHECK_SESSIONS, labels, made);
        let unknown = events.agent_unknown.value();
        self.counter(names::BACKEND_AGENT_UNKNOWN, labels, unknown);
    }

    /// Adds what the workers counted of a listener.
    pub fn listener(&mut self, listener: &str, cells: &PerWorker<ListenerCells>) {
        let labels: Labels<'_> = &[("listener", listener)];
        let accepted = cells.sum(|cell| cell.connections.value());
        self.counter(names::CONNECTIONS, labels, accepted);
        self.gauge(
            names::CONNECTIONS_OPEN,
            labels,
            cells.sum(|cell| cell.open.value()),
        );
        self.kinds(names::CONNECTIONS_REFUSED, labels, cells, |cell| {
            &cell.refused
        });
        self.kinds(names::PROXY_PROTOCOL_ERRORS, labels, cells, |cell| {
            &cell.header_faults
        });
        self.kinds(names::PARSE_ERRORS, labels, cells, |cell| {
            &cell.parse_errors
        });
        self.kinds(names::HANDSHAKES, labels, cells, |cell| &cell.handshakes);
        self.gauge(
            names::HANDSHAKES_UNDER_WAY,
            labels,
            cells.sum(|cell| cell.handshakes_under_way.value()),
        );
        self.kinds(names::TLS_FAULTS, labels, cells, |cell| &cell.tls_faults);
        let failures = cells.sum(|cell| cell.accept_errors.value());
        self.counter(names::ACCEPT_ERRORS, labels, failures);
        let sum = |of: fn(&ListenerCells) -> &Counter| cells.sum(|cell| of(cell).value());
        let connections = sum(|cell| &cell.http2_connections);
        self.counter(names::HTTP2_CONNECTIONS, labels, connections);
        let requests = sum(|cell| &cell.http2_requests);
        self.counter(names::HTTP2_REQUESTS, labels, requests);
        self.kinds(names::HTTP2_ERRORS, labels, cells, |cell| {
            &cell.http2_errors
        });
        let stuck = sum(|cell| &cell.http2_streams_stuck);
        self.counter(names::HTTP2_STREAMS_STUCK, labels, stuck);
    }

    /// Adds when the certificates of a listener or cluster (the other one is empty) expire, and what
    /// became of changes of their files.
    pub fn certificates(
        &mut self,
        (listener, cluster): (&str, &str),
        reloads: &CertificateReloads,
        ends: impl Iterator<Item = (String, u64)>,
    ) {
        let of = [("listener", listener), ("cluster", cluster)];
        for (result, count) in reloads.iter() {
            let labels = with(names::CERTIFICATE_RELOADS, &of, result.label());
            self.counter(names::CERTIFICATE_RELOADS, &labels, count.value());
        }
        for (certificate, end) in ends {
            let [listener, cluster] = of;
            let labels: Labels<'_> = &[listener, cluster, ("certificate", &certificate)];
            self.gauge(names::CERTIFICATE_END, labels, end);
        }
    }

    /// Adds what the workers counted of themselves.
    pub fn workers(&mut self, cells: &PerWorker<WorkerCells>) {
        for (worker, cell) in cells.iter().enumerate() {
            let labels: Labels<'_> = &[("worker", &worker.to_string())];
            let open = cell.connections_open.value();
            self.gauge(names::WORKER_CONNECTIONS_OPEN, labels, open);
        }
        self.kinds(names::REFUSED, &[], cells, |cell| &cell.refusals);
        self.kinds(names::UNROUTED, &[], cells, |cell| &cell.unrouted);
        self.counter(names::PANICS, &[], cells.sum(|cell| cell.panics.value()));
    }

    /// Adds the process's rare events.
    pub fn process_events(&mut self, events: &ProcessEvents) {
        for (result, count) in events.reloads.iter() {
            self.counter(names::RELOADS, &[("result", result.label())], count.value());
        }
    }

    /// One sample per member of a closed set, summed over the workers.
    fn kinds<T, K: Kind, const N: usize>(
        &mut self,
        metric: Metric,
        labels: Labels<'_>,
        cells: &PerWorker<T>,
        counters: impl Fn(&T) -> &ByKind<K, N>,
    ) {
        for kind in K::ALL {
            let labels = with(metric, labels, kind.label());
            self.counter(
                metric,
                &labels,
                cells.sum(|cell| counters(cell).value(*kind)),
            );
        }
    }
}

/// `labels` and, under the metric's last label, `value`.
fn with<'a>(
    metric: Metric,
    labels: Labels<'a>,
    value: &'static str,
) -> Vec<(&'static str, &'a str)> {
    let mut labels = labels.to_vec();
    if let Some(last) = metric.labels.last() {
        labels.push((last, value));
    }
    labels
}

fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
