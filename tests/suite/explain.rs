//! `cattail explain --config`: what people and programs read, without any network.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Nobody listens on these addresses, and no name of them resolves.
const SHOP: &str = "listeners: [{ address: '127.0.0.1:0' }]\n\
    rules:\n  - { host: shop.example.com, cluster: shop }\n  \
    - { host: old.example.com, redirect: { to: 'http://shop.example.com/' } }\n  \
    - { host: inside.example.com, cluster: shop, allow: [10.0.0.0/8] }\n\
    clusters:\n  shop:\n    ignore: '\\.css$'\n    MORE\n    backends:\n      \
    - { jvm_route: jvm1, address: 'jvm1.invalid:8080' }\n      \
    - { jvm_route: jvm2, address: 'jvm2.invalid:8080' }\n      \
    - { jvm_route: jvm3, address: 'jvm3.invalid:8080', state: draining }\n      \
    - { jvm_route: jvm4, address: 'jvm4.invalid:8080', backup: true }\n";

const SECRET: &str = "D208779AB0E5DBE49C5DCBB0FE7D9D0E";
const COOKIE: &str = "JSESSIONID=D208779AB0E5DBE49C5DCBB0FE7D9D0E-n1.jvm1";

fn shop(more: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cattail.yaml");
    fs::write(&file, SHOP.replace("MORE", more)).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

fn cattail(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cattail"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read it may have ended already.
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        assert!(!text.contains("D208779"), "a whole id: {text}");
    }
    output
}

/// Asks about `http://shop.example.com/cart` by the file of [`shop`].
fn explained(more: &str, arguments: &[&str]) -> String {
    let (_folder, file) = shop(more);
    let common = ["explain", "--config", &file];
    let url = ["--url", "http://shop.example.com/cart", "--cookie", "-"];
    let output = cattail(&[&common[..], &url, arguments].concat(), COOKIE);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_session_whose_owner_is_down_is_explained_line_by_line() {
    let text = explained("", &["--down", "jvm1"]);
    assert_eq!(
        text,
        "rule      shop.example.com/ -> cluster shop\n\
         ids       cookie JSESSIONID: D20877*-n1.jvm1 (store node n1, jvm route jvm1)\n\
         owner     jvm1, by its jvm route (configured)\n\
         backends  jvm1  down      owner; cannot serve\n          \
         jvm2  up        first in the order of the base\n          \
         jvm3  draining  takes no session that is not its own\n          \
         jvm4  up        backup, and others serve\n\
         choice    jvm2 (survivor)\n"
    );
}

#[test]
fn the_owner_is_chosen_while_it_serves() {
    let text = explained("", &[]);
    assert!(text.contains("\nchoice    jvm1 (owner)\n"), "{text}");
}

#[test]
fn a_session_that_must_not_move_is_refused_after_its_wait() {
    let text = explained("strict: true\n    hold: 2s", &["--down", "jvm1"]);
    let choice =
        "choice    waits for jvm1 for 2000 ms at most, then refused: owner_unavailable (refused)\n";
    assert!(text.ends_with(choice), "{text}");
}

#[test]
fn nobody_waits_for_an_owner_that_is_disabled() {
    let (_folder, file) = shop("hold: 2s");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("state: draining", "state: disabled");
    fs::write(&file, text).unwrap();
    let common = ["explain", "--config", &file, "--url", "/cart"];
    let url = ["--host", "shop.example.com", "--cookie", "-"];
    let cookie = COOKIE.replace("jvm1", "jvm3");
    let output = cattail(&[&common[..], &url].concat(), &cookie);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("jvm3  disabled  owner"), "{text}");
    assert!(text.ends_with(" (survivor)\n"), "{text}");
    assert!(!text.contains("waits"), "{text}");
}

#[test]
fn the_backup_is_the_survivor_when_no_other_is_left() {
    let text = explained("", &["--down", "jvm1", "--down", "jvm2"]);
    assert!(text.ends_with("choice    jvm4 (survivor)\n"), "{text}");
    let down = ["--down", "jvm1", "--down", "jvm2", "--down", "jvm4"];
    let text = explained("", &down);
    let choice = "choice    refused: no_backend (survivor)\n";
    assert!(text.ends_with(choice), "{text}");
}

