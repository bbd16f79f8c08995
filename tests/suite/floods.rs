//! Thousands of connections that want nothing but a place: whoever is served goes on being served, and
//! nothing is left of them.

use rustix::process::Signal;

use super::harness::frames::{self, Frames};
use super::harness::secure::connection;
use super::harness::*;
use super::process::{Process, resident};

const HOST: &str = "shop.example";
const FLOOD: usize = 2_000;

struct Stage {
    ca: Authority,
    process: Process,
    kept: Raw,
}

/// One worker, which the flood and those who are served must share.
fn stage(settings: &str) -> Stage {
    let ca = Authority::new("ca");
    let listener = Issued::listener(&[&ca.issue(&[HOST])], ", handshake: 5s");
    let text = format!(
        "{listener}workers: 1\nadmin: {{ address: '127.0.0.1:0' }}\n\
         rules: [{{ respond: {{ body: hello }} }}]\n{settings}\n"
    );
    let process = Process::run(&text);
    let kept = Raw::connect_tls(process.address(), &ca.clients(), HOST);
    Stage { ca, process, kept }
}

const ROOM: &str = "limits: { connections: 10000, connections_per_client: 2100, \
                    handshakes: { per_client: 0, in_all: 0 } }";

impl Stage {
    fn metric(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        Metrics::scrape(self.process.admin()).value(name, labels)
    }

    fn ask(client: &mut Raw) {
        let begun = tokio::time::Instant::now();
        Request::get("/")
            .header("Host", HOST)
            .send_on(client)
            .expect(200);
        let took = begun.elapsed();
        assert!(took < scaled(std::time::Duration::from_secs(2)), "{took:?}");
    }

    /// Those who are connected are answered, and others come in.
    fn serves(&mut self) {
        Self::ask(&mut self.kept);
        let mut other = Raw::connect_tls(self.process.address(), &self.ca.clients(), HOST);
        Self::ask(&mut other);
    }

    /// Connections on which `begin` was done, and who was served meanwhile.
    fn flood(&mut self, begin: impl Fn(&mut Raw)) -> Vec<Raw> {
        let mut all = Vec::with_capacity(FLOOD);
        for number in 0..FLOOD {
            let mut raw = Raw::connect(self.process.address());
            begin(&mut raw);
            all.push(raw);
            if number % 200 == 0 {
                self.serves();
            }
        }
        self.serves();
        all
    }

    /// Only the one that is kept is left, though none of the flood has closed: all places are free.
    fn is_at_rest(&mut self, flood: Vec<Raw>) {
        eventually("the proxy has closed them", || {
            self.metric("cattail_connections_open", &[]) == 1
        });
        assert_eq!(self.metric("cattail_tls_handshakes_under_way", &[]), 0);
        drop(flood);
        // All come from one address, which has its places again.
        let again: Vec<_> = (0..1_000)
            .map(|_| Raw::connect(self.process.address()))
            .collect();
        eventually("all have a place", || {
            self.metric("cattail_connections_open", &[]) == 1_001
        });
        let labels = [("reason", "limit_client")];
        assert_eq!(self.metric("cattail_connections_refused_total", &labels), 0);
        assert_eq!(self.metric("cattail_panics_total", &[]), 0);
        drop(again);
    }

    fn hello(&self, host: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        connection(&self.ca.clients(), host)
            .write_tls(&mut bytes)
            .unwrap();
        bytes
    }

    fn results(&self, all: &[&str]) -> i64 {
        let name = "cattail_tls_handshakes_total";
        let counts = all.iter().map(|it| self.metric(name, &[("result", it)]));
        counts.sum()
    }
}

#[test]
fn connections_that_say_nothing() {
    let mut stage = stage(ROOM);
    let flood = stage.flood(|_| {});
    eventually("all are counted", || {
        stage.results(&["timeout", "displaced"]) == 2_000
    });
    stage.is_at_rest(flood);
}

#[test]
fn connections_that_say_half_of_a_hello() {
    let mut stage = stage(ROOM);
    let hello = stage.hello(HOST);
    let half = &hello[..hello.len() / 2];
    let flood = stage.flood(|raw| {
        raw.send(half);
    });
    eventually("all are counted", || {
        stage.results(&["timeout", "displaced"]) == 2_000
    });
    stage.is_at_rest(flood);
}

#[test]
fn connections_whose_hello_drips() {
    let mut stage = stage(ROOM);
    let hello = stage.hello(HOST);
    let mut flood = stage.flood(|raw| {
        raw.send(&hello[..1]);
    });
    for byte in &hello[1..20] {
        for raw in &mut flood {
            // Whoever has lost its place to a newer one is closed.
            drop(raw.try_send([*byte]));
        }
        stage.serves();
    }
    eventually("all are counted", || {
        stage.results(&["timeout", "displaced"]) == 2_000
    });
    stage.is_at_rest(flood);
}

