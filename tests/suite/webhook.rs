//! `events.webhook`: a receiver is told of events, whatever it does and wherever it is.

use std::fs;
use std::process::Command;
use std::time::Duration;

use cattail::standin::{BodyEnd, Fault, Recorded, Then};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::administer_stage::*;
use super::harness::*;

/// As a receiver has it that knows its senders by it.
const PATH: &str = "/events/hush";

/// Two Tomcats, a proxy in front that takes orders, and a receiver of its events.
struct Stage {
    tomcats: [Tomcat; 2],
    receiver: Tomcat,
    proxy: Administered,
}

fn text(tomcats: &[Tomcat; 2], receiver: &Tomcat, more: &str) -> String {
    let shop = sticky_cluster(
        &tomcats.each_ref(),
        "slow_start: 0s\nsession_idle: 1s\nhealth: { path: /echo, interval: 50ms, rise: 1, fall: 1 }",
    );
    let url = format!("http://{}{PATH}?room=ops", receiver.address());
    format!("events: {{ webhook: {{ url: '{url}', {more} }} }}\n{shop}")
}

impl Stage {
    fn set(more: &str) -> Self {
        let tomcats = tomcats(["jvm1", "jvm2"]);
        let receiver = Tomcat::start("receiver");
        let proxy = Administered::start(&text(&tomcats, &receiver, more));
        Self {
            tomcats,
            receiver,
            proxy,
        }
    }

    fn reload(&self, receiver: &Tomcat, more: &str) {
        let text = text(&self.tomcats, receiver, more);
        self.proxy.reload(&text).expect("is taken");
    }

    /// Orders this weight, which is an event and nothing else.
    fn order(&self, weight: u32) {
        let order = json!({ "weight": weight });
        self.proxy.put("jvm1", "weight", &order).expect(200);
    }

    fn counted(&self, metric: &str, labels: &[(&str, &str)]) -> i64 {
        self.proxy.metrics().value(metric, labels)
    }

    fn requests(&self, result: &str) -> i64 {
        self.counted("cattail_webhook_requests_total", &[("result", result)])
    }

    fn waiting(&self) -> i64 {
        self.counted("cattail_events_waiting", &[])
    }

    fn dropped(&self, reason: &str) -> i64 {
        self.counted("cattail_events_dropped_total", &[("reason", reason)])
    }

    #[track_caller]
    fn wait_until_told(&self, texts: &[&str]) {
        eventually("the receiver is told", || {
            told(&self.receiver).len() >= texts.len()
        });
        assert_eq!(told(&self.receiver), texts);
    }
}

fn body(request: &Recorded) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

