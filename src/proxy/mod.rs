//! One request, from the client's head to the last byte of the answer.
//!
//! [`handle`] reads in the order of a request's way: checks, rule, balancing, attempts, response.
//! Decisions are pure functions in files of their own; what waits is in `attempt` and `relay`.

mod account;
pub mod affinity;
mod ahead;
mod answer;
mod attempt;
pub mod authority;
mod back;
pub mod client;
pub mod client_address;
pub mod conversation;
mod cut;
mod dead;
mod decision;
pub mod errors;
pub mod explain;
pub mod facts;
mod failed;
mod forward;
pub mod headers;
mod history;
pub mod http2;
mod outgoing;
pub mod plan;
pub mod prefix;
mod queued;
pub mod refuse;
pub mod relay;
mod respond;
pub mod retry;
pub mod rules;
pub mod select;
mod service;
pub mod tunnel;
pub mod verbatim;
mod worker;

use std::any::Any;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;

pub use cut::Cut;
pub use relay::ResponseBody;
pub use service::{Front, bare, layered, service};
pub use worker::{ClusterView, Published, Snapshot, TlsFailure, View, Worker};

use client::{Client, Peer};
use conversation::Conversation;

use crate::proxy_protocol::{Introduction, Version, Who};
use crate::spare;
use crate::tls::ServerSide;
use crate::upstream::Introduced;

/// Who asks: one client connection, or one stream of it.
#[derive(Debug)]
pub struct Caller {
    /// The worker that serves it.
    pub worker: Rc<Worker>,
    /// The connection's other end.
    pub peer: Rc<Peer>,
    /// What the connection's requests share; by HTTP/2, what is of one stream.
    pub talk: Rc<Conversation>,
    /// The listener's name, for the log.
    pub listener: Arc<str>,
    /// The listener's place in the configuration.
    pub door: usize,
}

impl Caller {
    /// TLS of its listener, as it is in force.
    fn tls<'a>(&self, view: &'a View) -> Option<&'a ServerSide> {
        view.snapshot.tls.get(self.door)?.as_deref()
    }

    /// Whether clients of `host` must show other certificates than this one did when it shook
    /// hands.
    #[inline]
    fn is_misdirected(&self, view: &View, host: Option<&str>) -> bool {
        // A listener that speaks TLS no more demands nothing.
        let Some(tls) = self.tls(view) else {
            return false;
        };
        // One that was plain when the connection was made may demand something now.
        let shown = self.peer.secured().map(|secured| &secured.shown);
        !tls.admits(host, shown)
    }

    /// Tells browsers to come by TLS only, where that is wanted and they did.
    #[inline]
    fn harden(&self, view: &View, headers: &mut HeaderMap) {
        if self.peer.secured().is_some()
            && let Some(hsts) = self.tls(view).and_then(ServerSide::hsts)
        {
            headers
                .entry(STRICT_TRANSPORT_SECURITY)
                .or_insert_with(|| hsts.clone());
        }
    }
}

impl Caller {
    /// For whom a connection to a backend is made that carries a request of `client`. Its port is
    /// known where it is connected itself.
    fn introduce(&self, client: &Client, version: Version) -> Introduced {
        let peer = &self.peer;
        let port = peer.address().map_or(0, |address| address.port());
        let source = client.ip().map(|ip| {
            let is_connected = peer.ip() == Some(ip);
            SocketAddr::new(ip, if is_connected { port } else { 0 })
        });
        let introduction = Introduction {
            version,
            who: Who::client(source, peer.reached()),
        };
        // Lives as long as the connection, in both versions of HTTP.
        let line: Rc<dyn Any> = Rc::clone(&self.peer) as Rc<dyn Any>;
        Introduced {
            introduction,
            client: Rc::downgrade(&line),
        }
    }
}

/// Answers one request. Never fails: each error becomes a response in here.
pub fn handle(
    caller: Rc<Caller>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> {
    caller.talk.begin_request();
    let view = caller.worker.view();
    let (mut head, body) = request.into_parts();
    // No `async fn`, which would keep a second place for what it is given.
    async move {
        if head.version == http::Version::HTTP_2 {
            http2::translate(&mut head);
        }
        let mut answer = answer::answer(&caller, &view, &head, body).await;
        if head.version == http::Version::HTTP_10 {
            respond::promise_nothing(&mut answer);
        }
        spare::give(head.headers);
        Ok(answer)
    }
}
