//! What a client chooses of TLS, and what it gets.

use std::fs;
use std::sync::{Arc, Mutex};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};

use super::harness::secure::{provider, put};
use super::harness::*;

const HOST: &str = "shop.example";

/// A client's judge, which knows these kinds of signatures only and remembers OCSP answers.
#[derive(Debug)]
struct Judge {
    inner: Arc<WebPkiServerVerifier>,
    schemes: Vec<SignatureScheme>,
    ocsp: Mutex<Vec<u8>>,
}

impl Judge {
    fn new(ca: &Authority, knows: impl Fn(SignatureScheme) -> bool) -> Arc<Self> {
        let roots = Arc::new(ca.roots());
        let inner = WebPkiServerVerifier::builder_with_provider(roots, provider());
        let inner = inner.build().unwrap();
        let mut schemes = inner.supported_verify_schemes();
        schemes.retain(|scheme| knows(*scheme));
        Arc::new(Self {
            inner,
            schemes,
            ocsp: Mutex::default(),
        })
    }

    fn clients(self: &Arc<Self>, version: &'static SupportedProtocolVersion) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let judge: Arc<Self> = Arc::clone(self);
        let builder = builder.dangerous().with_custom_certificate_verifier(judge);
        builder.with_no_client_auth()
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.ocsp.lock().unwrap() = ocsp.to_vec();
        self.inner.verify_server_cert(own, above, name, &[], now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

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

#[test]
fn an_answer_of_ocsp_is_sent_along_and_renewed() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&[HOST]);
    let staple = ca.path("staple.der");
    let (first, second) = (b"\x30\x03\x0a\x01\x00", b"\x30\x03\x0a\x01\x06");
    fs::write(&staple, first).unwrap();
    let tomcat = Tomcat::start("jvm1");
    let item = shop
        .item()
        .replace(" }", &format!(", ocsp: '{}' }}", staple.display()));
    let listener = format!(
        "listeners: [{{ address: '127.0.0.1:0', tls: {{ certificates: [{item}], reload: 100ms }} }}]\n"
    );
    let proxy = Proxy::start(&(listener + &proxy::cluster(&[&tomcat], "")));
    let judge = Judge::new(&ca, |_| true);
    let sent = |version| {
        let clients = judge.clients(version);
        drop(Raw::connect_tls(proxy.address(), &clients, HOST));
        judge.ocsp.lock().unwrap().clone()
    };
    assert_eq!(sent(&TLS12), first);
    assert_eq!(sent(&TLS13), first);
    fs::write(ca.path("new.der"), second).unwrap();
    put(&ca.path("new.der"), &staple);
    eventually("the new one is sent", || sent(&TLS13) == second);
    fs::write(&staple, "-----BEGIN OCSP RESPONSE-----").unwrap();
    eventually("is told", || {
        let labels = [("result", "failure")];
        proxy
            .metrics()
            .value("cattail_tls_certificate_reloads_total", &labels)
            == 1
    });
    assert_eq!(sent(&TLS13), second);
}
