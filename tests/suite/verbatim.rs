//! Most requests are passed on as they came, and some are looked at field by field. No backend can tell which.

#[cfg(debug_assertions)]
use std::sync::atomic::Ordering;

#[cfg(debug_assertions)]
use cattail::proxy::verbatim::WRITTEN;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::harness::*;

/// A proxy with a rule whose requests are looked at, and one whose requests need not be.
fn proxy(tomcat: &Tomcat, (top, cluster): (&str, &str)) -> Proxy {
    let address = tomcat.address();
    Proxy::start(&format!(
        "workers: 1\n\
         trusted_proxies: [127.0.0.2]\n\
         {top}\n\
         clusters: {{ shop: {{ {cluster} backends: [{{ address: '{address}', jvm_route: jvm1 }}] }} }}\n\
         rules:\n\
         - {{ path: /looked, cluster: shop, request_headers: {{ remove: [X-Never] }} }}\n\
         - {{ path: /, cluster: shop }}\n"
    ))
}

/// What the backend gets of a request with these lines behind its target.
fn seen(tomcat: &Tomcat, client: &mut Raw, target: &str, (method, lines): (&str, &str)) -> String {
    client.send(format!("{method} {target} {lines}\r\n"));
    let answer = client.read_response_to(method);
    if answer.status() != 200 {
        return format!("refused with {}", answer.status());
    }
    let head = tomcat.last_request().head;
    let head = head.escape_ascii().to_string().replace("\\r\\n", "\r\n");
    head.replacen(target, "/", 1)
}

/// Both, but for the ids that we have made.
fn both(tomcat: &Tomcat, proxy: &Proxy, from: &str, request: (&str, &str)) -> [String; 2] {
    ["/looked", "/direct"].map(|target| {
        let mut client = Raw::connect_from(from, proxy.address());
        let head = seen(tomcat, &mut client, target, request);
        let is_made =
            |value: &str| value.len() == 32 && value.bytes().all(|it| it.is_ascii_hexdigit());
        let values = head.lines().filter_map(|line| line.split_once(": "));
        match values.map(|(_, value)| value).find(|value| is_made(value)) {
            Some(id) => head.replace(id, "made"),
            None => head,
        }
    })
}

/// What stands at the top, and in the cluster.
const SETTINGS: [(&str, &str); 6] = [
    ("", ""),
    ("request_id: X-Request-Id", ""),
    (
        "request_id: X-Real-IP",
        "forwarded: { rfc7239: true, via: true },",
    ),
    (
        "request_id: X-A",
        "forwarded: { x_forwarded: false, x_real_ip: false },",
    ),
    ("", "host: backend,"),
    ("", "owner: append,"),
];

#[test]
fn a_backend_sees_the_same_whether_a_request_was_looked_at_or_not() {
    let tomcat = Tomcat::start("jvm1");
    #[cfg(debug_assertions)]
    let before = WRITTEN.load(Ordering::Relaxed);
    for settings in SETTINGS {
        let proxy = proxy(&tomcat, settings);
        for request in [
            ("GET", "HTTP/1.1\r\nHost: a.example\r\n"),
            ("HEAD", "HTTP/1.1\r\nHost: a.example:81\r\n"),
            ("GET", "HTTP/1.0\r\n"),
            ("DELETE", "HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"),
            ("POST", "HTTP/1.1\r\nHost: a\r\n"),
            (
                "GET",
                "HTTP/1.1\r\nHost: a\r\nCookie: JSESSIONID=AB-n1.jvm1\r\nCookie: b=c\r\n",
            ),
            (
                "GET",
                "HTTP/1.1\r\nhOsT: a\r\nX-A: 1\r\nAccept: */*\r\nx-a: 2\r\nEmpty:\r\n",
            ),
            (
                "GET",
                "HTTP/1.1\r\nHost: a\r\nX-Request-Id: theirs\r\nX-Last: 1\r\n",
            ),
            (
                "GET",
                "HTTP/1.1\r\nHost: a\r\nConnection: X-A, keep-alive\r\nX-A: 1\r\n",
            ),
            (
                "GET",
                "HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n",
            ),
            (
                "GET",
                "HTTP/1.1\r\nHost: a\r\nX-Forwarded-Prefix: /evil\r\nX-Real-IP: 6.6.6.6\r\n",
            ),
        ] {
            for from in ["127.0.0.1", "127.0.0.2"] {
                let [looked, direct] = both(&tomcat, &proxy, from, request);
                assert_eq!(looked, direct, "{settings:?} {request:?} from {from}");
                assert!(direct.starts_with(request.0) && direct.ends_with("\r\n\r\n"));
            }
        }
    }
    #[cfg(debug_assertions)]
    assert!(
        WRITTEN.load(Ordering::Relaxed) > before,
        "none was written as it came"
    );
}

#[test]
fn whatever_fields_a_client_sends_they_arrive_alike() {
    let lines = [
        "Accept: */*",
        "Accept: text/html",
        "X-A: 1",
        "X-A: 2",
        "x-b: 3",
        "Cookie: a=b",
        "Cookie: JSESSIONID=A.jvm1",
        "Empty:",
        "Connection: keep-alive",
        "Connection: X-A",
        "Keep-Alive: 5",
        "TE: trailers",
        "TE: gzip",
        "Via: 1.1 old",
        "X-Real-IP: 6.6.6.6",
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Ssl: on",
        "Forwarded: for=6.6.6.6",
        "Proxy-Authorization: Basic eA==",
        "Content-Length: 0",
        "X-Request-Id: theirs",
        "Upgrade: h2c",
        "Expect: nothing",
        "X-Free: \u{fc}",
    ];
    let strategy = (
        0..SETTINGS.len(),
        prop::bool::ANY,
        prop::collection::vec(prop::sample::select(lines.to_vec()), 0..6),
    );
    let tomcat = Tomcat::start("jvm1");
    let proxies = SETTINGS.map(|settings| proxy(&tomcat, settings));
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(256)
    };
    TestRunner::new(config)
        .run(&strategy, |(cluster, is_trusted, lines)| {
            let mut request = "HTTP/1.1\r\nHost: a.example\r\n".to_owned();
            for line in lines {
                request.extend([line, "\r\n"]);
            }
            let from = if is_trusted { "127.0.0.2" } else { "127.0.0.1" };
            let [looked, direct] = both(&tomcat, &proxies[cluster], from, ("GET", &request));
            prop_assert_eq!(looked, direct);
            Ok(())
        })
        .unwrap();
}
