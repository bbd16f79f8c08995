use std::time::Duration;

use cattail::standin::{Address, BodyEnd, Checksum, pattern};

use crate::harness::{Browser, Framing, Raw, Request, Tomcat, get, in_parallel};

fn tcp(tomcat: &Tomcat) -> std::net::SocketAddr {
    tomcat.address().socket_addr().unwrap()
}

#[test]
fn echo_shows_the_request_as_it_came() {
    let tomcat = Tomcat::start("jvm1");
    let request = Request::new("PUT", "/echo/%41?q=a%20b")
        .header("x-lower", "1")
        .header("X-UPPER", "2")
        .chunked(&[b"hello ", b"world"])
        .trailer("X-Sum", "11");
    let echo = request.send(tomcat.address()).expect(200).json();
    assert_eq!(echo["method"], "PUT");
    assert_eq!(echo["target"], "/echo/%41?q=a%20b");
    assert_eq!(echo["headers"][1], serde_json::json!(["x-lower", "1"]));
    assert_eq!(echo["headers"][2], serde_json::json!(["X-UPPER", "2"]));
    assert_eq!(echo["body_bytes"], 11);
    assert_eq!(
        echo["body_checksum"],
        Checksum::of(b"hello world").to_string()
    );
    assert_eq!(
        (&echo["connection"], &echo["number"]),
        (&1.into(), &1.into())
    );

    let seen = tomcat.last_request();
    assert_eq!(
        (seen.body.as_slice(), seen.body_end),
        (b"hello world".as_slice(), BodyEnd::Complete)
    );
    assert_eq!(seen.trailers, [("X-Sum".to_owned(), "11".to_owned())]);
    assert_eq!(
        (seen.header("X-Lower"), seen.all("x-upper")),
        (Some("1"), vec!["2"])
    );
    assert!(
        seen.head
            .starts_with(b"PUT /echo/%41?q=a%20b HTTP/1.1\r\nHost: ")
    );
}

#[test]
fn bodies_are_framed_as_asked() {
    let tomcat = Tomcat::start("jvm1");
    let body = pattern(0, 100_000);
    for (path, framing) in [
        ("/bytes/100000", Framing::Length(100_000)),
        ("/chunked/100000?piece=7001", Framing::Chunked),
        ("/until-close/100000", Framing::UntilClose),
    ] {
        let response = get(tomcat.address(), path);
        assert_eq!(
            (response.framing, response.body == body),
            (framing, true),
            "{path}"
        );
        assert_eq!(
            response.keeps_alive(),
            framing != Framing::UntilClose,
            "{path}"
        );
    }
    let trailers = get(tomcat.address(), "/chunked/5?trailers=1").trailers;
    assert_eq!(trailers[0], ("X-Checked".to_owned(), "yes".to_owned()));
    let head = Request::new("HEAD", "/bytes/7").send(tomcat.address());
    assert_eq!(
        (head.framing, head.header("Content-Length")),
        (Framing::None, Some("7"))
    );
    assert_eq!(
        get(tomcat.address(), "/slow?pieces=3&head_ms=1&every_ms=1").body,
        pattern(0, 30)
    );
    assert_eq!(get(tomcat.address(), "/status/204").framing, Framing::None);
}

#[test]
fn the_hundredth_request_on_a_connection_is_the_last() {
    let tomcat = Tomcat::start("jvm1");
    let mut connection = Raw::connect(tomcat.address());
    for number in 1..=100 {
        let response = Request::get("/echo").send_on(&mut connection);
        assert_eq!(response.json()["number"], number);
        assert_eq!(response.keeps_alive(), number < 100);
    }
    connection.expect_closed();
    assert_eq!(
        (tomcat.count(), tomcat.counts().connections_accepted),
        (100, 1)
    );
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let tomcat = Tomcat::build("jvm1", |tomcat| {
        tomcat.keep_alive(Duration::from_millis(20))
    });
    let mut connection = Raw::connect(tcp(&tomcat));
    Request::get("/echo").send_on(&mut connection);
    connection.expect_closed();
    tomcat.wait_for("closed", |counts| counts.open_connections == 0);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let tomcat = Tomcat::build("jvm1", |tomcat| tomcat.requests_per_connection(2));
    let mut connection = Raw::connect(tomcat.address());
    let requests = [
        Request::post("/echo/1", "a"),
        Request::get("/echo/2"),
        Request::get("/3"),
    ];
    connection.send(requests.map(|request| request.bytes()).concat());
    for target in ["/echo/1", "/echo/2"] {
        assert_eq!(connection.read_response().json()["target"], target);
    }
    connection.expect_closed();
}

