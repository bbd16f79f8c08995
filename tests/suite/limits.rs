//! Bounds on clients: nobody takes more than his share, and slow ones hurt nobody else.

use std::time::Duration;

use tokio::time::Instant;

use super::harness::*;

/// Long enough to see that nothing comes.
const QUIET: Duration = Duration::from_millis(150);

fn start(tomcat: &Tomcat, settings: &str) -> Proxy {
    Proxy::start(&format!("{settings}\n{}", proxy::cluster(&[tomcat], "")))
}

#[test]
fn who_comes_to_a_full_house_waits_for_a_place() {
    for workers in [1, 2] {
        let tomcat = Tomcat::start("jvm1");
        let proxy = start(
            &tomcat,
            &format!("workers: {workers}\nlimits: {{ connections: 3 }}"),
        );
        let echo = Request::get("/echo");
        let mut inside: Vec<_> = (0..3).map(|_| Raw::connect(proxy.address())).collect();
        for client in &mut inside {
            echo.send_on(client).expect(200);
        }
        let mut waiting = Raw::connect(proxy.address());
        waiting.send(echo.bytes());
        waiting.expect_silence(QUIET);
        assert_eq!(tomcat.count(), 3);
        inside.pop();
        waiting.read_response().expect(200);
        for client in &mut inside {
            echo.send_on(client).expect(200);
        }
    }
}

#[test]
fn one_client_has_its_share_of_connections_and_no_more() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "limits: { connections_per_client: 2 }");
    let echo = Request::get("/echo");
    let mut first = Raw::connect(proxy.address());
    let mut second = Raw::connect(proxy.address());
    echo.send_on(&mut first).expect(200);
    echo.send_on(&mut second).expect(200);
    for _ in 0..3 {
        let (bytes, _) = Raw::connect(proxy.address()).read_to_end();
        assert_eq!(bytes, b"");
    }
    echo.send_on(&mut Raw::connect_from("127.0.0.9", proxy.address()))
        .expect(200);
    let refused = proxy.metrics().value(
        "cattail_connections_refused_total",
        &[("reason", "limit_client")],
    );
    assert_eq!(refused, 3);
    drop(first);
    eventually("a place is free again", || {
        let mut client = Raw::connect(proxy.address());
        client.try_send(echo.bytes()).is_ok() && client.try_read_response().is_ok()
    });
}

#[test]
fn a_trusted_proxy_has_as_many_connections_as_it_needs() {
    let tomcat = Tomcat::start("jvm1");
    let settings = "limits: { connections_per_client: 1 }\ntrusted_proxies: [127.0.0.1]";
    let proxy = start(&tomcat, settings);
    let mut clients: Vec<_> = (0..5).map(|_| Raw::connect(proxy.address())).collect();
    for client in &mut clients {
        Request::get("/echo").send_on(client).expect(200);
    }
}

#[test]
fn a_head_that_drips_is_cut_off() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "limits: { head_time: 200ms }");
    let begun = Instant::now();
    let mut client = Raw::connect(proxy.address());
    client.send("GET /echo HTTP/1.1\r\nHost: shop.example\r\nX: ");
    while client.is_open() && client.try_send("y").is_ok() {
        assert!(begun.elapsed() < wait::patience(), "it may drip for ever");
        wait::stays("dripping", Duration::from_millis(5), || true);
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(200),
        "it had its time"
    );
    assert_eq!(tomcat.count(), 0);
    eventually("it is counted", || {
        proxy
            .metrics()
            .value("cattail_parse_errors_total", &[("reason", "timeout")])
            == 1
    });
}

#[test]
fn who_says_nothing_is_closed() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "limits: { idle: 150ms, head_time: 150ms }");
    Raw::connect(proxy.address()).read_to_end();
    let mut client = Raw::connect(proxy.address());
    Request::get("/echo").send_on(&mut client).expect(200);
    client.expect_closed();
}

#[test]
fn an_answer_may_take_longer_than_a_client_may_be_silent() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(
        &tomcat,
        "limits: { idle: 50ms, head_time: 50ms, body_idle: 50ms }",
    );
    get(proxy.address(), "/slow?head_ms=500").expect(200);
    get(proxy.address(), "/slow?every_ms=200&pieces=3").expect(200);
}

#[test]
fn slow_clients_do_not_hurt_a_stranger() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(&tomcat, "workers: 1");
    let mut large = b"HTTP/1.1 200 \r\nContent-Length: 8388608\r\n\r\n".to_vec();
    large.resize(large.len() + (8 << 20), b'x');
    tomcat.raw_answer("/large", large);
    let mut slow = Vec::new();
    let starts = [
        ("", 50),
        ("GET / HT", 50),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhel",
            50,
        ),
        ("GET /large HTTP/1.1\r\nHost: a\r\n\r\n", 5),
    ];
    for (start, count) in starts {
        for _ in 0..count {
            let mut client = Raw::connect_narrow(proxy.address());
            client.send(start);
            slow.push(client);
        }
    }
    let mut times: Vec<_> = (0..100)
        .map(|_| {
            let begun = Instant::now();
            get(proxy.address(), "/echo").expect(200);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    assert!(times[98] < Duration::from_secs(1), "{times:?}");
}
