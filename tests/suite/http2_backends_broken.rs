//! Backends that speak HTTP/2 badly, or end what they have begun.

use h2::Reason;

use super::harness::http2_server::{First, Settings};
use super::harness::*;
use super::http2_backends::in_front_of;

fn errors(proxy: &Proxy, reason: &str) -> i64 {
    proxy
        .metrics()
        .value("cattail_errors_total", &[("reason", reason)])
}

fn retries(proxy: &Proxy, reason: &str) -> i64 {
    proxy
        .metrics()
        .value("cattail_retries_total", &[("reason", reason)])
}

#[test]
fn a_response_that_is_reset_never_looks_whole() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::NO_ERROR] {
        let path = format!("/cut/{}", u32::from(reason));
        let reply = Http2::connect(proxy.address()).try_ask(Ask::get(&path));
        let is_cut = reply.as_ref().map_or(true, |reply| reply.reset.is_some());
        assert!(is_cut, "{reason:?} {reply:?}");
        let mut client = Raw::connect(proxy.address());
        client.send(Request::get(&path).bytes());
        let (answer, _) = client.read_to_end();
        assert!(!answer.ends_with(b"0\r\n\r\n"), "{reason:?}");
    }
    assert_eq!(errors(&proxy, "closed"), 6);
    assert_eq!(server.connections(), 1, "the connection is not to blame");
}

#[test]
fn an_answer_before_the_body_was_read_is_whole() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    for (path, body) in [("/early", &b"early"[..]), ("/status-only", b"")] {
        for _ in 0..20 {
            let stream = client.begin(Ask::new("POST", path).piece(vec![0; 1000]));
            let reply = client.finish(stream).unwrap();
            assert_eq!((reply.status, &*reply.body), (200, body), "{path}");
        }
    }
    assert_eq!(errors(&proxy, "closed"), 0);
}

#[test]
fn a_reset_before_a_head_is_tried_again_where_that_is_safe() {
    let [one, two] = [Http2Server::start(), Http2Server::start()];
    let proxy = in_front_of(&[&one, &two], "");
    Request::post("/reset", "x")
        .send(proxy.address())
        .expect(502);
    let seen = || one.seen().len() + two.seen().len();
    assert_eq!(seen(), 1, "it may have been worked on");
    get(proxy.address(), "/reset").expect(502);
    assert_eq!(seen(), 3);
    assert_eq!(retries(&proxy, "closed"), 1);
    get(proxy.address(), "/echo").expect(200);
    get(proxy.address(), "/echo").expect(200);
    assert_eq!((one.connections(), two.connections()), (1, 1));
}

#[test]
fn what_was_refused_was_not_looked_at() {
    let servers = [Http2Server::start(), Http2Server::start()];
    let proxy = in_front_of(&[&servers[0], &servers[1]], "");
    for server in &servers {
        // Each once: whoever is asked first.
        server.refuse(1);
        let answer = Request::post("/refuse", "once").send(proxy.address());
        assert_eq!(answer.expect(200).body, b"once");
        for other in &servers {
            other.refuse(0);
        }
    }
    for server in &servers {
        server.refuse(100);
    }
    let seen: usize = servers.iter().map(|it| it.seen().len()).sum();
    Request::post("/refuse", "never")
        .send(proxy.address())
        .expect(502);
    let after: usize = servers.iter().map(|it| it.seen().len()).sum();
    assert_eq!(after - seen, 2, "once more, and no oftener");
}

#[test]
fn the_only_backend_is_asked_again_for_what_it_refused() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    server.refuse(1);
    let answer = Request::post("/refuse", "again").send(proxy.address());
    assert_eq!(answer.expect(200).body, b"again");
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_body_where_there_is_none_is_no_answer() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    for status in ["204", "304"] {
        let path = format!("/surplus/{status}");
        get(proxy.address(), &path).expect(502);
        let mut client = Http2::connect(proxy.address());
        client.get(&path).expect(502);
    }
    get(proxy.address(), "/surplus/200").expect(200);
}

