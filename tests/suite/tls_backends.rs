//! TLS to backends: who is trusted, what is shown, what becomes of requests otherwise.

use cattail::standin::{Fault, Then};

use super::harness::*;

fn cluster(keys: &str, fronts: &[&TlsFront]) -> String {
    let text = format!("clusters:\n  shop:\n    affinity: none\n{keys}    backends:\n");
    let backends = (1..).zip(fronts).map(|(number, front)| {
        let address = front.address();
        format!("      - {{ name: jvm{number}, address: '{address}' }}\n")
    });
    text + &backends.collect::<String>()
}

fn trusting(ca: &Authority, more: &str) -> String {
    format!("    tls: {{ ca: '{}'{more} }}\n", ca.file().display())
}

fn up(proxy: &Proxy, backend: &str) -> bool {
    let metrics = proxy.metrics();
    metrics.exactly("cattail_backend_up", &[("backend", backend)]) == 1
}

#[test]
fn requests_and_large_bodies_go_to_a_backend_by_tls() {
    let ca = Authority::new("ca");
    let tomcat = Tomcat::start("jvm1");
    let front = TlsFront::start(&ca.issue(&["127.0.0.1"]), None, &tomcat);
    let proxy = Proxy::start(&cluster(&trusting(&ca, ""), &[&front]));
    let mut client = Raw::connect(proxy.address());
    for size in [0, 5, 100_000, 2_000_000] {
        let body = "y".repeat(size);
        let answer = Request::post("/echo", body).send_on(&mut client);
        answer.expect(200);
        let seen = tomcat.last_request();
        assert_eq!(seen.header("Content-Length"), Some(&*size.to_string()));
    }
    let metrics = proxy.metrics();
    assert_eq!(
        metrics.value("cattail_backend_connects_total", &[]),
        1,
        "one is kept"
    );
}

#[test]
fn a_backend_must_be_the_one_it_should_be() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let tomcat = Tomcat::start("jvm1");
    let named = TlsFront::start(&ca.issue(&["tomcat.internal"]), None, &tomcat);
    let strange = TlsFront::start(&other.issue(&["127.0.0.1"]), None, &tomcat);
    let status = |keys: &str, front: &TlsFront| {
        let proxy = Proxy::start(&cluster(keys, &[front]));
        let status = get(proxy.address(), "/echo").status();
        let errors = proxy
            .metrics()
            .value("cattail_errors_total", &[("reason", "tls")]);
        (status, errors)
    };
    assert_eq!(status(&trusting(&ca, ""), &named), (502, 1), "another name");
    assert_eq!(
        status(&trusting(&ca, ", name: tomcat.internal"), &named),
        (200, 0)
    );
    assert_eq!(
        status(&trusting(&ca, ""), &strange),
        (502, 1),
        "another authority"
    );
    assert_eq!(status("    tls: { insecure: true }\n", &strange), (200, 0));
}

#[test]
fn nothing_is_sent_to_whom_is_not_trusted_and_another_backend_serves() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let (one, two) = (Tomcat::start("jvm1"), Tomcat::start("jvm2"));
    let strange = TlsFront::start(&other.issue(&["127.0.0.1"]), None, &one);
    let good = TlsFront::start(&ca.issue(&["127.0.0.1"]), None, &two);
    let proxy = Proxy::start(&cluster(&trusting(&ca, ""), &[&strange, &good]));
    for _ in 0..10 {
        Request::post("/echo", "once")
            .send(proxy.address())
            .expect(200);
    }
    assert_eq!((one.count(), two.count()), (0, 10));
    let labels = [("backend", "jvm1"), ("stage", "tls")];
    assert!(
        proxy
            .metrics()
            .value("cattail_backend_failures_total", &labels)
            > 0
    );
}

#[test]
fn who_demands_a_certificate_gets_ours() {
    let (ca, own_ca) = (Authority::new("ca"), Authority::new("own"));
    let tomcat = Tomcat::start("jvm1");
    let front = TlsFront::start(&ca.issue(&["127.0.0.1"]), Some(&own_ca), &tomcat);
    let own = own_ca.issue(&["cattail"]);
    let (cert, key) = (own.cert.display(), own.key.display());
    let shown = trusting(&ca, &format!(", cert: '{cert}', key: '{key}'"));
    let proxy = Proxy::start(&cluster(&shown, &[&front]));
    get(proxy.address(), "/echo").expect(200);
    let proxy = Proxy::start(&cluster(&trusting(&ca, ""), &[&front]));
    get(proxy.address(), "/echo").expect(502);
}

#[test]
fn checks_are_made_as_requests_are_and_a_handshake_can_be_one() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let tomcat = Tomcat::start("jvm1");
    let good = TlsFront::start(&ca.issue(&["127.0.0.1"]), None, &tomcat);
    let strange = TlsFront::start(&other.issue(&["127.0.0.1"]), None, &tomcat);
    for check in ["path: /echo", "type: tls"] {
        let health =
            format!("    health: {{ {check}, interval: 50ms, fast_interval: 20ms, fall: 1 }}\n");
        let proxy = Proxy::start(&cluster(&(trusting(&ca, "") + &health), &[&good, &strange]));
        eventually("the one that is not trusted is down", || {
            !up(&proxy, "jvm2")
        });
        assert!(up(&proxy, "jvm1"));
        let failed = [("backend", "jvm2"), ("result", "tls")];
        assert!(
            proxy
                .metrics()
                .value("cattail_backend_checks_total", &failed)
                > 0
        );
    }
}

