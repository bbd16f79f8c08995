//! What a client chooses of TLS, and what it gets.

use rustls::SignatureScheme;
use rustls::version::{TLS12, TLS13};

use super::harness::judge::Judge;
use super::harness::*;

const HOST: &str = "shop.example";

fn is_rsa(scheme: SignatureScheme) -> bool {
    format!("{scheme:?}").starts_with("RSA")
}

#[test]
fn who_knows_ecdsa_gets_that_key_and_all_others_rsa() {
    let ca = Authority::new("ca");
    let rsa = ca.issue_to("rsa", (&[HOST], &rcgen::PKCS_RSA_SHA256), |_| {});
    let ecdsa = ca.issue(&[HOST]);
    let tomcat = Tomcat::start("jvm1");
    let text = Issued::listener(&[&rsa, &ecdsa], "") + &proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&text);
    for version in [&TLS12, &TLS13] {
        for (judge, expected) in [
            (Judge::new(&ca, |_| true), &ecdsa),
            // The authority has signed with ECDSA, which the chain may; the handshake may not.
            (Judge::new(&ca, is_rsa), &rsa),
        ] {
            let mut client = Raw::connect_tls(proxy.address(), &judge.clients(version), HOST);
            let shown = client.tls().peer_certificates().unwrap();
            assert_eq!(shown, expected.chain, "{version:?}");
            Request::get("/echo").send_on(&mut client).expect(200);
        }
    }
}

#[test]
fn old_versions_are_refused_where_they_are_not_wanted() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&[HOST]);
    let tomcat = Tomcat::start("jvm1");
    let cluster = proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&(Issued::listener(&[&shop], "") + &cluster));
    let judge = Judge::new(&ca, |_| true);
    let connect = |version| {
        let clients = judge.clients(version);
        Raw::try_connect_tls(proxy.address(), &clients, HOST).map(drop)
    };
    connect(&TLS12).unwrap();
    connect(&TLS13).unwrap();
    let new = Issued::listener(&[&shop], ", min_version: '1.3'");
    proxy.reload(&(new + &cluster)).expect("is taken");
    let why = connect(&TLS12).unwrap_err().to_string();
    assert!(why.contains("ProtocolVersion"), "{why}");
    connect(&TLS13).unwrap();
    eventually("is counted", || {
        let labels = [("result", "incompatible")];
        proxy
            .metrics()
            .value("cattail_tls_handshakes_total", &labels)
            == 1
    });
}
