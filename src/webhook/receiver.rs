//! One attempt to deliver one event, within bounds of time and memory.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::message;
use crate::cluster::resolve::{ResolveFailure, SystemResolver, resolve};
use crate::config::{BackendAddr, Webhook, WebhookUrl};
use crate::health::answer::{Asked, Body, Head};
use crate::health::{Endpoint, ProbeFailure, Stream, Way, connect, exchange};
use crate::observe::events::Event;
use crate::observe::metrics::Delivery;

/// How long the rest of an answer is awaited: nothing hangs on it, but a receiver that writes to a
/// closed connection may take that for a failure.
const REST: Duration = Duration::from_millis(100);

/// Why an event was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The receiver's name has no address.
    #[error(transparent)]
    Name(#[from] ResolveFailure),
    /// There was no good answer.
    #[error(transparent)]
    Answer(#[from] ProbeFailure),
}

impl Failure {
    /// Whether the receiver takes no such event, however often it is sent. Other statuses may come of
    /// what can be set right, such as a wrong token.
    pub(super) fn is_about_the_event(&self) -> bool {
        matches!(
            self,
            Self::Answer(ProbeFailure::Status(400 | 413 | 415 | 422))
        )
    }

    pub(super) fn counts_as(&self) -> Delivery {
        let failure = match self {
            Self::Name(_) => return Delivery::Connect,
            Self::Answer(failure) => failure,
        };
        match failure {
            ProbeFailure::Connect { .. }
            | ProbeFailure::ConnectTimeout { .. }
            | ProbeFailure::Tls(_)
            | ProbeFailure::TlsTimeout
            | ProbeFailure::NoAddress => Delivery::Connect,
            ProbeFailure::AnswerTimeout(_) => Delivery::Timeout,
            ProbeFailure::Status(_) => Delivery::Status,
            ProbeFailure::Body
            | ProbeFailure::Broken(_)
            | ProbeFailure::Ended
            | ProbeFailure::NotHttp(_)
            | ProbeFailure::NotHttp2(_)
            | ProbeFailure::HeadTooLong
            | ProbeFailure::BadBody => Delivery::Broken,
        }
    }
}

/// Makes connections to receivers.
pub trait Connector: Send + Sync + 'static {
    /// A new connection to the host of `url`, at `until` at the latest.
    fn connect(
        &self,
        url: &WebhookUrl,
        until: Instant,
    ) -> impl Future<Output = Result<Stream, Failure>> + Send;
}

/// TCP, with the name looked up each time: a receiver may have moved.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Connector for Plain {
    async fn connect(&self, url: &WebhookUrl, until: Instant) -> Result<Stream, Failure> {
        let addresses = resolve(&SystemResolver, &url.host, url.port).await?;
        let endpoint = Endpoint::Tcp(addresses.as_slice().into());
        Ok(connect(&endpoint, until).await?)
    }
}

/// Sends events.
#[derive(Debug)]
pub(super) struct Receiver<C> {
    connector: C,
    /// The name of this host.
    host: String,
}

impl<C: Connector> Receiver<C> {
    pub(super) fn new(connector: C) -> Self {
        Self {
            connector,
            host: message::host(),
        }
    }

    /// Sends an event and waits for the answer's head, for `timeout` in all.
    pub(super) async fn deliver(&self, webhook: &Webhook, event: &Event) -> Result<(), Failure> {
        let request = message::request(webhook, event, &self.host);
        let until = Instant::now() + webhook.timeout;
        let asked = async {
            let stream = self.connector.connect(&webhook.url, until).await?;
            let mut stream = secured(stream, webhook, until).await?;
            let mut bytes = Vec::new();
            let asked = (request.as_slice(), Asked::WithBody);
            let head = exchange::ask(&mut stream, asked, |_| false, &mut bytes).await?;
            Ok::<_, Failure>((stream, head, bytes))
        };
        let (stream, head, bytes) = timeout_at(until, asked)
            .await
            .unwrap_or(Err(ProbeFailure::AnswerTimeout(webhook.timeout).into()))?;
        hear_out(stream, head, bytes.get(head.len..).unwrap_or_default()).await;
        match head.status {
            200..=299 => Ok(()),
            status => Err(ProbeFailure::Status(status).into()),
        }
    }
}

async fn secured(stream: Stream, webhook: &Webhook, until: Instant) -> Result<Stream, Failure> {
    let Some(tls) = &webhook.tls else {
        return Ok(stream);
    };
    let (host, port) = (webhook.url.host.clone(), webhook.url.port);
    let to = match host.parse() {
        Ok(ip) => BackendAddr::Ip(SocketAddr::new(ip, port)),
        Err(_) => BackendAddr::Host { host, port },
    };
    let way = Way {
        tls: Arc::clone(tls),
        to,
    };
    Ok(way.secured(stream, None, until).await?)
}

async fn hear_out(mut stream: Stream, head: Head, begun: &[u8]) {
    let mut body = Body::new(head.framing);
    let rest = exchange::read_body(&mut stream, &mut body, begun);
    // The status has said all: how the body ends changes nothing.
    drop(timeout_at(Instant::now() + REST, rest).await);
}
