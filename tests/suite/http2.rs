//! Clients that speak HTTP/2: to a Tomcat their requests look as any others, and what comes back is
//! the same.

use cattail::standin::{Checksum, pattern};
use http::Version;

use super::harness::frames::{self, Frames};
use super::harness::*;

const MIB: usize = 1 << 20;

fn count(proxy: &Proxy, name: &str) -> i64 {
    proxy.metrics().value(name, &[])
}

#[test]
fn both_protocols_share_a_port() {
    let tomcat = Tomcat::start("jvm1");
    let cluster = proxy::cluster(&[&tomcat], "forwarded: { via: true }");
    let proxy = Proxy::start(&format!("workers: 1\n{cluster}"));
    let mut client = Http2::connect(proxy.address());
    for number in 1..=3 {
        let reply = client.get("/echo/x;y=1?a=%2F").expect(200);
        assert_eq!(reply.header("x-tomcat"), Some("jvm1"));
        assert_eq!(reply.header("via"), Some("1.1 cattail"));
        get(proxy.address(), "/echo").expect(200);
        assert_eq!(count(&proxy, "cattail_http2_requests_total"), number);
    }
    assert_eq!(count(&proxy, "cattail_http2_connections_total"), 1);
    assert_eq!(count(&proxy, "cattail_connections_total"), 4);
    let seen = &tomcat.requests_to("/echo/x;y=1?a=%2F")[0];
    assert_eq!(seen.header("Host"), Some("shop.example"));
    assert_eq!(seen.header("X-Forwarded-Host"), Some("shop.example"));
    assert_eq!(seen.header("X-Forwarded-Proto"), Some("http"));
    assert_eq!(seen.header("Via"), Some("2.0 cattail"));
    assert!(seen.head.starts_with(b"GET /echo/x;y=1?a=%2F HTTP/1.1\r\n"));
    assert_eq!(seen.header("Transfer-Encoding"), None);
    assert_eq!(tomcat.counts().connections_accepted, 1);
}

#[test]
fn a_listener_may_take_http1_alone() {
    let tomcat = Tomcat::start("jvm1");
    let cluster = proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&format!(
        "listeners: [{{ address: '127.0.0.1:0', http2: false }}]\n{cluster}"
    ));
    let mut client = Raw::connect(proxy.address());
    client.send(frames::PREFACE);
    let (answer, _) = client.read_to_end();
    assert_eq!(answer, b"", "not a word of HTTP/2");
    let refused = [("reason", "version")];
    let refused = proxy
        .metrics()
        .value("cattail_parse_errors_total", &refused);
    assert_eq!(refused, 1);
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn what_is_spoken_is_seen_however_the_first_bytes_come() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let hello = [frames::PREFACE, &frames::frame(frames::SETTINGS, 0, 0, b"")].concat();
    for cut in 1..hello.len() {
        let mut client = Frames {
            raw: Raw::connect(proxy.address()),
        };
        client.raw.send(&hello[..cut]);
        // The two parts must not meet on their way.
        wait::stays("a pause", std::time::Duration::from_millis(3), || true);
        client.raw.send(&hello[cut..]);
        client.next(frames::SETTINGS);
    }
    for cut in 1..5 {
        let request = Request::new("PROPFIND", "/echo").bytes();
        let mut client = Raw::connect(proxy.address());
        client.send(&request[..cut]);
        wait::stays("a pause", std::time::Duration::from_millis(3), || true);
        client.send(&request[cut..]);
        client.read_response().expect(200);
    }
}

#[test]
fn many_requests_at_once_stay_with_their_sessions() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&sticky_cluster(&[&one, &two], ""));
    let mut client = Http2::connect(proxy.address());
    let logins = client.ask_all((0..8).map(|_| Ask::get("/session")));
    let cookies: Vec<String> = logins
        .iter()
        .map(|reply| {
            let cookie = reply.header("set-cookie").expect("a session");
            cookie.split(';').next().unwrap().to_owned()
        })
        .collect();
    let on = |jvm_route: &str| cookies.iter().filter(|it| it.ends_with(jvm_route)).count();
    assert_eq!((on("jvm1"), on("jvm2")), (4, 4), "{cookies:?}");
    let asks = (0..200).map(|number| {
        // As browsers do: each cookie by itself.
        Ask::get("/session")
            .header("cookie", "theme=dark")
            .header("cookie", &cookies[number % 8])
            .header("cookie", "x=y")
    });
    for (number, reply) in client.ask_all(asks).into_iter().enumerate() {
        let reply = reply.expect(200);
        let owner = cookies[number % 8].rsplit('.').next();
        assert_eq!(reply.header("x-tomcat"), owner);
        assert_eq!(reply.header("set-cookie"), None, "the session goes on");
    }
    let seen = one.last_request();
    assert_eq!(seen.all("Cookie").len(), 1, "{:?}", seen.headers);
    let cookie = seen.header("Cookie").unwrap();
    assert!(cookie.starts_with("theme=dark; JSESSIONID="), "{cookie}");
    assert!(cookie.ends_with(".jvm1; x=y"), "{cookie}");
    assert_eq!(count(&proxy, "cattail_connections_total"), 1);
    assert_eq!(count(&proxy, "cattail_http2_requests_total"), 208);
}

