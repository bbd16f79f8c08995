//! The whole proxy in layers of your own: one counts requests, one adds a header to every answer.
//!
//! Starts a Tomcat stand-in and the proxy in front of it, asks twice, prints the answers' heads.
//!
//! ```sh
//! cargo run --example tower_layer
//! ```

use std::error::Error;
use std::io::{Read, Write, stdout};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use cattail::standin::StandIn;
use cattail::{app, config, proxy};
use http::{HeaderValue, Request, Response};
use tower::{Layer, Service, ServiceBuilder};

/// Counts requests over all connections and workers.
#[derive(Debug, Clone, Default)]
struct Count(Arc<AtomicU64>);

impl<S> Layer<S> for Count {
    type Service = Counted<S>;

    fn layer(&self, service: S) -> Counted<S> {
        let count = self.clone();
        Counted { count, service }
    }
}

/// A service whose requests are counted.
#[derive(Debug, Clone)]
struct Counted<S> {
    count: Count,
    service: S,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.count.0.fetch_add(1, Ordering::Relaxed);
        self.service.call(request)
    }
}

/// Any layer of tower's will do; this one changes answers on their way out.
fn greet<B>(mut response: Response<B>) -> Response<B> {
    let greeting = HeaderValue::from_static("hello from a layer");
    response.headers_mut().insert("x-greeting", greeting);
    response
}

fn main() -> Result<(), Box<dyn Error>> {
    let tomcat = StandIn::builder("jvm1").start()?;
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\n\
         admin: off\n\
         clusters: {{ shop: {{ backends: ['{}'] }} }}\n",
        tomcat.address()
    );
    let config = config::load_text("example.yaml", &text, &|_| None)?;

    let count = Count::default();
    let layer = count.clone();
    // Called once for each client connection, by HTTP/2 for each request, on the worker that serves it.
    let proxy = app::start_with(config, move |caller| {
        ServiceBuilder::new()
            .layer(layer.clone())
            .map_response(greet)
            .service(proxy::service(caller))
    })?;

    let address = proxy.addresses().first().ok_or("no listener")?.to_string();
    for _ in 0..2 {
        let mut client = TcpStream::connect(&address)?;
        client.write_all(
            b"GET /test/ HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n",
        )?;
        let mut answer = String::new();
        client.read_to_string(&mut answer)?;
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        writeln!(stdout(), "{head}\n")?;
    }
    let requests = count.0.load(Ordering::Relaxed);
    writeln!(stdout(), "{requests} requests were counted.")?;
    proxy.stop();
    Ok(())
}
