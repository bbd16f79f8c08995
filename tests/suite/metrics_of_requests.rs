//! The numbers add up: what was asked is what is counted.

use cattail::standin::Fault;

use super::harness::*;

const SHOP: (&str, &str) = ("cluster", "shop");

/// The metrics once `count` requests of the cluster have been accounted.
fn after(proxy: &Proxy, count: i64) -> Metrics {
    let counted = || {
        let metrics = proxy.metrics();
        metrics.value("cattail_request_duration_seconds_count", &[SHOP]) == count
    };
    eventually("every request is accounted", counted);
    proxy.metrics()
}

/// Asserts each count of one cluster.
fn expect(metrics: &Metrics, expected: &[(&str, &str, &str, i64)]) {
    for (name, label, value, count) in expected {
        let name = format!("cattail_{name}");
        let mut labels = vec![SHOP];
        if !label.is_empty() {
            labels.push((label, value));
        }
        assert_eq!(
            metrics.value(&name, &labels),
            *count,
            "{name} {label}={value}"
        );
    }
}

/// On the wire, so with the heads of eight requests.
fn expect_on_the_wire(metrics: &Metrics, handed_out: i64) {
    let sent = metrics.value("cattail_backend_sent_bytes_total", &[SHOP]);
    assert!((505 + 8 * 100..505 + 8 * 1000).contains(&sent), "{sent}");
    let received = metrics.value("cattail_backend_received_bytes_total", &[SHOP]);
    let heads = received - handed_out;
    assert!((8 * 50..8 * 1000).contains(&heads), "{received}");
}

#[test]
fn requests_bytes_and_connections_add_up() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!("workers: 1\n{text}"));
    let mut connection = Raw::connect(proxy.address());
    let mut handed_out = 0;
    for request in [
        Request::get("/bytes/1000"),
        Request::get("/chunked/20000?trailers=1"),
        Request::new("HEAD", "/bytes/1000"),
        Request::post("/echo", vec![b'x'; 500]),
        Request::post("/echo", "").chunked(&[b"12345"]),
        Request::get("/location?to=/x"),
        Request::get("/status/404"),
        Request::get("/status/500"),
    ] {
        handed_out += request.send_on(&mut connection).body.len();
    }
    let metrics = after(&proxy, 8);
    let handed_out = i64::try_from(handed_out).unwrap();
    expect(
        &metrics,
        &[
            ("requests_total", "code", "2xx", 5),
            ("requests_total", "code", "3xx", 1),
            ("requests_total", "code", "4xx", 1),
            ("requests_total", "code", "5xx", 1),
            ("requests_total", "", "", 8),
            ("request_duration_seconds_bucket", "le", "+Inf", 8),
            ("request_bytes_total", "", "", 505),
            ("response_bytes_total", "", "", handed_out),
            ("retries_total", "", "", 0),
            ("errors_total", "", "", 0),
            ("backend_attempts_total", "backend", "jvm1", 8),
            ("backend_responses_total", "code", "2xx", 5),
            ("backend_responses_total", "", "", 8),
            ("backend_response_time_seconds_count", "", "", 8),
            ("backend_failures_total", "", "", 0),
            ("backend_requests_in_flight", "", "", 0),
        ],
    );
    // A client that is quicker than the Tomcat's connection is given another one.
    let connects = metrics.value("cattail_backend_connects_total", &[SHOP]);
    let reuses = metrics.value("cattail_backend_connection_reuses_total", &[SHOP]);
    assert_eq!(connects + reuses, 8);
    assert!(reuses >= 4, "{reuses}");
    for name in ["open", "idle"] {
        let name = format!("cattail_backend_connections_{name}");
        assert_eq!(metrics.value(&name, &[SHOP]), connects, "{name}");
    }
    expect_on_the_wire(&metrics, handed_out);
    assert_eq!(metrics.value("cattail_requests_unrouted_total", &[]), 0);
}

#[test]
fn connections_are_open_until_either_side_ends_them() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut connection = Raw::connect(proxy.address());
    Request::get("/echo").send_on(&mut connection).expect(200);
    let metrics = proxy.metrics();
    assert_eq!(metrics.value("cattail_connections_total", &[]), 1);
    assert_eq!(metrics.value("cattail_connections_open", &[]), 1);
    drop(connection);
    let open = || proxy.metrics().value("cattail_connections_open", &[]);
    eventually("the connection is closed", || open() == 0);
    tomcat.kill();
    let open = || {
        proxy
            .metrics()
            .value("cattail_backend_connections_open", &[])
    };
    eventually("the Tomcat's connection is closed", || open() == 0);
}

#[test]
fn a_request_at_work_is_in_flight_and_then_no_more() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.hold("/waits");
    let in_flight =
        |metrics: &Metrics| metrics.value("cattail_backend_requests_in_flight", &[SHOP]);
    let mut connections = [(); 3].map(|()| Raw::connect(proxy.address()));
    for connection in &mut connections {
        connection.send(Request::get("/waits").bytes());
    }
    tomcat.wait_for_requests(3);
    let metrics = proxy.metrics();
    assert_eq!(in_flight(&metrics), 3);
    expect(
        &metrics,
        &[
            ("requests_total", "", "", 0),
            ("backend_attempts_total", "", "", 3),
        ],
    );
    tomcat.release("/waits");
    for connection in &mut connections {
        assert_eq!(connection.read_response().status(), 200);
    }
    assert_eq!(in_flight(&after(&proxy, 3)), 0);
}

