//! Connections that carry several requests: on the client's side, on the Tomcat's side.

use super::harness::*;

fn targets(tomcat: &Tomcat) -> Vec<String> {
    tomcat
        .requests()
        .into_iter()
        .map(|seen| seen.target)
        .collect()
}

#[test]
fn one_connection_carries_many_requests_and_so_does_the_tomcats() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    for number in 1..=50 {
        let answer = Request::get("/echo").send_on(&mut client).expect(200);
        assert!(answer.keeps_alive());
        assert_eq!(answer.header("Connection"), None);
        assert_eq!(answer.header("Keep-Alive"), None);
        assert_eq!(answer.json()["number"], number);
    }
    assert_eq!(tomcat.counts().connections_accepted, 1);
    let metrics = proxy.metrics();
    assert_eq!(metrics.value("cattail_backend_connects_total", &[]), 1);
    assert_eq!(
        metrics.value("cattail_backend_connection_reuses_total", &[]),
        49
    );
}

#[test]
fn strangers_share_the_tomcats_connections_one_after_the_other() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!("workers: 1\n{}", proxy::cluster(&[&tomcat], "")));
    for _ in 0..20 {
        get(proxy.address(), "/echo").expect(200);
        Request::post("/echo", "body")
            .send(proxy.address())
            .expect(200);
        Request::new("PUT", "/echo")
            .chunked(&[b"body"])
            .send(proxy.address())
            .expect(200);
        get(proxy.address(), "/chunked/100").expect(200);
        Request::new("HEAD", "/bytes/9")
            .send(proxy.address())
            .expect(200);
    }
    assert_eq!(tomcat.counts().connections_accepted, 1);
}

#[test]
fn a_tomcat_that_closes_after_a_hundred_requests_is_no_error() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&format!("workers: 1\n{}", proxy::cluster(&[&tomcat], "")));
    let mut client = Raw::connect(proxy.address());
    for _ in 0..150 {
        Request::get("/echo").send_on(&mut client).expect(200);
        Request::post("/echo", "x").send_on(&mut client).expect(200);
    }
    assert_eq!(
        (tomcat.count(), tomcat.counts().connections_accepted),
        (300, 3)
    );
    let metrics = proxy.metrics();
    assert_eq!(metrics.value_or_zero("cattail_retries_total", &[]), 0);
    assert_eq!(metrics.value_or_zero("cattail_errors_total", &[]), 0);
    assert_eq!(
        metrics.value_or_zero("cattail_backend_failures_total", &[]),
        0
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let requests: Vec<_> = (0..30)
        .map(|number| {
            let target = format!("/echo/{number}");
            match number % 4 {
                0 => Request::get(&target),
                1 => Request::post(&target, format!("body {number}")),
                2 => Request::new("PUT", &target).chunked(&[b"in ", b"chunks"]),
                _ => Request::get(&format!("/slow?head_ms=2&n={number}")),
            }
        })
        .collect();
    let bytes: Vec<u8> = requests.iter().flat_map(Request::bytes).collect();
    let mut client = Raw::connect(proxy.address());
    client.send(bytes);
    for number in 0..30 {
        let answer = client.read_response().expect(200);
        match number % 4 {
            3 => assert_eq!(answer.body.len(), 10),
            _ => assert_eq!(answer.json()["target"], format!("/echo/{number}")),
        }
    }
    assert_eq!(tomcat.count(), 30);
    assert_eq!(tomcat.counts().concurrent_peak, 1, "one after the other");
    assert!(client.is_open());
}

#[test]
fn what_is_pipelined_behind_a_close_is_not_served() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let last = Request::get("/echo/last").header("Connection", "close");
    let beyond = Request::get("/echo/beyond");
    let mut client = Raw::connect(proxy.address());
    client.send([last.bytes(), beyond.bytes()].concat());
    let answer = client.read_response().expect(200);
    assert!(!answer.keeps_alive());
    client.expect_closed();
    assert_eq!(targets(&tomcat), ["/echo/last"]);
    assert_eq!(
        tomcat.last_request().header("Connection"),
        None,
        "the Tomcat's goes on"
    );
}

#[test]
fn a_close_of_the_tomcat_is_not_the_clients() {
    let tomcat = Tomcat::build("jvm1", |tomcat| tomcat.requests_per_connection(1));
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    for _ in 0..5 {
        let answer = Request::get("/echo").send_on(&mut client).expect(200);
        assert!(answer.keeps_alive());
    }
    assert_eq!(tomcat.counts().connections_accepted, 5);
}

