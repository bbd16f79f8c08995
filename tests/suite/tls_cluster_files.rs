//! Files of TLS to backends that change while the proxy serves: what is in force when.

use std::fs;

use super::harness::secure::put;
use super::harness::*;
use super::process::Process;

/// A backend that shows a certificate for 127.0.0.1 of `ca`, and wants one of `staff`.
struct Stage {
    ca: Authority,
    staff: Authority,
    own: Issued,
    tomcat: Tomcat,
    front: TlsFront,
}

fn stage() -> Stage {
    let (ca, staff) = (Authority::new("ca"), Authority::new("staff"));
    let tomcat = Tomcat::start("jvm1");
    let front = TlsFront::start(&ca.issue(&["127.0.0.1"]), Some(&staff), &tomcat);
    Stage {
        own: staff.issue(&["cattail"]),
        ca,
        staff,
        tomcat,
        front,
    }
}

impl Stage {
    fn text(&self, more: &str) -> String {
        let (ca, cert, key) = (self.ca.file(), &self.own.cert, &self.own.key);
        format!(
            "workers: 1\nclusters:\n  shop:\n    affinity: none\n    outliers: {{ consecutive: 0 }}\n    \
             tls: {{ ca: '{}', cert: '{}', key: '{}', reload: 100ms }}\n{more}    \
             backends: [{{ name: jvm1, address: '{}' }}]\n",
            ca.display(),
            cert.display(),
            key.display(),
            self.front.address()
        )
    }
}

fn reloads(proxy: &Proxy, result: &str) -> i64 {
    let labels = [("cluster", "shop"), ("result", result)];
    let metrics = proxy.metrics();
    metrics.value("cattail_tls_certificate_reloads_total", &labels)
}

fn status(proxy: &Proxy) -> u16 {
    get(proxy.address(), "/echo").status()
}

#[test]
fn authorities_that_change_count_for_new_connections_and_kept_ones_go_on() {
    let stage = stage();
    let proxy = Proxy::start(&stage.text(""));
    assert_eq!(status(&proxy), 200);
    let connects = || {
        let metrics = proxy.metrics();
        metrics.value("cattail_backend_connects_total", &[])
    };
    assert_eq!(connects(), 1);
    // Nobody is trusted any more who is a backend here.
    let good = fs::read(stage.ca.file()).unwrap();
    fs::copy(Authority::new("others").file(), stage.ca.file()).unwrap();
    eventually("it is read", || reloads(&proxy, "success") == 1);
    for _ in 0..5 {
        assert_eq!(status(&proxy), 200, "on the connection that is kept");
    }
    assert_eq!(connects(), 1);
    // What is kept goes on over a reload of the configuration, too.
    proxy.reload(&stage.text("")).expect("is taken");
    assert_eq!((status(&proxy), connects()), (200, 1));
    // A further one at the same time is a new one.
    let served = stage.tomcat.count();
    let mut holds = Raw::connect(proxy.address());
    holds.send(Request::get("/slow?head_ms=20000").bytes());
    eventually("the kept one is in use", || {
        stage.tomcat.count() == served + 1
    });
    assert_eq!(status(&proxy), 502);
    fs::write(stage.ca.file(), good).unwrap();
    eventually("it is read", || reloads(&proxy, "success") == 2);
    assert_eq!(status(&proxy), 200);
}

#[test]
fn our_own_certificate_is_renewed_and_half_a_renewal_changes_nothing() {
    let stage = stage();
    // Each request has a connection of its own.
    let text = stage.text("    pool: { max_idle: 0 }\n");
    let proxy = Proxy::start(&text);
    assert_eq!(status(&proxy), 200);
    let end = || {
        let name = "cattail_tls_certificate_not_after_timestamp_seconds";
        let labels = [("cluster", "shop"), ("certificate", "cattail")];
        proxy.metrics().exactly(name, &labels)
    };
    let before = end();
    let algorithm = &rcgen::PKCS_ECDSA_P256_SHA256;
    let until = |year: i32| {
        move |it: &mut rcgen::CertificateParams| it.not_after = rcgen::date_time_ymd(year, 1, 1)
    };
    let renewed = stage
        .staff
        .issue_to("renewed", (&["cattail"], algorithm), until(2090));
    put(&renewed.key, &stage.own.key);
    eventually("is told", || reloads(&proxy, "failure") == 1);
    assert_eq!((status(&proxy), end()), (200, before));
    put(&renewed.cert, &stage.own.cert);
    eventually("is read", || end() == 3_786_912_000);
    assert_eq!(status(&proxy), 200);
    // One that the backend does not take is in force as well: it is what the file says.
    let strange = stage.ca.renew(&["cattail"]);
    stage.own.replace(&strange);
    eventually("is shown", || status(&proxy) != 200);
    stage.own.replace(&renewed);
    eventually("is shown", || status(&proxy) == 200);
    // Between the two files of a pair a look may have found one of each.
    assert!(reloads(&proxy, "failure") >= 1);
}

#[test]
fn checks_begin_with_what_the_files_hold_now() {
    let stage = stage();
    let health =
        "    health: { type: tls, interval: 50ms, fast_interval: 20ms, fall: 1, rise: 1 }\n";
    let proxy = Proxy::start(&stage.text(health));
    eventually("is up", || proxy.is_up(&stage.tomcat));
    let good = fs::read(stage.ca.file()).unwrap();
    fs::copy(Authority::new("others").file(), stage.ca.file()).unwrap();
    eventually("is down", || !proxy.is_up(&stage.tomcat));
    fs::write(stage.ca.file(), good).unwrap();
    eventually("is up again", || proxy.is_up(&stage.tomcat));
}

#[test]
fn a_reload_refuses_what_a_change_of_files_only_tells() {
    let stage = stage();
    let proxy = Proxy::start(&stage.text(""));
    assert_eq!(status(&proxy), 200);
    fs::write(stage.ca.file(), "none").unwrap();
    eventually("is told", || reloads(&proxy, "failure") == 1);
    assert_eq!(status(&proxy), 200);
    let refused = proxy.reload(&stage.text("")).unwrap_err();
    assert!(refused.contains("clusters.shop.tls.ca: found"), "{refused}");
    assert_eq!(status(&proxy), 200);
}

#[test]
fn the_log_names_the_cluster() {
    let ca = Authority::new("ca");
    let soon = ca.issue_to(
        "soon",
        (&["cattail"], &rcgen::PKCS_ECDSA_P256_SHA256),
        |it| {
            it.not_before = rcgen::date_time_ymd(2020, 1, 1);
            it.not_after = rcgen::date_time_ymd(2021, 1, 1);
        },
    );
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nadmin: {{ address: '127.0.0.1:0' }}\n\
         clusters: {{ shop: {{ tls: {{ ca: '{}', cert: '{}', key: '{}', reload: 100ms }}, \
         backends: ['127.0.0.1:1'] }} }}\n",
        ca.file().display(),
        soon.cert.display(),
        soon.key.display()
    );
    let process = Process::run(&text);
    let line = process.wait_for_line("a certificate has expired; backends refuse it");
    let named = line.contains("cluster=\"shop\"") && line.contains("certificate=\"cattail\"");
    assert!(line.contains("ERROR") && named, "{line}");
    fs::write(ca.file(), "none").unwrap();
    let line = process.wait_for_line("what was read before stays in force");
    let named = line.contains("cluster=\"shop\"") && line.contains("ca: ");
    assert!(line.contains("WARN") && named, "{line}");
    soon.replace(&ca.renew(&["cattail"]));
    process.wait_for_line("a certificate was read anew");
}
