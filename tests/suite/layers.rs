//! Layers of a library's user around the whole proxy.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cattail::proxy::Caller;
use cattail::{app, config, proxy};
use http::HeaderValue;
use tower::{Service, ServiceExt};

use super::harness::{Raw, Request, Tomcat};

#[test]
fn layers_see_each_request_and_each_answer_once() {
    let tomcat = Tomcat::start("jvm1");
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nadmin: off\nworkers: 2\n\
         clusters: {{ shop: {{ backends: ['{}'] }} }}\n",
        tomcat.address()
    );
    let config = config::load_text("test.yaml", &text, &|_| None).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let running = app::start_with(config, move |caller: Rc<Caller>| {
        let counter = Arc::clone(&counter);
        let mut proxy = proxy::service(caller);
        tower::service_fn(move |request: http::Request<_>| {
            counter.fetch_add(1, Ordering::Relaxed);
            proxy.call(request)
        })
        .map_response(|mut response| {
            let value = HeaderValue::from_static("yes");
            response.headers_mut().insert("x-layered", value);
            response
        })
    })
    .unwrap();
    let config::ListenAddr::Ip(address) = running.addresses()[0] else {
        panic!("an IP address was asked for");
    };
    let mut client = Raw::connect(address);
    for body in ["", "a body"] {
        let response = Request::post("/echo", body)
            .send_on(&mut client)
            .expect(200);
        assert_eq!(response.header("x-layered"), Some("yes"));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    drop(client);
    running.stop();
}
