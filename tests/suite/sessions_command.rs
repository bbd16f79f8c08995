//! `cattail sessions` as an operator runs it, against fake stores.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::time::Instant;

use crate::harness::{Items, Store, scaled};

const ALICE: &str = "A6E3DACCB816E3C35F0B9938847EE39D";
const BOB: &str = "B7F4EBDDC927F4D46A1CA949958FF4AE";
/// What no output may hold: attributes, and ids as a whole.
const SECRET: &str = "hunter2";

/// A session as MSM stores it, an attribute included; made a minute ago, used half a minute ago.
fn session(id: &str) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ago = |seconds: i64| i64::try_from(now.as_millis()).unwrap() - seconds * 1000;
    let attributes_at = u16::try_from(44 + id.len() + 8).unwrap();
    let mut value = vec![0, 2];
    value.extend(attributes_at.to_be_bytes());
    value.extend(ago(60).to_be_bytes());
    value.extend(ago(40).to_be_bytes());
    value.extend(1800_i32.to_be_bytes());
    value.extend(b"01");
    value.extend(ago(30).to_be_bytes());
    value.extend(ago(30).to_be_bytes());
    value.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
    value.extend(id.as_bytes());
    value.extend([0, 4, 0, 0, 0, 0, 0, 0]);
    value.extend([0xac, 0xed, 0, 5]);
    value.extend(SECRET.as_bytes());
    value
}

fn validity() -> Vec<u8> {
    let mut value = 900_i32.to_be_bytes().to_vec();
    value.extend([0; 16]);
    value
}

fn item(key: String, value: Vec<u8>) -> (String, Vec<u8>, u32) {
    (key, value, 1800)
}