fn json(url: &str, cookie: &str, arguments: &[&str]) -> Value {
    let (_folder, file) = shop("");
    let common = ["explain", "--config", &file, "--format", "json"];
    let asked = ["--url", url, "--cookie", "-"];
    let output = cattail(&[&common[..], &asked, arguments].concat(), cookie);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn programs_get_the_same_as_json() {
    let cookie = format!("Cookie: JSESSIONID=.jvm1; JSESSIONID={SECRET}.jvm9; a=b");
    let url = format!("http://shop.example.com/cart;jsessionid={SECRET}-n2.jvm2");
    let found = json(&url, &cookie, &["--down", "jvm2"]);
    assert_eq!(found["rule"]["host"], "shop.example.com");
    assert_eq!(found["cluster"], "shop");
    assert_eq!(found["ids"][0]["rejected"], "no_base");
    assert_eq!(found["ids"][1]["id"], "D20877*.jvm9");
    assert_eq!(found["ids"][1]["names"], "nobody");
    assert_eq!(found["ids"][2]["place"], "path");
    assert_eq!(found["ids"][2]["names"]["backend"], "jvm2");
    assert_eq!(found["ids"][2]["chosen"], "named");
    assert_eq!(found["owner"]["backend"], "jvm2");
    assert_eq!(found["owner"]["by"], "jvm_route");
    assert_eq!(found["backends"][1]["state"], "down");
    assert_eq!(found["backends"][0]["rank"], 1);
    assert_eq!(found["choice"]["way"], "session");
    assert_eq!(found["choice"]["backend"], "jvm1");
    assert_eq!(found["choice"]["binding"], "survivor");
}

#[test]
fn what_is_no_session_is_left_to_the_balance() {
    let choice = |url: &str, cookie: &str| json(url, cookie, &[])["choice"].clone();
    let none = choice("http://shop.example.com/", "");
    assert_eq!(none["way"], "balance");
    assert_eq!(none["balance"], "round_robin");
    assert_eq!(none["binding"], "no_session");
    assert_eq!(none["backend"], Value::Null);
    let ignored = choice("http://shop.example.com/a.css", "");
    assert_eq!(ignored["binding"], "ignored");
    let of_a_session = choice("http://shop.example.com/a.css", COOKIE);
    assert_eq!(of_a_session["way"], "session");
    let unknown = choice(
        "http://shop.example.com/",
        "JSESSIONID=0123456789ABCDEF.jvm9",
    );
    assert_eq!(unknown["binding"], "unknown_route");
    assert_eq!(unknown["way"], "session");
}

#[test]
fn rules_that_name_no_cluster_and_clients_that_may_not_are_told() {
    let (_folder, file) = shop("");
    let ends = |arguments: &[&str], end: &str| {
        let output = cattail(
            &[&["explain", "--config", &file, "--url"], arguments].concat(),
            "",
        );
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with(end), "{arguments:?}: {text}");
    };
    ends(&["http://old.example.com/"], "the rule answers by itself\n");
    ends(&["/", "--host", "elsewhere"], "refused: no_rule\n");
    let inside = "http://inside.example.com/";
    let denied = "refused: access_denied\n";
    ends(&[inside, "--client", "192.0.2.1"], denied);
    let admitted = "the balance decides (no_session, round_robin)\n";
    ends(&[inside, "--client", "10.0.0.1"], admitted);
    ends(&[inside], admitted);
}

#[test]
fn what_cannot_be_explained_is_a_fault_of_the_command_line() {
    let (_folder, file) = shop("");
    let url = format!("shop/cart;jsessionid={SECRET}");
    let long = format!("/{}", "x".repeat(64 * 1024));
    let cases: [&[&str]; 6] = [
        &["explain", "--url", "/"],
        &["explain", "--config", &file],
        &["explain", "--config", &file, "--url", &url],
        &["explain", "--config", &file, "--url", &long],
        &["explain", "--config", &file, "--url", "/", "--down", "jvm9"],
        &["explain", "--admin", "127.0.0.1:1", "--url", "/"],
    ];
    for arguments in cases {
        let output = cattail(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    let help = cattail(&["explain", "--help"], "").stdout;
    let help = String::from_utf8(help).unwrap();
    assert!(help.contains("secrets"), "{help}");
}
