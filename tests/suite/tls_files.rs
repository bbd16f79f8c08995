//! Files of certificates that change while the proxy serves: what is in force when.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, HandshakeKind};

use super::harness::secure::put;
use super::harness::*;

const HOST: &str = "shop.example";
const SOON: &str = ", reload: 100ms";

struct Stage {
    ca: Authority,
    shop: Issued,
    tomcat: Tomcat,
    text: String,
    proxy: Proxy,
}

fn stage() -> Stage {
    let ca = Authority::new("ca");
    let shop = ca.issue(&[HOST]);
    let tomcat = Tomcat::start("jvm1");
    let unbounded = "limits: { handshakes: { per_client: 0, in_all: 0 } }\n";
    let text = Issued::listener(&[&shop], SOON) + unbounded + &proxy::cluster(&[&tomcat], "");
    Stage {
        proxy: Proxy::start(&text),
        ca,
        shop,
        tomcat,
        text,
    }
}

impl Stage {
    /// Clients that shake hands in full each time.
    fn strangers(&self) -> ClientConfig {
        let mut clients = self.ca.clients();
        clients.resumption = Resumption::disabled();
        clients
    }

    /// The certificate that a new client gets.
    fn served(&self) -> Vec<CertificateDer<'static>> {
        let client = Raw::connect_tls(self.proxy.address(), &self.strangers(), HOST);
        client.tls().peer_certificates().unwrap().to_vec()
    }

    #[track_caller]
    fn wait_for(&self, certificate: &Issued) {
        eventually("is served", || self.served() == certificate.chain);
    }

    fn reloads(&self, result: &str) -> i64 {
        let metrics = self.proxy.metrics();
        metrics.value(
            "cattail_tls_certificate_reloads_total",
            &[("result", result)],
        )
    }
}

fn ask(client: &mut Raw) {
    let request = Request::get("/echo").header("Host", HOST);
    request.send_on(client).expect(200);
}

#[test]
fn certificates_change_under_load_and_nobody_notices() {
    let stage = stage();
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let address = stage.proxy.address();
    let go_on = || {
        asked.fetch_add(1, Ordering::Relaxed);
        !over.load(Ordering::Relaxed)
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut kept = Raw::connect_tls(address.clone(), &stage.strangers(), HOST);
                while go_on() {
                    ask(&mut kept);
                }
            });
            scope.spawn(|| {
                let clients = stage.strangers();
                while go_on() {
                    ask(&mut Raw::connect_tls(address.clone(), &clients, HOST));
                }
            });
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for turn in 0..20 {
                let renewed = stage.ca.renew(&[HOST]);
                if turn % 2 == 0 {
                    stage.shop.replace(&renewed);
                } else {
                    stage.shop.overwrite(&renewed);
                }
                stage.wait_for(&renewed);
            }
        }));
        over.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert!(asked.load(Ordering::Relaxed) > 100, "{asked:?}");
    let metrics = stage.proxy.metrics();
    for result in ["bad_certificate", "client_refused", "malformed", "timeout"] {
        let failed = metrics.value("cattail_tls_handshakes_total", &[("result", result)]);
        assert_eq!(failed, 0, "{result}");
    }
    assert!(stage.reloads("success") >= 20);
}

#[test]
fn half_a_renewal_leaves_the_old_one_in_force() {
    let stage = stage();
    let renewed = stage.ca.renew(&[HOST]);
    put(&renewed.key, &stage.shop.key);
    eventually("is told", || stage.reloads("failure") == 1);
    assert_eq!(stage.served(), stage.shop.chain);
    stays(
        "once per change",
        scaled(std::time::Duration::from_millis(500)),
        || stage.reloads("failure") == 1,
    );
    put(&renewed.cert, &stage.shop.cert);
    stage.wait_for(&renewed);
    assert_eq!((stage.reloads("success"), stage.reloads("failure")), (1, 1));
    // In the other order.
    let again = stage.ca.renew(&[HOST]);
    put(&again.cert, &stage.shop.cert);
    eventually("is told", || stage.reloads("failure") == 2);
    fs::write(&stage.shop.key, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    eventually("is told", || stage.reloads("failure") == 3);
    assert_eq!(stage.served(), renewed.chain);
    put(&again.key, &stage.shop.key);
    stage.wait_for(&again);
}

#[test]
fn files_that_are_gone_leave_the_old_one_in_force() {
    let stage = stage();
    fs::remove_file(&stage.shop.cert).unwrap();
    fs::remove_file(&stage.shop.key).unwrap();
    eventually("is told", || stage.reloads("failure") == 1);
    assert_eq!(stage.served(), stage.shop.chain);
    let renewed = stage.ca.renew(&[HOST]);
    stage.shop.replace(&renewed);
    stage.wait_for(&renewed);
}

#[test]
fn secrets_that_change_by_a_link_are_seen() {
    let ca = Authority::new("ca");
    let (old, new) = (ca.issue(&[HOST]), ca.renew(&[HOST]));
    for (folder, issued) in [("1", &old), ("2", &new)] {
        let folder = ca.path(folder);
        fs::create_dir(&folder).unwrap();
        fs::copy(&issued.cert, folder.join("tls.crt")).unwrap();
        fs::copy(&issued.key, folder.join("tls.key")).unwrap();
    }
    let data = ca.path("..data");
    symlink("1", &data).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), ca.path(name)).unwrap();
    }
    let mut linked = old.clone();
    linked.cert = ca.path("tls.crt");
    linked.key = ca.path("tls.key");
    let tomcat = Tomcat::start("jvm1");
    let text = Issued::listener(&[&linked], SOON) + &proxy::cluster(&[&tomcat], "");
    let stage = Stage {
        proxy: Proxy::start(&text),
        ca,
        shop: linked,
        tomcat,
        text,
    };
    stage.wait_for(&old);
    symlink("2", stage.ca.path("..new")).unwrap();
    fs::rename(stage.ca.path("..new"), &data).unwrap();
    stage.wait_for(&new);
    assert_eq!(stage.reloads("failure"), 0);
}

