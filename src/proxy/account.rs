//! What a request adds up to: counters when it ends, and its line in the access log.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Version, header};
use tokio::time::Instant;

use super::Caller;
use super::affinity::Concluded;
use super::client::Client;
use super::decision::Words;
use super::errors::ProxyError;
use super::headers::request_id::{RequestId, RequestIdSlot};
use super::worker::View;
use crate::balance::Slot;
use crate::cluster::Cluster;
use crate::observe::access_log::{Record, TlsRecord};
use crate::observe::metrics::{ClusterCells, ErrorReason, TunnelEnd, Verdict};
use crate::observe::{AccessLog, LogField};
use crate::session::Redactor;
use crate::tls::Secured;
use crate::upstream::BodySource;

/// One request's account. Closed once, when the answer has been handed out or the client has
/// gone.
#[derive(Debug)]
pub(super) struct Account {
    caller: Rc<Caller>,
    view: Rc<View>,
    started: Instant,
    status: StatusCode,
    /// An index; as `u32`, since an account is made for each request.
    cluster: Option<u32>,
    backend: Option<Slot>,
    attempts: u32,
    /// Kept for its count, should the client go before the answer.
    body: Option<Rc<RefCell<BodySource>>>,
    bytes_in: u64,
    bytes_out: u64,
    backend_time: Option<Duration>,
    error: Option<&'static str>,
    rest: Rest,
    closed: bool,
    /// What a client that may know it is told of the choice of the backend.
    decision: Option<Box<Words>>,
    /// What only the log needs; `None`: nothing is logged.
    entry: Option<Box<Entry>>,
}

/// What is left of a request body that nobody reads any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing.
    None,
    /// Something: the connection cannot carry another request.
    Unread,
}

/// What a line of the log needs of the request, kept by reference counts.
#[derive(Debug)]
struct Entry {
    client: Client,
    method: Method,
    uri: http::Uri,
    version: Version,
    host: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    request_id: Option<RequestId>,
    verdict: Option<Verdict>,
    /// In the queue, all attempts together.
    queue_time: Option<Duration>,
    route_in: Option<Box<[u8]>>,
    route_out: Option<Box<[u8]>>,
}

impl Entry {
    /// Copies what it keeps: pieces of the buffer that the head was read into would keep all of it.
    fn detach(&mut self) {
        for field in [&mut self.host, &mut self.referer, &mut self.user_agent] {
            let copy = field
                .as_ref()
                .map(|it| HeaderValue::from_bytes(it.as_bytes()));
            if let Some(Ok(copy)) = copy {
                *field = Some(copy);
            }
        }
        if let Ok(copy) = self.uri.to_string().parse() {
            self.uri = copy;
        }
    }
}

impl Account {
    /// A request that has just come. Boxed once: it is handed on several times before it is closed.
    #[expect(clippy::unnecessary_box_returns, reason = "see above")]
    pub(super) fn open(
        caller: &Rc<Caller>,
        view: &Rc<View>,
        parts: &Parts,
        client: &Client,
    ) -> Box<Self> {
        let entry = view.log.as_ref().map(|_| {
            let field = |name| parts.headers.get(name).cloned();
            Box::new(Entry {
                client: client.clone(),
                method: parts.method.clone(),
                uri: parts.uri.clone(),
                version: parts.version,
                host: field(header::HOST),
                referer: field(header::REFERER),
                user_agent: field(header::USER_AGENT),
                request_id: None,
                verdict: None,
                queue_time: None,
                route_in: None,
                route_out: None,
            })
        });
        Box::new(Self {
            caller: Rc::clone(caller),
            view: Rc::clone(view),
            started: Instant::now(),
            status: StatusCode::OK,
            cluster: None,
            backend: None,
            attempts: 0,
            body: None,
            bytes_in: 0,
            bytes_out: 0,
            backend_time: None,
            error: None,
            rest: Rest::None,
            closed: false,
            decision: None,
            entry,
        })
    }

    /// When the request came.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Since the request came.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The request goes to this cluster.
    pub(super) fn goes_to(&mut self, cluster: usize) {
        self.cluster = u32::try_from(cluster).ok();
    }

    /// Another attempt begins, at this backend.
    pub(super) fn attempt(&mut self, backend: Slot) {
        self.attempts += 1;
        self.backend = Some(backend);
    }

