//! What the process says of certificates, and what it keeps of clients that try all names.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use super::harness::secure::{connection, put};
use super::harness::*;
use super::process::{Process, resident};

const HOST: &str = "shop.example";

fn text(certificates: &[&Issued], more: &str) -> String {
    let rules = "rules: [{ respond: { body: hello } }]\n";
    Issued::listener(certificates, more) + "admin: { address: '127.0.0.1:0' }\n" + rules
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

#[test]
fn certificates_that_end_are_told_and_broken_renewals_once() {
    let ca = Authority::new("ca");
    let ending = |days: u64| {
        move |it: &mut rcgen::CertificateParams| {
            it.not_before = rcgen::date_time_ymd(2020, 1, 1);
            it.not_after =
                rcgen::date_time_ymd(1970, 1, 1) + now() + Duration::from_hours(24 * days + 1);
        }
    };
    let algorithm = &rcgen::PKCS_ECDSA_P256_SHA256;
    let soon = ca.issue_to("soon", (&["soon.example"], algorithm), ending(3));
    let over = ca.issue_to("over", (&["over.example"], algorithm), |it| {
        it.not_before = rcgen::date_time_ymd(2020, 1, 1);
        it.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let good = ca.issue_to("good", (&["good.example"], algorithm), ending(30));
    let process = Process::run(&text(&[&soon, &over, &good], ", reload: 100ms"));
    let line = process.wait_for_line("a certificate ends soon");
    assert!(line.contains("WARN") && line.contains("days=3"), "{line}");
    assert!(line.contains("certificate=\"soon.example\""), "{line}");
    let line = process.wait_for_line("a certificate has expired");
    assert!(
        line.contains("ERROR") && line.contains("over.example"),
        "{line}"
    );
    // Told by the check as well, with its place.
    process.wait_for_line("listeners[0].tls.certificates[0].cert: found");
    fs::write(&good.key, "none").unwrap();
    let line = process.wait_for_line("what was read before stays in force");
    let item = "certificates[2].key: ";
    assert!(line.contains("WARN") && line.contains(item), "{line}");
    assert!(line.contains("found no PEM; expected a PEM file"), "{line}");
    let renewed = ca.issue_to("renewed", (&["good.example"], algorithm), ending(5));
    good.replace(&renewed);
    process.wait_for_line("a certificate was read anew");
    let line = process.wait_for_line("days=5");
    assert!(line.contains("good.example"), "{line}");
    let lines = process.lines();
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("stays in force"), 1, "{lines:?}");
    assert_eq!(count("days=3"), 1, "{lines:?}");
    assert!(!lines.concat().contains("none"), "no word of a key");
}

#[test]
fn a_chain_that_holds_no_more_and_a_certificate_that_does_not_hold_yet_are_told() {
    let ca = Authority::new("ca");
    let old = ca.below_with("old", |it| {
        it.not_before = rcgen::date_time_ymd(2020, 1, 1);
        it.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let below = old.issue(&["below.example"]);
    let chain = fs::read(&below.cert).unwrap();
    let chain = [chain, fs::read(old.file()).unwrap()].concat();
    fs::write(&below.cert, chain).unwrap();
    let algorithm = &rcgen::PKCS_ECDSA_P256_SHA256;
    let early = ca.issue_to("early", (&["early.example"], algorithm), |it| {
        it.not_before = rcgen::date_time_ymd(2090, 1, 1);
        it.not_after = rcgen::date_time_ymd(2091, 1, 1);
    });
    let process = Process::run(&text(&[&below, &early], ", reload: 100ms"));
    process.wait_for_line("a chain that has not expired");
    let line = process.wait_for_line("a certificate in the chain has expired; clients refuse it");
    let named = line.contains("below.example") && line.contains("issuer=\"CN=old\"");
    assert!(line.contains("ERROR") && named, "{line}");
    let line = process.wait_for_line("a certificate is not valid yet");
    let named = line.contains("early.example");
    assert!(line.contains("ERROR") && named, "{line}");
    let labels = [("certificate", "below.example")];
    let name = "cattail_tls_certificate_not_after_timestamp_seconds";
    let metrics = Metrics::scrape(process.admin());
    assert_eq!(metrics.value(name, &labels), 1_609_459_200);
}

#[test]
fn a_hang_up_with_a_broken_certificate_changes_nothing() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&[HOST]);
    let process = Process::run(&text(&[&shop], ", reload: 1h"));
    let address = process.address();
    let served = || {
        let client = Raw::connect_tls(address.clone(), &ca.clients(), HOST);
        client.tls().peer_certificates().unwrap().to_vec()
    };
    let renewed = ca.renew(&[HOST]);
    put(&renewed.cert, &shop.cert);
    process.signal(Signal::HUP);
    process.wait_for_line("listeners[0].tls.certificates[0].key: found");
    process.wait_for_line("the one before stays in force");
    assert_eq!(served(), shop.chain);
    put(&renewed.key, &shop.key);
    process.signal(Signal::HUP);
    process.wait_for_line("configuration loaded anew");
    assert_eq!(served(), renewed.chain);
}

#[test]
fn ten_thousand_names_leave_nothing_behind() {
    let ca = Authority::new("ca");
    let shop = ca.issue(&[HOST]);
    let text = text(&[&shop], ", unknown_host: refuse");
    let process = Process::run(&(text + "limits: { handshakes: { per_client: 0, in_all: 0 } }\n"));
    let (address, clients) = (process.address(), ca.clients());
    let admin = process.admin();
    let hello = |name: String| {
        let mut bytes = Vec::new();
        connection(&clients, &name).write_tls(&mut bytes).unwrap();
        let mut raw = Raw::connect(address.clone());
        raw.send(bytes);
        let (answer, _) = raw.read_to_end();
        assert_eq!(answer.first(), Some(&0x15), "an alert");
    };
    let flood = |numbers: std::ops::Range<usize>| {
        in_parallel(4, |part| {
            let mine = numbers.clone().filter(|number| number % 4 == part);
            mine.for_each(|number| hello(format!("name{number}.flood.example")));
        });
    };
    flood(0..2_000);
    let labels = Metrics::scrape(&admin).samples();
    let before = resident(&process);
    flood(2_000..10_000);
    let grown = resident(&process).saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more");
    let metrics = Metrics::scrape(&admin);
    assert_eq!(metrics.samples(), labels);
    let labels = [("result", "unknown_host")];
    eventually("are counted", || {
        Metrics::scrape(&admin).value("cattail_tls_handshakes_total", &labels) == 10_000
    });
}

#[test]
fn why_a_check_fails_is_told_once_and_in_words() {
    let ca = Authority::new("ca");
    let own = ca.issue_with(&["127.0.0.1"], &rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let tomcat = Tomcat::start("jvm1");
    let front = TlsFront::start(&own, None, &tomcat);
    let process = Process::run(&format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\n\
         admin: {{ address: '127.0.0.1:0' }}\n\
         clusters: {{ shop: {{ affinity: none, tls: {{ ca: '{}' }}, backends: ['{}'], \
         health: {{ type: tls, interval: 20ms, fall: 3 }} }} }}\n",
        ca.file().display(),
        front.address()
    ));
    let line = process.wait_for_line("a health check failed");
    assert!(line.contains("INFO") && line.contains("CA:TRUE"), "{line}");
    process.wait_for_line("up -> down");
    let metrics = || Metrics::scrape(process.admin());
    let failed = [("result", "tls")];
    eventually("it has failed often", || {
        metrics().value("cattail_backend_checks_total", &failed) > 5
    });
    let lines = process.lines();
    let told = lines
        .iter()
        .filter(|line| line.contains("a health check failed"));
    assert_eq!(told.count(), 1, "{lines:?}");
}

#[test]
fn a_list_of_revoked_certificates_that_is_out_of_date_is_told_and_counts() {
    let (ca, clients_ca) = (Authority::new("ca"), Authority::new("clients"));
    let shop = ca.issue(&[HOST]);
    let (good, bad) = (clients_ca.issue(&["anna"]), clients_ca.issue(&["eve"]));
    // Of a large authority, and larger than a file of certificates may be.
    let many: Vec<_> = (1000..50_000_u64).map(rcgen::SerialNumber::from).collect();
    let revoked: Vec<_> = many.iter().chain([bad.serial()]).collect();
    let crl = clients_ca.list_until(2025, &revoked);
    assert!(fs::metadata(&crl).unwrap().len() > 1 << 20);
    let rule = format!(
        ", client_certificates: [{{ ca: '{}', crl: '{}' }}]",
        clients_ca.file().display(),
        crl.display()
    );
    let process = Process::run(&text(&[&shop], &rule));
    let line = process.wait_for_line("a newer list of revoked certificates is due");
    assert!(line.contains("ERROR") && line.contains("crl.pem"), "{line}");
    process.wait_for_line("client_certificates[0].crl: found");
    let ask = |own: &Issued| {
        let clients = ca.clients_with(own);
        let request = Request::get("/").header("Host", HOST);
        Raw::try_ask_tls(process.address(), &clients, (HOST, &request))
    };
    ask(&good).unwrap().expect(200);
    ask(&bad).unwrap_err();
}