#[test]
fn tickets_and_reloads_of_the_configuration_do_not_mind() {
    let stage = stage();
    let clients = stage.ca.clients();
    let kind = || {
        let mut client = Raw::connect_tls(stage.proxy.address(), &clients, HOST);
        ask(&mut client);
        client.tls().handshake_kind().unwrap()
    };
    assert_eq!(kind(), HandshakeKind::Full);
    let renewed = stage.ca.renew(&[HOST]);
    stage.shop.replace(&renewed);
    stage.wait_for(&renewed);
    assert_eq!(kind(), HandshakeKind::Resumed);
    stage.proxy.reload(&stage.text).expect("is taken");
    assert_eq!(stage.served(), renewed.chain);
    assert_eq!(kind(), HandshakeKind::Resumed);
    // A reload refuses what a change of files only tells.
    let again = stage.ca.renew(&[HOST]);
    put(&again.key, &stage.shop.key);
    let refused = stage.proxy.reload(&stage.text).unwrap_err();
    let place = "listeners[0].tls.certificates[0].key: found";
    assert!(refused.contains(place), "{refused}");
    assert!(
        refused.contains("the key of another certificate"),
        "{refused}"
    );
    assert_eq!(stage.served(), renewed.chain);
    put(&again.cert, &stage.shop.cert);
    stage.proxy.reload(&stage.text).expect("is taken");
    assert_eq!(stage.served(), again.chain);
    assert_eq!(stage.tomcat.count(), 3);
}

#[test]
fn the_end_of_each_certificate_is_a_metric() {
    let ca = Authority::new("ca");
    let ends = |year: i32| {
        move |it: &mut rcgen::CertificateParams| {
            it.not_before = rcgen::date_time_ymd(2020, 1, 1);
            it.not_after = rcgen::date_time_ymd(year, 1, 1);
        }
    };
    let algorithm = &rcgen::PKCS_ECDSA_P256_SHA256;
    let first = ca.issue_to("first", (&[HOST], algorithm), ends(2021));
    let second = ca.issue_to("second", (&[HOST], algorithm), ends(2090));
    let tomcat = Tomcat::start("jvm1");
    let text = Issued::listener(&[&first, &second], SOON) + &proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&text);
    let end = |certificate: &str| {
        let metrics = proxy.metrics();
        let labels = [("certificate", certificate)];
        metrics.value(
            "cattail_tls_certificate_not_after_timestamp_seconds",
            &labels,
        )
    };
    assert_eq!(end(HOST), 1_609_459_200);
    assert_eq!(end("shop.example#2"), 3_786_912_000);
    let renewed = ca.issue_to("third", (&[HOST], algorithm), ends(2091));
    first.replace(&renewed);
    eventually("is read anew", || end(HOST) == 3_818_448_000);
}

#[test]
fn who_is_revoked_is_out_and_all_others_stay() {
    let (ca, staff) = (Authority::new("ca"), Authority::new("staff"));
    let shop = ca.issue(&[HOST]);
    let (anna, eve) = (staff.issue(&["anna"]), staff.issue(&["eve"]));
    let nobody = staff.issue(&["nobody"]);
    let crl = staff.revoke(&nobody);
    let tomcat = Tomcat::start("jvm1");
    let rules = format!(
        "{SOON}, client_certificates: [{{ ca: '{}', crl: '{}' }}]",
        staff.file().display(),
        crl.display()
    );
    let text = Issued::listener(&[&shop], &rules) + &proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&text);
    let clients = |own: &Issued| {
        let mut clients = ca.clients_with(own);
        clients.resumption = Resumption::in_memory_sessions(16);
        clients
    };
    let (for_anna, for_eve) = (clients(&anna), clients(&eve));
    let connect = |clients: &ClientConfig| Raw::connect_tls(proxy.address(), clients, HOST);
    let (mut annas, mut eves) = (connect(&for_anna), connect(&for_eve));
    ask(&mut annas);
    ask(&mut eves);
    staff.revoke(&eve);
    let request = || Request::get("/echo").header("Host", HOST);
    // Connections that live: who is good goes on, who is not is told to come anew.
    eventually("the list is read", || {
        let metrics = proxy.metrics();
        let name = "cattail_tls_certificate_reloads_total";
        metrics.value(name, &[("result", "success")]) == 1
    });
    request().send_on(&mut annas).expect(200);
    request().send_on(&mut annas).expect(200);
    request().send_on(&mut eves).expect(421);
    // Nor does she come back with a ticket of before.
    let mut again = connect(&for_eve);
    assert!(again.try_send(request().bytes()).is_err() || again.try_read_response().is_err());
    let mut again = connect(&for_anna);
    ask(&mut again);
    assert_eq!(again.tls().handshake_kind(), Some(HandshakeKind::Full));
    let mut again = connect(&for_anna);
    ask(&mut again);
    assert_eq!(again.tls().handshake_kind(), Some(HandshakeKind::Resumed));
    // Another authority: who was good is so no more.
    let others = Authority::new("others");
    fs::copy(others.file(), staff.file()).unwrap();
    fs::copy(others.revoke(&nobody), &crl).unwrap();
    eventually("authorities are read", || {
        request().send_on(&mut annas).status() == 421
    });
    assert_eq!(tomcat.last_request().header("Host"), Some(HOST));
}
