//! `cattail check`, `show-config` and `schema` as a user runs them: output and exit codes.

use std::fs;
use std::process::{Command, Output};

const GOOD: &str = "listeners:\n  - address: 0.0.0.0:80\nclusters:\n  shop:\n    backends:\n      \
     - { address: \"${TOMCAT}:8080\", jvm_route: jvm1 }\n";

fn cattail(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cattail"));
    command.args(arguments).env("TOMCAT", "10.0.0.32");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn file(content: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cattail.yaml");
    fs::write(&path, content).unwrap();
    (directory, path.to_str().unwrap().to_owned())
}

#[test]
fn a_good_file_is_ok_in_one_line() {
    let (_directory, path) = file(GOOD);
    let output = cattail(&["check", &path]);
    assert_eq!(output.status.code(), Some(0));
    let expected = format!("{path}: ok (1 listener, 1 rule, 1 cluster, 1 backend)\n");
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_bad_file_ends_with_2_and_its_problems_on_stderr() {
    let (_directory, path) = file("listeners: []\nclusterz: {}\n");
    let output = cattail(&["check", &path]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let told = text(&output.stderr);
    assert!(
        told.contains(&format!("{path}:1:12: listeners: ")),
        "{told}"
    );
    assert!(told.contains("hint: did you mean clusters?"), "{told}");
}

#[test]
fn programs_get_json_whatever_the_result() {
    let (_directory, path) = file("listeners: []\n");
    let output = cattail(&["check", &path, "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["problems"][0]["line"], 1);
    let (_directory, path) = file(GOOD);
    let output = cattail(&["check", &path, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["ok"], true);
}

#[test]
fn a_file_that_cannot_be_read_is_a_bad_configuration() {
    let output = cattail(&["check", "/nonexistent/cattail.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("No such file"), "{output:?}");
    let output = cattail(&["check", "/dev/zero"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("not a regular file"),
        "{output:?}"
    );
}

#[test]
fn the_shown_file_is_a_file() {
    let (_directory, path) = file(GOOD);
    let shown = text(&cattail(&["show-config", &path]).stdout);
    assert!(shown.contains("address: 10.0.0.32:8080"), "{shown}");
    let (_directory, path) = file(&shown);
    let again = cattail(&["show-config", &path]);
    assert_eq!(text(&again.stdout), shown);
}

#[test]
fn arguments_take_the_place_of_a_file() {
    let arguments = ["--listen", "0.0.0.0:80", "--backend", "jvm1=10.0.0.32:8080"];
    let shown = cattail(&[&["show-config"], &arguments[..]].concat());
    assert!(text(&shown.stdout).contains("jvm_route: jvm1"), "{shown:?}");
    let usage: [&[&str]; 4] = [
        &["show-config"],
        &["run", "--listen", "0.0.0.0:80"],
        &["run", "--config", "x.yaml", "--backend", "10.0.0.1:80"],
        &["no-such-command"],
    ];
    for arguments in usage {
        assert_eq!(cattail(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_schema_is_json() {
    let output = cattail(&["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["properties"]["clusters"]["type"][0], "object");
}

#[test]
fn files_named_in_a_file_are_looked_for_beside_it() {
    let named = "admin: { token_file: token }\nerrors: { pages: { 503: busy.html } }\n";
    let (directory, path) = file(&format!("{GOOD}{named}"));
    let output = cattail(&["check", &path]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    fs::write(directory.path().join("token"), "s3cret\n").unwrap();
    fs::write(directory.path().join("busy.html"), "<p>busy").unwrap();
    let output = cattail(&["check", &path]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&cattail(&["show-config", &path]).stdout);
    assert!(
        shown.contains(directory.path().to_str().unwrap()),
        "{shown}"
    );
    assert!(!shown.contains("s3cret"), "{shown}");
    fs::write(directory.path().join("token"), "\n").unwrap();
    let output = cattail(&["check", &path]);
    assert!(text(&output.stderr).contains("an empty file"), "{output:?}");
}

#[test]
fn a_secret_that_all_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, path) = file(&format!("{GOOD}admin: {{ token_file: token }}\n"));
    let token = directory.path().join("token");
    fs::write(&token, "s3cret").unwrap();
    for (mode, warned) in [(0o644, true), (0o640, false)] {
        fs::set_permissions(&token, fs::Permissions::from_mode(mode)).unwrap();
        let output = cattail(&["check", &path]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(
            text(&output.stderr).contains("chmod o-r"),
            warned,
            "{output:?}"
        );
    }
}

#[test]
fn the_environment_names_the_admin_address_where_the_file_does_not() {
    let cases = [
        ("", "0.0.0.0:9999", "  address: 0.0.0.0:9999\n"),
        ("", "", "  address: 127.0.0.1:9180\n"),
        ("admin:\n", "[::1]:9999", "  address: '[::1]:9999'\n"),
        ("admin: {}\n", "0.0.0.0:9999", "  address: 0.0.0.0:9999\n"),
        (
            "admin: { address: '127.0.0.1:1' }\n",
            "0.0.0.0:9999",
            "  address: 127.0.0.1:1\n",
        ),
        ("admin: off\n", "0.0.0.0:9999", "admin: \"off\"\n"),
    ];
    for (admin, named, expected) in cases {
        let (_directory, path) = file(&format!("{admin}{GOOD}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_cattail"));
        command.args(["show-config", &path]);
        command.env("TOMCAT", "10.0.0.32");
        let output = command
            .env("CATTAIL_ADMIN_ADDRESS", named)
            .output()
            .unwrap();
        let shown = text(&output.stdout);
        let shown = shown.replace('"', "'").replace("'off'", "\"off\"");
        assert!(shown.contains(expected), "{admin}{named}: {shown}");
    }
}

#[test]
fn a_bad_admin_address_of_the_environment_is_a_problem() {
    let (_directory, path) = file(GOOD);
    let mut command = Command::new(env!("CARGO_BIN_EXE_cattail"));
    command.args(["check", &path]).env("TOMCAT", "10.0.0.32");
    let output = command
        .env("CATTAIL_ADMIN_ADDRESS", "nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("admin.address: found \"nowhere\""), "{told}");
}