#[test]
fn attempts_are_requests_and_retries() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    one.script_times("/reset", 1, Fault::ResetBeforeHead);
    // The first is asked, fails, and the other answers.
    assert_eq!(get(proxy.address(), "/reset").expect(200).tomcat(), "jvm2");
    one.kill();
    // Whichever is asked first: all are answered.
    for _ in 0..4 {
        assert_eq!(get(proxy.address(), "/echo").expect(200).tomcat(), "jvm2");
    }
    let metrics = after(&proxy, 5);
    expect(
        &metrics,
        &[
            ("requests_total", "code", "2xx", 5),
            ("retries_total", "reason", "closed", 1),
            ("retries_total", "reason", "connect", 1),
            ("retries_total", "", "", 2),
            ("backend_attempts_total", "", "", 7),
            ("backend_attempts_total", "backend", "jvm2", 5),
            ("backend_failures_total", "stage", "await_head", 1),
            ("backend_failures_total", "stage", "connect", 1),
            ("backend_connect_failures_total", "backend", "jvm1", 1),
            ("errors_total", "", "", 0),
        ],
    );
}

#[test]
fn errors_are_counted_by_their_reason_and_are_no_retries() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!("limits: {{ body: 10B }}\n{text}"));
    for (path, fault, status) in [
        ("/junk", Fault::Junk, 502),
        ("/two", Fault::LengthsDiffer, 502),
        ("/closed", Fault::CloseBeforeHead, 502),
    ] {
        tomcat.script(path, fault);
        // Not idempotent: what failed is not tried again.
        Request::post(path, "").send(proxy.address()).expect(status);
    }
    tomcat.unscript_all();
    let large = Request::post("/echo", "").chunked(&[b"more than ten"]);
    large.send(proxy.address()).expect(413);
    tomcat.script("/cut", Fault::HalfBody);
    let mut cut = Raw::connect(proxy.address());
    cut.send(Request::get("/cut").bytes());
    assert!(cut.try_read_response().is_err());
    tomcat.kill();
    get(proxy.address(), "/echo");
    get(proxy.address(), "/echo").expect(503);
    expect(
        &after(&proxy, 7),
        &[
            ("errors_total", "reason", "protocol", 2),
            ("errors_total", "reason", "body_too_large", 1),
            ("errors_total", "", "", 7),
            ("retries_total", "", "", 0),
            ("requests_total", "code", "2xx", 1),
            ("requests_total", "code", "4xx", 1),
            ("requests_total", "code", "5xx", 5),
            ("requests_total", "", "", 7),
            ("backend_requests_in_flight", "", "", 0),
            ("backend_failures_total", "stage", "body", 1),
        ],
    );
}

#[test]
fn a_response_that_does_not_come_in_time_is_counted_as_such() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "timeouts: { response: 50ms }");
    tomcat.script("/hangs", Fault::HangBeforeHead);
    get(proxy.address(), "/hangs").expect(504);
    tomcat.unscript_all();
    expect(
        &after(&proxy, 1),
        &[
            ("errors_total", "reason", "response_timeout", 1),
            ("errors_total", "", "", 1),
            ("requests_total", "code", "5xx", 1),
            ("retries_total", "", "", 0),
            ("backend_requests_in_flight", "", "", 0),
        ],
    );
}

#[test]
fn answers_that_no_cluster_gave_are_counted_apart() {
    let tomcat = Tomcat::start("jvm1");
    let text = cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!(
        "rules:
  - {{ path: /fixed, respond: {{ body: ok }} }}
  - {{ path: /moved, redirect: {{ to: /new }} }}
  - {{ path: /shop, cluster: shop }}
{text}"
    ));
    for (request, status) in [
        (Request::get("/fixed"), 200),
        (Request::get("/moved"), 302),
        (Request::get("/nowhere"), 404),
        (Request::new("TRACE", "/shop"), 501),
        (Request::get("/shop").header("Host", "twice"), 200),
    ] {
        request.send(proxy.address()).expect(status);
    }
    let metrics = after(&proxy, 1);
    for (code, count) in [("2xx", 1), ("3xx", 1), ("4xx", 1), ("5xx", 1)] {
        let found = metrics.value("cattail_requests_unrouted_total", &[("code", code)]);
        assert_eq!(found, count, "{code}");
    }
    let refused = |reason| metrics.value("cattail_requests_refused_total", &[("reason", reason)]);
    assert_eq!(refused("method_trace"), 1);
    expect(
        &metrics,
        &[("requests_total", "", "", 1), ("errors_total", "", "", 0)],
    );
}

#[test]
fn a_client_that_goes_away_is_an_error_of_its_own() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    tomcat.hold("/waits");
    let mut waits = Raw::connect(proxy.address());
    waits.send(Request::get("/waits").bytes());
    tomcat.wait_for_requests(1);
    drop(waits);
    expect(
        &after(&proxy, 1),
        &[
            ("requests_total", "code", "4xx", 1),
            ("errors_total", "reason", "client_gone", 1),
            ("backend_requests_in_flight", "", "", 0),
        ],
    );
}
