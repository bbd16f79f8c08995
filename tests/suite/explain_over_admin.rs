//! `POST /explain` on the admin listener, and the command that asks it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use cattail::standin::Builder;

use super::harness::*;

const TOKEN: &str = "correct-horse";
const ID: &str = "D208779AB0E5DBE49C5DCBB0FE7D9D0E-n1.jvm1";
const QUESTION: &str =
    r#"{"url":"/echo","cookie":"JSESSIONID=D208779AB0E5DBE49C5DCBB0FE7D9D0E-n1.jvm1"}"#;

/// A sticky proxy with a token, and the file that the token stands in.
fn with_token(tomcats: &[&Tomcat]) -> (Proxy, tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let admin = format!("admin: {{ address: '127.0.0.1:0', token_file: '{file}' }}\n");
    let proxy = Proxy::start(&(admin + &sticky(tomcats, "")));
    (proxy, folder, file)
}

/// A sticky cluster of these Tomcats, with their jvm routes.
pub(crate) fn sticky(tomcats: &[&Tomcat], more: &str) -> String {
    let mut text = format!("clusters:\n  shop:\n    {more}\n    backends:\n");
    for tomcat in tomcats {
        let (name, address) = (tomcat.name(), tomcat.address());
        writeln!(
            text,
            "      - {{ jvm_route: {name}, address: '{address}' }}"
        )
        .unwrap();
    }
    text
}

fn question() -> Request {
    Request::post("/explain", QUESTION)
        .header("Authorization", "Bearer correct-horse")
        .header("Content-Type", "application/json")
}

fn command(proxy: &Proxy, token_file: &str) -> Output {
    let admin = proxy.admin().to_string();
    let arguments = ["explain", "--admin", &admin, "--token-file", token_file];
    let mut child = Command::new(env!("CARGO_BIN_EXE_cattail"))
        .args(arguments)
        .args(["--url", "http://shop.example/echo", "--cookie", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "Cookie: JSESSIONID={ID}").ok();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn a_running_proxy_explains_by_its_real_states() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let (proxy, _folder, token_file) = with_token(&[&one, &two]);
    one.kill();
    let cookie = format!("JSESSIONID={ID}");
    let answer = Request::get("/echo").header("Cookie", &cookie);
    assert_eq!(answer.send(proxy.address()).expect(200).tomcat(), "jvm2");
    let answer = question().send(proxy.admin()).expect(200);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert!(!answer.text().contains("D208779"), "{}", answer.text());
    let found = answer.json();
    assert_eq!(found["ids"][0]["id"], "D20877*-n1.jvm1");
    assert_eq!(found["owner"]["backend"], "jvm1");
    assert_eq!(found["backends"][0]["state"], "down");
    assert_eq!(found["choice"]["backend"], "jvm2");
    let output = command(&proxy, &token_file);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.ends_with("choice    jvm2 (survivor)\n") && !text.contains("D208779"),
        "{text}"
    );
}

#[test]
fn a_session_that_only_the_ledger_knows_is_explained_by_it() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let (proxy, ..) = with_token(&[&one, &two]);
    let cookie = "JSESSIONID=0123456789ABCDEF";
    let request = Request::get("/echo").header("Cookie", cookie);
    let tomcat = request.send(proxy.address()).expect(200);
    let ask = Request::post("/explain", format!(r#"{{"url":"/","cookie":"{cookie}"}}"#));
    let ask = ask
        .header("Authorization", "Bearer correct-horse")
        .header("Content-Type", "application/json");
    let found = ask.send(proxy.admin()).expect(200).json();
    assert_eq!(found["owner"]["backend"], tomcat.tomcat());
    assert_eq!(found["owner"]["by"], "ledger");
    assert_eq!(found["choice"]["binding"], "owner");
}

#[test]
fn asking_changes_nothing_and_is_counted_nowhere() {
    let tomcat = Tomcat::start("jvm1");
    let (proxy, ..) = with_token(&[&tomcat]);
    let counted = || {
        let metrics = proxy.metrics();
        [
            "cattail_session_requests_total",
            "cattail_session_ids_rejected_total",
            "cattail_route_alarms_total",
            "cattail_sessions",
            "cattail_requests_total",
        ]
        .map(|name| metrics.value(name, &[]))
    };
    let before = counted();
    for cookie in [
        "JSESSIONID=.jvm1",
        "JSESSIONID=ABCDEFGH.jvm9",
        "JSESSIONID=ABCDEFGH",
    ] {
        let body = format!(r#"{{"url":"/","cookie":"{cookie}"}}"#);
        let ask = Request::post("/explain", body)
            .header("Authorization", "Bearer correct-horse")
            .header("Content-Type", "application/json");
        ask.send(proxy.admin()).expect(200);
    }
    assert_eq!(counted(), before);
    assert_eq!(tomcat.count(), 0);
}

#[test]
fn without_a_configured_token_nothing_is_explained() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&sticky(&[&tomcat], ""));
    let refused = question().send(proxy.admin()).expect(403);
    assert!(refused.text().contains("token_file"), "{}", refused.text());
}