#[test]
fn an_expectation_is_met_at_once_late_or_never() {
    let tomcat = Tomcat::start("jvm1");
    for path in ["/echo", "/continue", "/continue/late?ms=1"] {
        let request = Request::post(path, "body").header("Expect", "100-continue");
        let mut connection = Raw::connect(tomcat.address());
        connection.send(request.head_bytes());
        assert_eq!(connection.read_interim().status, 100, "{path}");
        connection.send(request.body_bytes());
        assert_eq!(connection.read_response().json()["body_bytes"], 4, "{path}");
    }
    let mut connection = Raw::connect(tomcat.address());
    let request = Request::post("/continue/never", "body").header("Expect", "100-continue");
    connection.send(request.head_bytes());
    let response = connection.read_response().expect(417);
    assert!(response.interim.is_empty() && !response.keeps_alive());
    connection.finish_sending().expect_closed();
    assert_eq!(tomcat.last_request().body_end, BodyEnd::Unread);
}

#[test]
fn an_early_answer_comes_before_the_body_is_sent() {
    let tomcat = Tomcat::start("jvm1");
    let mut connection = Raw::connect(tomcat.address());
    let request = Request::post("/early", "late body");
    connection.send(request.head_bytes());
    assert_eq!(connection.read_response().text(), "early\n");
    connection.send(request.body_bytes());
    assert_eq!(
        Request::get("/echo").send_on(&mut connection).json()["number"],
        2
    );
    assert_eq!(tomcat.requests_to("/early")[0].body, b"late body");
}

#[test]
fn interim_responses_precede_the_final_one() {
    let tomcat = Tomcat::start("jvm1");
    let response = get(tomcat.address(), "/interim/103?times=2").expect(200);
    let statuses: Vec<_> = response.interim.iter().map(|head| head.status).collect();
    assert_eq!(statuses, [103, 103]);
    assert_eq!(
        response.interim[0].header("link"),
        Some("</style.css>; rel=preload")
    );
}

#[test]
fn an_upgraded_connection_echoes_raw_bytes_until_it_is_closed() {
    let tomcat = Tomcat::start("jvm1");
    assert_eq!(get(tomcat.address(), "/upgrade").status(), 426);
    let request = Request::get("/upgrade")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket");
    let mut connection = Raw::connect(tomcat.address());
    connection.send([request.bytes(), b"early".to_vec()].concat());
    assert_eq!(
        connection.read_response().expect(101).header("Upgrade"),
        Some("websocket")
    );
    connection.send(b"\x00\xff");
    assert_eq!(connection.read_exactly(7), b"early\x00\xff");
    connection.finish_sending().expect_closed();
}

#[test]
fn answers_carry_the_fields_that_the_query_names() {
    let tomcat = Tomcat::start("jvm1");
    let response = get(tomcat.address(), "/headers?X-A=1&Link=%3C%2Fa%3E&X-A=2");
    assert_eq!(
        (response.all("X-A"), response.header("Link")),
        (vec!["1", "2"], Some("</a>"))
    );
    let response = get(
        tomcat.address(),
        "/set-cookie?c=a%3D1%3B+Path%3D%2Fx&c=b%3D2",
    );
    assert_eq!(response.all("Set-Cookie"), ["a=1; Path=/x", "b=2"]);
    assert_eq!(response.cookie("b"), Some("2"));
    let response = get(tomcat.address(), "/location?to=http://in.side/x&status=307").expect(307);
    assert_eq!(response.header("Location"), Some("http://in.side/x"));
    let response = Request::new("OPTIONS", "*")
        .send(tomcat.address())
        .expect(200);
    assert_eq!(
        response.header("Allow"),
        Some("GET, HEAD, POST, PUT, DELETE, OPTIONS")
    );
}

