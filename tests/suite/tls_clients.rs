//! What backends, browsers and logs are told of TLS; certificates of clients.

use std::fs;

use rustls::ClientConfig;

use super::harness::*;

/// A proxy with two hosts, of which `admin.example` demands certificates of clients; `more` is put
/// into the listener's TLS.
struct Stage {
    ca: Authority,
    clients_ca: Authority,
    tomcat: Tomcat,
    proxy: Proxy,
}

const HEADERS: &str = "client_headers: { subject: X-Cert-Subject, issuer: X-Cert-Issuer, \
    serial: X-Cert-Serial, fingerprint: X-Cert-Fingerprint, pem: X-Cert }";

fn stage(rules: &str, more: &str) -> Stage {
    let (ca, clients_ca) = (Authority::new("ca"), Authority::new("clients"));
    let shop = ca.issue(&["shop.example", "admin.example"]);
    let tomcat = Tomcat::start("jvm1");
    let rules = rules.replace("CA", &clients_ca.file().display().to_string());
    let tls = format!(", client_certificates: [{rules}], {HEADERS}");
    let text = Issued::listener(&[&shop], &tls) + more + &proxy::cluster(&[&tomcat], "");
    Stage {
        proxy: Proxy::start(&text),
        ca,
        clients_ca,
        tomcat,
    }
}

impl Stage {
    /// Asks for a page of `host`; `Err`: the handshake was refused.
    fn ask(&self, clients: &ClientConfig, host: &str) -> Result<Response, String> {
        let request = Request::get("/echo").header("Host", host);
        let request = request.header("X-Cert-Subject", "CN=forged");
        Raw::try_ask_tls(self.proxy.address(), clients, (host, &request))
    }

    fn told(&self, header: &str) -> Option<String> {
        let seen = self.tomcat.last_request();
        seen.header(header).map(str::to_owned)
    }

    fn handshakes(&self, outcome: &str) -> i64 {
        let metrics = self.proxy.metrics();
        metrics.value("cattail_tls_handshakes_total", &[("result", outcome)])
    }
}

#[test]
fn backends_are_told_of_certificates_that_nobody_can_forge() {
    let stage = stage("{ ca: 'CA', mode: optional }", "");
    let anna = stage.clients_ca.issue(&["anna"]);
    let with = stage.ca.clients_with(&anna);
    stage.ask(&with, "shop.example").unwrap().expect(200);
    assert_eq!(stage.told("X-Cert-Subject").as_deref(), Some("CN=anna"));
    assert_eq!(stage.told("X-Cert-Issuer").as_deref(), Some("CN=clients"));
    let fingerprint = stage.told("X-Cert-Fingerprint").unwrap();
    assert!(fingerprint.len() == 64 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let pem = stage
        .told("X-Cert")
        .unwrap()
        .replace("%20", " ")
        .replace("%0A", "\n");
    let pem = pem
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    let written = fs::read_to_string(&anna.cert).unwrap().replace('\r', "");
    assert_eq!(pem, written);
    // Without one, nothing is told, whatever the client says.
    stage
        .ask(&stage.ca.clients(), "shop.example")
        .unwrap()
        .expect(200);
    assert_eq!(stage.told("X-Cert-Subject"), None);
    assert_eq!(stage.told("X-Cert"), None);
}

#[test]
fn a_plain_listener_lets_nobody_forge_them_either() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let tls = Issued::listener(&[&shop], &format!(", {HEADERS}"));
    let both = tls.replace("]\n", ", { name: plain, address: '127.0.0.1:0' }]\n");
    let proxy = Proxy::start(&(both + &proxy::cluster(&[&tomcat], "")));
    let plain = proxy.addresses().remove(1);
    // CGI and what is like it reads an underscore as a dash.
    let request = Request::get("/echo")
        .header("X-Cert-Subject", "CN=forged")
        .header("X_Cert-Subject", "CN=forged")
        .header("x_cert_subject", "CN=forged")
        .header("X_Fine", "1");
    request.send(plain).expect(200);
    let seen = tomcat.last_request();
    for name in ["X-Cert-Subject", "X_Cert-Subject", "X_Cert_Subject"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("X_Fine"), Some("1"));
}

