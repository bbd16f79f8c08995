//! Answers of OCSP responders: which of them are sent along.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use super::harness::judge::Judge;
use super::harness::secure::put;
use super::harness::staple::{staple, staple_since};
use super::harness::*;
use super::process::Process;

const HOST: &str = "shop.example";
const LATE: &str = "20900101000000Z";

struct Stage {
    ca: Authority,
    shop: Issued,
    file: PathBuf,
    judge: Arc<Judge>,
}

fn stage() -> Stage {
    let ca = Authority::new("ca");
    Stage {
        shop: ca.issue(&[HOST]),
        file: ca.path("staple.der"),
        judge: Judge::new(&ca, |_| true),
        ca,
    }
}

impl Stage {
    fn listener(&self) -> String {
        let ocsp = format!(", ocsp: '{}' }}", self.file.display());
        let item = self.shop.item().replace(" }", &ocsp);
        let tls = format!("certificates: [{item}], reload: 100ms");
        format!("listeners: [{{ address: '127.0.0.1:0', tls: {{ {tls} }} }}]\n")
    }

    fn start(&self) -> Proxy {
        // Some tests shake hands until something changes, as often as they can.
        let rest = "limits: { handshakes: { per_client: 0, in_all: 0 } }\n\
                    rules: [{ respond: { body: hello } }]\n";
        Proxy::start(&(self.listener() + rest))
    }

    fn write(&self, answer: impl AsRef<[u8]>) {
        fs::write(self.ca.path("new.der"), answer).unwrap();
        put(&self.ca.path("new.der"), &self.file);
    }

    fn sent(&self, proxy: &Proxy, version: &'static SupportedProtocolVersion) -> Vec<u8> {
        let clients = self.judge.clients(version);
        drop(Raw::connect_tls(proxy.address(), &clients, HOST));
        self.judge.ocsp.lock().unwrap().clone()
    }
}

fn failures(proxy: &Proxy) -> i64 {
    let labels = [("result", "failure")];
    let metrics = proxy.metrics();
    metrics.value("cattail_tls_certificate_reloads_total", &labels)
}

#[test]
fn an_answer_is_sent_along_and_renewed() {
    let stage = stage();
    let (first, second) = (
        staple(&stage.shop, LATE),
        staple(&stage.shop, "20910101000000Z"),
    );
    stage.write(&first);
    let proxy = stage.start();
    assert_eq!(stage.sent(&proxy, &TLS12), first);
    assert_eq!(stage.sent(&proxy, &TLS13), first);
    stage.write(&second);
    eventually("the new one is sent", || {
        stage.sent(&proxy, &TLS13) == second
    });
    assert_eq!(failures(&proxy), 0);
    stage.write("-----BEGIN OCSP RESPONSE-----");
    eventually("is told", || failures(&proxy) == 1);
    assert_eq!(stage.sent(&proxy, &TLS13), second);
}

#[test]
fn an_answer_that_is_missing_keeps_neither_the_start_nor_a_renewal_back() {
    let stage = stage();
    let proxy = stage.start();
    assert!(stage.sent(&proxy, &TLS13).is_empty());
    eventually("is told", || failures(&proxy) == 1);
    let good = staple(&stage.shop, LATE);
    stage.write(&good);
    eventually("is sent", || stage.sent(&proxy, &TLS13) == good);
    // The next certificate comes without an answer.
    fs::write(&stage.file, "").unwrap();
    let renewed = stage.ca.renew(&[HOST]);
    stage.shop.replace(&renewed);
    eventually("is served without", || {
        let clients = stage.judge.clients(&TLS13);
        let client = Raw::connect_tls(proxy.address(), &clients, HOST);
        let served = client.tls().peer_certificates().unwrap().to_vec();
        served == renewed.chain && stage.judge.ocsp.lock().unwrap().is_empty()
    });
    fs::remove_file(&stage.file).unwrap();
    let reload = stage.listener() + "rules: [{ respond: { body: hello } }]\n";
    proxy.reload(&reload).expect("is taken");
}

