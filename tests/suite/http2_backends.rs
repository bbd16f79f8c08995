//! Backends that speak HTTP/2: what they see, and how many requests share a connection.

use std::time::Duration;

use serde_json::json;

use super::administer_stage::Administered;
use super::harness::http2_server::Settings;
use super::harness::*;

/// One cluster of these, seen by one worker.
pub(crate) fn cluster(servers: &[&Http2Server], more: &str) -> String {
    let backends = (1..).zip(servers).map(|(number, server)| {
        let address = server.address();
        format!("      - {{ name: b{number}, address: '{address}' }}\n")
    });
    let backends: String = backends.collect();
    format!(
        "workers: 1\nclusters:\n  shop:\n    affinity: none\n    protocol: h2\n{more}    backends:\n{backends}"
    )
}

pub(crate) fn in_front_of(servers: &[&Http2Server], more: &str) -> Proxy {
    Proxy::start(&cluster(servers, more))
}

#[test]
fn a_request_of_either_protocol_is_one_of_http2() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "    forwarded: { via: true }\n");
    let target = "/echo/x;y=1//%2F?a=%2F&b";
    let answer = Request::post(target, "hello")
        .header("Connection", "keep-alive, x-hop")
        .header("X-Hop", "1")
        .header("TE", "trailers, gzip")
        .header("Cookie", "a=b; c=d")
        .send(proxy.address())
        .expect(200);
    assert_eq!(answer.body, b"hello");
    assert_eq!(answer.header("Via"), Some("2.0 cattail"));
    let by_http1 = server.last();
    let ask = Ask::new("POST", target)
        .header("te", "trailers")
        .header("cookie", "a=b")
        .header("cookie", "c=d")
        .body("hello");
    let reply = Http2::connect(proxy.address()).ask(ask).expect(200);
    assert_eq!(reply.body, b"hello");
    let by_http2 = server.last();
    for seen in [by_http1, by_http2] {
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.uri, format!("http://shop.example{target}"));
        assert_eq!(seen.header("te"), Some("trailers"));
        assert_eq!(seen.header("content-length"), Some("5"));
        assert_eq!(seen.header("cookie"), Some("a=b; c=d"));
        assert_eq!(seen.header("x-forwarded-host"), Some("shop.example"));
        for gone in [
            "host",
            "connection",
            "x-hop",
            "transfer-encoding",
            "keep-alive",
        ] {
            assert_eq!(seen.header(gone), None, "{gone}");
        }
    }
    Request::new("OPTIONS", "*")
        .send(proxy.address())
        .expect(200);
    assert!(server.last().uri.ends_with('*'), "{}", server.last().uri);
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_expectation_is_met_here() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Raw::connect(proxy.address());
    client.send(
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.read_interim().status, 100);
    client.send(b"ok");
    assert_eq!(client.read_response().expect(200).body, b"ok");
    assert_eq!(server.last().header("expect"), None);
}

#[test]
fn a_switch_of_protocols_is_not_offered() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let answer = Request::get("/echo")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .send(proxy.address());
    answer.expect(200);
    assert_eq!(server.last().header("upgrade"), None);
}

#[test]
fn requests_at_once_share_a_connection() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    for reply in client.ask_all((0..50).map(|_| Ask::get("/echo"))) {
        reply.expect(200);
    }
    assert_eq!(
        server.connections(),
        1,
        "one was made, the others waited for it"
    );
    let metrics = proxy.metrics();
    let value = |name| metrics.value(name, &[]);
    assert_eq!(value("cattail_backend_connects_total"), 1);
    assert_eq!(value("cattail_backend_connection_reuses_total"), 49);
    assert_eq!(value("cattail_backend_connections_open"), 1);
    assert_eq!(value("cattail_backend_connections_idle"), 1);
}

#[test]
fn no_connection_carries_more_than_both_ends_allow() {
    for (theirs, ours) in [(5, 100), (100, 5)] {
        let server = Http2Server::with(Settings {
            streams: theirs,
            ..Settings::default()
        });
        let proxy = in_front_of(&[&server], &format!("    http2: {{ streams: {ours} }}\n"));
        let mut client = Http2::connect(proxy.address());
        let mut held: Vec<_> = (0..20)
            .map(|_| client.begin(Ask::new("POST", "/call").piece("x")))
            .collect();
        server.wait_for_begun(20);
        assert_eq!(
            (server.connections(), server.peak()),
            (4, 5),
            "{theirs} {ours}"
        );
        for mut stream in held.drain(..) {
            stream.send.send_data("".into(), true).unwrap();
            client.finish(stream).unwrap().expect(200);
        }
    }
}

