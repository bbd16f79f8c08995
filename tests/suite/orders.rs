//! Orders of administrators: over the API and by commands, through reloads and restarts.

use serde_json::{Value, json};

use super::administer_stage::*;
use super::harness::*;

fn two() -> [Tomcat; 2] {
    tomcats(["jvm1", "jvm2"])
}

fn shop(tomcats: &[Tomcat; 2]) -> String {
    sticky_cluster(
        &tomcats.each_ref(),
        "slow_start: 0s\nhealth: { interval: 50ms }",
    )
}

fn state(state: &str) -> Value {
    json!({ "state": state })
}

/// Who gets new sessions now.
fn new_sessions(proxy: &Administered) -> Vec<String> {
    let mut served: Vec<_> = (0..8)
        .map(|_| {
            get(proxy.address(), "/echo")
                .expect(200)
                .tomcat()
                .to_owned()
        })
        .collect();
    served.sort();
    served.dedup();
    served
}

fn of_session(proxy: &Administered, id: &str) -> String {
    let request = Request::get("/echo").header("Cookie", &format!("JSESSIONID={id}"));
    request
        .send(proxy.address())
        .expect(200)
        .tomcat()
        .to_owned()
}

#[test]
fn a_drained_backend_keeps_its_sessions_and_gets_no_new_ones() {
    let tomcats = two();
    let proxy = Administered::start(&shop(&tomcats));
    let now = proxy
        .put("jvm1", "state", &state("draining"))
        .expect(200)
        .json();
    assert_eq!(
        (&now["state"], &now["ordered_state"]),
        (&json!("draining"), &json!("draining"))
    );
    assert_eq!(now["file_state"], "up");
    assert_eq!(new_sessions(&proxy), ["jvm2"]);
    assert_eq!(of_session(&proxy, "A1.jvm1"), "jvm1");
    proxy.put("jvm1", "state", &state("up")).expect(200);
    let now = proxy.backend("jvm1");
    assert_eq!(
        (&now["state"], &now["ordered_state"]),
        (&json!("up"), &Value::Null)
    );
    assert_eq!(new_sessions(&proxy), ["jvm1", "jvm2"]);
    let told: Vec<_> = proxy.told().iter().map(|it| it["text"].clone()).collect();
    let expected = [
        "ordered: draining",
        "up -> draining: an administrator says so",
        "left to the configuration again",
        "draining -> up: an administrator says so",
    ];
    assert_eq!(told, expected);
    assert_eq!(proxy.told()[0]["by"], "127.0.0.1");
}

#[test]
fn a_drain_ends_when_its_last_session_has_and_says_so() {
    let tomcats = two();
    let text = shop(&tomcats).replace("affinity: sticky", "affinity: sticky\n    session_idle: 1s");
    let proxy = Administered::start(&text);
    assert_eq!(of_session(&proxy, "A1.jvm1"), "jvm1");
    let drained = proxy.command(&["drain", "jvm1", "--wait", "--deadline", "60s"]);
    assert!(drained.status.success(), "{drained:?}");
    let text = String::from_utf8(drained.stdout).unwrap();
    assert_eq!(
        text,
        "shop/jvm1 draining: 0 sessions, 0 requests in flight\n"
    );
    eventually("it is told", || {
        proxy
            .told()
            .iter()
            .any(|it| it["kind"] == "drained" && it["backend"] == "jvm1")
    });
}

#[test]
fn a_drain_that_takes_too_long_is_told_by_the_exit_code() {
    let tomcats = two();
    let proxy = Administered::start(&shop(&tomcats));
    assert_eq!(of_session(&proxy, "A1.jvm1"), "jvm1");
    let drained = proxy.command(&["drain", "jvm1", "--wait", "--deadline", "1s"]);
    assert_eq!(drained.status.code(), Some(3), "{drained:?}");
    // It goes on nevertheless.
    assert_eq!(proxy.backend("jvm1")["state"], "draining");
}

#[test]
fn the_last_one_is_drained_only_by_force() {
    let tomcats = two();
    let proxy = Administered::start(&shop(&tomcats));
    proxy.put("jvm1", "state", &state("disabled")).expect(200);
    for wish in ["draining", "disabled"] {
        let refused = proxy.put("jvm2", "state", &state(wish)).expect(409).json();
        assert_eq!(refused["error"], "the_last");
    }
    let forced = json!({ "state": "draining", "force": true });
    proxy.put("jvm2", "state", &forced).expect(200);
    assert_eq!(proxy.backend("jvm2")["state"], "draining");
}

#[test]
fn sessions_that_cannot_move_are_not_evacuated() {
    let tomcats = two();
    let proxy = Administered::start(&shop(&tomcats));
    let refused = proxy
        .put("jvm1", "state", &state("evacuating"))
        .expect(409)
        .json();
    assert_eq!(refused["error"], "not_replicated");
    let rolled = proxy.command(&["roll", "--restart-command", "true"]);
    assert_eq!(rolled.status.code(), Some(2), "{rolled:?}");
    assert_eq!(proxy.backend("jvm1")["state"], "up");
}