fn sticky(ids: &[&str]) -> Items {
    ids.iter()
        .map(|id| item((*id).to_owned(), session(id)))
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs the command, and checks what holds for all of its outputs.
fn run(arguments: &[&str], stdin: &str) -> Output {
    run_with(None, arguments, stdin)
}

/// The same with this redis in the environment.
fn run_with(redis: Option<&str>, arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cattail"));
    command
        .arg("sessions")
        .args(arguments)
        .env_remove("CATTAIL_REDIS");
    command.envs(redis.map(|url| ("CATTAIL_REDIS", url)));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may not read it at all.
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    let all = text(&output.stdout) + &text(&output.stderr);
    assert!(!all.contains(SECRET), "{all}");
    let is_whole = arguments.contains(&"--full-ids");
    assert!(
        is_whole || !(all.contains(ALICE) || all.contains(BOB)),
        "{all}"
    );
    assert!(!all.contains("panicked"), "{all}");
    output
}

/// The command with two memcacheds, `n1` and `n2`.
fn ask(nodes: [&Store; 2], arguments: &[&str]) -> Output {
    let [n1, n2] = nodes.map(Store::address);
    let (n1, n2) = (format!("n1={n1}"), format!("n2={n2}"));
    let stores = ["--memcached", &n1, "--memcached", &n2];
    run(&[arguments, &stores].concat(), "")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn sessions_are_listed_with_what_their_headers_say() {
    let id = format!("{ALICE}-n1.jvm1");
    let (n1, n2) = (Store::memcached(sticky(&[&id])), Store::memcached(vec![]));
    let output = ask([&n1, &n2], &["list"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = text(&output.stdout);
    let line = told.lines().nth(1).unwrap();
    for part in ["A6E3DA*-n1.jvm1  n1 ", "30m00s", "FORM", "java", "ok"] {
        assert!(line.contains(part), "{part}: {told}");
    }
    let json = json(&ask([&n1, &n2], &["list", "--json", "--full-ids"]));
    let row = &json["sessions"][0];
    assert_eq!(row["id"], id);
    assert_eq!(
        (&row["timeout_seconds"], &row["auth"]),
        (&1800.into(), &"FORM".into())
    );
    let age = row["age_seconds"].as_u64().unwrap();
    assert!((59..600).contains(&age), "{json}");
    assert_eq!(row["state"], serde_json::json!([]));
}

#[test]
fn memcached_is_never_asked_in_a_way_that_counts_as_a_use() {
    let id = format!("{ALICE}-n1.jvm1");
    let (n1, n2) = (Store::memcached(sticky(&[&id])), Store::memcached(vec![]));
    for arguments in [
        &["list"][..],
        &["show", "A6E3"],
        &["where", "A6E3"],
        &["stats"],
    ] {
        assert_eq!(ask([&n1, &n2], arguments).status.code(), Some(0));
    }
    let asked = n1.asked();
    assert!(asked.len() >= 6, "{asked:?}");
    for question in asked {
        let is_harmless = ["version", "lru_crawler metadump hash"].contains(&question.as_str());
        let is_quiet = question.starts_with("mg ") && question.ends_with(" u");
        assert!(is_harmless || is_quiet, "{question}");
    }
}

#[test]
fn parts_of_non_sticky_sessions_are_put_together() {
    let (alice, bob) = (format!("{ALICE}-n1.jvm1"), format!("{BOB}-n1.jvm2"));
    let n1 = Store::memcached(vec![
        item(alice.clone(), session(&alice)),
        item(format!("validity:{alice}"), validity()),
        item(bob.clone(), session(&bob)),
        item("user:42".to_owned(), b"x".to_vec()),
    ]);
    let n2 = Store::memcached(vec![
        item(format!("bak:{alice}"), session(&alice)),
        item(format!("bak:validity:{alice}"), validity()),
        item(
            "bak:CCCCCCCCCCCCCCCC-n1.jvm1".to_owned(),
            session("CCCCCCCCCCCCCCCC-n1.jvm1"),
        ),
    ]);
    let counted = json(&ask([&n1, &n2], &["stats", "--json"]));
    assert_eq!(counted["mode"], "non-sticky");
    let expected = serde_json::json!({
        "ghost": 0, "orphan": 1, "expired": 1, "no-backup": 1, "unprotected": 0, "misplaced": 0,
    });
    assert_eq!(counted["findings"], expected, "{counted}");
    assert_eq!(counted["nodes"][0]["foreign"], 1);
    assert_eq!(counted["routes"][1]["route"], "jvm2");
    let list = json(&ask([&n1, &n2], &["list", "--json"]));
    let rows = list["sessions"].as_array().unwrap();
    let state = |start: &str| {
        let row = rows
            .iter()
            .find(|row| row["id"].as_str().unwrap().starts_with(start));
        row.unwrap()["state"].to_string()
    };
    assert_eq!(state("A6E3DA*"), "[]");
    assert_eq!(state("B7F4EB*"), r#"["expired","no-backup"]"#);
    assert_eq!(state("CCCC*"), r#"["orphan"]"#);
    // The validity, and not the session's own header, has the time-out in force.
    let shown = text(&ask([&n1, &n2], &["show", "A6E3"]).stdout);
    assert!(shown.contains("time-out       15m00s"), "{shown}");
    let places = text(&ask([&n1, &n2], &["where", "A6E3"]).stdout);
    for what in [
        "session             n1",
        "validity            n1",
        "backup              n2",
    ] {
        assert!(places.contains(what), "{places}");
    }
    assert!(places.contains("backup of validity  n2"), "{places}");
}

#[test]
fn old_copies_are_ghosts_and_where_shows_them_all() {
    let (one, two) = (format!("{ALICE}-n1.jvm1"), format!("{ALICE}-n2.jvm1"));
    let (n1, n2) = (
        Store::memcached(sticky(&[&one])),
        Store::memcached(sticky(&[&two])),
    );
    let stats = json(&ask([&n1, &n2], &["stats", "--json"]));
    assert_eq!(
        (&stats["findings"]["ghost"], &stats["sessions"]),
        (&1.into(), &1.into())
    );
    let [a, b] = [&n1, &n2].map(Store::address);
    let (a, b) = (format!("n1={a}"), format!("n2={b}"));
    let output = run(
        &["where", "-", "--memcached", &a, "--memcached", &b],
        &format!("{one}\n"),
    );
    assert_eq!(text(&output.stdout).lines().count(), 3, "{output:?}");
}

#[test]
fn lists_are_filtered_sorted_and_bounded() {
    let ids: Vec<String> = (10..40)
        .map(|it| format!("{it}{ALICE}-n1.jvm{}", it % 3))
        .collect();
    let mut items = sticky(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    items[7].1.extend([0; 500]);
    items[9].2 = 5;
    let (n1, n2) = (Store::memcached(items), Store::memcached(vec![]));
    let list = |more: &[&str]| {
        let output = ask([&n1, &n2], &[&["list", "--json"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        (json(&output), text(&output.stderr))
    };
    let (all, told) = list(&["--limit", "4"]);
    assert_eq!(
        (all["sessions"].as_array().unwrap().len(), &all["total"]),
        (4, &30.into())
    );
    assert!(
        told.contains("4 of 30 sessions are shown; see --limit"),
        "{told}"
    );
    assert_eq!(list(&["--route", "jvm1"]).0["total"], 10);
    assert_eq!(list(&["--node", "n2"]).0["total"], 0);
    let first = |sort: &str| {
        let (found, _) = list(&["--sort", sort, "--limit", "1"]);
        found["sessions"][0]["id"].as_str().unwrap().to_owned()
    };
    assert!(first("size").starts_with("17"), "{}", first("size"));
    assert!(first("ttl").starts_with("19"), "{}", first("ttl"));
    for sort in ["id", "node", "route", "age", "idle"] {
        assert!(!first(sort).is_empty());
    }
}

#[test]
fn redis_is_asked_with_its_password_and_never_by_keys() {
    let id = format!("{ALICE}.jvm1");
    let store = Store::redis(sticky(&[&id]), Some("sesame"));
    let url = format!("redis://:sesame@{}", store.address());
    for what in ["list", "stats"] {
        let output = run(&[what, "--redis", &url], "");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(!text(&output.stdout).contains("sesame"));
    }
    assert!(
        !store
            .asked()
            .iter()
            .any(|question| question.starts_with("KEYS"))
    );
    let output = run(&["list", "--redis", &url.replace("sesame", "open")], "");
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(
        told.contains("authenticate: the store says: WRONGPASS") && !told.contains("open@"),
        "{told}"
    );
}

#[test]
fn what_one_store_cannot_tell_the_others_do() {
    let id = format!("{ALICE}-n1.jvm1");
    let n1 = Store::memcached(sticky(&[&id]));
    for (bad, why) in [
        (Store::hanging_up(), "n2: 127.0.0.1:"),
        (
            Store::saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "this is an HTTP server, not memcached",
        ),
        (
            Store::saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "this is an SSH server, not memcached",
        ),
        (Store::redis(vec![], None), "not memcached"),
        (Store::saying(b""), "not done within"),
        (Store::endless(b"", b"x"), "a line of more than"),
        (
            Store::saying(b"VERSION 1.6.18\r\nBUSY currently processing crawler request\r\n"),
            "the store says: BUSY",
        ),
    ] {
        let output = ask([&n1, &bad], &["list", "--timeout", "3"]);
        assert_eq!(output.status.code(), Some(3), "{why}: {output:?}");
        let (told, failed) = (text(&output.stdout), text(&output.stderr));
        assert!(told.contains("A6E3DA*-n1.jvm1"), "{told}");
        assert!(
            failed.contains("n2: 127.0.0.1:") && failed.contains(why),
            "{why}: {failed}"
        );
    }
}

#[test]
fn stores_whose_keys_do_not_end_cost_their_time_out_at_most() {
    const KEY: &[u8] = b"key=AAAAAAAAAAAAAAAA-n1 exp=1 la=1 cas=1 fetch=no cls=1 size=1\n";
    let endless = Store::endless(b"VERSION 1\r\n", KEY);
    let stuck = Store::saying(b"VERSION 1\r\nkey=AAAAAAAAAAAAAAAA-n1 exp=1 la=1 size=1\n");
    let start = Instant::now();
    let output = ask([&endless, &stuck], &["stats", "--timeout", "0.3"]);
    assert!(start.elapsed() < scaled(Duration::from_mins(1)));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let failed = text(&output.stderr);
    let told = |store: &str| failed.lines().find(|line| line.contains(store)).unwrap();
    assert!(
        told("n2: ").contains("answer: not done within 9000 ms"),
        "{failed}"
    );
    // On a fast machine its number of keys has an end before its time has.
    let ends = ["not done within 9000 ms", "more than 10000000 keys"];
    assert!(
        ends.iter().any(|end| told("n1: ").contains(end)),
        "{failed}"
    );
    // What was counted until then is shown.
    assert!(
        text(&output.stdout).contains("n2 (incomplete)"),
        "{output:?}"
    );
}

#[test]
fn values_that_lie_are_told_and_not_believed() {
    let id = format!("{ALICE}-n1.jvm1");
    let mut broken = session(&id);
    broken[2..4].copy_from_slice(&[0x7f, 0xff]);
    let terminal = format!("\u{1b}[31m_{BOB}-n1.jvm1");
    let n1 = Store::memcached(vec![
        item(id, broken),
        item(format!("{BOB}-n1.jvm1"), b"no session".to_vec()),
        item(terminal.replace(' ', ""), b"".to_vec()),
    ]);
    let n2 = Store::memcached(vec![]);
    let output = ask([&n1, &n2], &["list"]);
    let told = text(&output.stdout);
    assert!(
        told.contains("half-written") && told.contains("foreign"),
        "{told}"
    );
    assert!(!told.contains('\u{1b}'), "{told:?}");
}

#[test]
fn mistakes_of_the_command_line_end_with_2() {
    for (arguments, why) in [
        (&["list"][..], "--memcached"),
        (
            &["list", "--memcached", "n1:host:1"],
            "--memcached has a host name",
        ),
        (
            &["list", "--memcached", "n1=a:1", "--memcached", "n1=b:1"],
            "the same name",
        ),
        (&["list", "--redis", "rediss://:sesame@host"], "TLS"),
        (
            &["list", "--redis", "redis://:sesame@host:x"],
            "a port that is no number",
        ),
        (
            &["list", "--memcached", "a:1", "--timeout", "0"],
            "--timeout",
        ),
        (
            &["list", "--memcached", "a:1", "--node", "n9"],
            "--node: no store node",
        ),
        (
            &["list", "--memcached", "a:1", "--sticky", "--non-sticky"],
            "cannot be used with",
        ),
        (&["show", "", "--memcached", "a:1"], "expected a session id"),
    ] {
        let output = run(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        let told = text(&output.stderr);
        assert!(
            told.contains(why) && !told.contains("sesame"),
            "{arguments:?}: {told}"
        );
    }
}

#[test]
fn a_session_that_is_nowhere_is_an_error() {
    let (n1, n2) = (Store::memcached(vec![]), Store::memcached(vec![]));
    for what in ["show", "where"] {
        let output = ask([&n1, &n2], &[what, "DDDD"]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            text(&output.stderr),
            "cattail: no store has a session with this id\n"
        );
    }
}

#[test]
fn half_of_an_id_is_not_shown_as_its_prefix() {
    let half = "SECRETSECRETSECRETSECRETSECRET12345678_";
    let id = format!("{half}xyzab-n1.jvm1");
    let (n1, n2) = (Store::memcached(sticky(&[&id])), Store::memcached(vec![]));
    for arguments in [&["list"][..], &["show", "xyzab-n1"], &["where", &id]] {
        for format in [&[][..], &["--json"]] {
            let output = ask([&n1, &n2], &[arguments, format].concat());
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let told = text(&output.stdout);
            assert!(!told.contains("SECRET") && told.contains("*_"), "{told}");
        }
    }
    // What is shown is found, and who asks for it, or says that it is the prefix, sees all.
    assert_eq!(
        ask([&n1, &n2], &["where", "*_x*-n1.jvm1"]).status.code(),
        Some(0)
    );
    for more in [["--key-prefix", half], ["--full-ids", "--json"]] {
        let told = text(&ask([&n1, &n2], &["list", more[0], more[1]]).stdout);
        assert!(told.contains(half), "{told}");
    }
}

#[test]
fn what_where_shows_is_taken_back() {
    let id = format!("001_{ALICE}-n1.jvm1");
    let (n1, n2) = (Store::memcached(sticky(&[&id])), Store::memcached(vec![]));
    for known in [&[][..], &["--key-prefix", "001_"]] {
        let asked = |what: &str| {
            let output = ask([&n1, &n2], &[&["where", what], known].concat());
            assert_eq!(output.status.code(), Some(0), "{what}: {output:?}");
            text(&output.stdout)
        };
        // Of the line, what does not change from second to second.
        let place = |told: &str| -> Vec<String> {
            let cells = told.lines().nth(1).unwrap().split_whitespace();
            cells.take(3).map(str::to_owned).collect()
        };
        let told = place(&asked("A6E3"));
        assert_eq!(told, ["001_A6E3DA*-n1.jvm1", "session", "n1"]);
        assert_eq!(place(&asked(&told[0])), told);
    }
}

#[test]
fn keys_that_are_left_out_are_told_of() {
    let ids: Vec<String> = (0..1001).map(|it| format!("{ALICE}{it}-n1.jvm1")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let asked = |ids: &[&str]| {
        let (n1, n2) = (Store::memcached(sticky(ids)), Store::memcached(vec![]));
        let output = ask([&n1, &n2], &["where", "A6E3", "--json"]);
        let is_told = text(&output.stderr).contains("write more of the id");
        (is_told, json(&output)["complete"].clone())
    };
    assert_eq!(asked(&ids), (true, false.into()));
    assert_eq!(asked(&ids[1..]), (false, true.into()));
}

#[test]
fn a_session_that_never_ends_is_told_as_such() {
    let id = format!("{ALICE}-n1.jvm1");
    let mut endless = session(&id);
    endless[20..24].copy_from_slice(&(-1_i32).to_be_bytes());
    let n1 = Store::memcached(vec![item(id, endless)]);
    let n2 = Store::memcached(vec![]);
    let list = text(&ask([&n1, &n2], &["list"]).stdout);
    let cells: Vec<_> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells[4], "never", "{list}");
    let shown = text(&ask([&n1, &n2], &["show", "A6E3"]).stdout);
    assert!(shown.contains("time-out       never"), "{shown}");
}

#[test]
fn a_redis_of_the_environment_is_asked_where_no_store_is_given() {
    let id = format!("{ALICE}.jvm1");
    let redis = Store::redis(sticky(&[&id]), Some("sesame"));
    let url = format!("redis://:sesame@{}", redis.address());
    let output = run_with(Some(&url), &["list"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("A6E3DA*.jvm1"), "{output:?}");
    let asked = redis.asked().len();
    let other = Store::memcached(vec![]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (class, at) = (
        "de.javakaffee.web.msm.MemcachedBackupSessionManager",
        other.address(),
    );
    let context = file(
        "context.xml",
        format!("<Context><Manager className=\"{class}\" memcachedNodes=\"n1:{at}\"/></Context>"),
    );
    let config = file(
        "cattail.yaml",
        format!(
            "listeners: [{{ address: '127.0.0.1:80' }}]\nclusters: {{ shop: {{ backends: ['127.0.0.1:8080'], stores: {{ memcached: '{at}' }} }} }}\n"
        ),
    );
    for typed in [
        ["--memcached", &at],
        ["--context", &context],
        ["--config", &config],
        ["--redis", "redis://127.0.0.1:1"],
    ] {
        let output = run_with(Some(&url), &["stats", typed[0], typed[1]], "");
        let expected = i32::from(typed[0] == "--redis");
        assert_eq!(output.status.code(), Some(expected), "{typed:?} {output:?}");
    }
    assert_eq!(redis.asked().len(), asked);
    for (url, why) in [
        ("", "CATTAIL_REDIS in the environment"),
        ("redis://:sesame@host:x", "CATTAIL_REDIS: a port"),
    ] {
        let output = run_with(Some(url), &["list"], "");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(why) && !told.contains("sesame"), "{told}");
    }
}