#[test]
fn heads_that_tomcat_refuses_are_refused() {
    let tomcat = Tomcat::start("jvm1");
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(8192)
    );
    for (bytes, status) in [
        (long.as_str(), 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("no HTTP at all\r\n\r\n", 400),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            400,
        ),
    ] {
        let mut connection = Raw::connect(tomcat.address());
        connection.send(bytes);
        let response = connection.read_response().expect(status);
        assert!(!response.keeps_alive(), "{bytes}");
        connection.finish_sending().expect_closed();
    }
}

#[test]
fn http_1_0_closes_unless_asked_to_keep() {
    let tomcat = Tomcat::start("jvm1");
    let mut connection = Raw::connect(tomcat.address());
    let kept = Request::get("/echo")
        .http10()
        .header("Connection", "keep-alive");
    let response = kept.send_on(&mut connection);
    assert_eq!(response.header("Keep-Alive"), Some("timeout=20"));
    let response = Request::get("/chunked/5").http10().send_on(&mut connection);
    assert_eq!(
        (response.framing, response.body),
        (Framing::UntilClose, pattern(0, 5))
    );
}

#[test]
fn a_stand_in_listens_on_ipv6_and_on_unix_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let socket = Address::Unix(directory.path().join("tomcat.sock"));
    for address in ["[::1]:0".parse().unwrap(), socket.clone()] {
        let tomcat = Tomcat::build("jvm1", |tomcat| tomcat.listen(address));
        get(tomcat.address(), "/echo").expect(200);
        tomcat.kill();
        Raw::try_connect(tomcat.address()).unwrap_err();
        tomcat.restart().unwrap();
        get(tomcat.address(), "/echo").expect(200);
    }
    Raw::try_connect(socket).unwrap_err();
}

#[test]
fn many_clients_at_once_are_counted_as_such() {
    let tomcat = Tomcat::start("jvm1");
    tomcat.hold("/echo");
    let statuses = in_parallel(9, |number| {
        if number == 0 {
            tomcat.wait_for("eight held", |counts| counts.in_progress == 8);
            tomcat.release("/echo");
            return 200;
        }
        get(tomcat.address(), "/echo").status()
    });
    assert_eq!(statuses, [200; 9]);
    // A client has its answer a moment before the Tomcat has done with it.
    tomcat.wait_for("done", |counts| counts.in_progress == 0);
    let counts = tomcat.counts();
    assert_eq!((counts.concurrent_peak, counts.requests), (8, 8));
}

#[test]
fn a_slow_reader_makes_the_tomcat_wait() {
    let tomcat = Tomcat::start("jvm1");
    let mut connection = Raw::connect_narrow(tomcat.address());
    connection.send(Request::get("/bytes/30000000").bytes());
    tomcat.wait_for_requests(1);
    crate::harness::wait::stays("in progress", Duration::from_millis(50), || {
        tomcat.counts().in_progress == 1
    });
    connection.reset();
    tomcat.wait_for("given up", |counts| counts.open_connections == 0);
}

#[test]
fn other_loopback_addresses_are_other_clients() {
    let tomcat = Tomcat::start("jvm1");
    let mut connection = Raw::connect_from("127.0.0.9", tomcat.address());
    assert_eq!(connection.local().ip().to_string(), "127.0.0.9");
    Request::get("/echo").send_on(&mut connection).expect(200);
}

#[test]
fn the_demos_stand_in_serves_its_page_and_remembers_no_requests() {
    let tomcat = Tomcat::build("jvm1", |tomcat| {
        tomcat.page_only().keep_alive(Duration::from_secs(5))
    });
    let page = Browser::new(tomcat.address())
        .get("/bytes/1000000")
        .expect(200);
    assert!(page.text().contains("<h1>jvm1</h1>"));
    assert_eq!((tomcat.requests().len(), tomcat.count()), (0, 1));
}