#[test]
fn requests_of_one_connection_take_turns() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    let mut client = Http2::connect(proxy.address());
    let mut seen = |_| {
        let reply = client.get("/echo").expect(200);
        reply.header("x-tomcat").unwrap().to_owned()
    };
    let turns: Vec<String> = (0..10).map(&mut seen).collect();
    for pair in turns.windows(2) {
        assert_ne!(pair[0], pair[1], "{turns:?}");
    }
}

#[test]
fn bodies_pass_both_ways_at_any_size() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    for size in [0, 1, 65_535, 65_536, 300_000, 5 * MIB] {
        let body = pattern(0, size);
        for ask in [
            Ask::new("POST", "/echo").body(body.clone()),
            Ask::new("POST", "/echo").piece(body.clone()),
        ] {
            let has_length = format!("{ask:?}").contains("content-length");
            let echo = client.ask(ask).expect(200).json();
            assert_eq!(echo["body_bytes"], size);
            assert_eq!(echo["body_checksum"], Checksum::of(&body).to_string());
            let seen = tomcat.last_request();
            let length = has_length.then(|| size.to_string());
            assert_eq!(seen.header("Content-Length"), length.as_deref());
            let chunked = (!has_length && size > 0).then_some("chunked");
            if size > 0 {
                assert_eq!(seen.header("Transfer-Encoding"), chunked);
            }
        }
        for path in ["bytes", "chunked"] {
            let reply = client.get(&format!("/{path}/{size}")).expect(200);
            assert!(reply.body == body, "another body came of {path}");
            let length = (path == "bytes").then(|| size.to_string());
            if size > 0 {
                assert_eq!(reply.header("content-length"), length.as_deref());
            }
            assert_eq!(reply.header("transfer-encoding"), None);
        }
    }
    assert_eq!(tomcat.counts().connections_accepted, 1);
}

#[test]
fn uploads_and_downloads_of_one_connection_do_not_mix() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    let asks = (0..40).map(|number| {
        let body = pattern(number, 100_000 + usize::try_from(number).unwrap());
        match number % 2 {
            0 => Ask::new("POST", "/echo").piece(body),
            _ => Ask::get(&format!("/chunked/{}", body.len())),
        }
    });
    for (number, reply) in client.ask_all(asks).into_iter().enumerate() {
        let (size, reply) = (100_000 + number, reply.expect(200));
        if number % 2 == 0 {
            let sent = pattern(number as u64, size);
            assert_eq!(
                reply.json()["body_checksum"],
                Checksum::of(&sent).to_string()
            );
        } else {
            assert!(reply.body == pattern(0, size), "another body came");
        }
    }
}

#[test]
fn trailers_go_both_ways() {
    let tomcat = Tomcat::start("jvm1");
    let head = "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nTrailer: X-Checked\r\n\r\n";
    let behind = "X-Checked: yes\r\nConnection: x\r\nContent-Length: 7\r\nKeep-Alive: 1\r\n";
    tomcat.raw_answer(
        "/trailers",
        format!("{head}5\r\nwhole\r\n0\r\n{behind}\r\n"),
    );
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    let ask = Ask::new("POST", "/trailers")
        .header("te", "trailers")
        .header("trailer", "x-late")
        .piece("body")
        .trailer("x-late", "1")
        .trailer("x-not-announced", "2");
    let reply = client.ask(ask).expect(200);
    assert_eq!(reply.body, b"whole");
    let trailers = reply.trailers.expect("trailers");
    assert_eq!(trailers.len(), 1, "{trailers:?}");
    assert_eq!(trailers["x-checked"], "yes");
    let seen = tomcat.last_request();
    assert_eq!(seen.header("TE"), Some("trailers"));
    let late: Vec<_> = seen
        .trailers
        .iter()
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(late, ["1"]);
}

#[test]
fn answers_without_a_body_have_none() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    let reply = client.ask(Ask::new("HEAD", "/bytes/1000")).expect(200);
    assert_eq!(reply.header("content-length"), Some("1000"));
    assert!(reply.body.is_empty());
    for status in [204, 304, 500] {
        let reply = client.get(&format!("/status/{status}")).expect(status);
        assert_eq!(reply.body.is_empty(), status < 500);
    }
    // Some promise what never comes.
    tomcat.raw_answer("/empty", "HTTP/1.1 204 \r\nContent-Length: 200\r\n\r\n");
    let reply = client.get("/empty").expect(204);
    assert_eq!(reply.header("content-length"), None);
}

#[test]
fn fields_of_the_tomcats_connection_stay_there() {
    let tomcat = Tomcat::start("jvm1");
    let fields = "Connection: keep-alive, X-Own\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\n\
        Proxy-Connection: x\r\nUpgrade: h2c\r\nX-Other: 2\r\n";
    let answer = format!("HTTP/1.1 200 \r\n{fields}Content-Length: 2\r\n\r\nok");
    tomcat.raw_answer("/fields", answer);
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    let reply = client.get("/fields").expect(200);
    let mut names: Vec<_> = reply.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "x-other"]);
}

