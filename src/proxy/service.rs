//! The proxy as a tower service, so that users of the library can put layers around it.
//!
//! Layers stand outside, one service for each client connection; between a request's head and
//! its answer there is none. `examples/tower_layer.rs` shows one.

use std::convert::Infallible;
use std::error::Error;
use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tower::{Service, service_fn};

use super::{Caller, ResponseBody, handle};

/// Answers the requests of one client connection.
pub fn service(
    caller: Rc<Caller>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<ResponseBody>,
    Error = Infallible,
    Future: 'static,
> + Clone
+ 'static {
    service_fn(move |request| {
        let caller = Rc::clone(&caller);
        async move { Ok(handle(&caller, request).await) }
    })
}

/// Makes the service of each client connection: [`service`] itself, or it with layers around.
/// Every closure of this form is one; each worker has a clone of its own.
///
/// A layer that answers without asking the proxy is not accounted, and its connection ends when
/// `limits.head_time` is over, since for the proxy the request has not begun.
pub trait Front: Clone + Send + 'static {
    /// The service; it stays on the worker's thread.
    type Service: Service<
            Request<Incoming>,
            Response = Response<Self::Body>,
            Error = Infallible,
            Future: 'static,
        > + Clone
        + 'static;
    /// The body of its answers.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + 'static;

    /// The service of one connection.
    fn service(&self, caller: Rc<Caller>) -> Self::Service;
}

impl<F, S, B> Front for F
where
    F: Fn(Rc<Caller>) -> S + Clone + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: 'static>
        + Clone
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    type Service = S;
    type Body = B;

    fn service(&self, caller: Rc<Caller>) -> S {
        self(caller)
    }
}