#[test]
fn who_must_show_a_certificate_and_shows_none_or_a_strange_one_is_refused() {
    let stage = stage("{ ca: 'CA' }", "");
    let good = stage.ca.clients_with(&stage.clients_ca.issue(&["anna"]));
    let strange = Authority::new("strangers").issue(&["eve"]);
    let strange = stage.ca.clients_with(&strange);
    let expired = stage
        .clients_ca
        .issue_with(&["old"], &rcgen::PKCS_ECDSA_P256_SHA256, |it| {
            it.not_after = rcgen::date_time_ymd(2020, 1, 1);
        });
    let expired = stage.ca.clients_with(&expired);
    stage.ask(&good, "shop.example").unwrap().expect(200);
    stage.ask(&stage.ca.clients(), "shop.example").unwrap_err();
    stage.ask(&strange, "shop.example").unwrap_err();
    stage.ask(&expired, "shop.example").unwrap_err();
    eventually("are counted", || {
        stage.handshakes("no_certificate") == 1 && stage.handshakes("bad_certificate") == 2
    });
    assert_eq!(stage.tomcat.count(), 1);
}

#[test]
fn revoked_certificates_are_refused() {
    let clients_ca = Authority::new("clients");
    let (good, bad) = (clients_ca.issue(&["anna"]), clients_ca.issue(&["eve"]));
    let crl = clients_ca.revoke(&bad);
    let stage = {
        let ca = Authority::new("ca");
        let shop = ca.issue(&["shop.example"]);
        let tomcat = Tomcat::start("jvm1");
        let (file, crl) = (clients_ca.file(), crl.display());
        let tls = format!(
            ", client_certificates: [{{ ca: '{}', crl: '{crl}' }}]",
            file.display()
        );
        let text = Issued::listener(&[&shop], &tls) + &proxy::cluster(&[&tomcat], "");
        Stage {
            proxy: Proxy::start(&text),
            ca,
            clients_ca,
            tomcat,
        }
    };
    let ask = |own| stage.ask(&stage.ca.clients_with(own), "shop.example");
    ask(&good).unwrap().expect(200);
    ask(&bad).unwrap_err();
}

#[test]
fn a_host_that_demands_certificates_is_not_reached_by_another_hosts_connection() {
    let stage = stage("{ ca: 'CA', hosts: [admin.example] }", "");
    let without = stage.ca.clients();
    stage.ask(&without, "admin.example").unwrap_err();
    let mut client = Raw::connect_tls(stage.proxy.address(), &without, "shop.example");
    let request = |host: &str| Request::get("/echo").header("Host", host);
    request("shop.example").send_on(&mut client).expect(200);
    for spelling in ["ADMIN.example:443", "admin.example.", "admin.example.:443"] {
        let mut client = Raw::connect_tls(stage.proxy.address(), &without, "shop.example");
        request(spelling).send_on(&mut client).expect(421);
    }
    let with = stage.ca.clients_with(&stage.clients_ca.issue(&["anna"]));
    stage.ask(&with, "admin.example").unwrap().expect(200);
    let mut client = Raw::connect_tls(stage.proxy.address(), &with, "admin.example");
    request("shop.example").send_on(&mut client).expect(421);
}

#[test]
fn what_was_resumed_was_demanded_before() {
    let stage = stage("{ ca: 'CA', hosts: [admin.example] }", "");
    let mut clients = stage.ca.clients_with(&stage.clients_ca.issue(&["anna"]));
    clients.resumption = rustls::client::Resumption::in_memory_sessions(16);
    for _ in 0..2 {
        stage.ask(&clients, "admin.example").unwrap().expect(200);
        assert_eq!(stage.told("X-Cert-Subject").as_deref(), Some("CN=anna"));
    }
    assert_eq!(stage.handshakes("resumed"), 1);
}