#[test]
fn only_who_shows_the_token_is_answered() {
    let tomcat = Tomcat::start("jvm1");
    let (proxy, folder, _) = with_token(&[&tomcat]);
    for shown in [
        None,
        Some("Bearer"),
        Some("Bearer correct-hors"),
        Some("Basic correct-horse"),
    ] {
        let mut ask =
            Request::post("/explain", QUESTION).header("Content-Type", "application/json");
        if let Some(shown) = shown {
            ask = ask.header("Authorization", shown);
        }
        let refused = ask.send(proxy.admin()).expect(401);
        assert_eq!(refused.header("WWW-Authenticate"), Some("Bearer"));
    }
    let wrong = folder.path().join("wrong");
    fs::write(&wrong, "battery-staple").unwrap();
    let output = command(&proxy, wrong.to_str().unwrap());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("401") && told.contains("token_file"),
        "{told}"
    );
    assert!(
        !told.contains("staple") && !told.contains("D208779"),
        "{told}"
    );
}

#[test]
fn pages_of_other_sites_are_refused_even_with_the_token() {
    let tomcat = Tomcat::start("jvm1");
    let (proxy, ..) = with_token(&[&tomcat]);
    for (name, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        question()
            .header(name, value)
            .send(proxy.admin())
            .expect(403);
    }
    for value in ["same-origin", "none"] {
        let ask = question().header("Sec-Fetch-Site", value);
        ask.send(proxy.admin()).expect(200);
    }
}

#[test]
fn what_is_no_question_is_refused_and_not_repeated() {
    let tomcat = Tomcat::start("jvm1");
    let (proxy, ..) = with_token(&[&tomcat]);
    let ask = |body: &str, kind: &str| {
        let ask = Request::post("/explain", body)
            .header("Authorization", "Bearer correct-horse")
            .header("Content-Type", kind);
        ask.send(proxy.admin())
    };
    let json = "application/json";
    ask(QUESTION, "text/plain").expect(415);
    let large = format!(r#"{{"url":"/","cookie":"{}"}}"#, "x".repeat(64 * 1024));
    ask(&large, json).expect(413);
    for body in [
        "",
        "{}",
        r#"{"url":{"SECRET":1}}"#,
        r#"{"url":"/","SECRET":1}"#,
        r#"{"url":"/","client":"SECRET"}"#,
        r#"{"url":"SECRET/;jsessionid=SECRET"}"#,
        r#"{"url":"/","host":"SECRET SECRET"}"#,
        r#"{"url":"/","cookie":"SECRET\u0007"}"#,
    ] {
        let refused = ask(body, json).expect(400);
        assert!(!refused.text().contains("SECRET"), "{}", refused.text());
    }
    let answer = get(proxy.admin(), "/explain").expect(405);
    assert!(answer.header("Allow").unwrap().contains("POST"));
}

/// What the running proxy explains of this cookie.
pub(crate) fn explained(proxy: &Proxy, cookie: &str) -> serde_json::Value {
    let body = serde_json::json!({ "url": "http://shop.example/session", "cookie": cookie });
    let ask = Request::post("/explain", body.to_string())
        .header("Authorization", "Bearer correct-horse")
        .header("Content-Type", "application/json");
    ask.send(proxy.admin()).expect(200).json()
}

/// A proxy that explains, of clusters that `text` describes.
pub(crate) fn with_cluster(text: &str) -> (Proxy, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, TOKEN).unwrap();
    let file = file.display();
    let admin = format!("admin: {{ address: '127.0.0.1:0', token_file: '{file}' }}\n");
    (Proxy::start(&(admin + text)), folder)
}

#[test]
fn a_request_in_flight_at_a_survivor_shows_as_its_pin() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let (proxy, ..) = with_token(&[&one, &two]);
    one.kill();
    let cookie = format!("JSESSIONID={ID}");
    two.hold("/session");
    let mut client = Raw::connect(proxy.address());
    let request = Request::get("/session").header("Cookie", &cookie);
    client.send(request.bytes());
    two.wait_for_requests(1);
    one.restart().expect("restarts");
    eventually("jvm1 is back", || proxy.is_up(&one));
    let found = explained(&proxy, &cookie);
    assert_eq!(found["choice"]["backend"], "jvm2", "{found:#}");
    assert_eq!(found["choice"]["binding"], "pin", "{found:#}");
    assert_eq!(found["backends"][1]["notes"][0], "pinned", "{found:#}");
    two.release("/session");
    client.read_response().expect(200);
}

