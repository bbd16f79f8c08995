//! What the suites of sessions share: clusters that keep them, ids, and who served which.

use std::collections::BTreeMap;
use std::fmt::Write;

use cattail::balance::{Candidate, KeyHash, Member, Rendezvous, Slot};
use cattail::config;
use cattail::standin::{Address, Fault};

use super::harness::*;

/// A sticky cluster of these Tomcats, each with its name as its jvm route. `more` is put under the
/// cluster. A Tomcat that is back is noticed soon, and gets its whole share at once.
pub(super) fn sticky(tomcats: &[&Tomcat], more: &str) -> String {
    written("jvm_route", tomcats, more)
}

/// The same without jvm routes: the Tomcats have names alone.
pub(super) fn nameless(tomcats: &[&Tomcat], more: &str) -> String {
    written("name", tomcats, more)
}

fn written(key: &str, tomcats: &[&Tomcat], more: &str) -> String {
    let mut text = String::from("clusters:\n  shop:\n");
    let usual = [
        "affinity: sticky",
        "slow_start: 0s",
        "health: { interval: 50ms }",
    ];
    let says = |line: &str| {
        let (key, _) = line.split_once(' ').expect("a key and its value");
        more.lines().any(|line| line.starts_with(key))
    };
    let usual = usual.into_iter().filter(|line| !says(line));
    for line in usual.chain(more.lines()) {
        writeln!(text, "    {line}").unwrap();
    }
    text.push_str("    backends:\n");
    for tomcat in tomcats {
        let (name, address) = (tomcat.name(), tomcat.address());
        writeln!(text, "      - {{ {key}: {name}, address: '{address}' }}").unwrap();
    }
    text
}

/// `text` with more said of one backend.
pub(super) fn with(text: &str, name: &str, more: &str) -> String {
    let changed = text.replace(&format!(": {name},"), &format!(": {name}, {more},"));
    assert_ne!(changed, text, "no backend {name}");
    changed
}

// === ids ===

/// A GET of `path` that shows `id` in the session cookie.
pub(super) fn shows(path: &str, id: &str) -> Request {
    Request::get(path).header("Cookie", &format!("JSESSIONID={id}"))
}

/// The backends of the cluster `text`, in the order in which survivors of `base` are chosen.
pub(super) fn order_of(text: &str, base: &str) -> Vec<String> {
    let text = format!("listeners: [{{ address: '127.0.0.1:0' }}]\n{text}");
    let config = config::load_text("test.yaml", &text, &|_| None).expect("a good configuration");
    let backends = &config.clusters[0].backends;
    let candidates = backends.iter().zip(0_u16..).map(|(backend, slot)| {
        let weight = backend.weight;
        let slot = Slot(slot);
        Candidate::new(Member { slot, weight }, &backend.name)
    });
    let rendezvous = Rendezvous::new(candidates);
    let order = rendezvous.rank(KeyHash::of(base.as_bytes()));
    order
        .map(|slot| backends[usize::from(slot.0)].name.as_str().to_owned())
        .collect()
}

/// Bases whose survivors are chosen in this order. No two calls with different words give the same.
pub(super) fn bases(text: &str, order: &[&str], word: &str) -> impl Iterator<Item = String> {
    let all = (0..10_000).map(move |number| format!("{word}{number:04}"));
    all.filter(move |base| order_of(text, base) == order)
}

/// The first of [`bases`].
pub(super) fn base(text: &str, order: &[&str]) -> String {
    bases(text, order, "BASE").next().expect("some base")
}

// === deaths ===

/// Checks whose outcome a test sets: a Tomcat goes down and comes back without an end of its
/// process.
pub(super) const CHECKED: &str = "health: { path: /health, interval: 20ms, fall: 1, rise: 1 }";

/// The Tomcat goes Down and its process lives on, with all that it remembers. Needs [`CHECKED`].
#[track_caller]
pub(super) fn lose(proxy: &Proxy, tomcat: &Tomcat) {
    tomcat.script("/health", Fault::Status(503));
    eventually("it is down", || !proxy.is_up(tomcat));
}

/// It serves again after [`lose`].
#[track_caller]
pub(super) fn find_again(proxy: &Proxy, tomcat: &Tomcat) {
    tomcat.unscript("/health");
    eventually("it is back", || proxy.is_up(tomcat));
}

/// Its process ends, and somebody has found that out.
#[track_caller]
pub(super) fn kill(proxy: &Proxy, tomcat: &Tomcat) {
    tomcat.kill();
    let id = format!("WITNESS.{}", tomcat.name());
    served(proxy.address(), &shows("/echo", &id));
    assert!(!proxy.is_up(tomcat));
}

/// A new process serves.
#[track_caller]
pub(super) fn restart(proxy: &Proxy, tomcat: &Tomcat) {
    tomcat.restart().expect("restarts");
    eventually("it is back", || proxy.is_up(tomcat));
}

// === answers ===

/// Makes `path` of this Tomcat answer with these fields.
pub(super) fn says(tomcat: &Tomcat, path: &str, fields: &[&str]) {
    let name = tomcat.name();
    let mut answer = format!("HTTP/1.1 200 \r\nX-Tomcat: {name}\r\nContent-Length: 0\r\n");
    for field in fields {
        answer.extend([field, "\r\n"]);
    }
    answer.push_str("\r\n");
    tomcat.raw_answer(path, answer);
}

/// Makes `path` of this Tomcat issue this session id.
pub(super) fn issues(tomcat: &Tomcat, path: &str, id: &str) {
    let field = format!("Set-Cookie: JSESSIONID={id}; Path=/; HttpOnly");
    says(tomcat, path, &[&field]);
}

/// Which Tomcat answers this with 200.
#[track_caller]
pub(super) fn served(to: impl Into<Address>, request: &Request) -> String {
    request.send(to).expect(200).tomcat().to_owned()
}

/// Sends a request whose answer is read later.
#[track_caller]
pub(super) fn begun(to: impl Into<Address>, request: &Request) -> Raw {
    let mut client = Raw::connect(to);
    client.send(request.bytes());
    client
}

// === counters ===

/// The counters called `name` that are not zero, by this label.
pub(super) fn counted(proxy: &Proxy, name: &str, label: &str) -> BTreeMap<String, u64> {
    let text = get(proxy.admin(), "/metrics").expect(200).text();
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        // Another name may begin as this one.
        let Some(sample) = line.strip_prefix(name).filter(|it| it.starts_with('{')) else {
            continue;
        };
        let (labels, value) = sample.rsplit_once(' ').expect("a sample");
        let Some((_, rest)) = labels.split_once(&format!("{label}=\"")) else {
            continue;
        };
        let (of, _) = rest.split_once('"').expect("a closing quote");
        *sums.entry(of.to_owned()).or_default() += value.parse::<u64>().expect("a whole number");
    }
    sums.retain(|_, sum| *sum > 0);
    sums
}

/// Requests, by how their session decided where they went.
pub(super) fn bindings(proxy: &Proxy) -> BTreeMap<String, u64> {
    counted(proxy, "cattail_session_requests_total", "binding")
}

/// What was expected to be counted.
pub(super) fn counts<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected
        .map(|(value, count)| (value.to_owned(), count))
        .into()
}
