//! What is said of sessions: the verdict of each answer, and why a session was lost.

use std::collections::BTreeMap;

use serde_json::Value;

use super::affinity_stage::*;
use super::harness::*;

/// All verdicts so far, by backend and in a word.
fn verdicts(proxy: &Proxy) -> [BTreeMap<String, u64>; 2] {
    ["backend", "verdict"].map(|label| counted(proxy, "cattail_session_verdicts_total", label))
}

fn losses(proxy: &Proxy) -> BTreeMap<String, u64> {
    counted(proxy, "cattail_sessions_lost_total", "cause")
}

/// Two Tomcats behind a proxy that knows the session `OLD-n1.jvm1` with the path `/`.
struct Stage {
    proxy: Proxy,
    text: String,
    one: Tomcat,
    two: Tomcat,
}

const ID: &str = "OLD-n1.jvm1";

impl Stage {
    fn set(more: &str) -> Self {
        let [one, two] = tomcats(["jvm1", "jvm2"]);
        let checked = if more.contains("health:") {
            ""
        } else {
            CHECKED
        };
        let text = sticky(&[&one, &two], &format!("{checked}\n{more}"));
        let stage = Self {
            proxy: Proxy::start(&text),
            text,
            one,
            two,
        };
        issues(&stage.one, "/login", ID);
        let login = get(stage.proxy.address(), "/login").expect(200);
        assert_eq!(login.cookie("JSESSIONID"), Some(ID));
        assert_eq!(
            verdicts(&stage.proxy),
            [counts([("jvm1", 1)]), counts([("created", 1)])]
        );
        stage
    }

    /// Both Tomcats answer with this cookie; who did, and the verdict.
    #[track_caller]
    fn told(&self, shown: &str, cookie: Option<&str>) -> (String, String) {
        for tomcat in [&self.one, &self.two] {
            match cookie {
                Some(cookie) => says(tomcat, "/page", &[&format!("Set-Cookie: {cookie}")]),
                None => says(tomcat, "/page", &[]),
            }
        }
        let before = verdicts(&self.proxy);
        let tomcat = served(self.proxy.address(), &shows("/page", shown));
        let after = verdicts(&self.proxy);
        let [by, verdict] = [0, 1].map(|side: usize| {
            let grown = after[side].iter();
            let mut grown = grown.filter(|(name, count)| before[side].get(*name) != Some(*count));
            let (name, _) = grown.next().expect("a verdict");
            assert!(grown.next().is_none(), "one answer, one verdict");
            name.clone()
        });
        assert_eq!(by, tomcat, "it counts at who answered");
        (tomcat, verdict)
    }
}

#[test]
fn the_owners_answers_tell_everyday_life() {
    for (cookie, verdict) in [
        (None, "carried_on"),
        (Some("lang=en; Path=/"), "carried_on"),
        (Some("JSESSIONID=OLD-n1.jvm1; Path=/"), "carried_on"),
        (Some("JSESSIONID=OLD-n2.jvm1; Path=/"), "store_node_changed"),
        (Some("JSESSIONID=OLD.jvm1; Path=/"), "store_node_changed"),
        (Some("JSESSIONID=NEW-n1.jvm1; Path=/"), "renewed"),
        // Another application's session leaves this one alone.
        (Some("JSESSIONID=NEW-n1.jvm1; Path=/admin"), "created"),
        (Some("JSESSIONID=; Path=/; Max-Age=0"), "ended"),
        (Some("JSESSIONID=OLD-n1.jvm1; Path=/; Max-Age=0"), "ended"),
        (
            Some("JSESSIONID=x; Path=/; Expires=Thu, 01-Jan-1970 00:00:10 GMT"),
            "ended",
        ),
        (Some("JSESSIONID=; Path=/admin; Max-Age=0"), "carried_on"),
    ] {
        let stage = Stage::set("");
        let told = stage.told(ID, cookie);
        assert_eq!(told, ("jvm1".to_owned(), verdict.to_owned()), "{cookie:?}");
        assert!(losses(&stage.proxy).is_empty(), "{cookie:?}");
    }
}

#[test]
fn a_survivors_answer_tells_whether_the_session_came_through() {
    for (cookie, verdict, cause) in [
        (None, "undecided", None),
        (Some("JSESSIONID=OLD-n1.jvm2; Path=/"), "taken_over", None),
        (Some("JSESSIONID=OLD-n2.jvm2; Path=/"), "taken_over", None),
        (
            Some("JSESSIONID=OLD-n2.jvm1; Path=/"),
            "store_node_changed",
            None,
        ),
        (
            Some("JSESSIONID=NEW-n1.jvm2; Path=/"),
            "lost",
            Some("owner_down"),
        ),
        (Some("JSESSIONID=NEW-n1.jvm2; Path=/admin"), "created", None),
        (Some("JSESSIONID=; Path=/; Max-Age=0"), "ended", None),
    ] {
        let stage = Stage::set("");
        lose(&stage.proxy, &stage.one);
        let told = stage.told(ID, cookie);
        assert_eq!(told, ("jvm2".to_owned(), verdict.to_owned()), "{cookie:?}");
        let expected = cause.map(|cause| (cause.to_owned(), 1));
        assert_eq!(
            losses(&stage.proxy),
            expected.into_iter().collect(),
            "{cookie:?}"
        );
    }
}