#[test]
fn connections_that_end_with_the_servers_hello() {
    let mut stage = stage(ROOM);
    let hello = stage.hello(HOST);
    let flood = stage.flood(|raw| {
        raw.send(&hello);
        assert_eq!(raw.read_exactly(1), [0x16], "a server's hello");
    });
    eventually("all are counted", || {
        stage.results(&["timeout", "displaced"]) == 2_000
    });
    stage.is_at_rest(flood);
}

#[test]
fn connections_that_speak_http_where_tls_is_spoken() {
    let mut stage = stage(ROOM);
    let flood = stage.flood(|raw| {
        raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    });
    eventually("all are counted", || {
        stage.results(&["plain_http"]) == 2_000
    });
    stage.is_at_rest(flood);
}

#[test]
fn connections_that_shook_hands_and_then_say_nothing() {
    let idle = ROOM.replace(
        "connections: 10000",
        "connections: 10000, idle: 3s, head_time: 3s",
    );
    let mut stage = stage(&idle);
    let address = stage.process.address();
    let clients = stage.ca.clients();
    let mut flood = Vec::new();
    for number in 0..FLOOD / 4 {
        flood.push(Raw::connect_tls(address.clone(), &clients, HOST));
        if number % 100 == 0 {
            stage.serves();
        }
    }
    drop(std::mem::replace(
        &mut stage.kept,
        Raw::connect_tls(address, &clients, HOST),
    ));
    let open = || stage.metric("cattail_connections_open", &[]);
    eventually("the proxy has closed them", || open() == 0);
    drop(flood);
}

#[test]
fn without_settings_one_client_gets_no_further_than_its_share() {
    let mut stage = stage("");
    let address = stage.process.address();
    let flood: Vec<_> = (0..FLOOD).map(|_| Raw::connect(address.clone())).collect();
    let refused = || {
        let all = ["limit_client", "handshakes_client"];
        let name = "cattail_connections_refused_total";
        let counts = all.map(|reason| stage.metric(name, &[("reason", reason)]));
        counts.iter().sum::<i64>()
    };
    eventually("the rest is closed", || refused() >= 1_001);
    Stage::ask(&mut stage.kept);
    let other = Raw::connect_from("127.0.0.9", address);
    let mut other = other.secure(&stage.ca.clients(), HOST);
    Stage::ask(&mut other);
    drop(flood);
}

#[test]
fn ten_thousand_names_of_hosts_get_the_default_and_leave_nothing_behind() {
    let mut stage = stage(ROOM);
    // One is enough: what is asked of the server is the same for each name.
    let hello = stage.hello("name00000.flood.example");
    let name = |bytes: &[u8]| bytes.windows(9).position(|it| it == b"name00000").unwrap();
    let place = name(&hello);
    let flood = |stage: &Stage, numbers: std::ops::Range<usize>| {
        in_parallel(4, |part| {
            for number in numbers.clone().filter(|number| number % 4 == part) {
                let mut hello = hello.clone();
                hello[place..place + 9].copy_from_slice(format!("name{number:05}").as_bytes());
                let mut raw = Raw::connect(stage.process.address());
                raw.send(hello);
                assert_eq!(raw.read_exactly(1), [0x16], "a server's hello");
            }
        });
    };
    flood(&stage, 0..2_000);
    let samples = Metrics::scrape(stage.process.admin()).samples();
    let before = resident(&stage.process);
    for thousand in 2..10 {
        flood(&stage, thousand * 1_000..(thousand + 1) * 1_000);
        stage.serves();
    }
    let grown = resident(&stage.process).saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more");
    assert_eq!(Metrics::scrape(stage.process.admin()).samples(), samples);
    eventually("all are closed", || {
        stage.metric("cattail_tls_handshakes_under_way", &[]) == 0
    });
    assert_eq!(stage.results(&["closed", "malformed"]), 10_000);
}

#[test]
fn no_stranger_writes_our_log() {
    let process = Process::run(
        "listeners: [{ address: '127.0.0.1:0' }]\nrules: [{ respond: { body: hello } }]\n",
    );
    let mut client = Frames::connect(process.address(), &[]);
    let before = process.lines().len();
    // Answers to what nobody asked: a library warns of each.
    for _ in 0..200 {
        client.send(frames::PING, 1, 0, &[0; 8]);
    }
    client.send(frames::PING, 0, 0, &[1; 8]);
    assert_eq!(client.next(frames::PING).payload, [1; 8]);
    process.signal(Signal::TERM);
    process.wait_for_line("stopping");
    let lines = process.lines();
    let of_it = lines
        .iter()
        .skip(before)
        .filter(|line| line.contains("PING"));
    assert_eq!(of_it.count(), 0, "{lines:?}");
}