/// The texts of what the receiver was sent, in order.
fn told(receiver: &Tomcat) -> Vec<String> {
    let texts = receiver.requests();
    let is_told = |it: &&Recorded| it.target.starts_with(PATH) && it.body_end == BodyEnd::Complete;
    let texts = texts.iter().filter(is_told);
    texts
        .map(|request| body(request)["text"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_receiver_is_told_what_the_api_shows() {
    let stage = Stage::set("");
    let draining = json!({ "state": "draining" });
    stage.proxy.put("jvm1", "state", &draining).expect(200);
    stage.tomcats[1].kill();
    eventually("it is drained, and the other is down", || {
        stage.proxy.told().len() >= 4
    });
    let expected = stage.proxy.told();
    eventually("all is told", || {
        stage.receiver.requests().len() >= expected.len()
    });
    let requests = stage.receiver.requests();
    let mut bodies: Vec<_> = requests.iter().map(body).collect();
    for body in &mut bodies {
        let host = body.as_object_mut().unwrap().remove("host").unwrap();
        assert!(!host.as_str().unwrap().is_empty(), "{host}");
    }
    assert_eq!(bodies, expected);
    let kinds: Vec<_> = bodies.iter().map(|body| &body["kind"]).collect();
    for kind in ["order", "state", "drained"] {
        assert!(kinds.contains(&&json!(kind)), "{kinds:?}");
    }
    let first = &requests[0];
    assert_eq!(first.method, "POST");
    assert_eq!(first.target, format!("{PATH}?room=ops"));
    assert_eq!(first.header("Content-Type"), Some("application/json"));
    assert_eq!(first.header("Authorization"), None);
    let host = stage.receiver.address().to_string();
    assert_eq!(first.header("Host"), Some(host.as_str()));
    eventually("all are counted", || {
        stage.requests("delivered") == i64::try_from(expected.len()).unwrap()
    });
    assert_eq!(stage.waiting(), 0);
}

#[test]
fn only_the_kinds_that_are_wanted_are_told() {
    let stage = Stage::set("kinds: [order]");
    stage.tomcats[1].kill();
    eventually("it is down", || !stage.proxy.is_up(&stage.tomcats[1]));
    stage.order(3);
    stage.wait_until_told(&["ordered: weight 3"]);
}

#[test]
fn events_wait_for_a_receiver_that_is_down() {
    let stage = Stage::set("kinds: [order]");
    stage.receiver.kill();
    stage.order(3);
    stage.order(4);
    eventually("it is tried twice", || stage.requests("connect") >= 2);
    assert_eq!(stage.waiting(), 2);
    stage.receiver.restart().expect("restarts");
    stage.wait_until_told(&["ordered: weight 3", "ordered: weight 4"]);
    eventually("nothing waits", || stage.waiting() == 0);
    assert_eq!(stage.counted("cattail_events_dropped_total", &[]), 0);
}

#[test]
fn answers_that_do_not_take_an_event_have_it_sent_again() {
    let elsewhere = Tomcat::start("elsewhere");
    let redirect = format!(
        "HTTP/1.1 307 \r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
        elsewhere.address()
    );
    for (fault, result) in [
        (Fault::Status(500), "status"),
        (Fault::Raw(redirect.into_bytes(), Then::Close), "status"),
        (Fault::Junk, "broken"),
        (Fault::EndlessInterim, "broken"),
        (Fault::HugeHead, "broken"),
        (Fault::ResetBeforeBody, "broken"),
        (Fault::UnaskedUpgrade, "status"),
    ] {
        let stage = Stage::set("kinds: [order]");
        stage.receiver.script(PATH, fault.clone());
        stage.order(3);
        eventually(&format!("{fault:?} is counted"), || {
            stage.requests(result) >= 1
        });
        stage.receiver.unscript(PATH);
        eventually("it is told", || stage.requests("delivered") == 1);
        assert!(told(&stage.receiver).contains(&"ordered: weight 3".to_owned()));
        assert_eq!(stage.waiting(), 0, "{fault:?}");
    }
    assert_eq!(elsewhere.count(), 0);
}

/// What matters is the status: whatever comes behind it, the event has arrived.
#[test]
fn an_answer_that_never_ends_takes_an_event_all_the_same() {
    for fault in [Fault::HalfBody, Fault::HangInBody, Fault::ChunkedBadSize] {
        let stage = Stage::set("kinds: [order]");
        stage.receiver.script(PATH, fault);
        stage.order(3);
        stage.order(4);
        stage.wait_until_told(&["ordered: weight 3", "ordered: weight 4"]);
        eventually("both are taken", || stage.requests("delivered") == 2);
        stage.receiver.unscript(PATH);
    }
}

#[test]
fn a_receiver_that_hangs_stalls_no_health_check() {
    let stage = Stage::set("timeout: 1m");
    stage.receiver.hold(PATH);
    stage.order(3);
    eventually("it hangs", || !stage.receiver.requests().is_empty());
    for _ in 0..2 {
        let began = Instant::now();
        stage.tomcats[1].kill();
        eventually("it is down", || !stage.proxy.is_up(&stage.tomcats[1]));
        stage.tomcats[1].restart().expect("restarts");
        eventually("it is up", || stage.proxy.is_up(&stage.tomcats[1]));
        assert!(began.elapsed() < scaled(Duration::from_secs(5)));
    }
    assert_eq!(get(stage.proxy.address(), "/echo").status(), 200);
    assert!(stage.waiting() >= 5);
    stage.receiver.release(PATH);
    eventually("all is told", || stage.waiting() == 0);
    assert_eq!(told(&stage.receiver).len(), stage.proxy.told().len());
}

#[test]
fn a_slow_receiver_gets_all_events_in_order() {
    let stage = Stage::set("kinds: [order]");
    stage
        .receiver
        .script(PATH, Fault::Delay(Duration::from_millis(150)));
    let weights = 1..=8;
    weights.clone().for_each(|weight| stage.order(weight));
    let expected: Vec<_> = weights.map(|it| format!("ordered: weight {it}")).collect();
    eventually("all are told", || stage.requests("delivered") == 8);
    assert_eq!(told(&stage.receiver), expected);
}

#[test]
fn a_full_queue_drops_the_oldest_and_counts_them() {
    let stage = Stage::set("kinds: [order], queue: 2, timeout: 1m");
    stage.receiver.hold(PATH);
    stage.order(1);
    eventually("it is under way", || told(&stage.receiver).len() == 1);
    (2..=7).for_each(|weight| stage.order(weight));
    eventually("four are dropped", || stage.dropped("full") == 4);
    assert_eq!(stage.waiting(), 3);
    stage.receiver.release(PATH);
    stage.wait_until_told(&[
        "ordered: weight 1",
        "ordered: weight 6",
        "ordered: weight 7",
    ]);
}

#[test]
fn an_event_that_the_receiver_does_not_understand_holds_no_other_up() {
    let stage = Stage::set("kinds: [order]");
    stage.receiver.script_times(PATH, 1, Fault::Status(422));
    stage.order(1);
    stage.order(2);
    stage.wait_until_told(&["ordered: weight 1", "ordered: weight 2"]);
    eventually("it is counted", || stage.dropped("unfit") == 1);
}

#[test]
fn a_token_that_was_wrong_is_set_right_by_a_reload_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "wrong-battery\n").unwrap();
    let more = format!("kinds: [order], token_file: '{}'", file.display());
    let stage = Stage::set(&more);
    stage.receiver.script(PATH, Fault::Status(401));
    stage.order(1);
    stage.order(2);
    eventually("it is refused", || stage.requests("status") >= 1);
    let first = stage.receiver.requests().remove(0);
    assert_eq!(first.header("Authorization"), Some("Bearer wrong-battery"));
    fs::write(&file, "right-horse\n").unwrap();
    stage.reload(&stage.receiver, &more);
    eventually("the other one is shown", || {
        let last = stage.receiver.last_request();
        last.header("Authorization") == Some("Bearer right-horse")
    });
    stage.receiver.unscript(PATH);
    eventually("both are told", || stage.requests("delivered") == 2);
    let last = stage.receiver.last_request();
    assert_eq!(last.header("Authorization"), Some("Bearer right-horse"));
    assert_eq!(body(&last)["text"], "ordered: weight 2");
    assert_eq!(stage.counted("cattail_events_dropped_total", &[]), 0);
}

#[test]
fn what_waits_follows_the_receiver_through_reloads() {
    let stage = Stage::set("kinds: [order], timeout: 1m");
    stage.receiver.hold(PATH);
    stage.order(1);
    eventually("it is under way", || told(&stage.receiver).len() == 1);
    stage.order(2);
    // Nothing changes for the receiver: what is under way goes on.
    stage.reload(&stage.receiver, "kinds: [order], timeout: 1m");
    let other = Tomcat::start("other");
    stage.reload(&other, "kinds: [order]");
    eventually("the other is told", || stage.requests("delivered") == 2);
    assert_eq!(told(&other), ["ordered: weight 1", "ordered: weight 2"]);
    assert_eq!(told(&stage.receiver), ["ordered: weight 1"]);
    stage.receiver.release(PATH);
    let shop = sticky_cluster(&stage.tomcats.each_ref(), "");
    stage.proxy.reload(&shop).expect("is taken");
    stage.order(3);
    stage.reload(&other, "kinds: [order]");
    stage.order(4);
    eventually("it is told of the last", || {
        stage.requests("delivered") == 3
    });
    assert_eq!(told(&other).last().unwrap(), "ordered: weight 4");
}

#[test]
fn what_waits_when_the_proxy_stops_is_sent_a_last_time() {
    let stage = Stage::set("kinds: [order], timeout: 1m");
    let Stage {
        tomcats: _tomcats,
        receiver,
        proxy,
    } = stage;
    receiver.script(PATH, Fault::Status(503));
    for weight in [1, 2] {
        let order = json!({ "weight": weight });
        proxy.put("jvm1", "weight", &order).expect(200);
    }
    eventually("they wait", || {
        let metrics = proxy.metrics();
        metrics.value("cattail_events_waiting", &[]) == 2
    });
    receiver.unscript(PATH);
    drop(proxy.stop());
    let told = told(&receiver);
    assert_eq!(
        told[told.len() - 2..],
        ["ordered: weight 1", "ordered: weight 2"]
    );
}

#[test]
fn a_dead_receiver_holds_the_end_up_for_two_seconds_at_most() {
    let stage = Stage::set("kinds: [order], timeout: 1m");
    stage.receiver.hold(PATH);
    stage.order(1);
    eventually("it hangs", || told(&stage.receiver).len() == 1);
    let Stage {
        tomcats: _tomcats,
        receiver,
        proxy,
    } = stage;
    let began = Instant::now();
    drop(proxy.stop());
    assert!(began.elapsed() < scaled(Duration::from_secs(5)));
    receiver.release(PATH);
}

/// The command itself, since only a process has a log: one line when it begins to fail, one when that
/// is over, and neither path nor token.
#[test]
fn the_log_tells_of_flips_and_of_no_secret() {
    let [tomcat, receiver] = tomcats(["jvm1", "receiver"]);
    let folder = tempfile::tempdir().unwrap();
    let [file, token, log] = ["a.yaml", "token", "log"].map(|name| folder.path().join(name));
    fs::write(&token, "hush-token\n").unwrap();
    let shop = sticky_cluster(
        &[&tomcat],
        "slow_start: 0s\nhealth: { path: /echo, interval: 50ms, rise: 1, fall: 1 }",
    );
    let webhook = format!(
        "url: 'http://{}{PATH}', token_file: '{}'",
        receiver.address(),
        token.display()
    );
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nworkers: 1\nadmin: off\nlog: {{ level: debug }}\n\
         events: {{ webhook: {{ {webhook} }} }}\n{shop}"
    );
    fs::write(&file, &text).unwrap();
    receiver.script_times(PATH, 2, Fault::Status(403));
    let mut child = Command::new(env!("CARGO_BIN_EXE_cattail"))
        .args(["run", "--config"])
        .arg(&file)
        // A pipe that nobody reads would stop it.
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    eventually("it is checked", || tomcat.count() > 0);
    tomcat.kill();
    eventually("it is told in the end", || receiver.requests().len() >= 3);
    tomcat.restart().expect("restarts");
    eventually("it is told of the return", || {
        told(&receiver).iter().any(|text| text.contains("-> up"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let said = fs::read_to_string(&log).unwrap();
    assert!(!said.contains("hush"), "{said}");
    let lines = |part: &str| said.lines().filter(|line| line.contains(part)).count();
    assert_eq!(lines("events cannot be delivered"), 1, "{said}");
    assert_eq!(lines("answered with status 403"), 1, "{said}");
    assert_eq!(lines("events are delivered again"), 1, "{said}");
    let shown = Command::new(env!("CARGO_BIN_EXE_cattail"))
        .args(["show-config"])
        .arg(&file)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let address = receiver.address();
    assert!(shown.contains(&format!("http://{address}/***")), "{shown}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn a_token_that_no_header_can_hold_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "hush\r\nX-Forged: 1\n").unwrap();
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let more = format!("token_file: '{}'", file.display());
    let receiver = Tomcat::start("receiver");
    let proxy = Administered::start(&sticky_cluster(&[&one, &two], ""));
    let refused = proxy
        .reload(&text(&[one, two], &receiver, &more))
        .unwrap_err();
    assert!(refused.contains("events.webhook.token_file"), "{refused}");
    assert!(!refused.contains("hush\r"), "{refused}");
    assert!(refused.contains("without white space"), "{refused}");
}

#[test]
fn a_receiver_by_tls_is_told_if_it_is_the_one_it_should_be() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let tomcats = tomcats(["jvm1", "jvm2"]);
    let receiver = Tomcat::start("receiver");
    receiver.raw_answer(PATH, "HTTP/1.1 204 \r\n\r\n");
    let front = TlsFront::start(&ca.issue(&["127.0.0.1"]), None, &receiver);
    let text = |ca: &Authority| {
        let shop = sticky_cluster(&tomcats.each_ref(), "");
        let (to, ca) = (front.address(), ca.file());
        let url = format!("https://{to}{PATH}");
        format!(
            "events: {{ webhook: {{ url: '{url}', ca: '{}', kinds: [order] }} }}\n{shop}",
            ca.display()
        )
    };
    let proxy = Administered::start(&text(&other));
    let order = |weight: u32| {
        let order = json!({ "weight": weight });
        proxy.put("jvm1", "weight", &order).expect(200);
    };
    order(7);
    eventually("is refused", || {
        let results = [("result", "connect")];
        proxy
            .metrics()
            .value("cattail_webhook_requests_total", &results)
            > 0
    });
    assert_eq!(receiver.requests_to(PATH).len(), 0);
    proxy.reload(&text(&ca)).expect("is taken");
    eventually("is told", || {
        let told = receiver.requests_to(PATH);
        let event = told
            .first()
            .map(|it| serde_json::from_slice::<Value>(&it.body));
        event.is_some_and(|event| event.is_ok_and(|event| event["kind"] == "order"))
    });
}