#[test]
fn a_full_owner_lets_its_session_wait_or_refuses_and_does_not_lose_it() {
    for length in [0, 9] {
        let [one, two] = tomcats(["jvm1", "jvm2"]);
        let more = format!("queue: {{ length: {length}, time: 90s }}");
        let text = sticky(&[&one, &two], &more)
            .replace("jvm_route: jvm1,", "jvm_route: jvm1, max_requests: 1,");
        let (proxy, _folder) = with_cluster(&text);
        let cookie = format!("JSESSIONID={ID}");
        one.hold("/echo");
        let mut client = Raw::connect(proxy.address());
        client.send(Request::get("/echo").header("Cookie", &cookie).bytes());
        one.wait_for_requests(1);
        let found = explained(&proxy, &cookie);
        assert_eq!(found["backends"][0]["notes"][1], "full", "{found:#}");
        let choice = &found["choice"];
        if length == 0 {
            assert_eq!(choice["error"], "backends_full", "{found:#}");
            let refused = Request::get("/page").header("Cookie", &cookie);
            refused.send(proxy.address()).expect(503);
        } else {
            assert_eq!(choice["way"], "queue", "{found:#}");
            assert_eq!(choice["backend"], "jvm1", "{found:#}");
            assert_eq!(choice["queue_ms"], 90_000, "{found:#}");
            assert_eq!(choice["binding"], "owner", "{found:#}");
        }
        one.release("/echo");
        client.read_response().expect(200);
    }
}

#[test]
fn a_session_whose_survivors_are_all_full_is_told_so_by_answer_and_explanation() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = "affinity: prefer\n    queue: { length: 0 }";
    let text = sticky(&[&one, &two], more)
        .replace("jvm_route: jvm2,", "jvm_route: jvm2, max_requests: 1,");
    let (proxy, _folder) = with_cluster(&text);
    one.kill();
    eventually("jvm1 is down", || {
        get(proxy.address(), "/page");
        !proxy.is_up(&one)
    });
    two.hold("/echo");
    let mut client = Raw::connect(proxy.address());
    let before = two.count();
    client.send(Request::get("/echo").bytes());
    two.wait_for_requests(before + 1);
    let cookie = format!("JSESSIONID={ID}");
    let found = explained(&proxy, &cookie);
    assert_eq!(found["choice"]["error"], "backends_full", "{found:#}");
    let refused = Request::get("/page").header("Cookie", &cookie);
    let refused = refused.send(proxy.address()).expect(503);
    assert!(refused.text().contains("503"), "{}", refused.text());
    two.release("/echo");
    client.read_response().expect(200);
}

/// How the owner of a session is known that this Tomcat has just made, and its cookies.
fn known_by(tomcat: &Tomcat, more: &str) -> (String, serde_json::Value) {
    let address = tomcat.address();
    let backends = format!("backends: [{{ name: one, address: '{address}' }}]");
    let (proxy, _folder) =
        with_cluster(&format!("clusters:\n  shop:\n    {more}\n    {backends}\n"));
    let mut browser = Browser::new(proxy.address());
    browser.get("/session").expect(200);
    let pairs = browser.cookies.iter();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let found = explained(&proxy, &pairs.join("; "));
    assert_eq!(found["owner"]["backend"], "one", "{found:#}");
    assert_eq!(found["choice"]["binding"], "owner", "{found:#}");
    let forged = browser.cookies.keys().find(|name| *name != "JSESSIONID");
    let forged = forged.map_or_else(String::new, |name| format!("; {name}=AAAA"));
    let id = browser.session_id();
    let found_forged = explained(&proxy, &format!("JSESSIONID={id}{forged}"));
    (
        found["owner"]["by"].as_str().unwrap().to_owned(),
        found_forged,
    )
}

#[test]
fn it_is_told_how_an_owner_is_known() {
    let named = Tomcat::start("jvm1");
    let nameless = Tomcat::build("jvm2", Builder::without_jvm_route);
    assert_eq!(known_by(&named, "owner: learn").0, "learned_route");
    assert_eq!(known_by(&nameless, "owner: learn").0, "ledger");
    assert_eq!(known_by(&nameless, "owner: append").0, "own_route");
    let (by, forged) = known_by(&nameless, "owner: cookie");
    assert_eq!(by, "affinity_cookie");
    assert_eq!(forged["ids"][1]["rejected"], "seal_forged", "{forged:#}");
    assert_eq!(forged["owner"]["by"], "ledger", "{forged:#}");
}