#[test]
fn headers_and_the_access_log_tell_of_tls() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let format = "$tls_version $tls_cipher $tls_server_name $client_cert_subject";
    let more = format!(
        "access_log: {{ path: '{}', format: '{format}' }}\n",
        log.display()
    );
    let stage = {
        let (ca, clients_ca) = (Authority::new("ca"), Authority::new("clients"));
        let shop = ca.issue(&["shop.example"]);
        let tomcat = Tomcat::start("jvm1");
        let rules = format!(
            ", client_certificates: [{{ ca: '{}', mode: optional }}], hsts: {{ subdomains: true }}",
            clients_ca.file().display()
        );
        let set = "request_headers: { set: { X-Tls: '$tls_version $tls_server_name $client_cert_subject' } }";
        let cluster = proxy::cluster(&[&tomcat], set);
        let text = Issued::listener(&[&shop], &rules) + &more + &cluster;
        Stage {
            proxy: Proxy::start(&text),
            ca,
            clients_ca,
            tomcat,
        }
    };
    let with = stage.ca.clients_with(&stage.clients_ca.issue(&["anna"]));
    let answer = stage.ask(&with, "shop.example").unwrap().expect(200);
    assert_eq!(
        answer.header("Strict-Transport-Security"),
        Some("max-age=15552000; includeSubDomains")
    );
    assert_eq!(
        stage.told("X-Tls").as_deref(),
        Some("1.3 shop.example CN=anna")
    );
    stage.proxy.stop();
    let line = fs::read_to_string(&log).unwrap();
    let expected = ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"]
        .map(|cipher| format!("1.3 {cipher} shop.example CN=anna\n"));
    assert!(expected.contains(&line), "{line}");
}

#[test]
fn a_plain_connection_does_not_outlive_the_demand_for_a_certificate() {
    let (ca, clients_ca) = (Authority::new("ca"), Authority::new("clients"));
    let shop = ca.issue(&["admin.example"]);
    let tomcat = Tomcat::start("jvm1");
    let cluster = proxy::cluster(&[&tomcat], "");
    let proxy = Proxy::start(&cluster);
    let mut plain = Raw::connect(proxy.address());
    let request = Request::get("/echo").header("Host", "admin.example");
    request.send_on(&mut plain).expect(200);
    let rule = format!(
        ", client_certificates: [{{ ca: '{}' }}]",
        clients_ca.file().display()
    );
    let demanding = Issued::listener(&[&shop], &rule) + &cluster;
    proxy.reload(&demanding).expect("is taken");
    request.send_on(&mut plain).expect(421);
}

#[test]
fn who_is_good_enough_stays_when_rules_change() {
    let (ca, clients_ca) = (Authority::new("ca"), Authority::new("clients"));
    let shop = ca.issue(&["shop.example"]);
    let tomcat = Tomcat::start("jvm1");
    let text = |rules: &str| {
        let rules = rules.replace("CA", &clients_ca.file().display().to_string());
        let tls = format!(", client_certificates: [{rules}]");
        Issued::listener(&[&shop], &tls) + &proxy::cluster(&[&tomcat], "")
    };
    let proxy = Proxy::start(&text("{ ca: 'CA', mode: optional }"));
    let anna = ca.clients_with(&clients_ca.issue(&["anna"]));
    let (with, without) = (&anna, &ca.clients());
    let open = |config| Raw::connect_tls(proxy.address(), config, "shop.example");
    let (mut with, mut without) = (open(with), open(without));
    let request = Request::get("/echo").header("Host", "shop.example");
    for client in [&mut with, &mut without] {
        request.send_on(client).expect(200);
    }
    proxy
        .reload(&text("{ ca: 'CA', hosts: [shop.example] }"))
        .expect("is taken");
    request.send_on(&mut with).expect(200);
    proxy.reload(&text("")).expect("is taken");
    request.send_on(&mut with).expect(200);
    request.send_on(&mut without).expect(200);
    proxy.reload(&text("{ ca: 'CA' }")).expect("is taken");
    request.send_on(&mut with).expect(200);
    request.send_on(&mut without).expect(421);
}

#[test]
fn nobody_forges_them_behind_a_body() {
    let stage = stage("{ ca: 'CA', mode: optional }", "");
    let address = stage.proxy.address();
    let mut client = Raw::connect_tls(address, &stage.ca.clients(), "shop.example");
    let request = Request::post("/echo", "")
        .chunked(&[b"x"])
        .header("Trailer", "X-Cert-Subject, X-Forwarded-For, X-Fine")
        .trailer("X-Cert-Subject", "CN=forged")
        .trailer("X_Cert_Subject", "CN=forged")
        .trailer("X-Forwarded-For", "6.6.6.6")
        .trailer("X-Fine", "1");
    request.send_on(&mut client).expect(200);
    let trailers = stage.tomcat.last_request().trailers.clone();
    let names: Vec<_> = trailers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    assert_eq!(names, ["x-fine"]);
}