#[test]
fn bodies_pass_both_ways_at_any_size() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    for size in [0, 1, 16_384, 65_536, 3_000_000] {
        let body = vec![b'y'; size];
        let reply = client
            .ask(Ask::new("POST", "/echo").body(body.clone()))
            .expect(200);
        assert!(reply.body == body, "{size}");
        let reply = client
            .ask(Ask::new("POST", "/echo").piece(body.clone()))
            .expect(200);
        assert!(reply.body == body, "{size} without a length");
        assert_eq!(server.last().header("content-length"), None);
        let answer = Request::post("/echo", body.clone()).send(proxy.address());
        assert!(answer.expect(200).body == body, "{size} by HTTP/1.1");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn who_takes_nothing_keeps_nobody_else_on_the_connection_waiting() {
    let server = Http2Server::start();
    let proxy = in_front_of(
        &[&server],
        "    http2: { stream_window: 64KiB, streams: 20 }\n",
    );
    let mut slow = Http2::with(
        h2::client::Builder::new().initial_window_size(0),
        proxy.address(),
    );
    let mut held: Vec<_> = (0..19)
        .map(|_| slow.begin(Ask::get("/bytes/10000000")))
        .collect();
    for stream in &mut held {
        assert_eq!(slow.head(stream), 200);
    }
    for _ in 0..3 {
        let answer = get(proxy.address(), "/bytes/1000000");
        assert_eq!(answer.expect(200).body.len(), 1_000_000);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_client_that_goes_ends_its_own_request_alone() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let mut other = client.begin(Ask::new("POST", "/call").piece("one"));
    let gone = client.begin(Ask::get("/hang"));
    server.wait_for_begun(2);
    gone.reset(h2::Reason::CANCEL);
    let seen = server.wait_for_seen(1);
    assert_eq!(seen[0].reset, Some(h2::Reason::CANCEL));
    other.send.send_data("two".into(), true).unwrap();
    assert_eq!(client.finish(other).unwrap().expect(200).body, b"onetwo");
    assert_eq!(server.connections(), 1);
}

#[test]
fn idle_connections_end_in_their_time() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "    pool: { idle: 300ms }\n");
    get(proxy.address(), "/echo").expect(200);
    server.wait_for_open(1);
    server.wait_for_open(0);
    get(proxy.address(), "/echo").expect(200);
    assert_eq!(server.connections(), 2);
    eventually("nothing is counted that is gone", || {
        let metrics = proxy.metrics();
        let value = |name| metrics.value(name, &[]);
        value("cattail_backend_connections_open") == 0
            && value("cattail_backend_connections_idle") == 0
    });
}

