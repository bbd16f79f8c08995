//! The proxy as a service: as hyper asks it, and as a tower service that users of the library can
//! put layers around.
//!
//! Layers stand outside, one service for each client connection; between a request's head and
//! its answer there is none. Who wants none pays nothing for them: hyper asks the proxy itself.
//!
//! By HTTP/2 each stream, which is one request, has a service of its own. What layers keep from one
//! request to the next (a count, a bound) belongs into the closure that makes them, which each
//! worker has a clone of. A layer that holds a response body back for longer than
//! `limits.send_idle` has its stream reset: it looks like a client that takes nothing.

use std::convert::Infallible;
use std::error::Error;
use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::{Caller, ResponseBody, handle};

/// Answers the requests of one client connection, or by HTTP/2 the one of a stream, as a tower
/// service.
pub fn service(
    caller: Rc<Caller>,
) -> impl tower::Service<
    Request<Incoming>,
    Response = Response<ResponseBody>,
    Error = Infallible,
    Future: 'static,
> + Clone
+ 'static {
    tower::service_fn(move |request| handle(Rc::clone(&caller), request))
}

/// The same as hyper asks it.
pub fn bare(
    caller: Rc<Caller>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<ResponseBody>,
    Error = Infallible,
    Future: 'static,
> + 'static {
    hyper::service::service_fn(move |request| handle(Rc::clone(&caller), request))
}

/// A front whose services are those of `layers`.
pub fn layered<S, B>(layers: impl Fn(Rc<Caller>) -> S + Clone + Send + 'static) -> impl Front
where
    S: tower::Service<
            Request<Incoming>,
            Response = Response<B>,
            Error = Infallible,
            Future: 'static,
        > + Clone
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    move |caller: Rc<Caller>| {
        let talk = Rc::clone(&caller.talk);
        let service = TowerToHyperService::new(layers(caller));
        hyper::service::service_fn(move |request| {
            let (talk, answer) = (Rc::clone(&talk), service.call(request));
            async move {
                let answer = answer.await?;
                // What layers make of an answer is what counts.
                talk.answered(answer.status());
                Ok::<_, Infallible>(answer)
            }
        })
    }
}

/// Makes the service of each client connection, and by HTTP/2 of each stream; every worker has a
/// clone of it.
pub trait Front: Clone + Send + 'static {
    /// The service; it stays on the worker's thread.
    type Service: hyper::service::Service<
            Request<Incoming>,
            Response = Response<Self::Body>,
            Error = Infallible,
            Future: 'static,
        > + 'static;
    /// The body of its answers.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + 'static;

    /// The service of one connection, or of one stream.
    fn service(&self, caller: Rc<Caller>) -> Self::Service;
}

impl<F, S, B> Front for F
where
    F: Fn(Rc<Caller>) -> S + Clone + Send + 'static,
    S: hyper::service::Service<
            Request<Incoming>,
            Response = Response<B>,
            Error = Infallible,
            Future: 'static,
        > + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    type Service = S;
    type Body = B;

    fn service(&self, caller: Rc<Caller>) -> S {
        self(caller)
    }
}
