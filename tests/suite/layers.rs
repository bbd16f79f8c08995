//! Layers of a library's user around the whole proxy.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cattail::proxy::Caller;
use cattail::{app, config, proxy};
use http::{HeaderValue, StatusCode};
use tower::{Service, ServiceExt};

use super::harness::{Ask, Http2, Raw, Request, Switch, Tomcat};

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

/// A switch that a layer forbids after the backend has made it.
#[test]
fn a_switch_that_a_layer_replaces_ends_at_its_backend_at_once() {
    let backend = Switch::open();
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nadmin: off\nworkers: 1\n{}",
        backend.cluster("")
    );
    let config = config::load_text("test.yaml", &text, &|_| None).unwrap();
    let running = app::start_with(config, |caller: Rc<Caller>| {
        proxy::service(caller).map_response(|mut response| {
            let switches = response.headers().contains_key("x-forbidden");
            if switches {
                *response.status_mut() = StatusCode::FORBIDDEN;
                response.headers_mut().remove("upgrade");
                response.headers_mut().remove("connection");
            }
            response
        })
    })
    .unwrap();
    let config::ListenAddr::Ip(address) = running.addresses()[0] else {
        panic!("an IP address was asked for");
    };
    let forbidden = "X-Forbidden: yes";
    let mut client = Raw::connect(address);
    let offer = Request::get("/ws")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket");
    client.send(offer.bytes());
    let mut far = backend.switch_with(forbidden, "");
    client.read_response().expect(403);
    far.expect_closed();
    // It is a connection as any other still.
    client.send(Request::get("/page").bytes());
    let mut far = backend.answer("HTTP/1.1 204 \r\nConnection: close\r\n\r\n");
    client.read_response().expect(204);
    far.expect_closed();
    client.send("not for a backend").finish_sending();
    client.read_to_end();

    let mut client = Http2::connect(address);
    let stream = client.switch(Ask::connect("websocket", "/ws"));
    let mut far = backend.switch_with(forbidden, "");
    assert_eq!(client.finish(stream).expect("an answer").status, 403);
    far.expect_closed();
    drop(client);
    running.stop();
}
