//! The orderly end, and the other one.

use std::time::Duration;

use cattail::standin::Fault;
use tokio::time::Instant;

use super::harness::*;

#[test]
fn what_is_in_flight_is_finished_and_its_client_told_to_go() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.hold("/page");
    let mut clients = [(); 4].map(|()| Raw::connect(proxy.address()));
    for client in &mut clients {
        client.send(Request::get("/page").bytes());
    }
    tomcat.wait_for("all", |counts| counts.in_progress == 4);
    proxy.running().begin_stop();
    let address = proxy.address();
    eventually("new ones are refused", || {
        Raw::try_connect(&address).is_err()
    });
    assert!(!proxy.running().has_ended());
    tomcat.release("/page");
    for client in &mut clients {
        let response = client.read_response().expect(200);
        assert_eq!(response.header("Connection"), Some("close"));
        client.expect_closed();
    }
    proxy.stop();
    tomcat.wait_for("an end", |counts| counts.open_connections == 0);
}

#[test]
fn idle_connections_are_closed_in_order() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut clients = [(); 4].map(|()| Raw::connect(proxy.address()));
    for client in &mut clients {
        Request::get("/echo").send_on(client).expect(200);
    }
    let started = Instant::now();
    proxy.stop();
    assert!(started.elapsed() < scaled(Duration::from_secs(1)));
    for client in &mut clients {
        client.expect_closed();
    }
}

#[test]
fn connections_that_came_before_the_stop_are_still_answered() {
    let tomcat = Tomcat::start("jvm1");
    for _ in 0..10 {
        let proxy = Proxy::in_front_of(&[&tomcat], "");
        let mut clients = [(); 16].map(|()| Raw::connect(proxy.address()));
        for client in &mut clients {
            client.send(Request::get("/echo").bytes());
        }
        proxy.running().begin_stop();
        for client in &mut clients {
            client.read_response().expect(200);
            client.expect_closed();
        }
        proxy.stop();
    }
}

#[test]
fn requests_under_load_end_with_an_answer_or_before_they_began() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    let address = proxy.address();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            // Once it is refused the proxy is gone.
            scope.spawn(|| {
                while let Ok(client) = Raw::try_connect(&address) {
                    ask_until_told_to_go(client);
                }
            });
        }
        eventually("load", || one.count() + two.count() > 200);
        proxy.running().begin_stop();
        eventually("the end", || proxy.running().has_ended());
    });
    proxy.stop();
}

fn ask_until_told_to_go(mut client: Raw) {
    while client.try_send(Request::get("/echo").bytes()).is_ok() {
        match client.try_read_response() {
            Ok(response) => {
                if !response.expect(200).keeps_alive() {
                    return;
                }
            }
            // An idle connection may be closed under a request.
            Err(Broken::Closed | Broken::Reset) => return,
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_response_on_its_way_is_not_cut_by_a_stop() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.script("/body", Fault::HangInBody);
    let mut client = Raw::connect(proxy.address());
    client.send(Request::get("/body").bytes());
    tomcat.wait_for("the request", |counts| counts.in_progress == 1);
    let beginning = client.read_exactly(15);
    assert_eq!(beginning, b"HTTP/1.1 200 OK");
    proxy.running().begin_stop();
    let address = proxy.address();
    eventually("new ones are refused", || {
        Raw::try_connect(&address).is_err()
    });
    tomcat.unscript("/body");
    let (rest, end) = client.read_to_end();
    assert!(rest.ends_with(b"half:whole"), "{}", rest.escape_ascii());
    assert_eq!(end, End::Closed);
}

#[test]
fn the_deadline_cuts_what_does_not_end() {
    let tomcat = Tomcat::start("jvm1");
    let text = format!(
        "shutdown: {{ deadline: 1s }}\n{}",
        proxy::cluster(&[&tomcat], "")
    );
    let proxy = Proxy::start(&text);
    tomcat.hold("/page");
    let mut client = Raw::connect(proxy.address());
    client.send(Request::get("/page").bytes());
    tomcat.wait_for("the request", |counts| counts.in_progress == 1);
    let started = Instant::now();
    proxy.stop();
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert!(took < scaled(Duration::from_secs(2)), "{took:?}");
    let (bytes, _) = client.read_to_end();
    assert!(bytes.is_empty());
}

#[test]
fn an_abort_waits_for_nobody() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.hold("/page");
    let mut client = Raw::connect(proxy.address());
    client.send(Request::get("/page").bytes());
    tomcat.wait_for("the request", |counts| counts.in_progress == 1);
    proxy.running().begin_stop();
    let started = Instant::now();
    proxy.running().abort();
    eventually("the end", || proxy.running().has_ended());
    assert!(started.elapsed() < scaled(Duration::from_secs(1)));
    client.read_to_end();
}

#[test]
fn a_stop_is_announced_before_anything_is_refused() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    get(proxy.admin(), "/readyz").expect(200);
    assert_eq!(proxy.metrics().value("cattail_stopping", &[]), 0);
    let mut client = Raw::connect(proxy.address());
    proxy.running().announce_stop();
    get(proxy.admin(), "/readyz").expect(503);
    get(proxy.admin(), "/healthz").expect(200);
    assert_eq!(proxy.metrics().value("cattail_stopping", &[]), 1);
    let response = Request::get("/echo").send_on(&mut client).expect(200);
    assert!(response.keeps_alive());
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn an_upload_that_goes_on_during_the_stop_arrives_whole() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let upload = Request::post("/echo", vec![b'x'; 100_000]);
    let (head, body) = (upload.head_bytes(), upload.body_bytes());
    let mut client = Raw::connect(proxy.address());
    client.send(head).send(&body[..50_000]);
    tomcat.wait_for("the request", |counts| counts.in_progress == 1);
    proxy.running().begin_stop();
    let address = proxy.address();
    eventually("new ones are refused", || {
        Raw::try_connect(&address).is_err()
    });
    client.send(&body[50_000..]);
    client.read_response().expect(200);
    assert_eq!(tomcat.last_request().body_bytes, 100_000);
}
