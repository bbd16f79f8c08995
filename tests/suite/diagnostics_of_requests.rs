//! What stderr tells the operator of requests and checks: each failure once, where it was decided.

use std::process::{Child, Command, Stdio};

use cattail::standin::{Address, Fault};
use serde_json::Value;
use tempfile::TempDir;

use super::harness::*;

/// The command itself, listening on a Unix socket.
struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    fn start(level: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("cattail.sock");
        let text = format!(
            "admin: off\nworkers: 1\nlog: {{ level: {level}, format: json }}\nlisteners: [{{ address: 'unix:{}' }}]\n{rest}",
            socket.display()
        );
        let file = folder.path().join("cattail.yaml");
        std::fs::write(&file, text).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_cattail"))
            .args(["run", "--config"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let process = Self { child, folder };
        let address = process.address();
        eventually("it listens", || Raw::try_connect(address.clone()).is_ok());
        process
    }

    fn address(&self) -> Address {
        Address::Unix(self.folder.path().join("cattail.sock"))
    }

    /// Ends it and gives what it said of requests, line by line.
    fn said(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        let output = self.child.wait_with_output().unwrap();
        let lines = String::from_utf8(output.stderr).unwrap();
        let objects = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let of_requests = |line: &Value| line["message"] != "listening";
        objects.filter(of_requests).collect()
    }
}

/// Some fields of a line.
fn fields(line: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| line[*name].clone()).collect()
}

const FAILURE: [&str; 6] = ["level", "cluster", "backend", "attempt", "failure", "next"];

#[test]
fn a_502_names_where_it_failed_why_and_what_was_tried() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let process = Process::start("info", &cluster(&[&one, &two], ""));
    for tomcat in [&one, &two] {
        tomcat.script("/x", Fault::CloseBeforeHead);
        tomcat.script("/junk", Fault::Junk);
    }
    get(process.address(), "/x").expect(502);
    get(process.address(), "/junk").expect(502);
    let said = process.said();
    let found: Vec<Value> = said.iter().map(|line| fields(line, &FAILURE)).collect();
    let closed = "await_head: connection closed by the backend";
    let junk = "await_head: bad response: invalid HTTP version in its head";
    let expected = [
        serde_json::json!(["INFO", "shop", "jvm1", 1, closed, "trying again"]),
        serde_json::json!(["WARN", "shop", "jvm2", 2, closed, "given up"]),
        serde_json::json!(["WARN", "shop", "jvm1", 1, junk, "given up"]),
    ];
    assert_eq!(found, expected, "{said:#?}");
    assert!(said[0]["cause"].is_string(), "{said:#?}");
}

#[test]
fn the_last_backend_that_refuses_is_given_up_and_the_rest_is_silence() {
    let tomcat = Tomcat::start("jvm1");
    let process = Process::start("info", &cluster(&[&tomcat], ""));
    tomcat.kill();
    get(process.address(), "/x");
    for _ in 0..3 {
        get(process.address(), "/x").expect(503);
    }
    let said = process.said();
    let of_attempts = |line: &&Value| line["attempt"].is_number();
    let attempts: Vec<Value> = said
        .iter()
        .filter(of_attempts)
        .map(|line| fields(line, &FAILURE))
        .collect();
    let refused = "connect: connection refused";
    let expected = [serde_json::json!([
        "WARN", "shop", "jvm1", 1, refused, "given up"
    ])];
    assert_eq!(attempts, expected, "{said:#?}");
    // The change of its state is told once, and no request after it.
    assert!(said.len() <= 2, "{said:#?}");
}

#[test]
fn client_faults_are_told_to_those_who_search() {
    let rules = "rules: [{ path: /shop, respond: { body: ok } }]";
    let ask = |process: &Process| {
        get(process.address(), "/nowhere").expect(404);
        Request::new("TRACE", "/shop")
            .send(process.address())
            .expect(501);
        get(process.address(), "/shop").expect(200);
    };
    let quiet = Process::start("info", rules);
    ask(&quiet);
    assert_eq!(quiet.said(), [] as [Value; 0]);
    let searching = Process::start("debug", rules);
    ask(&searching);
    let said = searching.said();
    let answered = said
        .iter()
        .filter(|line| line["message"] == "answered by the proxy");
    let errors: Vec<&Value> = answered.map(|line| &line["error"]).collect();
    assert_eq!(errors.len(), 2, "{said:#?}");
    assert_eq!(errors[0], "no rule for this host and path");
}

#[test]
fn checks_that_make_sessions_and_agents_that_fail_are_told_of_once_per_change() {
    let tomcat = Tomcat::start("jvm1");
    let agent = Agent::saying("nonsense\n");
    let more = "health: { path: /session, interval: 20ms, agent: { port: PORT, interval: 100ms } }";
    let more = more.replace("PORT", &agent.port().to_string());
    let process = Process::start("info", &cluster(&[&tomcat], &more));
    tomcat.wait_for_requests(4);
    let page = "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n";
    tomcat.raw_answer("/session", page);
    tomcat.wait_for_requests(tomcat.count() + 3);
    agent.says("drain#by \x1b hand\n");
    agent.says("drain\n");
    tomcat.unscript_all();
    tomcat.wait_for_requests(tomcat.count() + 3);
    let told: Vec<Value> = process
        .said()
        .iter()
        .map(|line| fields(line, &["level", "backend", "message"]))
        .collect();
    let makes = "health checks make sessions; let health.path be a page that needs none";
    for (expected, times) in [
        (serde_json::json!(["WARN", "jvm1", makes]), 2),
        (
            serde_json::json!(["INFO", "jvm1", "health checks make no sessions any more"]),
            1,
        ),
        (
            serde_json::json!(["WARN", "jvm1", "its agent says nothing"]),
            1,
        ),
        (
            serde_json::json!(["INFO", "jvm1", "its agent speaks again"]),
            1,
        ),
        (serde_json::json!(["INFO", "jvm1", "its agent says"]), 1),
        (
            serde_json::json!(["INFO", "jvm1", "up -> draining: its agent says so"]),
            1,
        ),
    ] {
        let count = told.iter().filter(|line| **line == expected).count();
        assert_eq!(count, times, "{expected}: {told:#?}");
    }
    // That it is empty may be told as well.
    let others = told.iter().filter(|line| {
        let text = line[2].as_str().unwrap();
        !text.starts_with("drained")
    });
    assert_eq!(others.count(), 7, "{told:#?}");
}