const ANEW: Option<&str> = Some("JSESSIONID=NEW.jvm2; Path=/");

#[test]
fn every_loss_has_its_cause() {
    let lost = |stage: &Stage, shown: &str, cookie: Option<&str>, cause: &str| {
        assert_eq!(stage.told(shown, cookie).1, "lost", "{cause}");
        assert_eq!(losses(&stage.proxy), counts([(cause, 1)]));
    };
    let stage = Stage::set("");
    stage
        .proxy
        .reload(&with(&stage.text, "jvm1", "state: disabled"))
        .unwrap();
    lost(&stage, ID, ANEW, "owner_disabled");

    // No check comes before the request.
    let stage = Stage::set("health: { interval: 1h }");
    stage.one.kill();
    lost(&stage, ID, ANEW, "not_connected");

    let stage = Stage::set("");
    lost(&stage, "OTHER.old", ANEW, "unknown_route");

    // Its owner is back and has forgotten it.
    let stage = Stage::set("");
    lose(&stage.proxy, &stage.one);
    find_again(&stage.proxy, &stage.one);
    let anew = Some("JSESSIONID=NEW.jvm1; Path=/");
    lost(&stage, ID, anew, "restarted");

    // Once it has served the session again, a new id is a login.
    let stage = Stage::set("");
    lose(&stage.proxy, &stage.one);
    find_again(&stage.proxy, &stage.one);
    assert_eq!(stage.told(ID, None).1, "carried_on");
    assert_eq!(stage.told(ID, anew).1, "renewed");

    let stage = Stage::set("affinity: prefer");
    let full = with(&stage.text, "jvm1", "max_requests: 1");
    stage.proxy.reload(&full).unwrap();
    stage.one.hold("/slow");
    let _slow = begun(stage.proxy.address(), &shows("/slow", "X.jvm1"));
    stage
        .one
        .wait_for("it is full", |counts| counts.in_progress == 1);
    lost(&stage, ID, ANEW, "spilled");
}

/// A browser has several requests under way when its session is found to be lost.
#[test]
fn a_session_is_lost_once_however_many_requests_show_it() {
    let stage = Stage::set("");
    lose(&stage.proxy, &stage.one);
    let verdict = |stage: &Stage| stage.told(ID, ANEW).1;
    assert_eq!(verdict(&stage), "lost");
    assert_eq!(verdict(&stage), "created");
    assert_eq!(losses(&stage.proxy), counts([("owner_down", 1)]));

    // The first of the login's parallel requests has taken it over: it is no loss.
    let stage = Stage::set("");
    lose(&stage.proxy, &stage.one);
    let taken = Some("JSESSIONID=OLD-n1.jvm2; Path=/");
    assert_eq!(stage.told(ID, taken).1, "taken_over");
    assert_eq!(verdict(&stage), "renewed");
    assert!(losses(&stage.proxy).is_empty());
}

#[test]
fn answers_without_a_session_have_no_verdict() {
    let [one] = tomcats(["jvm1"]);
    let proxy = Proxy::start(&sticky(&[&one], r"ignore: '\.css$'"));
    served(proxy.address(), &Request::get("/echo"));
    says(
        &one,
        "/logout",
        &["Set-Cookie: JSESSIONID=; Path=/; Max-Age=0"],
    );
    served(proxy.address(), &Request::get("/logout"));
    says(&one, "/a.css", &[]);
    served(proxy.address(), &shows("/a.css", ID));
    assert_eq!(verdicts(&proxy), [counts([]), counts([])]);
}

#[test]
fn the_access_log_tells_the_verdict_and_the_routes_alone() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = format!("access_log: {{ path: '{}', format: json }}", path.display());
    let text = format!("workers: 1\n{log}\n{}", sticky(&[&one, &two], CHECKED));
    let proxy = Proxy::start(&text);
    lose(&proxy, &one);
    says(
        &two,
        "/taken",
        &["Set-Cookie: JSESSIONID=SECRET00-n1.jvm2; Path=/"],
    );
    for request in [
        shows("/taken", "SECRET00-n1.jvm1"),
        shows("/echo", "SECRET00-n1.jvm2"),
        shows("/echo", "SECRET01"),
        Request::get("/echo"),
    ] {
        served(proxy.address(), &request);
    }
    proxy.stop();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("SECRET"), "{text}");
    let told: Vec<_> = text
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            ["session", "route_in", "route_out"].map(|field| line[field].clone())
        })
        .collect();
    let row = |fields: [&str; 3]| {
        fields.map(|field| match field {
            "" => Value::Null,
            text => Value::from(text),
        })
    };
    let expected = [
        ["taken_over", "jvm1", "jvm2"],
        ["carried_on", "jvm2", ""],
        // Nobody owned it.
        ["undecided", "", ""],
        ["", "", ""],
    ];
    assert_eq!(told, expected.map(row));
}