#[test]
fn an_answer_about_another_certificate_is_not_sent() {
    let stage = stage();
    let good = staple(&stage.shop, LATE);
    stage.write(&good);
    let proxy = stage.start();
    assert_eq!(stage.sent(&proxy, &TLS13), good);
    let renewed = stage.ca.renew(&[HOST]);
    stage.write(staple(&renewed, LATE));
    eventually("none is sent", || stage.sent(&proxy, &TLS13).is_empty());
    eventually("is told", || failures(&proxy) == 1);
    // The certificate it is about has come.
    stage.shop.replace(&renewed);
    eventually("is sent", || !stage.sent(&proxy, &TLS13).is_empty());
    // Another authority may have given the same number.
    let other = Authority::new("other");
    let numbers: Vec<_> = (0..2).map(|_| other.renew(&[HOST])).collect();
    stage.write(staple(&numbers[1], LATE));
    eventually("none is sent", || stage.sent(&proxy, &TLS13).is_empty());
}

/// When an answer runs out that is begun with in a test.
fn soon() -> String {
    ahead(Duration::from_secs(5))
}

/// A time to come.
fn ahead(by: Duration) -> String {
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + by;
    let soon = rcgen::date_time_ymd(1970, 1, 1) + soon;
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        soon.year(),
        u8::from(soon.month()),
        soon.day(),
        soon.hour(),
        soon.minute(),
        soon.second()
    )
}

#[test]
fn an_answer_that_runs_out_is_sent_no_more_whatever_the_file_holds_by_then() {
    let stage = stage();
    let good = staple(&stage.shop, &soon());
    stage.write(&good);
    let proxy = stage.start();
    assert_eq!(stage.sent(&proxy, &TLS13), good);
    // What cannot be read leaves in force what was read before, as long as that holds.
    fs::remove_file(&stage.shop.key).unwrap();
    eventually("is told", || failures(&proxy) == 1);
    assert_eq!(stage.sent(&proxy, &TLS13), good);
    eventually("none is sent", || stage.sent(&proxy, &TLS13).is_empty());
    let told = failures(&proxy);
    wait::stays("nothing more is told", Duration::from_millis(500), || {
        failures(&proxy) == told
    });
}

#[test]
fn an_answer_of_a_later_time_is_sent_when_that_has_come() {
    let stage = stage();
    // Five minutes ahead are borne.
    let since = ahead(Duration::from_secs(5 * 60 + 10));
    let early = staple_since(&stage.shop, &since, LATE);
    stage.write(&early);
    let proxy = stage.start();
    assert!(stage.sent(&proxy, &TLS13).is_empty());
    eventually("is told", || failures(&proxy) == 1);
    eventually("is sent", || stage.sent(&proxy, &TLS13) == early);
    assert_eq!(failures(&proxy), 1);
}

#[test]
fn an_answer_that_runs_out_is_sent_no_more() {
    let stage = stage();
    let good = staple(&stage.shop, &soon());
    stage.write(&good);
    let proxy = stage.start();
    assert_eq!(stage.sent(&proxy, &TLS13), good);
    eventually("none is sent", || stage.sent(&proxy, &TLS13).is_empty());
    eventually("is told", || failures(&proxy) == 1);
    let good = staple(&stage.shop, LATE);
    stage.write(&good);
    eventually("is sent", || stage.sent(&proxy, &TLS13) == good);
}

#[test]
fn the_operator_is_told_where_it_is_named_and_by_the_log() {
    let stage = stage();
    stage.write(staple(&stage.shop, "20240201000000Z"));
    let rest = "admin: { address: '127.0.0.1:0' }\nrules: [{ respond: { body: hello } }]\n";
    let process = Process::run(&(stage.listener() + rest));
    let line = process.wait_for_line("listeners[0].tls.certificates[0].ocsp: found");
    assert!(
        line.contains("a current answer about this certificate"),
        "{line}"
    );
    fs::remove_file(&stage.file).unwrap();
    let line = process.wait_for_line("No such file or directory");
    assert!(line.contains("no answer is sent along"), "{line}");
    stage.write("");
    let line = process.wait_for_line("an empty file");
    assert!(line.contains("no answer is sent along"), "{line}");
    stage.write(b"\x30\x03\x0a\x01\x03");
    let line = process.wait_for_line("says nothing of any certificate");
    assert!(line.contains("no answer is sent along"), "{line}");
    let mut client = Raw::connect_tls(process.address(), &stage.ca.clients(), HOST);
    let request = Request::get("/").header("Host", HOST);
    request.send_on(&mut client).expect(200);
}
