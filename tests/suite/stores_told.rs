//! What the log tells of stores: each thing once, when it begins and when it is over.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use cattail::standin::Address;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::affinity_stage::*;
use super::harness::*;

/// The command itself, whose log can be read while it runs.
struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    fn start(clusters: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("cattail.sock");
        let text = format!(
            "admin: off\nworkers: 1\nlog: {{ level: info, format: json }}\nlisteners: [{{ address: 'unix:{}' }}]\n{clusters}",
            socket.display()
        );
        let file = folder.path().join("cattail.yaml");
        fs::write(&file, text).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_cattail"))
            .args(["run", "--config"])
            .arg(&file)
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let process = Self { child, folder };
        let address = process.address();
        eventually("it listens", || Raw::try_connect(address.clone()).is_ok());
        process
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn address(&self) -> Address {
        Address::Unix(self.path("cattail.sock"))
    }

    /// The lines that begin so, in order. The last line may still be being written.
    fn told(&self, beginning: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path("log")).unwrap();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let begins = |line: &Value| {
            let message = line["message"].as_str();
            message.is_some_and(|message| message.starts_with(beginning))
        };
        lines.filter(begins).collect()
    }

    /// Waits for the first such line, and gives these fields of it.
    #[track_caller]
    fn tells(&self, beginning: &str, fields: &[&str]) -> Value {
        eventually(beginning, || !self.told(beginning).is_empty());
        let line = self.told(beginning).remove(0);
        fields.iter().map(|field| line[*field].clone()).collect()
    }

    /// A Tomcat makes this session.
    fn makes(&self, tomcat: &Tomcat, id: &str) {
        let path = format!("/login/{id}");
        issues(tomcat, &path, id);
        let route = id.rsplit_once('.').unwrap().1;
        served(self.address(), &shows(&path, &format!("BEFORE.{route}")));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn cluster(tomcats: &[&Tomcat], stores: &[&Pulse]) -> String {
    let node = |(number, store): (usize, &&Pulse)| format!("n{number}: '{}'", store.address());
    let nodes: Vec<_> = (1..).zip(stores).map(node).collect();
    let nodes = nodes.join(", ");
    let stores = format!("stores: {{ memcached: {{ {nodes} }}, interval: 100ms, timeout: 10s }}");
    sticky(tomcats, &format!("{CHECKED}\n{stores}"))
}

const DOWN: &str = "the store node does not answer";
const BACK: &str = "the store node answers again";
const NO_COPY: &str = "sessions have no copy until their next request";
const CAN_BE_COPIED: &str = "sessions of the store node can be copied again";
const OUT_OF_REACH: &str = "sessions are out of reach";
const WITHIN_REACH: &str = "sessions are within reach again";
const FLAPPING: &str = "sessions leave a store node that answers";

#[test]
fn who_is_out_of_reach_is_told_when_it_begins_and_when_it_is_over() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let (mut first, second) = (Pulse::start(), Pulse::start());
    let proxy = Process::start(&cluster(&[&one, &two], &[&first, &second]));
    for id in ["A-n1.jvm1", "B-n1.jvm1", "C-n2.jvm1"] {
        proxy.makes(&one, id);
    }
    proxy.makes(&two, "D-n1.jvm2");
    first.kill();
    let fields = ["cluster", "store_node", "level", "cause"];
    let told = proxy.tells(DOWN, &fields);
    assert_eq!(
        (&told[0], &told[1], &told[2]),
        (&json!("shop"), &json!("n1"), &json!("WARN"))
    );
    assert!(told[3].as_str().unwrap().contains("refused"), "{told}");
    assert_eq!(
        proxy.tells(NO_COPY, &["store_node", "sessions"]),
        json!(["n1", 3])
    );
    assert_eq!(proxy.told(OUT_OF_REACH).len(), 0);
    // Now the Tomcat of two of them.
    one.script("/health", cattail::standin::Fault::Status(503));
    let told = proxy.tells(
        OUT_OF_REACH,
        &["store_node", "backend", "sessions", "level"],
    );
    assert_eq!(told, json!(["n1", "jvm1", 2, "WARN"]));
    one.unscript("/health");
    let told = proxy.tells(
        WITHIN_REACH,
        &["store_node", "backend", "sessions", "level"],
    );
    assert_eq!(told, json!(["n1", "jvm1", 2, "INFO"]));
    first.restart();
    assert_eq!(
        proxy.tells(BACK, &["store_node", "level"]),
        json!(["n1", "INFO"])
    );
    assert_eq!(
        proxy.tells(CAN_BE_COPIED, &["store_node", "sessions"]),
        json!(["n1", 3])
    );
    for once in [
        DOWN,
        BACK,
        NO_COPY,
        CAN_BE_COPIED,
        OUT_OF_REACH,
        WITHIN_REACH,
    ] {
        assert_eq!(proxy.told(once).len(), 1, "{once}");
    }
}