#[test]
fn the_authority_and_host_name_one_place() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    let cases = [
        ("http://shop.example/echo", None, 200),
        ("http://shop.example/echo", Some("shop.example"), 200),
        ("http://shop.example/echo", Some("Shop.Example:80"), 200),
        ("http://shop.example/echo", Some("other.example"), 400),
        ("http://shop.example:81/echo", Some("shop.example"), 400),
        ("http://user@shop.example/echo", None, 400),
        ("http://shop.example/echo", Some(""), 400),
        ("ftp://shop.example/echo", None, 400),
    ];
    for (uri, host, status) in cases {
        let ask = Ask::of("GET", uri);
        let ask = host.iter().fold(ask, |ask, host| ask.header("host", host));
        let before = tomcat.count();
        client.ask(ask).expect(status);
        assert_eq!(tomcat.count() - before, u64::from(status == 200), "{uri}");
        if status == 200 {
            let seen = tomcat.last_request();
            let expected = host.unwrap_or("shop.example");
            assert_eq!(seen.all("Host"), [expected]);
        }
    }
    let two = Ask::get("/echo").header("host", "a").header("host", "a");
    client.ask(two).expect(400);
}

#[test]
fn a_path_must_be_one() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let fields = |method, path| {
        frames::fields(&[
            (":method", method),
            (":scheme", "http"),
            (":authority", "shop.example"),
            (":path", path),
        ])
    };
    // As HPACK writes them: 400 has a number of its own, others have not.
    for (method, path, is_refused) in [
        ("GET", "?a=b", true),
        ("GET", "*", true),
        ("GET", "/%2e%2e/echo", false),
        ("OPTIONS", "*", false),
    ] {
        let mut client = Frames::connect(proxy.address(), &[]);
        let flags = frames::END_STREAM | frames::END_HEADERS;
        client.send(frames::HEADERS, flags, 1, &fields(method, path));
        let answer = client.next_of(frames::HEADERS, 1);
        assert_eq!(answer.payload[0] == 0x8c, is_refused, "{method} {path}");
    }
    assert_eq!(tomcat.last_request().target, "*");
}

#[test]
fn methods_of_other_proxies_are_refused() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    client.ask(Ask::new("TRACE", "/echo")).expect(501);
    client
        .ask(Ask::of("CONNECT", "shop.example:443"))
        .expect(501);
    client.get("/echo").expect(200);
    assert_eq!(tomcat.count(), 1);
}

#[test]
fn a_client_that_waits_for_a_100_gets_its_answer() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::in_front_of(&[&tomcat], "");
    let mut client = Http2::connect(proxy.address());
    let ask = Ask::new("POST", "/echo").header("expect", "100-continue");
    let echo = client.ask(ask.body("hello")).expect(200).json();
    assert_eq!(echo["body_bytes"], 5);
    assert_eq!(tomcat.last_request().header("Expect"), None);
    let ask = Ask::new("POST", "/echo").header("expect", "miracles");
    client.ask(ask.body("hello")).expect(417);
}

#[test]
fn the_log_and_redirects_know_what_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = format!(
        "access_log: {{ path: '{}', format: combined }}",
        path.display()
    );
    let tomcat = Tomcat::start("jvm1");
    let cluster = proxy::cluster(&[&tomcat], "");
    let rules = "rules:\n  - { path: /old, redirect: { to: 'https://$host$request_uri' } }\n  \
        - { cluster: shop }\n";
    let proxy = Proxy::start(&format!("{log}\n{rules}{cluster}"));
    let mut client = Http2::connect(proxy.address());
    client.get("/echo?x=1").expect(200);
    let reply = client.get("/old/x?y").expect(302);
    assert_eq!(
        reply.header("location"),
        Some("https://shop.example/old/x?y")
    );
    drop(client);
    proxy.stop();
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let version = format!("{:?}", Version::HTTP_2);
    for (line, asked) in lines.iter().zip(["GET /echo?x=1", "GET /old/x?y"]) {
        assert!(line.contains(&format!("\"{asked} {version}\"")), "{line}");
    }
}

#[test]
fn requests_wait_in_the_queue_as_others_do() {
    let tomcat = Tomcat::start("jvm1");
    let backend = format!(
        "backends: [{{ name: jvm1, address: '{}', max_requests: 2 }}]",
        tomcat.address()
    );
    let proxy = Proxy::start(&format!(
        "clusters: {{ shop: {{ affinity: none, queue: {{ length: 100 }}, {backend} }} }}"
    ));
    let mut client = Http2::connect(proxy.address());
    let replies = client.ask_all((0..50).map(|_| Ask::get("/slow?head_ms=2")));
    for reply in replies {
        reply.expect(200);
    }
    let most = tomcat.counts().concurrent_peak;
    assert!(most <= 2, "{most} at a time");
}