#[test]
fn a_weight_is_changed_and_left_to_the_file_again() {
    let tomcats = two();
    let text = shop(&tomcats).replace("affinity: sticky", "affinity: none");
    let proxy = Administered::start(&text);
    let now = proxy
        .put("jvm1", "weight", &json!({ "weight": 3 }))
        .expect(200)
        .json();
    assert_eq!(
        (&now["weight"], &now["file_weight"]),
        (&json!(3), &json!(1))
    );
    let served = |name: &str| {
        (0..8)
            .filter(|_| get(proxy.address(), "/echo").expect(200).tomcat() == name)
            .count()
    };
    assert_eq!(served("jvm1"), 6);
    proxy.delete("jvm1", "weight").expect(200);
    assert_eq!(served("jvm1"), 4);
    for weight in [0, 65_536] {
        let order = json!({ "weight": weight });
        assert_eq!(
            proxy.put("jvm1", "weight", &order).expect(422).json()["error"],
            "weight"
        );
    }
}

#[test]
fn orders_outlive_reloads_and_restarts() {
    let tomcats = two();
    let text = shop(&tomcats);
    let proxy = Administered::start(&text);
    proxy.put("jvm1", "state", &state("disabled")).expect(200);
    proxy
        .put("jvm2", "weight", &json!({ "weight": 7 }))
        .expect(200);
    proxy.reload(&text).expect("is taken");
    assert_eq!(proxy.backend("jvm1")["state"], "disabled");
    assert_eq!(proxy.backend("jvm2")["weight"], 7);
    let folder = proxy.stop();
    let proxy = Administered::start_in(folder, &text);
    assert_eq!(proxy.backend("jvm1")["state"], "disabled");
    assert_eq!(proxy.backend("jvm2")["ordered_weight"], 7);
    assert_eq!(new_sessions(&proxy), ["jvm2"]);
    proxy.delete("jvm1", "state").expect(200);
    eventually("it has answered", || proxy.backend("jvm1")["state"] == "up");
}

#[test]
fn a_state_file_that_is_none_stops_no_start() {
    let tomcats = two();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state.json"), "{}").unwrap();
    let proxy = Administered::start_in(folder, &shop(&tomcats));
    assert_eq!(new_sessions(&proxy), ["jvm1", "jvm2"]);
    // It is not overwritten: somebody may want to look into it.
    let folder = proxy.stop();
    let aside = folder.path().join("state.json.unreadable");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "{}");
    assert!(!folder.path().join("state.json").exists());
}

#[test]
fn a_backend_that_is_enabled_gets_nothing_before_it_has_answered() {
    let tomcats = two();
    let proxy = Administered::start(&shop(&tomcats));
    proxy.put("jvm1", "state", &state("disabled")).expect(200);
    tomcats[0].kill();
    let before = tomcats[0].count();
    proxy.put("jvm1", "state", &state("up")).expect(200);
    assert_eq!(proxy.backend("jvm1")["cause"], "ordered");
    assert_eq!(new_sessions(&proxy), ["jvm2"]);
    let attempts = |proxy: &Administered| {
        let of_one = [("backend", "jvm1")];
        proxy
            .metrics()
            .value("cattail_backend_attempts_total", &of_one)
    };
    assert_eq!((attempts(&proxy), tomcats[0].count()), (0, before));
    tomcats[0].restart().expect("restarts");
    let waited = proxy.command(&["wait", "jvm1", "--until", "up", "--deadline", "60s"]);
    assert!(waited.status.success(), "{waited:?}");
    assert_eq!(new_sessions(&proxy), ["jvm1", "jvm2"]);
}

#[test]
fn what_cannot_be_followed_is_refused_with_what_could() {
    let tomcats = two();
    let proxy = Administered::start(&shop(&tomcats));
    let strange = [
        (
            "jvm9",
            json!({ "state": "draining" }),
            404,
            "unknown_backend",
        ),
        ("jvm1", json!({ "state": "gone" }), 422, "unknown_state"),
        (
            "jvm1",
            json!({ "state": "draining", "colour": "red" }),
            400,
            "json",
        ),
        (
            "jvm1",
            json!({ "state": "draining", "rate": 0 }),
            422,
            "rate",
        ),
        ("jvm1", json!([]), 400, "json"),
    ];
    for (backend, order, status, error) in strange {
        let refused = proxy.put(backend, "state", &order).expect(status).json();
        assert_eq!(refused["error"], error, "{order}");
    }
    let path = "/api/v1/clusters/shop/backends/jvm1/state";
    let order = || Request::new("PUT", path).body(state("draining").to_string());
    let json = "application/json";
    // No token; a wrong one; a page of a browser; a form.
    let bare = order().header("Content-Type", json);
    bare.send(proxy.admin()).expect(401);
    let wrong = bare.header("Authorization", "Bearer correct-horsf");
    wrong.send(proxy.admin()).expect(401);
    let page = order()
        .header("Content-Type", json)
        .header("Origin", "http://evil.example");
    proxy.ask(page).expect(403);
    proxy
        .ask(order().header("Content-Type", "text/plain"))
        .expect(415);
    proxy
        .ask(Request::get("/api/v1/events?after=x"))
        .expect(400);
    for path in ["/api/v1/status", "/api/v1/events", path] {
        let status = Request::get(path).send(proxy.admin()).status();
        assert!(matches!(status, 401 | 405), "{path}: {status}");
    }
    assert!(proxy.told().is_empty());
    assert_eq!(proxy.backend("jvm1")["state"], "up");
}