#[test]
fn a_reload_changes_what_is_spoken() {
    let server = Http2Server::start();
    let text = cluster(&[&server], "");
    let proxy = Proxy::start(&text);
    get(proxy.address(), "/echo").expect(200);
    let tomcat = Tomcat::start("jvm1");
    let by_http1 = |text: &str| text.replace("protocol: h2", "protocol: http1");
    let of_tomcat = text.replace(&server.address().to_string(), &tomcat.address().to_string());
    proxy.reload(&by_http1(&of_tomcat)).unwrap();
    get(proxy.address(), "/echo").expect(200);
    server.wait_for_open(0);
    proxy.reload(&text).unwrap();
    get(proxy.address(), "/echo").expect(200);
    proxy.reload(&by_http1(&text)).unwrap();
    get(proxy.address(), "/echo").expect(502);
    proxy.reload(&text).unwrap();
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn by_tls_both_ends_must_agree_upon_it() {
    let ca = Authority::new("ca");
    let start = |protocols| {
        Http2Server::with(Settings {
            tls: Some((ca.issue(&["127.0.0.1"]), protocols)),
            ..Settings::default()
        })
    };
    let tls = format!("    tls: {{ ca: '{}' }}\n", ca.file().display());
    let server = start(&["h2"]);
    let proxy = in_front_of(&[&server], &tls);
    get(proxy.address(), "/echo").expect(200);
    assert!(
        server.last().uri.starts_with("https://"),
        "{}",
        server.last().uri
    );
    let (silent, other) = (start(&[]), start(&["http/1.1"]));
    for (server, stage) in [(&silent, "http2"), (&other, "tls")] {
        let proxy = in_front_of(&[server], &tls);
        get(proxy.address(), "/echo").expect(502);
        assert_eq!(server.seen().len(), 0);
        let failures = proxy.metrics();
        let failures = failures.value("cattail_backend_failures_total", &[("stage", stage)]);
        assert_eq!(failures, 1, "{stage}");
        // What gets no request does not pass its check either.
        let health = "    health: { path: /status-only, interval: 50ms, fall: 1, rise: 1 }\n";
        let proxy = in_front_of(&[server], &format!("{tls}{health}"));
        eventually("it is found bad", || {
            let metrics = proxy.metrics();
            metrics.exactly("cattail_backend_up", &[("backend", "b1")]) == 0
        });
    }
}

#[test]
fn checks_speak_it_too() {
    let server = Http2Server::start();
    let health = "    health: { path: /status-only, interval: 50ms, fall: 1, rise: 1 }\n";
    let _proxy = in_front_of(&[&server], health);
    let seen = server.wait_for_seen(2);
    assert_eq!(seen[0].method, "GET");
    assert_eq!(
        seen[0].uri,
        format!("http://{}/status-only", server.address())
    );
    assert_eq!(seen[0].header("user-agent"), Some("cattail-health"));
    let health = "    health: { path: /reset, interval: 50ms, fall: 1, rise: 1 }\n";
    let proxy = in_front_of(&[&server], health);
    eventually("it is found bad", || {
        proxy
            .metrics()
            .exactly("cattail_backend_up", &[("backend", "b1")])
            == 0
    });
}

#[test]
fn a_backend_without_a_check_comes_back_when_it_speaks_http2() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    get(proxy.address(), "/echo").expect(200);
    let port = server.address().port();
    drop(server);
    get(proxy.address(), "/echo").expect(503);
    let is_up = || {
        proxy
            .metrics()
            .exactly("cattail_backend_up", &[("backend", "b1")])
            == 1
    };
    assert!(!is_up());
    let _back = Http2Server::with(Settings {
        port,
        ..Settings::default()
    });
    eventually("it is back", is_up);
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn what_is_at_a_backend_is_told_of_each_request() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let _held: Vec<_> = (0..3).map(|_| client.begin(Ask::get("/hang"))).collect();
    server.wait_for_begun(3);
    let metrics = proxy.metrics();
    assert_eq!(metrics.value("cattail_backend_requests_in_flight", &[]), 3);
    wait::stays("they go on", Duration::from_millis(300), || {
        server.seen().is_empty()
    });
}

#[test]
fn what_is_there_at_the_deadline_of_an_evacuation_is_ended_each_for_itself() {
    let servers = [Http2Server::start(), Http2Server::start()];
    let backends = (1..).zip(&servers).map(|(number, server)| {
        let address = server.address();
        format!("      - {{ jvm_route: jvm{number}, address: '{address}' }}\n")
    });
    let backends: String = backends.collect();
    let text = format!(
        "workers: 1\nclusters:\n  shop:\n    affinity: sticky\n    replicated: true\n    protocol: h2\n    backends:\n{backends}"
    );
    let proxy = Administered::start(&text);
    let mut client = Http2::connect(proxy.address());
    let of = |ask: Ask, id: &str| ask.header("cookie", &format!("JSESSIONID={id}.jvm1"));
    let mut calls = ["A1", "A2"].map(|id| {
        let mut call = client.begin(of(Ask::new("POST", "/call").piece("a"), id));
        assert_eq!(client.head(&mut call), 200);
        client.read(&mut call, 1).unwrap();
        call
    });
    let _repeated = client.begin(of(Ask::get("/hang"), "A3"));
    servers[0].wait_for_begun(3);
    assert_eq!(servers[0].connections(), 1);
    let order = json!({ "state": "evacuating", "deadline_s": 2 });
    proxy.put("jvm1", "state", &order).expect(200);
    eventually("all are named", || {
        let open = &proxy.backend("jvm1")["open"];
        open.as_array().is_some_and(|open| open.len() == 3)
    });
    eventually("it is over", || {
        proxy.backend("jvm1")["evacuation"]["stage"] == "cut_off"
    });
    for call in &mut calls {
        assert!(client.read(call, 1).is_err(), "it was cut off");
    }
    eventually("nothing is there", || {
        proxy.backend("jvm1")["requests_in_flight"] == 0
    });
    servers[0].wait_for_open(0);
}

#[test]
fn a_tunnel_asked_for_by_http2_is_refused() {
    let server = Http2Server::start();
    let proxy = in_front_of(&[&server], "");
    let mut client = Http2::connect(proxy.address());
    let stream = client.switch(Ask::connect("websocket", "/echo"));
    let reply = client.finish(stream).expect("an answer");
    assert_eq!(reply.status, 403, "{reply:?}");
    let metrics = proxy.metrics();
    let refused = [("reason", "upgrade_refused")];
    assert_eq!(metrics.value("cattail_errors_total", &refused), 1);
    assert_eq!(server.connections(), 0);
}