#[test]
fn what_a_goaway_leaves_out_is_sent_again_whatever_it_is() {
    let server = Http2Server::with(Settings {
        first: First::SentAway,
        ..Settings::default()
    });
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let asks = (0..8).map(|_| Ask::new("POST", "/echo").body("once"));
    for reply in client.ask_all(asks) {
        assert_eq!(reply.expect(200).body, b"once");
    }
    assert_eq!(server.seen().len(), 8);
    assert!(server.connections() <= 3, "{}", server.connections());
}

#[test]
fn a_connection_that_ends_in_good_order_fails_nothing() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    for round in 1..=5 {
        let mut held = client.begin(Ask::new("POST", "/call").piece("a"));
        client.ask(Ask::new("POST", "/bye").body("bye")).expect(200);
        for _ in 0..5 {
            client.ask(Ask::new("POST", "/echo").body("x")).expect(200);
        }
        held.send.send_data("b".into(), true).unwrap();
        assert_eq!(client.finish(held).unwrap().expect(200).body, b"ab");
        assert!(server.connections() >= round, "{}", server.connections());
    }
    assert_eq!(errors(&proxy, "closed"), 0);
}

#[test]
fn a_connection_that_dies_takes_its_requests_with_it() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let mut held = client.begin(Ask::new("POST", "/call").piece("a"));
    assert_eq!(client.head(&mut held), 200);
    client.read(&mut held, 1).unwrap();
    client.ask(Ask::new("POST", "/drop").body("x")).expect(502);
    assert!(client.read(&mut held, 1).is_err(), "it was cut off");
    client.ask(Ask::new("POST", "/echo").body("x")).expect(200);
    assert_eq!(server.connections(), 2);
}

#[test]
fn what_speaks_no_http2_gets_no_request() {
    let tomcat = Tomcat::start("jvm1");
    let server = Http2Server::start();
    let text = super::http2_backends::cluster(&[&server], "");
    let both = format!(
        "{text}      - {{ name: tomcat, address: '{}' }}\n",
        tomcat.address()
    );
    let proxy = Proxy::start(&both);
    for _ in 0..4 {
        Request::post("/echo", "x")
            .send(proxy.address())
            .expect(200);
    }
    let alone = text.replace(&server.address().to_string(), &tomcat.address().to_string());
    let proxy = Proxy::start(&alone);
    Request::post("/echo", "x")
        .send(proxy.address())
        .expect(502);
    assert_eq!(errors(&proxy, "protocol"), 1);
    assert_eq!(tomcat.requests().len(), 0);
}

#[test]
fn a_head_that_is_too_large_is_not_believed() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    get(proxy.address(), "/head/20000").expect(200);
    get(proxy.address(), "/head/100000").expect(502);
    assert_eq!(errors(&proxy, "protocol"), 1);
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn interim_answers_are_passed_over() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let answer = Request::post("/interim/2", "x").send(proxy.address());
    assert_eq!(answer.expect(200).body, b"x");
}

#[test]
fn a_connection_on_which_nothing_comes_is_given_up() {
    let server = Http2Server::with(Settings {
        first: First::Silent,
        ..Settings::default()
    });
    // A PING that is not answered ends it long before the wait for a response does.
    let proxy = in_front_of(
        &[&server],
        "    http2: { ping: 100ms }\n    timeouts: { connect: 200ms }\n",
    );
    Request::post("/echo", "x")
        .send(proxy.address())
        .expect(502);
    server.wait_for_open(0);
    // Without, each request of the same connection would wait in vain.
    let proxy = in_front_of(
        &[&server],
        "    http2: { ping: 0s }\n    timeouts: { response: 200ms }\n",
    );
    let before = server.connections();
    for number in 1..=2 {
        Request::post("/echo", "x")
            .send(proxy.address())
            .expect(504);
        assert_eq!(server.connections(), before + number);
    }
}