#[test]
fn events_are_waited_for() {
    let tomcats = two();
    let proxy = Administered::start(&shop(&tomcats));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let asked = Request::get("/api/v1/events?after=0&wait_s=60");
            proxy.ask(asked).expect(200).json()
        });
        proxy.put("jvm1", "state", &state("draining")).expect(200);
        let events = waits.join().unwrap();
        assert_eq!(events["events"][0]["text"], "ordered: draining");
    });
}

#[test]
fn commands_show_how_everything_stands() {
    let tomcats = two();
    let proxy = Administered::start(&shop(&tomcats));
    let run = |arguments: &[&str]| {
        let output = proxy.command(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["drain", "shop/jvm1"]);
    run(&["weight", "jvm2", "5"]);
    let text = run(&["status"]);
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let lines: Vec<_> = text.lines().map(words).collect();
    assert_eq!(
        lines[1],
        ["BACKEND", "STATE", "WEIGHT", "SESSIONS", "REQUESTS", "WHY"]
    );
    assert_eq!(lines[2][..4], ["jvm1", "draining", "(file:", "up)"]);
    assert_eq!(lines[3][..5], ["jvm2", "up", "5", "(file:", "1)"]);
    let json: Value = serde_json::from_str(&run(&["status", "--format", "json"])).unwrap();
    assert_eq!(json["clusters"][0]["backends"][0]["state"], "draining");
    let events = run(&["events"]);
    assert!(
        events.contains(" shop/jvm1: ordered: draining (by 127.0.0.1)\n"),
        "{events}"
    );
    run(&["weight", "jvm2", "file"]);
    run(&["enable", "jvm1"]);
    let unknown = proxy.command(&["drain", "jvm7"]);
    assert_eq!(unknown.status.code(), Some(2));
    let told = String::from_utf8(unknown.stderr).unwrap();
    assert!(told.contains("shop/jvm1, shop/jvm2"), "{told}");
}

#[test]
fn the_description_of_the_api_is_true() {
    use cattail::admin::api::{OPENAPI, PATHS};
    let tomcats = two();
    let proxy = Administered::start(&shop(&tomcats));
    let description = get(proxy.admin(), "/api/v1/openapi.json")
        .expect(200)
        .json();
    assert_eq!(description, serde_json::from_str::<Value>(OPENAPI).unwrap());
    let described: Vec<_> = description["paths"].as_object().unwrap().iter().collect();
    assert_eq!(described.len(), PATHS.len());
    for (path, methods) in PATHS {
        let found = &description["paths"][path];
        let mut found: Vec<_> = found.as_object().unwrap().keys().collect();
        found.retain(|key| *key != "parameters");
        assert_eq!(found, methods, "{path}");
    }
    proxy.put("jvm1", "state", &state("draining")).expect(200);
    let whole = proxy.ask(Request::get("/api/v1/status")).expect(200).json();
    check(&description, "Status", &whole);
    check(&description, "BackendStatus", &proxy.backend("jvm1"));
    let events = proxy.ask(Request::get("/api/v1/events")).expect(200).json();
    check(&description, "Events", &events);
    check(
        &description,
        "Problem",
        &proxy.put("jvm9", "state", &state("up")).json(),
    );
}

/// That a value is what the description says: every key is described, none that it needs is
/// missing, and words are of those that it names.
#[track_caller]
fn check(description: &Value, schema: &str, value: &Value) {
    let schema = &description["components"]["schemas"][schema];
    fits(description, schema, value);
}

#[track_caller]
fn fits(description: &Value, schema: &Value, value: &Value) {
    if let Some(name) = schema["$ref"].as_str() {
        return check(description, name.rsplit('/').next().unwrap(), value);
    }
    let is = match schema["type"].as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("{other}"),
    };
    assert!(is, "{value} is no {schema}");
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{value} is none of {words:?}");
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        assert!(
            schema["properties"][key].is_object(),
            "{key} is not described"
        );
        fits(description, &schema["properties"][key], value);
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        assert!(
            !value[key.as_str().unwrap()].is_null(),
            "{key} is missing in {value}"
        );
    }
    for value in value.as_array().into_iter().flatten() {
        fits(description, &schema["items"], value);
    }
}
