//! Bounds on handshakes: how many may begin, and how many may be under way.

use super::harness::*;
use super::process::Process;

const HOST: &str = "shop.example";

fn counted(proxy: &Proxy, reason: &str) -> i64 {
    let labels = [("reason", reason)];
    let metrics = proxy.metrics();
    metrics.value("cattail_connections_refused_total", &labels)
}

struct Stage {
    ca: Authority,
    tomcat: Tomcat,
    proxy: Proxy,
}

fn stage(settings: &str) -> Stage {
    let ca = Authority::new("ca");
    let tomcat = Tomcat::start("jvm1");
    let listener = Issued::listener(&[&ca.issue(&[HOST])], "");
    let text = format!("{settings}\n{listener}{}", proxy::cluster(&[&tomcat], ""));
    Stage {
        proxy: Proxy::start(&text),
        ca,
        tomcat,
    }
}

impl Stage {
    fn connect_from(&self, from: &str) -> Result<Raw, String> {
        let raw = Raw::connect_from(from, self.proxy.address());
        raw.try_secure(&self.ca.clients(), HOST)
            .map_err(|failure| failure.to_string())
    }

    /// How many of so many get in.
    fn begun(&self, from: &str, count: usize) -> usize {
        (0..count)
            .filter(|_| self.connect_from(from).is_ok())
            .count()
    }
}

#[test]
fn a_client_that_shakes_hands_too_often_is_closed_and_others_are_not() {
    // One each second: what comes back during the test is little.
    let stage = stage("limits: { handshakes: { per_client: 1 } }");
    let mut kept = stage.connect_from("127.0.0.7").expect("gets in");
    let begun = stage.begun("127.0.0.7", 60);
    assert!((9..40).contains(&begun), "{begun}");
    let refused = counted(&stage.proxy, "handshakes_client");
    assert_eq!(usize::try_from(refused).unwrap(), 60 - begun);
    // Whoever is connected stays so, and strangers come in.
    Request::get("/echo").send_on(&mut kept).expect(200);
    let mut other = stage.connect_from("127.0.0.8").expect("gets in");
    Request::get("/echo").send_on(&mut other).expect(200);
    assert_eq!(counted(&stage.proxy, "handshakes"), 0);
    assert_eq!(stage.tomcat.count(), 2);
}

#[test]
fn all_together_have_a_bound() {
    let stage = stage("limits: { handshakes: { in_all: 1 } }");
    let begun: usize = (1..60)
        .map(|number| stage.begun(&format!("127.0.1.{number}"), 1))
        .sum();
    assert!((10..40).contains(&begun), "{begun}");
    let refused = counted(&stage.proxy, "handshakes");
    assert_eq!(usize::try_from(refused).unwrap(), 59 - begun);
}

#[test]
fn nothing_of_it_is_said_by_tls() {
    let stage = stage("limits: { handshakes: { per_client: 1 } }");
    let mut silent: Vec<_> = (0..60)
        .map(|_| Raw::connect_from("127.0.0.7", stage.proxy.address()))
        .collect();
    eventually("some are refused", || {
        counted(&stage.proxy, "handshakes_client") >= 20
    });
    let (bytes, _) = silent.pop().unwrap().read_to_end();
    assert_eq!(bytes, b"");
    // They are not the handshakes that failed.
    let metrics = stage.proxy.metrics();
    assert_eq!(metrics.value("cattail_tls_handshakes_total", &[]), 0);
}

#[test]
fn trusted_proxies_and_listeners_without_tls_have_no_such_bound() {
    let settings = "limits: { handshakes: { per_client: 1 } }";
    let trusting = stage(&format!("{settings}\ntrusted_proxies: [127.0.0.7]"));
    assert_eq!(trusting.begun("127.0.0.7", 30), 30);
    let tomcat = Tomcat::start("jvm1");
    let both = "limits: { handshakes: { per_client: 1, in_all: 1 } }\n";
    let plain = Proxy::start(&(both.to_owned() + &proxy::cluster(&[&tomcat], "")));
    for _ in 0..50 {
        get(plain.address(), "/echo").expect(200);
    }
}

#[test]
fn a_reload_changes_the_bound() {
    let stage = stage("limits: { handshakes: { per_client: 1 } }");
    assert!(stage.begun("127.0.0.7", 60) < 60);
    let listener = Issued::listener(&[&stage.ca.renew(&[HOST])], "");
    let cluster = proxy::cluster(&[&stage.tomcat], "");
    let text = format!("limits: {{ handshakes: {{ per_client: 0 }} }}\n{listener}{cluster}");
    stage.proxy.reload(&text).expect("is taken");
    assert_eq!(stage.begun("127.0.0.7", 60), 60);
}

#[test]
fn who_holds_a_place_without_shaking_hands_loses_it_to_the_next() {
    let stage = stage("workers: 1\nlimits: { handshakes: { under_way: 3 } }");
    let mut kept = stage.connect_from("127.0.0.7").expect("gets in");
    let under_way = || {
        let metrics = stage.proxy.metrics();
        metrics.value("cattail_tls_handshakes_under_way", &[])
    };
    let mut silent: Vec<_> = (0..5)
        .map(|_| Raw::connect(stage.proxy.address()))
        .collect();
    silent[0].expect_end_of_any_kind();
    silent[1].expect_end_of_any_kind();
    eventually("three are under way", || under_way() == 3);
    let mut other = stage.connect_from("127.0.0.8").expect("gets in");
    silent[2].expect_end_of_any_kind();
    for client in [&mut kept, &mut other] {
        Request::get("/echo").send_on(client).expect(200);
    }
    eventually("two are under way", || under_way() == 2);
    drop(silent);
    eventually("nobody is under way", || under_way() == 0);
    let metrics = stage.proxy.metrics();
    let result = |result| metrics.value("cattail_tls_handshakes_total", &[("result", result)]);
    assert_eq!((result("displaced"), result("closed")), (3, 2));
    assert_eq!(result("full"), 2);
}

#[test]
fn the_operator_is_told_once() {
    let ca = Authority::new("ca");
    let text = Issued::listener(&[&ca.issue(&[HOST])], "")
        + "admin: { address: '127.0.0.1:0' }\n\
           limits: { handshakes: { per_client: 1 } }\n\
           rules: [{ respond: { body: hello } }]\n";
    let process = Process::run(&text);
    let (address, admin) = (process.address(), process.admin());
    let flood = || {
        for _ in 0..60 {
            Raw::connect(address.clone());
        }
    };
    flood();
    let line = process.wait_for_line("limits.handshakes.per_client");
    assert!(
        line.contains("WARN") && line.contains("127.0.0.1"),
        "{line}"
    );
    flood();
    eventually("all are counted", || {
        let labels = [("reason", "handshakes_client")];
        Metrics::scrape(&admin).value("cattail_connections_refused_total", &labels) > 80
    });
    let lines = process.lines();
    let told = lines
        .iter()
        .filter(|line| line.contains("handshakes.per_client"));
    assert_eq!(told.count(), 1, "{lines:?}");
}