    /// How many attempts there were.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Takes the request's id down, if the log shows it.
    pub(super) fn identify(&mut self, id: &RequestIdSlot<'_>) {
        let is_shown = self.shows(LogField::RequestId);
        if let Some(entry) = self.entry.as_mut().filter(|_| is_shown) {
            entry.request_id = Some(id.id().clone());
        }
    }

    /// Whether the request is logged with this field.
    pub(super) fn shows(&self, field: LogField) -> bool {
        let log = &self.view.snapshot.config.access_log;
        let is_shown = |log: &AccessLog| log.format.shows(field);
        self.entry.is_some() && log.as_ref().is_some_and(is_shown)
    }

    /// The client showed a session with this jvm route.
    pub(super) fn shown(&mut self, route: Option<Box<[u8]>>) {
        if let Some(entry) = self.entry.as_mut() {
            entry.route_in = route;
        }
    }

    /// What became of the session.
    pub(super) fn concluded(&mut self, concluded: Concluded) {
        if let Some(entry) = self.entry.as_mut() {
            entry.verdict = concluded.verdict;
            entry.route_out = concluded.route_out;
        }
    }

    /// The client may know how its backend was chosen.
    pub(super) fn decided(&mut self, decision: Words) {
        self.decision = Some(Box::new(decision));
    }

    /// What the client is told of the choice, if it may know.
    pub(super) fn decision(&mut self) -> Option<Words> {
        self.decision.take().map(|boxed| *boxed)
    }

    /// The request has this body.
    pub(super) fn reads(&mut self, body: &Rc<RefCell<BodySource>>) {
        self.body = Some(Rc::clone(body));
    }

    /// The request waited for a place for so long.
    pub(super) fn queued(&mut self, time: Duration) {
        if let Some(entry) = self.entry.as_mut() {
            let before = entry.queue_time.unwrap_or_default();
            entry.queue_time = Some(before + time);
        }
    }

    /// A response head came from a backend.
    pub(super) fn responded(&mut self, status: StatusCode, at: Instant) {
        self.status = status;
        let entry = self.entry.as_ref();
        let queued = entry.and_then(|entry| entry.queue_time).unwrap_or_default();
        let time = at.duration_since(self.started);
        self.backend_time = Some(time.saturating_sub(queued));
    }