#[test]
fn http_1_0_closes_unless_it_asks_otherwise() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let old = Request::get("/echo").http10();
    let mut client = Raw::connect(proxy.address());
    let answer = old.send_on(&mut client).expect(200);
    assert!(!answer.keeps_alive());
    assert!(matches!(answer.framing, Framing::Length(_)));
    client.expect_closed();
    let seen = tomcat.last_request();
    assert!(seen.head.starts_with(b"GET /echo HTTP/1.1\r\n"), "{seen:?}");
    assert_eq!(seen.all("Host").len(), 1, "HTTP/1.1 needs one: {seen:?}");

    let asking = old
        .header("Host", "shop.example")
        .header("Connection", "Keep-Alive");
    let mut client = Raw::connect(proxy.address());
    for _ in 0..3 {
        assert!(asking.send_on(&mut client).expect(200).keeps_alive());
    }
    assert_eq!(tomcat.last_request().header("Host"), Some("shop.example"));
}

#[test]
fn http_1_0_gets_no_chunks() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let asking = Request::get("/chunked/100000")
        .http10()
        .header("Connection", "keep-alive");
    let mut client = Raw::connect(proxy.address());
    let answer = asking.send_on(&mut client).expect(200);
    assert_eq!(answer.framing, Framing::UntilClose);
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(answer.body, cattail::standin::pattern(0, 100_000));
}

#[test]
fn head_keeps_the_length_and_has_no_body() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    let answer = Request::new("HEAD", "/bytes/12345")
        .send_on(&mut client)
        .expect(200);
    assert_eq!(answer.header("Content-Length"), Some("12345"));
    let answer = Request::new("HEAD", "/chunked/12345")
        .send_on(&mut client)
        .expect(200);
    assert_eq!(answer.header("Content-Length"), None);
    // Were there a body, this would meet it.
    Request::get("/echo").send_on(&mut client).expect(200);
    assert_eq!(tomcat.last_request().method, "GET");
}

#[test]
fn statuses_without_a_body_have_none() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.raw_answer(
        "/304",
        "HTTP/1.1 304 \r\nContent-Length: 77\r\nETag: \"x\"\r\n\r\n",
    );
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    for (path, status) in [("/status/204", 204), ("/status/304", 304), ("/304", 304)] {
        let answer = Request::get(path).send_on(&mut client).expect(status);
        assert_eq!(
            (answer.framing, answer.body.len()),
            (Framing::None, 0),
            "{path}"
        );
    }
    Request::get("/echo").send_on(&mut client).expect(200);
    assert_eq!(tomcat.counts().connections_accepted, 1);
}

#[test]
fn a_connection_ends_in_good_order_after_its_share_of_requests() {
    let tomcat = Tomcat::start("jvm1");
    let limits = "limits: { requests_per_connection: 3 }\n";
    let proxy = Proxy::start(&format!("{limits}{}", proxy::cluster(&[&tomcat], "")));
    let mut client = Raw::connect(proxy.address());
    for last in [false, false, true] {
        let answer = Request::get("/echo").send_on(&mut client).expect(200);
        assert_eq!(answer.keeps_alive(), !last);
    }
    client.expect_closed();
}

#[test]
fn a_connection_ends_in_good_order_after_its_share_of_errors() {
    let limits = "limits: { requests_per_connection: 2 }\n";
    let rules = "rules: [{ respond: { status: 200, body: hello } }]\n";
    let proxy = Proxy::start(&format!("{limits}{rules}"));
    let mut client = Raw::connect(proxy.address());
    assert!(
        Request::get("/")
            .send_on(&mut client)
            .expect(200)
            .keeps_alive()
    );
    assert!(
        !Request::get("/")
            .send_on(&mut client)
            .expect(200)
            .keeps_alive()
    );
    client.expect_closed();
    // A body that nobody reads ends the connection, too.
    let mut client = Raw::connect(proxy.address());
    let answer = Request::post("/", vec![b'x'; 300_000])
        .send_on(&mut client)
        .expect(200);
    assert!(!answer.keeps_alive());
    client.expect_closed();
}

#[test]
fn a_client_that_ends_its_sending_half_after_a_request_is_no_trouble() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Raw::connect(proxy.address());
    client.send(Request::get("/echo").bytes()).finish_sending();
    // Answered, or taken for gone: but the connection ends, and the proxy serves on.
    client.read_to_end();
    get(proxy.address(), "/echo").expect(200);
    assert_eq!(proxy.metrics().value("cattail_panics_total", &[]), 0);
}
