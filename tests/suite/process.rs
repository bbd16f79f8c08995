//! `cattail run` and `cattail health` as processes: signals and exit codes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cattail::standin::Address;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::harness::*;

/// A running `cattail run`; killed when it is dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
    file: PathBuf,
}

fn cattail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cattail"));
    command
        .env_clear()
        .env("CATTAIL_ADMIN_ADDRESS", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    let mut command = cattail();
    let piped = command.args(arguments).stdout(Stdio::piped());
    piped.output().expect("runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Process {
    /// Runs `text`, with listeners on free ports unless it has its own.
    pub(crate) fn run(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("cattail.yaml");
        fs::write(&file, text).expect("writes");
        let arguments = ["run", "--config", file.to_str().expect("text")].map(str::to_owned);
        Self::start(&arguments, folder, file)
    }

    fn start(arguments: &[String], folder: tempfile::TempDir, file: PathBuf) -> Self {
        let mut command = cattail();
        let mut child = command
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stderr, told) = (child.stderr.take().expect("piped"), Arc::clone(&lines));
        // Ends with the process.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                told.lock().unwrap().push(line);
            }
        });
        Self {
            child,
            lines,
            _folder: folder,
            file,
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn wait_for_line(&self, part: &str) -> String {
        let find = || self.lines().into_iter().find(|line| line.contains(part));
        eventually(&format!("{part:?} in {:?}", self.lines()), || {
            find().is_some()
        });
        find().expect("is there")
    }

    /// The address that it says it listens on.
    #[track_caller]
    fn address_after(&self, what: &str) -> Address {
        let line = self.wait_for_line(&format!("{what} address="));
        let (_, address) = line.split_once("address=").expect("is there");
        address.trim().parse().expect("an address")
    }

    pub(crate) fn address(&self) -> Address {
        self.address_after(" listening")
    }

    pub(crate) fn admin(&self) -> Address {
        self.address_after("admin listening")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("is sent");
    }

    #[track_caller]
    fn wait_for_exit(&mut self) -> Option<i32> {
        let mut status = None;
        eventually("it ends", || {
            status = self.child.try_wait().expect("is ours");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }

    fn rewrite(&self, text: &str) {
        fs::write(&self.file, text).expect("writes");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already, mostly.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Bytes that the process has in memory.
pub(crate) fn resident(process: &Process) -> u64 {
    let file = format!("/proc/{}/statm", process.child.id());
    let text = fs::read_to_string(file).unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn text(tomcat: &Tomcat, more: &str) -> String {
    format!(
        "workers: 2\nlisteners: [{{ address: '127.0.0.1:0' }}]\n\
         admin: {{ address: '127.0.0.1:0' }}\n{more}\
         clusters: {{ shop: {{ affinity: none, backends: ['{}'] }} }}\n",
        tomcat.address()
    )
}

#[test]
fn term_and_int_end_it_in_order_with_exit_code_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let tomcat = Tomcat::start("jvm1");
        let mut process = Process::run(&text(&tomcat, ""));
        tomcat.hold("/page");
        let mut client = Raw::connect(process.address());
        client.send(Request::get("/page").bytes());
        tomcat.wait_for("the request", |counts| counts.in_progress == 1);
        process.signal(signal);
        let address = process.address();
        eventually("new ones are refused", || {
            Raw::try_connect(&address).is_err()
        });
        tomcat.release("/page");
        let response = client.read_response().expect(200);
        assert_eq!(response.header("Connection"), Some("close"));
        assert_eq!(process.wait_for_exit(), Some(0));
        process.wait_for_line("ended");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let tomcat = Tomcat::start("jvm1");
    let mut process = Process::run(&text(&tomcat, ""));
    tomcat.hold("/page");
    let mut client = Raw::connect(process.address());
    client.send(Request::get("/page").bytes());
    tomcat.wait_for("the request", |counts| counts.in_progress == 1);
    process.signal(Signal::TERM);
    process.wait_for_line("stopping");
    let started = Instant::now();
    process.signal(Signal::TERM);
    assert_eq!(process.wait_for_exit(), Some(0));
    assert!(started.elapsed() < scaled(Duration::from_secs(2)));
    client.read_to_end();
}

#[test]
fn not_ready_comes_before_not_serving() {
    let tomcat = Tomcat::start("jvm1");
    let mut process = Process::run(&text(&tomcat, "shutdown: { delay: 10m }\n"));
    let (address, admin) = (process.address(), process.admin());
    get(&admin, "/readyz").expect(200);
    process.signal(Signal::TERM);
    eventually("not ready", || get(&admin, "/readyz").status() == 503);
    get(&address, "/echo").expect(200);
    process.signal(Signal::INT);
    assert_eq!(process.wait_for_exit(), Some(0));
}

#[test]
fn hup_loads_the_file_anew() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let mut process = Process::run(&text(&one, ""));
    let address = process.address();
    assert_eq!(get(&address, "/echo").expect(200).tomcat(), "jvm1");
    process.rewrite("clusterz: {}");
    process.signal(Signal::HUP);
    process.wait_for_line("clusterz");
    process.wait_for_line("the one before stays in force");
    assert_eq!(get(&address, "/echo").expect(200).tomcat(), "jvm1");
    let port = two.address().to_string().replace("127.0.0.1", "localhost");
    let named = text(&two, "").replace(&two.address().to_string(), &port);
    process.rewrite(&named);
    process.signal(Signal::HUP);
    process.wait_for_line("configuration loaded anew");
    assert_eq!(get(&address, "/echo").expect(200).tomcat(), "jvm2");
    let metrics = Metrics::scrape(process.admin());
    assert_eq!(metrics.value("cattail_config_reloads_total", &[]), 2);
    process.signal(Signal::TERM);
    assert_eq!(process.wait_for_exit(), Some(0));
}

#[test]
fn usr1_opens_the_access_log_anew() {
    let tomcat = Tomcat::start("jvm1");
    let folder = tempfile::tempdir().expect("a folder");
    let (log, rotated) = (
        folder.path().join("access.log"),
        folder.path().join("access.log.1"),
    );
    let more = format!("access_log: {{ path: '{}' }}\n", log.display());
    let process = Process::run(&text(&tomcat, &more));
    let lines = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().filter(|line| line.contains("/echo")).count()
    };
    get(process.address(), "/echo").expect(200);
    eventually("the first line", || lines(&log) == 1);
    fs::rename(&log, &rotated).expect("renames");
    process.signal(Signal::USR1);
    process.wait_for_line("log files are opened anew");
    eventually("a new file", || log.exists());
    get(process.address(), "/echo").expect(200);
    eventually("the second line", || lines(&log) == 1);
    assert_eq!(lines(&rotated), 1);
}

#[test]
fn what_cannot_be_used_ends_with_exit_code_2_and_says_why() {
    let other = TcpListener::bind("127.0.0.1:0").expect("binds");
    let taken = other.local_addr().expect("an address");
    let free = "listeners: [{ address: '127.0.0.1:0' }]\nadmin: { address: '127.0.0.1:0' }\n";
    let cluster = "clusters: { shop: { backends: ['127.0.0.1:1'] } }\n";
    let listener = free.replacen("127.0.0.1:0", &taken.to_string(), 1);
    for (text, complaint) in [
        (format!("{free}clusters: {{}}\n"), "clusters"),
        (
            format!("{free}clusters: {{ shop: {{ backends: ['x.invalid:1'] }} }}\n"),
            "cattail.yaml:3:32: clusters.shop.backends[0].address: found ",
        ),
        (
            format!("{listener}{cluster}"),
            "cattail.yaml:1:24: listeners[0].address: found ",
        ),
        (
            format!("{free}access_log: {{ path: /nonexistent/access.log }}\n{cluster}"),
            "cattail.yaml:3:21: access_log.path: found ",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("cattail.yaml");
        fs::write(&file, &text).expect("writes");
        let output = output(&["run", "--config", file.to_str().expect("text")]);
        assert_eq!(output.status.code(), Some(2), "{text}: {}", told(&output));
        assert!(
            told(&output).contains(complaint),
            "{complaint}: {}",
            told(&output)
        );
    }
}

#[test]
fn an_address_of_another_cattail_is_in_use() {
    let tomcat = Tomcat::start("jvm1");
    let first = Process::run(&text(&tomcat, ""));
    let address = first.address().to_string();
    let backend = tomcat.address().to_string();
    let output = output(&["run", "--listen", &address, "--backend", &backend]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains(&address), "{}", told(&output));
    get(first.address(), "/echo").expect(200);
}

#[test]
fn it_runs_without_a_file() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let mut arguments = ["run", "--listen", "127.0.0.1:0"]
        .map(str::to_owned)
        .to_vec();
    for tomcat in [&one, &two] {
        arguments.push("--backend".to_owned());
        arguments.push(format!("{}={}", tomcat.name(), tomcat.address()));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut process = Process::start(&arguments, folder, PathBuf::new());
    let mut served = [(); 2].map(|()| {
        let response = get(process.address(), "/echo").expect(200);
        response.tomcat().to_owned()
    });
    served.sort();
    assert_eq!(served, ["jvm1", "jvm2"]);
    process.signal(Signal::TERM);
    assert_eq!(process.wait_for_exit(), Some(0));
}

#[test]
fn health_asks_a_running_cattail() {
    let tomcat = Tomcat::start("jvm1");
    let mut process = Process::run(&text(&tomcat, ""));
    let admin = process.admin().to_string();
    let healthy = output(&["health", "--address", &admin]);
    assert_eq!(healthy.status.code(), Some(0), "{}", told(&healthy));
    process.signal(Signal::TERM);
    process.wait_for_exit();
    let gone = output(&["health", "--address", &admin]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(told(&gone).contains(&admin), "{}", told(&gone));
}

#[test]
fn no_log_shows_an_id_that_was_asked_about() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let token = tempfile::NamedTempFile::new().expect("a file");
    fs::write(token.path(), "correct-horse").expect("writes");
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nlog: {{ level: debug }}\n\
         admin: {{ address: '127.0.0.1:0', token_file: '{}' }}\ndecision_header: [127.0.0.1]\n\
         clusters: {{ shop: {{ backends: ['{}', '{}'] }} }}\n",
        token.path().display(),
        one.address(),
        two.address()
    );
    let mut process = Process::run(&text);
    let cookie = "JSESSIONID=D208779AB0E5DBE49C5DCBB0FE7D9D0E-n1.jvm9";
    let ask = |body: &str| {
        Request::post("/explain", body)
            .header("Authorization", "Bearer correct-horse")
            .header("Content-Type", "application/json")
            .send(process.admin())
            .status()
    };
    let question = format!(r#"{{"url":"/echo","cookie":"{cookie}"}}"#);
    assert_eq!(ask(&question), 200);
    assert_eq!(ask(&format!(r#"{{"cookie":"{cookie}"}}"#)), 400);
    let request = Request::get("/echo").header("Cookie", cookie);
    let answer = request.send(process.address()).expect(200);
    let decision = answer.header("X-Cattail-Decision").expect("a decision");
    assert!(!decision.contains("D208779"), "{decision}");
    process.signal(Signal::TERM);
    assert_eq!(process.wait_for_exit(), Some(0));
    let lines = process.lines();
    assert!(
        !lines.iter().any(|line| line.contains("D208779")),
        "{lines:#?}"
    );
}