#[test]
fn non_sticky_sessions_are_out_of_reach_without_their_node_and_the_next() {
    let tomcat = Tomcat::start("jvm1");
    let [mut one, mut two, three] = [(); 3].map(|()| Pulse::start());
    let text = cluster(&[&tomcat], &[&one, &two, &three]);
    let proxy = Process::start(&text.replace("affinity: sticky", "affinity: prefer"));
    proxy.makes(&tomcat, "A-n1.jvm1");
    one.kill();
    proxy.tells(DOWN, &[]);
    assert_eq!(proxy.told(OUT_OF_REACH).len(), 0);
    // The copies die second: their own node has them still.
    two.kill();
    let fields = ["store_node", "copies", "sessions"];
    assert_eq!(proxy.tells(OUT_OF_REACH, &fields), json!(["n1", "n2", 1]));
    two.restart();
    assert_eq!(proxy.tells(WITHIN_REACH, &fields), json!(["n1", "n2", 1]));
    assert_eq!(proxy.told(OUT_OF_REACH).len(), 1, "n2 had no sessions");
}

#[test]
fn sessions_that_leave_a_store_that_answers_are_told_of() {
    let tomcat = Tomcat::start("jvm1");
    let (one, two) = (Pulse::start(), Pulse::start());
    let proxy = Process::start(&cluster(&[&tomcat], &[&one, &two]));
    let moves = |number: usize| {
        issues(&tomcat, "/page", &format!("S{number}-n2.jvm1"));
        let before = shows("/page", &format!("S{number}-n1.jvm1"));
        served(proxy.address(), &before);
    };
    (0..9).for_each(moves);
    let asked = one.questions();
    eventually("it was asked since", || one.questions() > asked + 2);
    assert_eq!(proxy.told(FLAPPING).len(), 0);
    moves(9);
    let told = proxy.tells(FLAPPING, &["store_node", "within_a_minute", "level"]);
    assert_eq!(told, json!(["n1", 10, "WARN"]));
    (10..30).for_each(moves);
    let asked = one.questions();
    eventually("it was asked since", || one.questions() > asked + 2);
    assert_eq!(proxy.told(FLAPPING).len(), 1, "once a minute");
}

#[test]
fn sessions_that_leave_a_dead_store_are_not() {
    let tomcat = Tomcat::start("jvm1");
    let (mut one, two) = (Pulse::start(), Pulse::start());
    let text = cluster(&[&tomcat], &[&one, &two]).replace("interval: 100ms", "interval: 2s");
    let proxy = Process::start(&text);
    eventually("it was asked", || one.questions() > 0);
    one.kill();
    // Its Tomcats notice at once, the proxy with its next question.
    for number in 0..20 {
        issues(&tomcat, "/page", &format!("S{number}-n2.jvm1"));
        served(
            proxy.address(),
            &shows("/page", &format!("S{number}-n1.jvm1")),
        );
    }
    proxy.tells(DOWN, &[]);
    one.restart();
    proxy.tells(BACK, &[]);
    assert_eq!(proxy.told(FLAPPING).len(), 0);
}