    /// The proxy answers by itself.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = status;
    }

    /// The proxy answers with an error.
    pub(super) fn failed(&mut self, error: ProxyError) {
        self.status = error.status();
        self.error = Some(error.reason());
        if let ProxyError::Refused(refusal) = error {
            self.caller.worker.cells().refusals.inc(refusal.kind());
        } else if let (Some(cells), Some(reason)) = (self.cells(), error.kind()) {
            cells.errors.inc(reason);
        }
    }

    /// What was left of the request body when the proxy answered by itself.
    pub(super) fn unread(&mut self, rest: Rest, bytes: u64) {
        self.rest = rest;
        self.bytes_in += bytes;
    }

    /// What is left of the request body.
    pub(super) fn rest(&self) -> Rest {
        self.rest
    }

    /// The snapshot that the request is served by.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Bytes of the response body were handed to the client's connection.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    /// Bytes of the request body were taken.
    pub(super) fn received(&mut self, bytes: u64) {
        self.bytes_in += bytes;
    }

    /// The backend's response is cut off.
    pub(super) fn cut_off(&mut self, reason: ErrorReason, why: &dyn std::error::Error) {
        self.error = Some(reason.label());
        if let Some(cells) = self.cells() {
            cells.errors.inc(reason);
        }
        let (cluster, backend) = self.names();
        let source = why.source().map(ToString::to_string);
        tracing::warn!(cluster, backend, source, "{why}");
    }

    /// The client went away before the end.
    pub(super) fn client_gone(&mut self) {
        self.error = Some(ErrorReason::ClientGone.label());
        if let Some(cells) = self.cells() {
            cells.errors.inc(ErrorReason::ClientGone);
        }
    }

    /// This worker's counters of the cluster, if the request goes to one.
    pub(super) fn cells(&self) -> Option<&ClusterCells> {
        Some(self.cluster()?.cells.of(self.caller.worker.id))
    }

    /// Cluster and backend by name, for a log line.
    pub(super) fn names(&self) -> (Option<&str>, Option<&str>) {
        let cluster = self.cluster();
        let backend = cluster.and_then(|cluster| cluster.backend(self.backend?));
        (
            cluster.map(|cluster| cluster.config.name.as_str()),
            backend.map(|backend| backend.name.as_str()),
        )
    }

    fn cluster(&self) -> Option<&Cluster> {
        let place = usize::try_from(self.cluster?).ok()?;
        self.view.clusters.get(place).map(|view| &*view.cluster)
    }

    /// Adds the request up and writes its line.
    pub(super) fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let duration = self.started.elapsed();
        self.count(duration);
        self.log(duration, &self.view);
    }

    fn count(&self, duration: Duration) {
        match self.cells() {
            Some(cells) => {
                cells.answer(self.status);
                cells.duration.record(duration);
                cells.bytes_in.add(self.bytes_in);
                cells.bytes_out.add(self.bytes_out);
            }
            None => self.caller.worker.cells().answer(self.status),
        }
    }

    /// Writes its line into the log of `view`.
    fn log(&self, duration: Duration, view: &View) {
        if let (Some(entry), Some(log)) = (&self.entry, &view.log) {
            log.write(&self.record(entry, duration));
        }
    }

    /// The connection switches protocols: the request is counted. Its line is written when its tunnel
    /// has ended ([`Self::tunnel_ended`]); `None`: nothing is logged.
    pub(super) fn switch(mut self: Box<Self>) -> Option<Box<Self>> {
        self.closed = true;
        self.count(self.started.elapsed());
        self.body = None;
        self.entry.as_mut()?.detach();
        Some(self)
    }

    /// Writes the line of a tunnel, into the log that is in force: that of its request may be of
    /// last week.
    pub(super) fn tunnel_ended(&mut self, (bytes_in, bytes_out): (u64, u64), end: TunnelEnd) {
        self.bytes_in = bytes_in;
        self.bytes_out = bytes_out;
        self.error = end.error();
        self.log(self.started.elapsed(), &self.caller.worker.view());
    }

    fn record<'a>(&'a self, entry: &'a Entry, duration: Duration) -> Record<'a> {
        let (cluster, backend) = self.names();
        let redact = &self.view.snapshot.redactor;
        Record {
            end: SystemTime::now(),
            client_ip: entry.client.ip(),
            peer: self.caller.peer.connected(),
            listener: &self.caller.listener,
            method: &entry.method,
            host: entry.host.as_ref().map(HeaderValue::as_bytes),
            uri: redact.redact(
                entry
                    .uri
                    .path_and_query()
                    .map_or("", |target| target.as_str()),
            ),
            protocol: entry.version,
            status: self.status,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration,
            queue_duration: entry.queue_time,
            backend_duration: self.backend_time,
            cluster,
            backend,
            attempts: self.attempts,
            error: self.error,
            session: entry.verdict.map(Verdict::label),
            route_in: entry.route_in.as_deref(),
            route_out: entry.route_out.as_deref(),
            referer: entry
                .referer
                .as_ref()
                .map(|referer| redacted(redact, referer)),
            user_agent: entry.user_agent.as_ref().map(HeaderValue::as_bytes),
            told: self.caller.peer.told(),
            request_id: entry.request_id.as_ref().map(|id| id.as_str().as_bytes()),
            tls: self
                .caller
                .peer
                .secured()
                .map(tls_record)
                .unwrap_or_default(),
        }
    }
}

fn tls_record(secured: &Secured) -> TlsRecord<'_> {
    let client = secured.client.as_ref();
    TlsRecord {
        version: Some(secured.version.as_str()),
        cipher: Some(&secured.cipher),
        server_name: secured.shown.server_name.as_deref(),
        client_subject: client.map(|it| it.facts.subject.as_str()),
    }
}

/// A field that is no text holds no id that anybody could use, but it may hold half of one.
fn redacted<'a>(redact: &Redactor, field: &'a HeaderValue) -> Cow<'a, [u8]> {
    match redact.redact(field.to_str().unwrap_or("-")) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

impl Drop for Account {
    /// A request whose future is dropped before it was answered: its client has gone.
    fn drop(&mut self) {
        if !self.closed {
            self.status = CLIENT_GONE;
            let body = self.body.take();
            self.bytes_in = body.map_or(0, |body| body.try_borrow().map_or(0, |it| it.bytes()));
            self.client_gone();
            self.close();
        }
    }
}

/// nginx's word for a client that did not wait; never sent.
const CLIENT_GONE: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::BAD_REQUEST,
};