#[test]
fn a_backend_without_tls_is_told_from_one_that_is_down() {
    let ca = Authority::new("ca");
    let tomcat = Tomcat::start("jvm1");
    let text = format!(
        "clusters:\n  shop:\n    affinity: none\n{}    backends: [{{ name: jvm1, address: '{}' }}]\n",
        trusting(&ca, ""),
        tomcat.address()
    );
    let proxy = Proxy::start(&text);
    get(proxy.address(), "/echo").expect(502);
    assert!(up(&proxy, "jvm1"));
    // With a check that only shakes hands it is taken out without TLS for requests, too.
    let checked = format!(
        "clusters:\n  shop:\n    affinity: none\n    health: {{ type: tls, interval: 50ms, fall: 1 }}\n    \
         backends: [{{ name: jvm1, address: '{}' }}]\n",
        tomcat.address()
    );
    let proxy = Proxy::start(&checked);
    eventually("is down", || !up(&proxy, "jvm1"));
}

#[test]
fn a_reload_turns_tls_on_and_off() {
    let ca = Authority::new("ca");
    let tomcat = Tomcat::start("jvm1");
    let front = TlsFront::start(&ca.issue(&["127.0.0.1"]), None, &tomcat);
    let proxy = Proxy::start(&cluster(&trusting(&ca, ""), &[&front]));
    get(proxy.address(), "/echo").expect(200);
    proxy.reload(&cluster("", &[&front])).expect("is taken");
    // Its server takes plain HTTP for a broken handshake.
    get(proxy.address(), "/echo").expect(502);
    proxy
        .reload(&cluster(&trusting(&ca, ""), &[&front]))
        .expect("is taken");
    get(proxy.address(), "/echo").expect(200);
}

#[test]
fn a_response_that_ends_with_its_connection_is_whole_only_if_tls_ended_in_order() {
    let ca = Authority::new("ca");
    let tomcat = Tomcat::start("jvm1");
    let own = ca.issue(&["127.0.0.1"]);
    let orderly = TlsFront::start(&own, None, &tomcat);
    let rude = TlsFront::rude(&own, &tomcat);
    let answer = |front: &TlsFront| {
        let proxy = Proxy::start(&cluster(&trusting(&ca, ""), &[front]));
        let mut client = Raw::connect(proxy.address());
        client.send(Request::get("/until-close/20000").bytes());
        client.try_read_response()
    };
    let whole = answer(&orderly).expect("is whole");
    assert_eq!(whole.expect(200).body.len(), 20_000);
    let broken = answer(&rude).expect_err("is cut off");
    assert!(matches!(broken, Broken::Cut(_) | Broken::Reset), "{broken}");
}

#[test]
fn a_backend_hears_the_end_of_a_connection_that_was_kept_or_was_to_be_the_last() {
    let ca = Authority::new("ca");
    let tomcat = Tomcat::start("jvm1");
    let front = TlsFront::start(&ca.issue(&["127.0.0.1"]), None, &tomcat);
    let proxy = Proxy::start(&cluster(&trusting(&ca, ""), &[&front]));
    get(proxy.address(), "/echo").expect(200);
    drop(proxy);
    eventually("one goodbye", || front.goodbyes() == 1);
    let raw = "HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    tomcat.script("/last", Fault::Raw(raw.into(), Then::Keep));
    let proxy = Proxy::start(&cluster(&trusting(&ca, ""), &[&front]));
    get(proxy.address(), "/last").expect(200);
    eventually("another one", || front.goodbyes() == 2);
}

#[test]
fn a_backend_that_does_not_shake_hands_is_left_when_its_check_says_so() {
    let ca = Authority::new("ca");
    let tomcat = Tomcat::start("jvm2");
    let good = TlsFront::start(&ca.issue(&["127.0.0.1"]), None, &tomcat);
    // The kernel takes connections; nobody reads from them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let keys = "    timeouts: { connect: 20s }\n    \
        health: { type: tls, interval: 100ms, fast_interval: 100ms, timeout: 200ms, fall: 2 }\n";
    let text = format!(
        "clusters:\n  shop:\n    affinity: none\n{}{keys}    backends:\n      \
         - {{ name: jvm1, address: '{}' }}\n      - {{ name: jvm2, address: '{}' }}\n",
        trusting(&ca, ""),
        silent.local_addr().unwrap(),
        good.address()
    );
    let proxy = Proxy::start(&text);
    let began = tokio::time::Instant::now();
    for _ in 0..4 {
        get(proxy.address(), "/echo").expect(200);
    }
    assert!(
        began.elapsed() < scaled(std::time::Duration::from_secs(8)),
        "waited for the time-out"
    );
    assert!(!up(&proxy, "jvm1"));
}
