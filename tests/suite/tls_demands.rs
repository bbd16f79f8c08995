//! Who must show a certificate is let in by no way round.

use std::fs;
use std::time::{Duration, SystemTime};

use rcgen::PKCS_ECDSA_P256_SHA256;
use rustls::client::Resumption;

use super::harness::*;

/// A listener with these `client_certificates`, and a plain one beside it.
fn listeners(shop: &Issued, rules: &str) -> String {
    let tls = Issued::listener(&[shop], &format!(", client_certificates: [{rules}]"));
    tls.replace("]\n", ", { name: plain, address: '127.0.0.1:0' }]\n")
}

#[test]
fn a_host_that_demands_certificates_is_reached_by_no_listener_that_asks_for_none() {
    let (ca, clients_ca) = (Authority::new("ca"), Authority::new("clients"));
    let shop = ca.issue(&["shop.example", "admin.example"]);
    let tomcat = Tomcat::start("jvm1");
    let start = |more: &str| {
        let rule = format!(
            "hosts: [admin.example], ca: '{}'",
            clients_ca.file().display()
        );
        let listeners = listeners(&shop, &format!("{{ {rule}{more} }}"));
        let rules = "rules: [{ path: /old, redirect: { to: /new } }, { cluster: shop }]\n";
        Proxy::start(&(listeners + rules + &proxy::cluster(&[&tomcat], "")))
    };
    let ask = |proxy: &Proxy, path: &str, host: &str| {
        let plain = proxy.addresses().remove(1);
        Request::get(path).header("Host", host).send(plain)
    };
    let proxy = start("");
    for spelling in ["admin.example", "ADMIN.example:80", "admin.example."] {
        ask(&proxy, "/echo", spelling).expect(403);
    }
    ask(&proxy, "/echo", "shop.example").expect(200);
    // What is not passed on is nobody's secret.
    ask(&proxy, "/old", "admin.example").expect(302);
    assert_eq!(tomcat.count(), 1);
    let refused = [("reason", "certificate_elsewhere")];
    let metrics = proxy.metrics();
    assert_eq!(metrics.value("cattail_requests_refused_total", &refused), 3);
    let with = ca.clients_with(&clients_ca.issue(&["anna"]));
    let mut client = Raw::connect_tls(proxy.address(), &with, "admin.example");
    let request = Request::get("/echo").header("Host", "admin.example");
    request.send_on(&mut client).expect(200);

    ask(&start(", elsewhere: serve"), "/echo", "admin.example").expect(200);
    ask(&start(", mode: optional"), "/echo", "admin.example").expect(200);
}

#[test]
fn who_resumes_has_shown_a_certificate_that_still_holds() {
    let (ca, clients_ca) = (Authority::new("ca"), Authority::new("clients"));
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let rule = format!("{{ ca: '{}' }}", clients_ca.file().display());
    let text = listeners(&shop, &rule) + &proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&text);
    let end = SystemTime::now() + Duration::from_secs(10);
    let anna = clients_ca.issue_with(&["anna"], &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = end.into();
    });
    let mut clients = ca.clients_with(&anna);
    clients.resumption = Resumption::in_memory_sessions(16);
    let request = Request::get("/echo").header("Host", "shop.example");
    let ask = || Raw::try_ask_tls(proxy.address(), &clients, ("shop.example", &request));
    ask().unwrap().expect(200);
    ask().unwrap().expect(200);
    let handshakes = |outcome: &str| {
        let outcome = [("result", outcome)];
        proxy
            .metrics()
            .value("cattail_tls_handshakes_total", &outcome)
    };
    assert_eq!(handshakes("resumed"), 1);
    // Its last second counts whole.
    let over = end + Duration::from_secs(1);
    eventually("its time is over", || SystemTime::now() > over);
    ask().unwrap_err();
    eventually("it is counted", || handshakes("bad_certificate") == 1);
    assert_eq!(tomcat.count(), 2);
}

#[test]
fn who_was_vouched_for_by_a_revoked_authority_is_refused() {
    let (ca, root) = (Authority::new("ca"), Authority::new("root"));
    let (good, bad) = (root.below("good"), root.below("bad"));
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let crls = root.path("crls.pem");
    let lists = [root.list(&[bad.serial()]), good.list(&[]), bad.list(&[])];
    let lists = lists.map(|list| fs::read_to_string(list).unwrap());
    fs::write(&crls, lists.concat()).unwrap();
    let rule = format!(
        "{{ ca: '{}', crl: '{}' }}",
        root.file().display(),
        crls.display()
    );
    let proxy = Proxy::start(&(listeners(&shop, &rule) + &proxy::cluster(&[&tomcat], "")));
    let ask = |authority: &Authority| {
        let anna = authority.vouch(authority.issue(&["anna"]));
        let clients = ca.clients_with(&anna);
        let request = Request::get("/echo").header("Host", "shop.example");
        Raw::try_ask_tls(proxy.address(), &clients, ("shop.example", &request))
    };
    ask(&good).unwrap().expect(200);
    ask(&bad).unwrap_err();
}
